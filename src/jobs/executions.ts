// Owns: the life of one execution in the replicated state: made, started, retried, ended; and the ends of due times that became no
// execution. The only code that changes live rows. Times come from the entry, tokens are raised here and nowhere else (H5).
//
//   made -> queued -> running -> completed | failed | cancelled | unknown
//             ^         |  \
//             |         |   cancelling -> cancelled | completed | failed
//             +- lost --+ -> retrying -> running
//
// (X1) Every end writes exactly one history record and leaves no live row.
// (X2) An attempt is current only while its token is the row's newest (P5).

import { coldKeys } from "./cold.ts";
import { utf8Bytes } from "../base/bytes.ts";
import { decodeDefinition, encodeLeft } from "./definition.ts";
import type { Definition } from "./definition.ts";
import { definitionOf, dropDefinition } from "./definitionrows.ts";
import { addEnded, changeEnded, findEnded } from "./endedrows.ts";
import { eventCode } from "./eventlog.ts";
import { endings, origins } from "./history.ts";
import { jobFlags } from "./jobtable.ts";
import { liveState } from "./livetable.ts";
import type { NodeRow } from "./nodes.ts";
import type { State } from "./state.ts";
import { limits } from "../limits.ts";
import { assert } from "../base/errors.ts";

export const origin = { scheduled: 0, trigger: 1 } as const;
export type Ending = (typeof endings)[number];
export const ending = Object.fromEntries(endings.map((name, code) => [name, code])) as Record<Ending, number>;

const endingEvent: readonly number[] = endings.map((name) => eventCode[`execution.${name}`]);

/** A new execution, started at once where `node` has a slot for it, else queued; 0 when the bound on live executions is reached. */
export function makeExecution(state: State, job: number, scheduledAtMs: number, from: number, node?: NodeRow): number {
  const { live, jobs } = state;
  const slot = live.pool.take();
  if (slot === 0) return 0;
  live.sequence[slot] = ++state.lastSequence;
  live.token[slot] = 0;
  live.scheduledAtMs[slot] = scheduledAtMs;
  live.queuedAtMs[slot] = state.clockMs;
  live.startedAtMs[slot] = 0;
  live.job[slot] = job;
  live.version[slot] = jobs.revision[job] as number;
  live.session[slot] = 0;
  live.attempt[slot] = 0;
  live.losses[slot] = 0;
  live.origin[slot] = from;
  live.index(slot);
  state.linkLive(slot);
  event(state, eventCode["execution.queued"], slot, 0);
  // Most start in the entry that makes them: those need no place among the ready ones in the wheel.
  if (node && isRoom(state, job, node)) startExecution(state, slot, node);
  else queue(state, slot, state.clockMs);
  return slot;
}

/** Ready to start from `atMs` on. */
function queue(state: State, slot: number, atMs: number): void {
  state.live.setState(slot, atMs > state.clockMs ? liveState.retrying : liveState.queued);
  state.live.timerAtMs[slot] = atMs;
  state.armLive(slot);
  state.live.rows.touch(slot);
}

/** Gives the execution to a session with a newer token than any before (H5); its timer becomes the deadline (H7). */
export function startExecution(state: State, slot: number, node: NodeRow): void {
  const { live } = state;
  const spec = state.classOfLive(slot);
  live.token[slot] = ++state.tokenCounter;
  live.attempt[slot] = (live.attempt[slot] as number) + 1;
  live.session[slot] = node.session;
  live.startedAtMs[slot] = state.clockMs;
  live.setState(slot, liveState.running);
  live.timerAtMs[slot] = state.clockMs + spec.timeoutMs + limits.timeoutGraceMs;
  state.armLive(slot);
  live.rows.touch(slot);
  node.running++;
  event(state, eventCode["execution.started"], slot, node.number);
  state.watcher.started(slot, node.session);
}

/** Whether this row may be started now, on this node. */
export function mayStart(state: State, slot: number, node: NodeRow | undefined): node is NodeRow {
  if (!node) return false;
  const { live } = state;
  if (live.state[slot] !== liveState.queued && live.state[slot] !== liveState.retrying) return false;
  const onlyOnce = state.classOfLive(slot).delivery === "at_most_once";
  if (onlyOnce && (live.attempt[slot] as number) > (live.losses[slot] as number)) return false;
  return isRoom(state, live.job[slot] as number, node);
}

/** Whether the node has a free slot and may run this job. */
function isRoom(state: State, job: number, node: NodeRow): boolean {
  return node.running < node.slots && placeable(node, state.classOf(job).spec.placement);
}

/** Whether a node carries the tags that a class asks for. */
export function placeable(node: NodeRow, placement: { readonly tags: readonly string[]; readonly mode: "any" | "all" }): boolean {
  if (placement.tags.length === 0) return true;
  const has = (tag: string): boolean => node.tags.includes(tag);
  return placement.mode === "all" ? placement.tags.every(has) : placement.tags.some(has);
}

/** Takes the attempt off its session; the row is then in no state until the caller ends or queues it. */
function detach(state: State, slot: number, node = state.nodes.withSession(state.live.session[slot] as number)): void {
  if (node && state.occupies(slot)) node.running--;
  state.live.session[slot] = 0;
}

/** The attempt failed and is tried again at `atMs`. */
export function retryExecution(state: State, slot: number, atMs: number, error: string): void {
  detach(state, slot);
  if (error !== "") state.cold.put(coldKeys.note(state.live.sequence[slot] as number), utf8Bytes(error));
  queue(state, slot, Math.max(atMs, state.clockMs));
  event(state, eventCode["execution.retrying"], slot, 0);
}

/**
 * The attempt did not happen or was lost with its node: again, with a newer token, without counting as a try. The second time at once,
 * then later and later, so that a node that can start nothing does not keep the log busy; not for ever, since attempts are counted.
 */
export function requeueExecution(state: State, slot: number): void {
  const losses = (state.live.losses[slot] as number) + 1;
  if (losses > limits.requeuesMax) {
    return endExecution(state, slot, ending.failed, state.clockMs, `not started or lost ${losses} times`);
  }
  detach(state, slot);
  state.live.losses[slot] = losses;
  queue(state, slot, state.clockMs + Math.min(limits.requeueDelayMaxMs, (losses - 1) * limits.requeueDelayStepMs));
  event(state, eventCode["execution.retrying"], slot, 0);
}

/** The session that ran it is gone (H6): at_most_once ends as unknown, cancelling as cancelled, everything else is tried again. */
export function loseExecution(state: State, slot: number): void {
  const { live } = state;
  const spec = state.classOfLive(slot);
  if (live.state[slot] === liveState.cancelling)
    return endExecution(state, slot, ending.cancelled, state.clockMs, "cancelled; its node was lost");
  if (spec.delivery === "at_most_once") return endExecution(state, slot, ending.unknown, state.clockMs, "its node was lost");
  if ((live.losses[slot] as number) >= limits.lossesMax) {
    return endExecution(state, slot, ending.failed, state.clockMs, `lost with its node ${limits.lossesMax} times`);
  }
  requeueExecution(state, slot);
}

/** Asks the node to stop a running execution; queued ones end at once. */
export function cancelLive(state: State, slot: number): "cancelled" | "cancelling" {
  const { live } = state;
  if (live.state[slot] === liveState.running) {
    live.setState(slot, liveState.cancelling);
    live.rows.touch(slot);
    state.watcher.stopped(live.sequence[slot] as number, live.token[slot] as number, live.session[slot] as number, "cancelled");
    return "cancelling";
  }
  if (live.state[slot] === liveState.cancelling) return "cancelling";
  endExecution(state, slot, ending.cancelled, state.clockMs, "cancelled before it started");
  return "cancelled";
}

/** Ends an execution: one history record (X1), its slot and, where it was the last, its job's row become free. */
export function endExecution(
  state: State,
  slot: number,
  how: number,
  endAtMs: number,
  note: string,
  startAtMs = state.live.startedAtMs[slot] as number,
): void {
  const { live, jobs, record } = state;
  const job = live.job[slot] as number;
  const node = state.nodes.withSession(live.session[slot] as number);
  record.sequence = live.sequence[slot] as number;
  record.origin = live.origin[slot] as number;
  record.ending = how;
  record.attempts = live.attempt[slot] as number;
  record.scheduledAtMs = live.scheduledAtMs[slot] as number;
  // A worker's clock may be wrong: nothing ends after the entry that says so.
  record.endAtMs = Math.min(endAtMs, state.clockMs);
  record.startAtMs = Math.min(startAtMs, record.endAtMs);
  record.token = live.token[slot] as number;
  record.node = node ? node.number : 0;
  record.rangeToMs = 0;
  record.rangeCount = 0;
  record.jobType = state.classOfLive(slot).jobType;
  record.note = note;
  appendRecord(state, job);
  event(state, endingEvent[how] as number, slot, record.node);
  // Only an attempt before the one that runs now, or one that is to be tried again, has left a note.
  if (record.attempts > 1 || (record.attempts === 1 && !state.occupies(slot))) state.cold.del(coldKeys.note(record.sequence));
  detach(state, slot, node);
  state.timers.disarm(state.itemOfLive(slot));
  state.unlinkLive(slot);
  live.bySequence.remove(slot);
  const version = live.version[slot] as number;
  live.setState(slot, liveState.none);
  live.job[slot] = 0;
  live.rows.touch(slot);
  live.pool.free(slot);
  if (version !== jobs.revision[job]) dropVersion(state, job, version);
  leaveIfDone(state, job);
}

/** A due time, or a range of them, that became no execution. */
export function recordUnrun(state: State, job: number, how: number, fromMs: number, toMs: number, count: number, reason: string): void {
  const { record } = state;
  record.sequence = 0;
  record.origin = origin.scheduled;
  record.ending = how;
  record.attempts = 0;
  record.scheduledAtMs = fromMs;
  record.startAtMs = 0;
  record.endAtMs = state.clockMs;
  record.token = 0;
  record.node = 0;
  record.rangeToMs = toMs;
  record.rangeCount = count;
  record.jobType = state.classOf(job).spec.jobType;
  record.note = reason;
  appendRecord(state, job);
  state.events.add(endingEvent[how] as number, job, state.jobs.generation[job] as number, 0, 0, 0, 0, fromMs);
}

function appendRecord(state: State, job: number): void {
  const { record, jobs } = state;
  record.job = job;
  record.ordinal = ++state.lastOrdinal;
  record.previous = jobs.history(job);
  jobs.setHistory(job, record.ordinal);
  jobs.setLastEnding(job, record.ending);
  jobs.rows.touch(job);
  state.historySink.append(record);
}

/** An old definition goes when the last execution that runs it has ended (H12). */
export function dropVersion(state: State, job: number, version: number): void {
  for (let slot = state.jobs.liveHead[job] as number; slot !== 0; slot = state.live.nextOfJob[slot] as number) {
    if (state.live.version[slot] === version) return;
  }
  dropDefinition(state, job, version);
}

/** A job without further due times and without live executions leaves the table; what became of it stays as a cold row (H2e). */
export function leaveIfDone(state: State, job: number): void {
  const { jobs } = state;
  if (jobs.liveCount[job] !== 0) return;
  if (jobs.has(job, jobFlags.deleted)) return freeJob(state, job, definitionOf(state, job));
  if (jobs.dueAtMs[job] !== 0 || jobs.has(job, jobFlags.paused)) return;
  const oneShot = jobs.has(job, jobFlags.oneShot);
  const definition = definitionOf(state, job);
  retire(state, job, (oneShot && endings[jobs.lastEnding(job)]) || "completed", definition);
  freeJob(state, job, definition);
}

/** Takes a job's id out of use and keeps what GET answers afterwards. */
export function retire(state: State, job: number, status: string, definition: Definition): void {
  const { jobs } = state;
  const revision = jobs.revision[job] as number;
  const lastScheduledAtMs = jobs.lastAtMs[job] as number;
  addEnded(state, { status, revision, lastScheduledAtMs, endedAtMs: state.clockMs, ordinal: jobs.history(job) }, definition);
  jobs.ids.remove(job);
}

/** What ended after a job was deleted belongs to what GET answers for it, unless its id was used again. */
function completeEnded(state: State, { jobId, uid }: Definition, ordinal: number): void {
  const ended = findEnded(state, jobId);
  if (!ended || ended.ordinal === ordinal || decodeDefinition(ended.definition).uid !== uid) return;
  changeEnded(state, jobId, ended, { ...ended, endedAtMs: state.clockMs, ordinal });
}

function freeJob(state: State, job: number, definition: Definition): void {
  const { jobs } = state;
  assert(jobs.liveCount[job] === 0, `job ${job} still has live executions`);
  const { jobId } = definition;
  const newest = jobs.history(job);
  if (newest !== 0) state.cold.add(coldKeys.left(job, newest), encodeLeft({ leftAtMs: state.clockMs, jobId }));
  if (jobs.has(job, jobFlags.deleted)) completeEnded(state, definition, newest);
  state.departed.add(job, jobs.generation[job] as number, jobId);
  state.timers.disarm(job);
  dropDefinition(state, job, jobs.revision[job] as number);
  state.classes.release(jobs.class[job] as number);
  if (jobs.schedule[job] !== 0) state.schedules.release(jobs.schedule[job] as number);
  jobs.dueAtMs[job] = 0;
  jobs.lastAtMs[job] = 0;
  jobs.schedule[job] = 0;
  jobs.class[job] = 0;
  jobs.flags[job] = 0;
  jobs.idHash[job] = 0;
  jobs.setHistory(job, 0);
  jobs.rows.touch(job);
  jobs.pool.free(job);
}

/** `node` is the number of the node that runs it; 0 for none. */
function event(state: State, code: number, slot: number, node: number): void {
  const { live } = state;
  const job = live.job[slot] as number;
  state.events.add(
    code,
    job,
    state.jobs.generation[job] as number,
    live.sequence[slot] as number,
    live.attempt[slot] as number,
    live.token[slot] as number,
    node,
    live.scheduledAtMs[slot] as number,
  );
}

export function originName(code: number): (typeof origins)[number] {
  return origins[code] as (typeof origins)[number];
}
