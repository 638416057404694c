// Owns: the replicated clock set back by an operator, after a wrong wall clock had moved it ahead (H13). Due times that were computed from
// the wrong time are computed again by the leader, a bounded number in each entry (src/planner/redue.ts); here they are checked and taken.
// (C1) Never twice: the clock goes back only when no job has a record, and no execution is live, of a time after the new one. Whoever
//      has one is to be deleted first, and may be made anew: that is another job.
// (C2) The wheel turns back with everything that is armed, on every replica at this entry, and at a replay of it alike. What takes time is
//      the look at all rows for C1: 50 to 100 ms for ten million jobs.
// (C3) Deadlines and waits of what began before the wrong time are not those of the wrong clock any more: what waits is ready at once.

import type { ByteReader } from "../base/bytes.ts";
import { takeRef } from "./command.ts";
import { jobFlags } from "./jobtable.ts";
import { refused } from "./reply.ts";
import type { Reply } from "./reply.ts";
import type { State } from "./state.ts";

export function applyLowerClock(state: State, index: number, toMs: number): Reply {
  if (!(toMs > 0 && toMs < state.clockMs)) return refused("conflict", "the cluster's clock is not ahead of the wall clocks");
  const jobs = jobsAhead(state, toMs);
  const executions = executionsAhead(state, toMs);
  if (jobs + executions > 0) {
    const what = `${jobs} jobs have run or missed due times later than ${new Date(toMs).toISOString()}, ${executions} executions are live`;
    return refused("conflict", `${what}: delete these jobs, cancel the executions, then ask again; the jobs may be made anew after that`);
  }
  setBack(state, toMs);
  state.redueFrom = 1;
  state.redueAfterMs = toMs;
  return { kind: "done", status: "lowered", jobId: undefined, sequence: undefined, index };
}

function jobsAhead({ jobs }: State, toMs: number): number {
  let count = 0;
  for (let job = jobs.pool.nextUsed(0); job !== 0; job = jobs.pool.nextUsed(job)) {
    if ((jobs.lastAtMs[job] as number) > toMs && !jobs.has(job, jobFlags.deleted)) count++;
  }
  return count;
}

function executionsAhead({ live }: State, toMs: number): number {
  let count = 0;
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    const newestMs = Math.max(live.scheduledAtMs[slot] as number, live.queuedAtMs[slot] as number, live.startedAtMs[slot] as number);
    if (newestMs > toMs) count++;
  }
  return count;
}

/** (C2, C3) */
function setBack(state: State, toMs: number): void {
  const { live } = state;
  state.timers.turnBack(toMs);
  state.clockMs = toMs;
  state.unsureUntilMs = Math.min(state.unsureUntilMs, toMs);
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    if (state.occupies(slot) || (live.timerAtMs[slot] as number) <= toMs) continue;
    live.timerAtMs[slot] = toMs;
    live.rows.touch(slot);
    state.armLive(slot);
  }
}

/** Each row is taken if it still is what the leader saw, and the new due time is earlier and no recorded one (H1). */
export function applyRedue(state: State, body: ByteReader): void {
  const from = body.u32();
  const next = body.u32();
  if (from === 0 || from !== state.redueFrom) return;
  const { jobs } = state;
  while (body.left > 0) {
    const { job, generation, revision } = takeRef(body);
    const seenMs = body.f64();
    const dueMs = body.f64();
    if (!jobs.is(job, generation, revision) || !jobs.enabled(job) || jobs.dueAtMs[job] !== seenMs) continue;
    if (dueMs >= seenMs || dueMs <= state.redueAfterMs || dueMs <= (jobs.lastAtMs[job] as number)) continue;
    jobs.dueAtMs[job] = dueMs;
    state.armJob(job);
    jobs.rows.touch(job);
  }
  state.redueFrom = next;
}
