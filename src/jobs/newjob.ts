// Owns: the row of a new job, whether the job comes alone (applychanges.ts) or in a batch (applybulk.ts): why there can be none, and what
// it holds. Its definition is stored by whoever makes it.

import { findEnded } from "./endedrows.ts";
import { eventCode } from "./eventlog.ts";
import { jobFlags } from "./jobtable.ts";
import { refused } from "./reply.ts";
import type { Reply } from "./reply.ts";
import type { State } from "./state.ts";
import { setAnew } from "./unsure.ts";

export type NewRow = {
  readonly idHash: number;
  /** The first due time; of a paused job nothing comes of it. */
  readonly dueMs: number;
  readonly oneShot: boolean;
  readonly paused: boolean;
  /** References that are acquired for this row. */
  readonly class: number;
  readonly schedule: number;
};

/**
 * Why a new job cannot have this id, of which the table holds job `found`. An id is not used again before its job was deleted: a caller
 * that repeats a submit must not make the job run again (H2e).
 */
export function isTaken(state: State, found: number, jobId: string): Reply | undefined {
  if (found !== 0) return refused("exists", `job ${jobId} exists; update it with PUT or choose another job_id`);
  const ended = findEnded(state, jobId);
  if (!ended || ended.status === "cancelled") return undefined;
  return refused("exists", `job ${jobId} has run and ended; DELETE it before its id is used again`);
}

/** Why the texts that a definition shares with others cannot be held. */
export function roomFor(classFits: boolean, scheduleFits: boolean): Reply | undefined {
  if (!classFits) return refused("capacity", "too many different combinations of type, priority, retry and other policies");
  if (!scheduleFits) return refused("capacity", "too many different schedules");
  return undefined;
}

/** Why there is no number for one more job. */
export function tableIsFull({ capacity }: State): Reply {
  return refused("capacity", `all ${capacity.jobsMax} jobs are in use; delete some or start a larger cluster`);
}

/** Fills and arms the row of a number that was just taken. */
export function fillRow(state: State, job: number, row: NewRow): void {
  const { jobs } = state;
  const { oneShot, paused } = row;
  jobs.generation[job] = ((jobs.generation[job] as number) + 1) & 0xffff;
  jobs.revision[job] = 1;
  jobs.idHash[job] = row.idHash;
  jobs.flags[job] = jobFlags.used | (oneShot ? jobFlags.oneShot : 0) | (paused ? jobFlags.paused : 0);
  jobs.dueAtMs[job] = paused ? 0 : row.dueMs;
  setAnew(state, job);
  jobs.lastAtMs[job] = 0;
  jobs.class[job] = row.class;
  jobs.schedule[job] = row.schedule;
  jobs.ids.add(job);
  state.armJob(job);
  jobs.rows.touch(job);
  state.events.add(eventCode["job.submitted"], job, jobs.generation[job] as number, 0, 0, 0, 0, jobs.dueAtMs[job] as number);
}
