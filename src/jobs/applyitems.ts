// Owns: the two hot commands: what the leader planned and what became of attempts. Loops over packed items, no object per item.

import {
  ending,
  endExecution,
  makeExecution,
  mayStart,
  origin,
  recordUnrun,
  requeueExecution,
  retryExecution,
  startExecution,
  leaveIfDone,
} from "./executions.ts";
import { PlanCursor, planType, ResultCursor, resultOutcome } from "./items.ts";
import { liveState } from "./livetable.ts";
import type { State } from "./state.ts";
import { isUnsure } from "./unsure.ts";

export function applyPlan(state: State, items: Uint8Array): void {
  const item = new PlanCursor(items);
  while (item.next()) {
    if (item.type === planType.start) applyStart(state, item);
    else if (item.type === planType.due) applyDue(state, item);
    else if (item.type === planType.range) applyRange(state, item);
    else applyUnsure(state, item);
  }
}

/**
 * Whether the row still is what the item was computed from: same revision, enabled, and due at just this time (H1). What an earlier
 * cluster may have run is due for nothing but an item that says so (H15).
 */
function isDue(state: State, item: PlanCursor): boolean {
  const { jobs } = state;
  const { job } = item;
  return (
    jobs.is(job, item.generation, item.revision) &&
    jobs.enabled(job) &&
    jobs.dueAtMs[job] === item.atMs &&
    item.atMs > (jobs.lastAtMs[job] as number) &&
    isUnsure(state, job) === (item.type === planType.unsure)
  );
}

function applyDue(state: State, item: PlanCursor): void {
  if (!isDue(state, item)) return;
  const { jobs } = state;
  const { job, atMs } = item;
  advance(state, job, atMs, item.nextDueMs);
  if ((jobs.liveCount[job] as number) > 0 && state.classOf(job).spec.overlap === "skip") {
    recordUnrun(state, job, ending.skipped, atMs, atMs, 1, "overlap");
    return leaveIfDone(state, job);
  }
  const node = item.session === 0 ? undefined : state.nodes.withSession(item.session);
  if (makeExecution(state, job, atMs, origin.scheduled, node) !== 0) return;
  recordUnrun(state, job, ending.skipped, atMs, atMs, 1, "capacity");
  leaveIfDone(state, job);
}

function advance(state: State, job: number, lastAtMs: number, nextDueMs: number): void {
  const { jobs } = state;
  jobs.lastAtMs[job] = lastAtMs;
  jobs.dueAtMs[job] = nextDueMs;
  state.armJob(job);
  jobs.rows.touch(job);
}

function applyRange(state: State, item: PlanCursor): void {
  if (!isDue(state, item)) return;
  advance(state, item.job, item.toMs, item.nextDueMs);
  recordUnrun(state, item.job, ending.missed, item.atMs, item.toMs, item.count, "misfire");
  leaveIfDone(state, item.job);
}

function applyUnsure(state: State, item: PlanCursor): void {
  if (!isDue(state, item)) return;
  advance(state, item.job, item.toMs, item.nextDueMs);
  recordUnrun(state, item.job, ending.unknown, item.atMs, item.toMs, item.count, "restore");
  leaveIfDone(state, item.job);
}

function applyStart(state: State, item: PlanCursor): void {
  const { live } = state;
  const { slot } = item;
  if (!live.pool.has(slot) || live.sequence[slot] !== item.sequence || live.attempt[slot] !== item.attempt) return;
  const node = state.nodes.withSession(item.session);
  if (mayStart(state, slot, node)) startExecution(state, slot, node);
}

export function applyResults(state: State, items: Uint8Array): void {
  const item = new ResultCursor(items);
  while (item.next()) {
    const slot = state.live.find(item.sequence);
    if (slot !== 0 && state.live.token[slot] === item.token && state.occupies(slot)) settle(state, slot, item);
    state.watcher.settled(item.sequence, item.token);
  }
}

/** The verdict on the newest attempt (X2). Cancelling ends as what really happened, but is never tried again. */
function settle(state: State, slot: number, item: ResultCursor): void {
  const { outcome } = item;
  const cancelling = state.live.state[slot] === liveState.cancelling;
  if (outcome === resultOutcome.completed) return endExecution(state, slot, ending.completed, item.endAtMs, "", item.startAtMs);
  if (outcome === resultOutcome.cancelled || (cancelling && outcome === resultOutcome.notStarted)) {
    return endExecution(state, slot, ending.cancelled, item.endAtMs || state.clockMs, "cancelled", item.startAtMs);
  }
  if (outcome === resultOutcome.notStarted) return requeueExecution(state, slot);
  const error = item.error || (outcome === resultOutcome.timeout ? "timeout" : "failed");
  if (!cancelling && item.retryAtMs > 0 && mayRetry(state, slot)) {
    state.watcher.stopped(item.sequence, item.token, state.live.session[slot] as number, "void");
    return retryExecution(state, slot, item.retryAtMs, error);
  }
  state.watcher.stopped(item.sequence, item.token, state.live.session[slot] as number, "void");
  // What was cut off may have had its effect: of a job that runs at most once nobody can say that it failed (H7).
  const unsure = outcome === resultOutcome.timeout && state.classOfLive(slot).delivery === "at_most_once";
  endExecution(state, slot, unsure ? ending.unknown : ending.failed, item.endAtMs, error, item.startAtMs);
}

export function mayRetry(state: State, slot: number): boolean {
  const { live } = state;
  const spec = state.classOfLive(slot);
  if (spec.delivery === "at_most_once") return false;
  return (live.attempt[slot] as number) - (live.losses[slot] as number) < spec.retry.maxAttempts;
}
