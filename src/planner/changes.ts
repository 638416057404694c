// Owns: from a caller's change to the command for the log: finds the row, merges the definition, computes due times. Runs on the
// leader at the moment the entry is put together; what it read is named in the command and checked again by apply (H1).
// (G1) Nothing is refused here that a repeated Idempotency-Key might answer: refusals about existence are left to apply (H11a).

import { parseExecutionId } from "../base/token.ts";
import { findJob } from "../jobs/applychanges.ts";
import { Bulk } from "../jobs/bulk.ts";
import type { Command, DefinitionFields, JobRef, KeyUse } from "../jobs/command.ts";
import { classText, scheduleText, specOf } from "../jobs/definition.ts";
import type { SharedSchedule } from "../jobs/definition.ts";
import { definitionOf } from "../jobs/definitionrows.ts";
import { PlanWriter } from "../jobs/items.ts";
import { patched } from "../jobs/spec.ts";
import type { JobSpec } from "../jobs/spec.ts";
import { specBytes } from "../jobs/specform.ts";
import type { State } from "../jobs/state.ts";
import type { Change } from "../jobs/views.ts";
import { isUnsure } from "../jobs/unsure.ts";
import { limits } from "../limits.ts";
import { IntervalSchedule } from "../schedule/interval.ts";
import { misfireItems, unsureItem } from "./planner.ts";
import { firstDue } from "./schedulebook.ts";
import type { ScheduleBook } from "./schedulebook.ts";

const absent: JobRef = { job: 0, generation: 0, revision: 0 };

/** The commands that make one change: first the records of due times that have passed (H1f), then the change itself. */
export type PlannedChange = { readonly settle: Uint8Array | undefined; readonly command: Command };

/** Setting the clock back is no change among others: src/cluster/steward.ts proposes it alone. */
export type Plannable = Exclude<Change, { kind: "lower_clock" }>;

export function planChange(state: State, book: ScheduleBook, change: Plannable, key: KeyUse | undefined, nowMs: number): PlannedChange {
  if (change.kind === "create") return { settle: undefined, command: createCommand(change.jobId, change.spec, key, nowMs) };
  if (change.kind === "create_many") return { settle: undefined, command: createManyCommand(change.batch, key, nowMs) };
  if (change.kind === "confirm_clock") return { settle: undefined, command: { kind: "clock", toMs: nowMs } };
  if (change.kind === "cancel_execution") {
    return {
      settle: undefined,
      command: { kind: "cancelExecution", key, sequence: parseExecutionId(state.idSpace, change.executionId) ?? 0 },
    };
  }
  const job = findJob(state, change.jobId);
  const ref = job === 0 ? absent : refOf(state, job);
  const settle = job === 0 ? undefined : settleItems(state, book, job, nowMs);
  return { settle, command: jobCommand(state, change, ref, key, nowMs) };
}

type JobChange = Exclude<Plannable, { kind: "create" | "create_many" | "cancel_execution" | "confirm_clock" }>;

function jobCommand(state: State, change: JobChange, ref: JobRef, key: KeyUse | undefined, nowMs: number): Command {
  switch (change.kind) {
    case "cancel":
      return { kind: "cancel", key, ref, jobId: change.jobId, cancelRunning: change.running === "cancel" };
    case "trigger":
      return { kind: "trigger", key, ref };
    case "update":
      return updateCommand(state, change, ref, key, nowMs);
    case "pause":
      return { kind: "pause", key, ref, specJson: respecified(state, ref, true) };
    case "resume":
      return {
        kind: "resume",
        key,
        ref,
        specJson: respecified(state, ref, false),
        nextDueMs: dueAfter(state, ref, specAt(state, ref), nowMs),
      };
  }
}

function refOf(state: State, job: number): JobRef {
  return { job, generation: state.jobs.generation[job] as number, revision: state.jobs.revision[job] as number };
}

function specAt(state: State, ref: JobRef): JobSpec | undefined {
  return ref.job === 0 ? undefined : specOf(definitionOf(state, ref.job));
}

function respecified(state: State, ref: JobRef, paused: boolean): Uint8Array {
  const spec = specAt(state, ref);
  return spec ? specBytes({ ...spec, paused }) : new Uint8Array(0);
}

function createCommand(jobId: string, spec: JobSpec, key: KeyUse | undefined, nowMs: number): Command {
  return { kind: "create", key, jobId, nextDueMs: spec.paused ? 0 : firstDue(spec.schedule, nowMs), ...fieldsOf(spec) };
}

/** First due times are filled into the batch itself; a batch that was not taken up gets later ones the next time. */
function createManyCommand(batch: Uint8Array, key: KeyUse | undefined, nowMs: number): Command {
  const bulk = new Bulk(batch);
  const shared = bulk.schedules.map((text) => sharedDue(JSON.parse(text) as SharedSchedule, nowMs));
  for (let i = 0; i < bulk.count; i++) {
    const place = bulk.schedule(i);
    const baseMs = bulk.baseMs(i);
    const due = place === 0 ? firstDue({ kind: "at", atMs: baseMs }, nowMs) : (shared[place - 1] as SharedDue)(baseMs);
    bulk.setDueMs(i, bulk.isPaused(i) ? 0 : due);
  }
  return { kind: "createMany", key, batch };
}

type SharedDue = (anchorMs: number) => number;

/** The first due time of each job with this schedule: the same for all of a cron, by its anchor for an interval. */
function sharedDue(shared: SharedSchedule, nowMs: number): SharedDue {
  if (shared.kind === "every") return (anchorMs) => new IntervalSchedule(shared.everyMs, anchorMs).nextAfter(nowMs) ?? 0;
  const dueMs = firstDue(shared, nowMs);
  return () => dueMs;
}

function fieldsOf(spec: JobSpec): DefinitionFields {
  return {
    specJson: specBytes(spec),
    scheduleText: scheduleText(spec.schedule),
    classText: classText(spec.class),
    oneShot: spec.schedule.kind === "at",
    paused: spec.paused,
  };
}

function updateCommand(
  state: State,
  change: Extract<Change, { kind: "update" }>,
  ref: JobRef,
  key: KeyUse | undefined,
  nowMs: number,
): Command {
  const spec = specAt(state, ref);
  if (!spec)
    return {
      kind: "update",
      key,
      ref,
      nextDueMs: 0,
      reschedule: false,
      specJson: new Uint8Array(0),
      scheduleText: "",
      classText: "",
      oneShot: false,
      paused: false,
    };
  const merged = patched(spec, change.patch);
  const reschedule = change.patch.schedule !== undefined;
  // A schedule_time before the last one fired is for apply to refuse, after it has looked for the key (G1).
  const isInstant = merged.schedule.kind === "at";
  const nextDueMs = !reschedule ? 0 : isInstant ? firstDue(merged.schedule, nowMs) : dueAfter(state, ref, merged, nowMs);
  return { kind: "update", key, ref, nextDueMs, reschedule, ...fieldsOf(merged) };
}

/** The first due time strictly after now and after the last one fired (H13c); a one-shot that has fired has none. */
function dueAfter(state: State, ref: JobRef, spec: JobSpec | undefined, nowMs: number): number {
  if (!spec) return 0;
  const lastMs = state.jobs.lastAtMs[ref.job] as number;
  if (spec.schedule.kind === "at") {
    const dueMs = firstDue(spec.schedule, nowMs);
    return dueMs > lastMs ? dueMs : 0;
  }
  return firstDue(spec.schedule, Math.max(nowMs, lastMs));
}

/**
 * Items that turn the passed due times of one job into records, as the planner would have, without places: what they create is queued.
 * Bounded: a job further behind is stale at apply and settled again.
 */
function settleItems(state: State, book: ScheduleBook, job: number, nowMs: number): Uint8Array | undefined {
  const { jobs } = state;
  let dueMs = jobs.dueAtMs[job] as number;
  if (dueMs === 0 || dueMs > nowMs || !jobs.enabled(job)) return undefined;
  const { spec } = state.classOf(job);
  const unsureUntilMs = isUnsure(state, job) ? state.unsureUntilMs : 0;
  const writer = new PlanWriter();
  while (dueMs !== 0 && dueMs <= nowMs && writer.count < limits.missedPerChangeMax) {
    if (dueMs <= unsureUntilMs) unsureItem(state, book, writer, job, dueMs);
    else if (nowMs - dueMs > spec.misfire.withinMs) misfireItems(state, book, writer, job, dueMs, nowMs, spec, () => 0);
    else writer.due(job, jobs.generation[job] as number, jobs.revision[job] as number, dueMs, book.next(job, dueMs), 0);
    dueMs = writer.nextDueMs;
  }
  return writer.take();
}
