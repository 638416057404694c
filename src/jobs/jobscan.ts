// Owns: which rows of the job table a listing is about: what a filter means for a row, and the loop that looks for such rows. Who asks,
// how many rows at a time and how they are shown is the business of src/cluster.
// (N1) Every row that fits is found: the classes that fit are worked out anew when the classes in use have changed.
//
// The loop is plain and reads columns: over ten million rows a call per row, which asked for class and status as objects, took 22 to 33 ns
// a row, and this takes 2 to 6, most of it for memory. So a filter that fits nothing costs the whole table 20 to 60 ms of the processor.

import { jobFlags } from "./jobtable.ts";
import { liveState } from "./livetable.ts";
import type { State } from "./state.ts";
import type { JobFilter } from "./views.ts";

/** Words of a status that stand for live states, as bits 1 << state; some for two each. */
export const liveStatesOf: ReadonlyMap<string, number> = new Map([
  ["queued", (1 << liveState.queued) | (1 << liveState.retrying)],
  ["running", (1 << liveState.running) | (1 << liveState.cancelling)],
  ["retrying", 1 << liveState.retrying],
  ["cancelling", 1 << liveState.cancelling],
]);
const ANY = -1;

export class JobScan {
  private readonly state: State;
  private readonly filter: JobFilter;
  /** A row fits only if its flags, cut by the mask, are these. */
  private readonly mask: number;
  private readonly bits: number;
  /** States of the newest execution of a one-shot that fit, as bits; "none" for every other job. */
  private readonly newest: number;
  /** By class: 1 where it fits; of which classes this was worked out (N1). */
  private classes: Uint8Array = new Uint8Array(0);
  private classesSeen = -1;

  constructor(state: State, filter: JobFilter) {
    this.state = state;
    this.filter = filter;
    const { status } = filter;
    const live = status === undefined ? ANY : liveStatesOf.get(status);
    const { used, deleted, paused, oneShot } = jobFlags;
    this.newest = live ?? 1 << liveState.none;
    if (status === undefined) [this.mask, this.bits] = [used | deleted, used];
    else if (live !== undefined) [this.mask, this.bits] = [used | deleted | oneShot, used | oneShot];
    else [this.mask, this.bits] = [used | deleted | paused, status === "paused" ? used | paused : used];
  }

  /** False when no row fits, whatever rows there are. */
  get mayFind(): boolean {
    const { status } = this.filter;
    if (status !== undefined && status !== "scheduled" && status !== "paused" && !liveStatesOf.has(status)) return false;
    this.workOutClasses();
    return this.filter.jobType === undefined || this.classes.includes(1);
  }

  /** The first row in [from, end) that fits, `end` if there is none. */
  next(from: number, end: number): number {
    this.workOutClasses();
    const { mask, bits, newest, classes } = this;
    const { jobType, startFromMs = 0, startToMs = Number.POSITIVE_INFINITY } = this.filter;
    const { flags, class: classOf, dueAtMs, lastAtMs, liveHead } = this.state.jobs;
    const { state: states } = this.state.live;
    const isAnyTime = startFromMs <= 0 && startToMs === Number.POSITIVE_INFINITY;
    for (let job = from; job < end; job++) {
      const has = flags[job] as number;
      if ((has & mask) !== bits) continue;
      if (jobType !== undefined && classes[classOf[job] as number] !== 1) continue;
      if (!isAnyTime) {
        const dueMs = dueAtMs[job] as number;
        const startMs = dueMs === 0 ? (lastAtMs[job] as number) : dueMs;
        if (!(startMs >= startFromMs && startMs < startToMs)) continue;
      }
      if (newest === ANY) return job;
      const head = (has & jobFlags.oneShot) === 0 ? 0 : (liveHead[job] as number);
      if (((newest >>> (head === 0 ? liveState.none : (states[head] as number))) & 1) !== 0) return job;
    }
    return end;
  }

  private workOutClasses(): void {
    const { jobType } = this.filter;
    const { classes } = this.state;
    if (jobType === undefined || this.classesSeen === classes.changes) return;
    this.classesSeen = classes.changes;
    this.classes = classes.fitting(({ spec }) => spec.jobType === jobType);
  }
}
