// Owns: answers to questions about the state. Rows are shown by src/jobs/show.ts; whether an answer is linearizable is settled before it
// is asked here (replica.ts). Lists of jobs are joblist.ts's, of executions executionlist.ts's.
// (U1) Every answer is put together in slices that all reads share (slices.ts), so that no listing, and no number of them, delays a
//      heartbeat. A page is not a picture of one index: a job is listed if it was there when its slice was read (H16.15).
// (U2) Live executions and jobs by status are found through their own tables and rows, by type and time through columns; definitions
//      are read only of what is answered.

import { PawlError } from "../base/errors.ts";
import { executionId, tokenText } from "../base/token.ts";
import { findJob } from "../jobs/applychanges.ts";
import { findEnded } from "../jobs/endedrows.ts";
import type { StoredEvent } from "../jobs/eventlog.ts";
import type { HistoryRow } from "../jobs/history.ts";
import type { State } from "../jobs/state.ts";
import type { Answer, EventPosition, EventView, ExecutionFilter, ExecutionView, JobView, NodeView, Page, Query } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { FindAt, Found } from "../storage/historysearch.ts";
import type { System } from "../system.ts";
import { ExecutionList } from "./executionlist.ts";
import { JobList } from "./joblist.ts";
import { Owners } from "./owners.ts";
import { Slices } from "./slices.ts";
import type { Read } from "./slices.ts";

export interface HistoryReader {
  record(ordinal: number): HistoryRow | undefined;
  /** A part of the search for an execution's record; the next one goes on where it came to. */
  find(sequence: number, from?: FindAt): Found;
  /** Newest first; `next` is the beforeOrdinal to go on with, undefined at the end. */
  scan(question: {
    endingMask?: number;
    jobType?: string | undefined;
    job?: number | undefined;
    fromMs?: number | undefined;
    toMs?: number | undefined;
    beforeOrdinal?: number | undefined;
    limit: number;
  }): { readonly rows: readonly HistoryRow[]; readonly next: number | undefined };
}

export interface ColdPages {
  page(range: { gt?: string; gte?: string; lt?: string; limit: number }): Promise<[string, Uint8Array][]>;
}

const EVENTS_PER_STEP = 8;

export class Queries {
  private readonly state: State;
  private readonly slices: Slices;
  private readonly owners: Owners;
  private readonly jobs: JobList;
  private readonly executions: ExecutionList;

  constructor(state: State, history: HistoryReader, cold: ColdPages, system: System) {
    this.state = state;
    this.slices = new Slices(system);
    this.owners = new Owners(state, cold);
    this.jobs = new JobList(state, history, cold);
    this.executions = new ExecutionList(state, history, this.owners);
  }

  async answer(query: Exclude<Query, { kind: "cluster" }>): Promise<Answer> {
    const read = this.slices.begin();
    switch (query.kind) {
      case "job":
        return { kind: "job", job: await this.job(read, query.jobId) };
      case "jobs":
        return { kind: "jobs", page: await this.jobs.page(read, query.filter, query.limit, query.cursor) };
      case "execution":
        return { kind: "execution", execution: await this.executions.one(read, query.executionId) };
      case "executions":
        return { kind: "executions", page: await this.executionsBy(read, query.filter, query.limit, query.cursor) };
      case "nodes":
        return { kind: "nodes", nodes: this.nodes() };
      case "events":
        return this.events(read, query.after, query.limit);
    }
  }

  private async job(read: Read, jobId: string): Promise<JobView | undefined> {
    let job: JobView | undefined;
    await read.run(() => {
      job = this.jobs.one(jobId);
      return true;
    });
    return job;
  }

  private async executionsBy(
    read: Read, filter: ExecutionFilter, limit: number, cursor: string | undefined,
  ): Promise<Page<ExecutionView>> {
    const { jobId } = filter;
    if (jobId === undefined) return this.executions.page(read, filter, limit, cursor);
    let at: { job: number; newest: number } | undefined;
    await read.run(() => {
      at = this.chainOf(jobId);
      return true;
    });
    if (at === undefined) throw new PawlError("not_found", `no job ${jobId}`);
    return this.executions.ofJob(read, jobId, at, filter, limit, cursor);
  }

  /** The number of a job in the table, 0 of one that ended, and its newest record; undefined when there is no such job. */
  private chainOf(jobId: string): { job: number; newest: number } | undefined {
    const job = findJob(this.state, jobId);
    if (job !== 0) return { job, newest: this.state.jobs.history(job) };
    const ended = findEnded(this.state, jobId);
    return ended && { job: 0, newest: ended.ordinal };
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

  private async events(read: Read, after: EventPosition | undefined, limit: number): Promise<Answer> {
    const { events } = this.state;
    const oldest = events.oldest();
    const newest = events.newest();
    const stored = after === undefined ? [] : (events.after(after, Math.min(limit, limits.eventsPerPageMax)) ?? []);
    const shown: EventView[] = [];
    const names = new Map<string, string | undefined>();
    if (stored.length > 0)
      await read.run(() => {
        const end = Math.min(shown.length + EVENTS_PER_STEP, stored.length);
        while (shown.length < end) shown.push(this.showEvent(stored[shown.length] as StoredEvent, names));
        return end === stored.length;
      });
    return { kind: "events", events: shown, oldest, newest };
  }

  /** `names`: of jobs that were named before, since most events of an execution come close together. */
  private showEvent(event: StoredEvent, names: Map<string, string | undefined>): EventView {
    const { state } = this;
    const started = event.type === "execution.started";
    const who = `${event.job}:${event.generation}`;
    if (event.job !== 0 && !names.has(who)) names.set(who, this.nameOf(event.job, event.generation));
    return {
      position: event.position,
      type: event.type,
      atMs: event.atMs,
      jobId: event.job === 0 ? undefined : names.get(who),
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
    if (jobs.pool.has(job) && jobs.generation[job] === generation) return this.owners.now(job);
    return departed.get(job, generation);
  }
}
