// Owns: due times after the clock was set back (H13): which jobs wait for one that was computed from the wrong time, and what their
// schedules say instead. A bounded number of rows at a time; how far this is, is replicated, so that the next leader goes on.

import type { Command, RedueRow } from "../jobs/command.ts";
import { jobFlags } from "../jobs/jobtable.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import type { ScheduleBook } from "./schedulebook.ts";

/** The command for the next rows, undefined when none are left. */
export function planRedue(state: State, book: ScheduleBook): Command | undefined {
  const from = state.redueFrom;
  if (from === 0) return undefined;
  const { jobs } = state;
  const rows: RedueRow[] = [];
  let job = jobs.pool.nextUsed(from - 1);
  for (let looked = 0; job !== 0 && looked < limits.redueRowsMax; looked++, job = jobs.pool.nextUsed(job)) {
    const seenMs = jobs.dueAtMs[job] as number;
    if (seenMs <= state.redueAfterMs || !jobs.enabled(job) || jobs.has(job, jobFlags.oneShot)) continue;
    const dueMs = book.firstAfter(job, seenMs, Math.max(state.redueAfterMs, jobs.lastAtMs[job] as number));
    const [generation, revision] = [jobs.generation[job] as number, jobs.revision[job] as number];
    if (dueMs < seenMs) rows.push({ job, generation, revision, seenMs, dueMs });
  }
  return { kind: "redue", from, next: job, rows };
}
