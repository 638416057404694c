// Owns: what callers' commands do to the rows: create, update, cancel, pause, resume, trigger, cancel an execution.
// (A3) A change to a job whose due time has passed is stale until that due time has its record: the leader puts it into the same
//      entry in front of the change (H1f).

import type { ByteReader } from "../base/bytes.ts";
import { hashText } from "../base/checksum.ts";
import { takeDefinition, takeRef } from "./command.ts";
import type { DefinitionFields, JobRef } from "./command.ts";
import { definitionOf, addDefinition } from "./definitionrows.ts";
import { changeEnded, findEnded, forgetEnded } from "./endedrows.ts";
import { eventCode } from "./eventlog.ts";
import { cancelLive, dropVersion, leaveIfDone, makeExecution, origin, retire } from "./executions.ts";
import { jobFlags } from "./jobtable.ts";
import { fillRow, isTaken, roomFor, tableIsFull } from "./newjob.ts";
import { refused, stale } from "./reply.ts";
import type { Reply } from "./reply.ts";
import type { State } from "./state.ts";
import { setAnew } from "./unsure.ts";

/** The job with this id, 0 when there is none in the table. */
export function findJob(state: State, jobId: string): number {
  return state.jobs.ids.find(hashText(jobId), (job) => definitionOf(state, job).jobId === jobId);
}

export function applyCreate(state: State, body: ByteReader, index: number): Reply {
  const jobId = body.string();
  const nextDueMs = body.f64();
  const fields = takeDefinition(body);
  const problem = isTaken(state, findJob(state, jobId), jobId) ?? notAnInstant(nextDueMs) ?? roomForTexts(state, fields);
  if (problem) return problem;
  const job = state.jobs.pool.take();
  if (job === 0) return tableIsFull(state);
  forgetEnded(state, jobId);
  const { oneShot, paused } = fields;
  const shared = { class: state.classes.acquire(fields.classText), schedule: acquireSchedule(state, fields) };
  fillRow(state, job, { idHash: hashText(jobId), dueMs: nextDueMs, oneShot, paused, ...shared });
  addDefinition(state, job, 1, { uid: index, createdAtMs: state.clockMs, jobId, specJson: fields.specJson });
  return { kind: "done", status: "submitted", jobId, sequence: undefined, index };
}

/** A job that has ended is deleted too: from then on its id may be used again (H2e). */
function cancelEnded(state: State, jobId: string, index: number): Reply {
  const ended = findEnded(state, jobId);
  if (!ended || ended.status === "cancelled") return refused("not_found", "no such job");
  changeEnded(state, jobId, ended, { ...ended, status: "cancelled" });
  return { kind: "done", status: "cancelled", jobId, sequence: undefined, index };
}

function roomForTexts({ classes, schedules }: State, { classText, scheduleText }: DefinitionFields): Reply | undefined {
  return roomFor(classes.fits(classText), scheduleText === "" || schedules.fits(scheduleText));
}

/** 0 for a one-shot. */
function acquireSchedule({ schedules }: State, { scheduleText }: DefinitionFields): number {
  return scheduleText === "" ? 0 : schedules.acquire(scheduleText);
}

/** The wheel takes whole milliseconds above 0 and below 2^48; anything else in a committed entry must not stop every replica (H16.4). */
export function notAnInstant(dueMs: number): Reply | undefined {
  if (dueMs >= 0 && dueMs < 2 ** 48 && Math.floor(dueMs) === dueMs) return undefined;
  return refused("unprocessable", `${dueMs} is no time at which a job can be due`);
}

const tooEarly: Reply = refused(
  "unprocessable",
  "schedule_time must be later than the job's last scheduled time; make a new job to run at an earlier one",
);

/** The row that a change names, if it still is what the change was computed from and owes no record for a passed due time (A3). */
function current(state: State, ref: JobRef): Reply | undefined {
  if (ref.job === 0) return refused("not_found", "no such job");
  const { jobs } = state;
  if (!jobs.is(ref.job, ref.generation, ref.revision) || jobs.has(ref.job, jobFlags.deleted)) return stale;
  const due = jobs.dueAtMs[ref.job] as number;
  return due !== 0 && due <= state.clockMs ? stale : undefined;
}

export function applyUpdate(state: State, body: ByteReader, index: number): Reply {
  const ref = takeRef(body);
  const nextDueMs = body.f64();
  const reschedule = body.u8() === 1;
  const fields = takeDefinition(body);
  const problem = current(state, ref) ?? notAnInstant(nextDueMs) ?? roomForTexts(state, fields);
  if (problem) return problem;
  const { jobs } = state;
  const { job } = ref;
  if (reschedule && nextDueMs !== 0 && nextDueMs <= (jobs.lastAtMs[job] as number)) return fields.oneShot ? tooEarly : stale;
  const { jobId } = revise(state, job, fields.specJson);
  const schedule = acquireSchedule(state, fields);
  if (jobs.schedule[job] !== 0) state.schedules.release(jobs.schedule[job] as number);
  jobs.schedule[job] = schedule;
  const shared = state.classes.acquire(fields.classText);
  state.classes.release(jobs.class[job] as number);
  jobs.class[job] = shared;
  const paused = (jobs.flags[job] as number) & jobFlags.paused;
  jobs.flags[job] = ((jobs.flags[job] as number) & ~jobFlags.oneShot) | (fields.oneShot ? jobFlags.oneShot : 0);
  if (reschedule && paused === 0) {
    jobs.dueAtMs[job] = nextDueMs;
    setAnew(state, job);
  }
  state.armJob(job);
  for (let slot = jobs.liveHead[job] as number; slot !== 0; slot = state.live.nextOfJob[slot] as number) state.armLive(slot);
  jobEvent(state, eventCode["job.updated"], job);
  leaveIfDone(state, job);
  return { kind: "done", status: "updated", jobId, sequence: undefined, index };
}

/** Writes the definition under a new revision; the old one stays while a live execution runs it (H12). */
function revise(state: State, job: number, specJson: Uint8Array): { jobId: string } {
  const { jobs } = state;
  const old = jobs.revision[job] as number;
  const definition = definitionOf(state, job);
  const revision = old === 0xffffffff ? 1 : old + 1;
  addDefinition(state, job, revision, { ...definition, specJson });
  jobs.revision[job] = revision;
  dropVersion(state, job, old);
  jobs.rows.touch(job);
  return definition;
}

export function applyCancel(state: State, body: ByteReader, index: number): Reply {
  const ref = takeRef(body);
  const cancelRunning = body.u8() === 1;
  const asked = body.string();
  if (ref.job === 0) return cancelEnded(state, asked, index);
  const problem = current(state, ref);
  if (problem) return problem;
  const { jobs, live } = state;
  const { job } = ref;
  const definition = definitionOf(state, job);
  const { jobId } = definition;
  jobs.flags[job] = (jobs.flags[job] as number) | jobFlags.deleted;
  jobs.dueAtMs[job] = 0;
  state.timers.disarm(job);
  retire(state, job, "cancelled", definition);
  jobs.rows.touch(job);
  jobEvent(state, eventCode["job.cancelled"], job);
  for (let slot = jobs.liveHead[job] as number, next = 0; slot !== 0; slot = next) {
    next = live.nextOfJob[slot] as number;
    if (cancelRunning || !state.occupies(slot)) cancelLive(state, slot);
  }
  if (state.jobs.pool.has(job) && jobs.generation[job] === ref.generation) leaveIfDone(state, job);
  return { kind: "done", status: "cancelled", jobId, sequence: undefined, index };
}

export function applyPause(state: State, body: ByteReader, index: number): Reply {
  const ref = takeRef(body);
  const specJson = body.bytes();
  const problem = current(state, ref);
  if (problem) return problem;
  const { jobs } = state;
  const { jobId } = revise(state, ref.job, specJson);
  jobs.flags[ref.job] = (jobs.flags[ref.job] as number) | jobFlags.paused;
  jobs.dueAtMs[ref.job] = 0;
  state.armJob(ref.job);
  jobEvent(state, eventCode["job.paused"], ref.job);
  return { kind: "done", status: "paused", jobId, sequence: undefined, index };
}

export function applyResume(state: State, body: ByteReader, index: number): Reply {
  const ref = takeRef(body);
  const nextDueMs = body.f64();
  const specJson = body.bytes();
  const problem = current(state, ref) ?? notAnInstant(nextDueMs);
  if (problem) return problem;
  const { jobs } = state;
  const { job } = ref;
  if (nextDueMs !== 0 && nextDueMs <= (jobs.lastAtMs[job] as number)) return stale;
  const wasPaused = jobs.has(job, jobFlags.paused);
  const { jobId } = revise(state, job, specJson);
  jobs.flags[job] = (jobs.flags[job] as number) & ~jobFlags.paused;
  if (wasPaused) {
    jobs.dueAtMs[job] = nextDueMs;
    setAnew(state, job);
  }
  state.armJob(job);
  jobEvent(state, eventCode["job.resumed"], job);
  leaveIfDone(state, job);
  return { kind: "done", status: "resumed", jobId, sequence: undefined, index };
}

export function applyTrigger(state: State, body: ByteReader, index: number): Reply {
  const ref = takeRef(body);
  const problem = current(state, ref);
  if (problem) return problem;
  const { jobId } = definitionOf(state, ref.job);
  const slot = makeExecution(state, ref.job, state.clockMs, origin.trigger);
  if (slot === 0) return refused("capacity", `all ${state.capacity.liveMax} live executions are in use; retry when some have ended`);
  return { kind: "done", status: "triggered", jobId, sequence: state.live.sequence[slot] as number, index };
}

export function applyCancelExecution(state: State, body: ByteReader, index: number): Reply {
  const sequence = body.u48();
  const slot = state.live.find(sequence);
  if (slot === 0) {
    const known = sequence > 0 && sequence <= state.lastSequence;
    return known ? refused("conflict", "the execution has ended already") : refused("not_found", "no such execution");
  }
  const job = state.live.job[slot] as number;
  const { jobId } = definitionOf(state, job);
  return { kind: "done", status: cancelLive(state, slot), jobId, sequence, index };
}

function jobEvent(state: State, code: number, job: number): void {
  state.events.add(code, job, state.jobs.generation[job] as number, 0, 0, 0, 0, state.jobs.dueAtMs[job] as number);
}
