// Owns: answers to questions about the state, page by page. Rows are shown by src/jobs/show.ts; whether an answer is linearizable is
// settled before it is asked here (replica.ts).
// (U1) A page is put together in slices with a turn of the loop between them, so that a long listing never delays a heartbeat. Such a
//      page is not a picture of one index: a job is listed if it was there when its slice was read (H16.15).
// (U2) Live executions and jobs by status are found through their own tables and rows, by type and time through columns; definitions
//      are read only of what is answered.

import { PawlError } from "../base/errors.ts";
import { parseExecutionId, tokenText, executionId } from "../base/token.ts";
import { findJob } from "../jobs/applychanges.ts";
import { coldKeys } from "../jobs/cold.ts";
import { decodeEnded, decodeLeft } from "../jobs/definition.ts";
import type { StoredEvent } from "../jobs/eventlog.ts";
import { definitionOf } from "../jobs/definitionrows.ts";
import { endings } from "../jobs/history.ts";
import type { HistoryRow } from "../jobs/history.ts";
import { jobFlags } from "../jobs/jobtable.ts";
import { liveState } from "../jobs/livetable.ts";
import { jobStatus, showEnded, showJob, showLive, showRecord } from "../jobs/show.ts";
import type { State } from "../jobs/state.ts";
import type {
  Answer,
  EventPosition,
  EventView,
  ExecutionFilter,
  ExecutionView,
  JobFilter,
  JobView,
  NodeView,
  Page,
  Query,
} from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";

export interface HistoryReader {
  record(ordinal: number): HistoryRow | undefined;
  findSequence(sequence: number): HistoryRow | undefined;
  /** Newest first; `next` is the beforeOrdinal to go on with, undefined at the end. */
  scan(question: {
    endingMask?: number;
    fromMs?: number | undefined;
    toMs?: number | undefined;
    beforeOrdinal?: number | undefined;
    limit: number;
  }): { readonly rows: readonly HistoryRow[]; readonly next: number | undefined };
}

export interface ColdPages {
  page(range: { gt?: string; gte?: string; lt?: string; limit: number }): Promise<[string, Uint8Array][]>;
}

const SLICE_ROWS = 65_536;
const CHAIN_SLICE = 256;
/** Public words that stand for two states each. */
const liveStates: Readonly<Record<string, readonly number[]>> = {
  queued: [liveState.queued, liveState.retrying],
  running: [liveState.running, liveState.cancelling],
  retrying: [liveState.retrying],
  cancelling: [liveState.cancelling],
};

export class Queries {
  private readonly state: State;
  private readonly history: HistoryReader;
  private readonly cold: ColdPages;
  private readonly system: System;

  constructor(state: State, history: HistoryReader, cold: ColdPages, system: System) {
    this.state = state;
    this.history = history;
    this.cold = cold;
    this.system = system;
  }

  async answer(query: Exclude<Query, { kind: "cluster" }>): Promise<Answer> {
    switch (query.kind) {
      case "job":
        return { kind: "job", job: this.job(query.jobId) };
      case "jobs":
        return { kind: "jobs", page: await this.jobs(query.filter, query.limit, query.cursor) };
      case "execution":
        return { kind: "execution", execution: await this.execution(query.executionId) };
      case "executions":
        return { kind: "executions", page: await this.executions(query.filter, query.limit, query.cursor) };
      case "nodes":
        return { kind: "nodes", nodes: this.nodes() };
      case "events":
        return this.events(query.after, query.limit);
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => this.system.soon(resolve));
  }

  private job(jobId: string): JobView | undefined {
    const job = findJob(this.state, jobId);
    if (job !== 0) return this.show(job);
    const ended = this.state.cold.get(coldKeys.ended(jobId));
    return ended ? this.showEnded(ended) : undefined;
  }

  private show(job: number): JobView {
    const ordinal = this.state.jobs.history(job);
    return showJob(this.state, job, ordinal === 0 ? undefined : this.history.record(ordinal));
  }

  private showEnded(stored: Uint8Array): JobView {
    const { ordinal } = decodeEnded(stored);
    return showEnded(this.state, stored, ordinal === 0 ? undefined : this.history.record(ordinal));
  }

  private async jobs(filter: JobFilter, limit: number, cursor: string | undefined): Promise<Page<JobView>> {
    const [place, rest] = cursorOf(cursor, "n:0");
    const items: JobView[] = [];
    const inTable = filter.status === undefined || !(endings as readonly string[]).includes(filter.status);
    if (place === "n" && inTable) {
      const next = await this.jobsInTable(filter, limit, Number(rest), items);
      if (next !== undefined) return { items, cursor: `n:${next}` };
    }
    if (!mayHaveEnded(filter)) return { items };
    const after = await this.jobsEnded(filter, limit, place === "e" ? rest : "", items);
    return after === undefined ? { items } : { items, cursor: `e:${after}` };
  }

  /** Fills `items` from the table; returns the number to go on from when the page is full. */
  private async jobsInTable(filter: JobFilter, limit: number, from: number, items: JobView[]): Promise<number | undefined> {
    const { pool } = this.state.jobs;
    const matches = this.matcher(filter);
    let seen = 0;
    for (let job = pool.nextUsed(from); job !== 0; job = pool.nextUsed(job)) {
      if (matches(job)) items.push(this.show(job));
      if (items.length >= limit) return job;
      if (++seen % SLICE_ROWS === 0) await this.turn();
    }
    return undefined;
  }

  private matcher(filter: JobFilter): (job: number) => boolean {
    const { state } = this;
    const { jobs } = state;
    const { status, jobType, startFromMs = 0, startToMs = Number.POSITIVE_INFINITY } = filter;
    const wanted = status === undefined ? undefined : (liveStates[status] ?? []);
    return (job) => {
      if (jobs.has(job, jobFlags.deleted)) return false;
      if (jobType !== undefined && state.classOf(job).spec.jobType !== jobType) return false;
      if (wanted !== undefined && !this.hasStatus(job, status as string, wanted)) return false;
      const startMs = (jobs.dueAtMs[job] as number) || (jobs.lastAtMs[job] as number);
      return startMs >= startFromMs && startMs < startToMs;
    };
  }

  private hasStatus(job: number, status: string, wanted: readonly number[]): boolean {
    const { jobs, live } = this.state;
    const newest = jobs.liveHead[job] as number;
    if (jobs.has(job, jobFlags.oneShot) && newest !== 0) return wanted.includes(live.state[newest] as number);
    return jobStatus(this.state, job) === status;
  }

  private async jobsEnded(filter: JobFilter, limit: number, after: string, items: JobView[]): Promise<string | undefined> {
    const prefix = filter.status === undefined ? coldKeys.ended("") : coldKeys.endedBy(filter.status, "");
    let last = after;
    while (items.length < limit) {
      const rows = await this.cold.page({ gt: prefix + last, lt: `${prefix}\u{10ffff}`, limit: limits.pageMax });
      for (const [key, value] of rows) {
        last = key.slice(prefix.length);
        const stored = filter.status === undefined ? value : this.state.cold.get(coldKeys.ended(last));
        const view = stored ? this.showEnded(stored) : undefined;
        if (view && endedMatches(view, filter)) items.push(view);
        if (items.length >= limit) return last;
      }
      if (rows.length < limits.pageMax) return undefined;
    }
    return last;
  }

  private async execution(id: string): Promise<ExecutionView | undefined> {
    const sequence = parseExecutionId(this.state.idSpace, id);
    if (sequence === undefined) return undefined;
    const slot = this.state.live.find(sequence);
    if (slot !== 0) return this.showLive(slot);
    const row = this.history.findSequence(sequence);
    if (row) return showRecord(this.state, row, await this.ownerAt(row.job, row.ordinal));
    // It was there once, and days of history have gone since.
    if (sequence > 0 && sequence <= this.state.lastSequence && this.state.historyFromDay > 0) throw agedOut(id);
    return undefined;
  }

  private showLive(slot: number): ExecutionView {
    const job = this.state.live.job[slot] as number;
    return showLive(this.state, slot, definitionOf(this.state, job).jobId);
  }

  /** Whose number it was when this record was written: the next to leave it, or its present holder. */
  private async ownerAt(job: number, ordinal: number): Promise<string> {
    const until = coldKeys.left(job, 2 ** 48 - 1);
    const [row] = await this.cold.page({ gte: coldKeys.left(job, ordinal), lt: `${until}~`, limit: 1 });
    if (row) return decodeLeft(row[1]).jobId;
    return this.state.jobs.pool.has(job) ? definitionOf(this.state, job).jobId : "";
  }

  private async executions(filter: ExecutionFilter, limit: number, cursor: string | undefined): Promise<Page<ExecutionView>> {
    if (filter.jobId !== undefined) return this.executionsOf(filter.jobId, filter, limit, cursor);
    const [place, rest] = cursorOf(cursor, "l:0");
    const items: ExecutionView[] = [];
    if (place === "l" && filterIsLive(filter)) {
      const next = await this.liveExecutions(filter, limit, Number(rest), items);
      if (next !== undefined) return { items, cursor: `l:${next}` };
    }
    const endingMask = maskOf(filter.status);
    if (endingMask === 0) return { items };
    return this.endedExecutions(filter, limit, endingMask, place === "h" ? Number(rest) : Number.MAX_SAFE_INTEGER, items);
  }

  private async liveExecutions(filter: ExecutionFilter, limit: number, from: number, items: ExecutionView[]): Promise<number | undefined> {
    const { live } = this.state;
    const wanted = filter.status === undefined ? undefined : liveStates[filter.status];
    let seen = 0;
    for (let slot = live.pool.nextUsed(from); slot !== 0; slot = live.pool.nextUsed(slot)) {
      const fits = wanted === undefined || wanted.includes(live.state[slot] as number);
      if (fits && inTime(live.scheduledAtMs[slot] as number, filter)) items.push(this.showLive(slot));
      if (items.length >= limit) return slot;
      if (++seen % SLICE_ROWS === 0) await this.turn();
    }
    return undefined;
  }

  private async endedExecutions(
    filter: ExecutionFilter,
    limit: number,
    endingMask: number,
    before: number,
    items: ExecutionView[],
  ): Promise<Page<ExecutionView>> {
    const { fromMs, toMs } = filter;
    for (let beforeOrdinal: number | undefined = before; beforeOrdinal !== undefined; ) {
      const { rows, next }: ReturnType<HistoryReader["scan"]> = this.history.scan({
        endingMask,
        fromMs,
        toMs,
        beforeOrdinal,
        limit: limit - items.length,
      });
      for (const row of rows) items.push(showRecord(this.state, row, await this.ownerAt(row.job, row.ordinal)));
      if (items.length >= limit) return next === undefined ? { items } : { items, cursor: `h:${next}` };
      beforeOrdinal = next;
      await this.turn();
    }
    return { items };
  }

  /** Executions of one job: its live ones, newest first, then its chain of history records. */
  private async executionsOf(
    jobId: string,
    filter: ExecutionFilter,
    limit: number,
    cursor: string | undefined,
  ): Promise<Page<ExecutionView>> {
    const job = findJob(this.state, jobId);
    const ended = job === 0 ? this.job(jobId) : undefined;
    if (job === 0 && !ended) throw new PawlError("not_found", `no job ${jobId}`);
    const items: ExecutionView[] = [];
    const [place, rest] = cursorOf(cursor, "l:0");
    if (place === "l" && job !== 0 && filterIsLive(filter)) this.liveOf(job, filter, items);
    const endingMask = maskOf(filter.status);
    let ordinal = place === "h" ? Number(rest) : this.newestOrdinal(jobId, job);
    for (let steps = 1; ordinal !== 0 && endingMask !== 0 && items.length < limit; steps++) {
      const row = this.history.record(ordinal);
      if (!row) break;
      if ((endingMask & (1 << row.ending)) !== 0 && inTime(row.scheduledAtMs, filter)) items.push(showRecord(this.state, row, jobId));
      ordinal = row.previous;
      if (steps % CHAIN_SLICE === 0) await this.turn();
    }
    return items.length >= limit && ordinal !== 0 ? { items, cursor: `h:${ordinal}` } : { items };
  }

  private newestOrdinal(jobId: string, job: number): number {
    if (job !== 0) return this.state.jobs.history(job);
    const stored = this.state.cold.get(coldKeys.ended(jobId));
    return stored ? decodeEnded(stored).ordinal : 0;
  }

  private liveOf(job: number, filter: ExecutionFilter, items: ExecutionView[]): void {
    const { jobs, live } = this.state;
    const wanted = filter.status === undefined ? undefined : liveStates[filter.status];
    for (let slot = jobs.liveHead[job] as number; slot !== 0; slot = live.nextOfJob[slot] as number) {
      const fits = wanted === undefined || wanted.includes(live.state[slot] as number);
      if (fits && inTime(live.scheduledAtMs[slot] as number, filter)) items.push(this.showLive(slot));
    }
  }

  private nodes(): NodeView[] {
    return this.state.nodes.rows.map((row) => ({
      nodeId: row.id,
      state: row.session === 0 ? "down" : "up",
      session: row.session,
      slots: row.slots,
      running: row.running,
      tags: row.tags,
    }));
  }

  private events(after: EventPosition | undefined, limit: number): Answer {
    const { events } = this.state;
    const oldest = events.oldest();
    const newest = events.newest();
    const stored = after === undefined ? [] : (events.after(after, Math.min(limit, limits.eventsPerPageMax)) ?? []);
    return { kind: "events", events: stored.map((event) => this.showEvent(event)), oldest, newest };
  }

  private showEvent(event: StoredEvent): EventView {
    const { state } = this;
    const started = event.type === "execution.started";
    return {
      position: event.position,
      type: event.type,
      atMs: event.atMs,
      jobId: event.job === 0 ? undefined : this.nameOf(event.job, event.generation),
      executionId: event.sequence === 0 ? undefined : executionId(state.idSpace, event.sequence),
      nodeId: event.node === 0 ? undefined : state.nodes.number(event.node)?.id,
      attempt: event.attempt === 0 ? undefined : event.attempt,
      fencingToken: event.token === 0 ? undefined : tokenText(event.token, state.shard),
      scheduledAtMs: event.scheduledAtMs === 0 ? undefined : event.scheduledAtMs,
      latenessMs: started ? Math.max(0, event.atMs - event.scheduledAtMs) : undefined,
    };
  }

  private nameOf(job: number, generation: number): string | undefined {
    const { jobs, departed } = this.state;
    if (jobs.pool.has(job) && jobs.generation[job] === generation) return definitionOf(this.state, job).jobId;
    return departed.get(`${job}:${generation}`);
  }
}

function agedOut(id: string): PawlError {
  return new PawlError("gone", `execution ${id} ended so long ago that it is kept no longer; history.retention_days says how long`);
}

function cursorOf(cursor: string | undefined, first: string): [string, string] {
  const text = cursor ?? first;
  if (!/^(?:[nlh]:\d{1,16}|e:.{1,256})$/s.test(text))
    throw new PawlError("invalid", "cursor: not one that a page ended with", { field: "cursor" });
  return [text.slice(0, 1), text.slice(2)];
}

function mayHaveEnded(filter: JobFilter): boolean {
  return filter.status === undefined || (endings as readonly string[]).includes(filter.status);
}

function endedMatches(view: JobView, filter: JobFilter): boolean {
  if (filter.jobType !== undefined && view.spec.class.jobType !== filter.jobType) return false;
  const startMs = view.lastScheduledAtMs ?? 0;
  return startMs >= (filter.startFromMs ?? 0) && startMs < (filter.startToMs ?? Number.POSITIVE_INFINITY);
}

function filterIsLive(filter: ExecutionFilter): boolean {
  return filter.status === undefined || liveStates[filter.status] !== undefined;
}

function maskOf(status: string | undefined): number {
  if (status === undefined) return (1 << endings.length) - 1;
  const at = (endings as readonly string[]).indexOf(status);
  return at < 0 ? 0 : 1 << at;
}

function inTime(atMs: number, filter: ExecutionFilter): boolean {
  return atMs >= (filter.fromMs ?? 0) && atMs < (filter.toMs ?? Number.POSITIVE_INFINITY);
}
