// Owns: rows turned into views: a job, a live execution, a history record. Synchronous and pure; where the rows come from, page by
// page, is the business of src/cluster/queries.ts.

import { utf8Text } from "../base/bytes.ts";
import { executionId, tokenText } from "../base/token.ts";
import { coldKeys } from "./cold.ts";
import { decodeDefinition, decodeEnded, specOf } from "./definition.ts";
import { definitionOf } from "./definitionrows.ts";
import { originName } from "./executions.ts";
import { endings } from "./history.ts";
import type { HistoryRow } from "./history.ts";
import { jobFlags } from "./jobtable.ts";
import { liveState, liveStateNames } from "./livetable.ts";
import type { State } from "./state.ts";
import type { ExecutionStatus, ExecutionView, JobStatus, JobView } from "./views.ts";

/** Status of a job in the table: of a one-shot with a live execution, that execution's. */
export function jobStatus(state: State, job: number): JobStatus | ExecutionStatus {
  const { jobs, live } = state;
  const newest = jobs.liveHead[job] as number;
  if (jobs.has(job, jobFlags.oneShot) && newest !== 0) return liveStateNames[live.state[newest] as number] as ExecutionStatus;
  return jobs.has(job, jobFlags.paused) ? "paused" : "scheduled";
}

export function showJob(state: State, job: number, lastEnded: HistoryRow | undefined): JobView {
  const { jobs } = state;
  const definition = definitionOf(state, job);
  const newest = jobs.liveHead[job] as number;
  const ended = lastEnded && lastEnded.sequence !== 0 ? showRecord(state, lastEnded, definition.jobId) : undefined;
  return {
    jobId: definition.jobId,
    spec: specOf(definition),
    status: jobStatus(state, job),
    nextDueAtMs: present(jobs.dueAtMs[job] as number),
    lastScheduledAtMs: present(jobs.lastAtMs[job] as number),
    revision: jobs.revision[job] as number,
    runningCount: jobs.liveCount[job] as number,
    execution: newest !== 0 ? showLive(state, newest, definition.jobId) : ended,
  };
}

export function showEnded(state: State, stored: Uint8Array, last: HistoryRow | undefined): JobView {
  const ended = decodeEnded(stored);
  const definition = decodeDefinition(ended.definition);
  return {
    jobId: definition.jobId,
    spec: specOf(definition),
    status: ended.status as JobStatus | ExecutionStatus,
    nextDueAtMs: undefined,
    lastScheduledAtMs: present(ended.lastScheduledAtMs),
    revision: ended.revision,
    runningCount: 0,
    execution: last ? showRecord(state, last, definition.jobId) : undefined,
  };
}

export function showLive(state: State, slot: number, jobId: string): ExecutionView {
  const { live } = state;
  const token = live.token[slot] as number;
  const status = liveStateNames[live.state[slot] as number] as ExecutionStatus;
  const note = state.cold.get(coldKeys.note(live.sequence[slot] as number));
  const started = state.occupies(slot);
  return {
    executionId: executionId(state.idSpace, live.sequence[slot] as number),
    jobId,
    jobType: state.classOfLive(slot).jobType,
    kind: originName(live.origin[slot] as number),
    scheduledAtMs: live.scheduledAtMs[slot] as number,
    status,
    attempt: live.attempt[slot] as number,
    fencingToken: token === 0 ? undefined : tokenText(token, state.shard),
    nodeId: started ? state.nodes.withSession(live.session[slot] as number)?.id : undefined,
    startAtMs: started ? present(live.startedAtMs[slot] as number) : undefined,
    endAtMs: undefined,
    error: note ? utf8Text(note) : undefined,
    nextAttemptAtMs: live.state[slot] === liveState.retrying ? (live.timerAtMs[slot] as number) : undefined,
  };
}

export function showRecord(state: State, row: HistoryRow, jobId: string): ExecutionView {
  const status = endings[row.ending] as ExecutionStatus;
  const note = row.note === "" ? undefined : row.note;
  const isRange = row.sequence === 0;
  return {
    executionId: isRange ? "" : executionId(state.idSpace, row.sequence),
    jobId,
    jobType: row.jobType,
    kind: originName(row.origin),
    scheduledAtMs: row.scheduledAtMs,
    status,
    attempt: row.attempts,
    fencingToken: row.token === 0 ? undefined : tokenText(row.token, state.shard),
    nodeId: state.nodes.number(row.node)?.id,
    startAtMs: present(row.startAtMs),
    endAtMs: row.endAtMs,
    error: status === "failed" ? note : undefined,
    reason: status === "failed" ? undefined : note,
    rangeToMs: isRange ? row.rangeToMs : undefined,
    rangeCount: isRange ? row.rangeCount : undefined,
  };
}

function present(value: number): number | undefined {
  return value === 0 ? undefined : value;
}
