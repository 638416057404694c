// Owns: simulated callers of the API that read: one job or pages of jobs, linearizable or stale, at random nodes. Every answer joins the
// history (history.ts), and is at once compared with the reference at the index that it names.
// (D1) A stale answer never goes back behind an earlier one of the same life of the same node.
// (D2) A stale answer is no older than it says, but for the flight of the frame that the node heard, and the time in which a leader
//      that was cut off may not have noticed.

import { PawlError } from "../../src/base/errors.ts";
import type { Answered, JobView } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import type { History } from "./history.ts";
import type { Judge } from "./judge.ts";
import type { Seen } from "./linear.ts";
import type { SimNode } from "./node.ts";
import { demand } from "./oracle.ts";
import type { Process, World } from "./world.ts";

/** A leader gives up after this time without a quorum, on the slowest clock. */
const DEPOSED_MS = 2.4 * limits.electionTimeoutMs;

export class Readers {
  readonly counts = { linearizable: 0, stale: 0, pages: 0, refused: 0 };
  private readonly world: World;
  private readonly nodes: readonly SimNode[];
  private readonly known: readonly string[];
  private readonly changed: readonly string[];
  private readonly history: History;
  private readonly judge: Judge;
  private readonly guard: (check: () => void) => void;
  /** The highest index that each life has answered at. */
  private readonly answeredAt = new Map<Process, number>();
  private quiet = false;

  constructor(
    world: World,
    nodes: readonly SimNode[],
    known: readonly string[],
    changed: readonly string[],
    history: History,
    judge: Judge,
    guard: (check: () => void) => void,
  ) {
    this.world = world;
    this.nodes = nodes;
    this.known = known;
    this.changed = changed;
    this.history = history;
    this.judge = judge;
    this.guard = guard;
  }

  begin(meanGapMs: number): void {
    if (this.quiet) return;
    const up = this.nodes.filter((node) => node.up);
    if (up.length > 0 && this.known.length > 0) this.ask(this.reader(up));
    this.world.at(this.world.between(0, 2 * meanGapMs), () => this.begin(meanGapMs));
  }

  stop(): void {
    this.quiet = true;
  }

  /** Often one that believes that it leads, also when it no longer does or stands still. */
  private reader(up: readonly SimNode[]): SimNode {
    const leaders = up.filter((node) => node.assembled?.replica.leads);
    return this.world.pick(leaders.length > 0 && this.world.chance(0.4) ? leaders : up);
  }

  /** A call reaches a process that stands still when it goes on. */
  private ask(node: SimNode): void {
    const { world } = this;
    const dice = world.random();
    const beganMs = world.nowMs;
    const jobId = world.chance(0.5) ? world.pick(this.known) : (this.changed.at(-1) ?? world.pick(this.known));
    world.first(node.process as Process, () => {
      if (!node.up) return;
      if (dice < 0.6) void this.job(node, jobId, beganMs);
      else if (dice < 0.85) void this.stale(node, jobId);
      else if (dice < 0.95) void this.page(node, beganMs);
      else void this.asked(node, () => node.ask({ kind: "executions", filter: { jobId }, limit: 20 }, "stale"));
    });
  }

  /** Now and then what was just acknowledged is read at once, everywhere. */
  acknowledged(jobId: string): void {
    const { world } = this;
    if (this.quiet || !world.chance(0.2)) return;
    const beganMs = world.nowMs;
    for (const node of this.nodes) {
      if (node.up) world.first(node.process as Process, () => void (node.up && this.job(node, jobId, beganMs)));
    }
  }

  /** A new leader is asked at once for what was acknowledged last: it must not answer before it knows what is committed. */
  leads(node: SimNode): void {
    const { process } = node;
    const jobId = this.changed.at(-1);
    if (this.quiet || jobId === undefined || process === undefined) return;
    const beganMs = this.world.nowMs;
    for (const delayMs of [0, 1, 3]) {
      this.world.at(delayMs, () => void (node.up && node.process === process && this.job(node, jobId, beganMs)), process);
    }
  }

  /** The answer; undefined when it was refused, or the node died before it came. */
  private async asked(node: SimNode, ask: () => Promise<Answered>): Promise<Answered | undefined> {
    const { process } = node;
    try {
      const answered = await ask();
      return process?.alive === true ? answered : undefined;
    } catch (error) {
      if (process?.alive !== true) return undefined;
      this.counts.refused++;
      const isRefusal = error instanceof PawlError && error.code !== "quarantined";
      if (!isRefusal) node.failed(error as Error);
      return undefined;
    }
  }

  /** A linearizable read of one job. */
  async job(node: SimNode, jobId: string, beganMs = this.world.nowMs): Promise<boolean> {
    const answered = await this.asked(node, () => node.ask({ kind: "job", jobId }, "linearizable"));
    if (answered?.answer.kind !== "job") return false;
    const { job } = answered.answer;
    this.guard(() => this.linearizable(node, jobId, job, beganMs, answered.appliedIndex));
    return true;
  }

  private linearizable(node: SimNode, jobId: string, job: JobView | undefined, beganMs: number, appliedIndex: number): void {
    this.counts.linearizable++;
    const seen = seenOf(job);
    this.history.add(jobId, { kind: "read", beganMs, endedMs: this.world.nowMs, seen, who: `${node.id} at ${appliedIndex}` });
    this.judge.shown(jobId, seen, appliedIndex, node.id);
  }

  private async page(node: SimNode, beganMs: number): Promise<void> {
    const query = { kind: "jobs", filter: {}, limit: limits.pageMax } as const;
    const answered = await this.asked(node, () => node.ask(query, "linearizable"));
    if (answered?.answer.kind !== "jobs") return;
    this.counts.pages++;
    for (const job of answered.answer.page.items) {
      const call = { kind: "read", beganMs, endedMs: this.world.nowMs, seen: seenOf(job), who: `page of ${node.id}` } as const;
      if (this.known.includes(job.jobId)) this.history.add(job.jobId, call);
    }
  }

  private async stale(node: SimNode, jobId: string): Promise<void> {
    const beganMs = this.world.nowMs;
    const answered = await this.asked(node, () => node.ask({ kind: "job", jobId }, "stale"));
    if (answered?.answer.kind !== "job") return;
    this.counts.stale++;
    const seen = seenOf(answered.answer.job);
    const { appliedIndex, ageMs } = answered;
    this.guard(() => {
      this.judge.shown(jobId, seen, appliedIndex, node.id);
      const process = node.process as Process;
      demand(appliedIndex >= (this.answeredAt.get(process) ?? 0), "stale read", `${node.id} went back to ${appliedIndex}`);
      this.answeredAt.set(process, appliedIndex);
      this.ageIsTrue(node, process, beganMs, ageMs, appliedIndex);
    });
  }

  /** (D2) The age is that of some moment between question and answer. */
  private ageIsTrue(node: SimNode, process: Process, beganMs: number, ageMs: number, appliedIndex: number): void {
    if (!Number.isFinite(ageMs) || this.judge.disturbedWithin(DEPOSED_MS)) return;
    const { nowMs, lateMs } = this.world;
    const heardMs = beganMs - ageMs / process.rate;
    const leads = node.assembled?.replica.leads === true;
    const untilMs = heardMs + nowMs - beganMs + lateMs;
    const frames = leads ? [] : node.heard.filter(({ atMs }) => atMs > heardMs - lateMs && atMs < untilMs);
    demand(leads || frames.length > 0, "stale read", `${node.id} says that it heard a leader ${ageMs.toFixed(1)} ms ago, and did not`);
    const sentMs = frames.reduce((earliest, frame) => Math.min(earliest, frame.sentMs), heardMs);
    const due = this.judge.appliedBy(sentMs - DEPOSED_MS);
    const text = `${node.id} answers at ${appliedIndex} and says ${ageMs.toFixed(0)} ms, at that time ${due} was applied somewhere`;
    demand(appliedIndex >= due, "stale read", text);
  }
}

export function seenOf(job: JobView | undefined): Seen | undefined {
  if (job === undefined) return undefined;
  return { revision: job.revision, tag: job.spec.description, paused: job.spec.paused, gone: job.status === "cancelled" };
}
