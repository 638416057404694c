// Owns: due times that were not recorded when the state was backed up and had passed when it was restored: the cluster that made the
// backup may have run them (H15). One entry can not hold those of millions of jobs, nor may apply compute them, so the state remembers
// up to when it is unsure, and the planner writes each job's range when it comes up.
// (U1) A due time that a caller set after the restore is sure, however early it is: a flag of its row says so.

import { jobFlags } from "./jobtable.ts";
import type { State } from "./state.ts";

/** Every due time up to `untilMs` that the rows hold now is unsure. */
export function makeUnsure(state: State, untilMs: number): void {
  const { jobs } = state;
  state.unsureUntilMs = Math.max(state.unsureUntilMs, untilMs);
  for (let job = jobs.pool.nextUsed(0); job !== 0; job = jobs.pool.nextUsed(job)) {
    if (!jobs.has(job, jobFlags.anew)) continue;
    jobs.flags[job] = (jobs.flags[job] as number) & ~jobFlags.anew;
    jobs.rows.touch(job);
  }
}

/** Whether an earlier cluster may have run the row's due time. */
export function isUnsure(state: State, job: number): boolean {
  const dueMs = state.jobs.dueAtMs[job] as number;
  return dueMs !== 0 && dueMs <= state.unsureUntilMs && !state.jobs.has(job, jobFlags.anew);
}

/** A caller has just set the row's due time (U1). */
export function setAnew(state: State, job: number): void {
  const { jobs } = state;
  const dueMs = jobs.dueAtMs[job] as number;
  if (dueMs !== 0 && dueMs <= state.unsureUntilMs) jobs.flags[job] = (jobs.flags[job] as number) | jobFlags.anew;
}
