// Owns: one execution, and lists of executions page by page: live ones first, then the history, newest first; over all jobs, or of one,
// whose records are a chain. How the history is kept and looked through is src/storage's, whose a record is owners.ts's.
// (E1) Pages end as those of jobs do (joblist.ts, J1). A live row stays in its place until it has ended, and is a record from then on.
// (E3) Records of one job that fit are looked for in two ways at once: along its chain, which is quick where many fit, and by the index of
//      the history, which is quick where few do, or all are old. Whichever comes to the next one first is gone on from.
// (E2) A cursor into a chain that is not of the job that is asked for is refused: nothing is shown under another job's name.

import { PawlError } from "../base/errors.ts";
import { parseExecutionId } from "../base/token.ts";
import { endings } from "../jobs/history.ts";
import type { HistoryRow } from "../jobs/history.ts";
import { liveStatesOf } from "../jobs/jobscan.ts";
import { showLive, showRecord } from "../jobs/show.ts";
import type { State } from "../jobs/state.ts";
import type { ExecutionFilter, ExecutionView, Page } from "../jobs/views.ts";
import type { Found } from "../storage/historysearch.ts";
import { cursorOf } from "./cursor.ts";
import type { Owners } from "./owners.ts";
import type { HistoryReader } from "./queries.ts";
import type { Read } from "./slices.ts";

/** Rows of the live table, and links of one job's list, that one step looks at. */
const STEP_ROWS = 32_768;
const STEP_LINKS = 1_024;
const ANY = -1;

/** The next record of a chain, and below which ordinal the index is to be asked for one that fits (E3). */
type ChainAt = { ordinal: number; below: number };

export class ExecutionList {
  private readonly state: State;
  private readonly history: HistoryReader;
  private readonly owners: Owners;

  constructor(state: State, history: HistoryReader, owners: Owners) {
    this.state = state;
    this.history = history;
    this.owners = owners;
  }

  async one(read: Read, id: string): Promise<ExecutionView | undefined> {
    const { state } = this;
    const sequence = parseExecutionId(state.idSpace, id);
    if (sequence === undefined) return undefined;
    let live: ExecutionView | undefined;
    let found: Found;
    const step = (): boolean => {
      const slot = found === undefined ? state.live.find(sequence) : 0;
      if (slot !== 0) live = this.showLive(slot);
      else found = this.history.find(sequence, found && "goOn" in found ? found.goOn : undefined);
      return found === undefined || "row" in found;
    };
    // There is no page to end early: it goes on, step by step, when its share is used up.
    while (!(await read.run(step)));
    if (live) return live;
    if (found && "row" in found) return this.showRecord(found.row);
    // It was there once, and days of history have gone since.
    if (sequence > 0 && sequence <= state.lastSequence && state.historyFromDay > 0) throw agedOut(id);
    return undefined;
  }

  async page(read: Read, filter: ExecutionFilter, limit: number, cursor: string | undefined): Promise<Page<ExecutionView>> {
    const [part, place] = cursorOf(cursor, "l", "h");
    const items: ExecutionView[] = [];
    if (part === "l" && mayBeLive(filter)) {
      const seen = await this.live(read, filter, limit, Number(place ?? 0), items);
      if (items.length >= limit || seen + 1 < this.state.live.rows.rowCount()) return { items, cursor: `l:${seen}` };
    }
    const endingMask = maskOf(filter.status);
    if (endingMask === 0) return { items };
    const next = await this.ended(read, filter, limit, endingMask, part === "h" ? Number(place) : Number.MAX_SAFE_INTEGER, items);
    return next === undefined ? { items } : { items, cursor: `h:${next}` };
  }

  /** Fills `items` with live executions, from the row after `seen` on; returns the last row that was looked at. */
  private async live(read: Read, filter: ExecutionFilter, limit: number, seen: number, items: ExecutionView[]): Promise<number> {
    const { live } = this.state;
    const wanted = liveMask(filter);
    const { jobType, fromMs = 0, toMs = Number.POSITIVE_INFINITY } = filter;
    let slot = seen + 1;
    await read.run(() => {
      const { state: states, scheduledAtMs } = live;
      const end = Math.min(slot + STEP_ROWS, live.rows.rowCount());
      for (; slot < end; slot++) {
        if (((wanted >>> (states[slot] as number)) & 1) === 0) continue;
        const atMs = scheduledAtMs[slot] as number;
        if (atMs >= fromMs && atMs < toMs && (jobType === undefined || this.state.classOfLive(slot).jobType === jobType)) break;
      }
      if (slot < end) items.push(this.showLive(slot++));
      return items.length >= limit || slot >= live.rows.rowCount();
    });
    return slot - 1;
  }

  /** Fills `items` with records below an ordinal; returns the ordinal to go on below, undefined at the end. */
  private async ended(
    read: Read, filter: ExecutionFilter, limit: number, endingMask: number, below: number, items: ExecutionView[],
  ): Promise<number | undefined> {
    const { jobType, fromMs, toMs } = filter;
    const found: { readonly row: HistoryRow; readonly jobId: string | undefined }[] = [];
    let rows: readonly HistoryRow[] = [];
    let taken = 0;
    let next: number | undefined = below;
    await read.run(() => {
      const row = rows[taken];
      if (row) {
        taken++;
        found.push({ row, jobId: this.owners.known(row) });
      } else if (next !== undefined) {
        const question = { endingMask, jobType, fromMs, toMs, beforeOrdinal: next };
        ({ rows, next } = this.history.scan({ ...question, limit: limit - items.length - found.length }));
        taken = 0;
      }
      return items.length + found.length >= limit || (taken === rows.length && next === undefined);
    });
    for (const { row, jobId } of found) items.push(showRecord(this.state, row, jobId ?? (await this.owners.at(row))));
    const untaken = rows[taken];
    return untaken ? untaken.ordinal + 1 : next;
  }

  /** Executions of the job that has this number now, or of one that ended, whose newest record this is. */
  async ofJob(
    read: Read, jobId: string, at: { job: number; newest: number }, filter: ExecutionFilter, limit: number, cursor: string | undefined,
  ): Promise<Page<ExecutionView>> {
    const [part, place] = cursorOf(cursor, "l", "h");
    const items: ExecutionView[] = [];
    if (part === "l" && at.job !== 0 && mayBeLive(filter)) {
      const below = place === undefined ? Number.POSITIVE_INFINITY : Number(place);
      const seen = await this.liveOf(read, at.job, jobId, filter, limit, below, items);
      if (seen !== 0) return { items, cursor: `l:${seen}` };
    }
    const endingMask = maskOf(filter.status);
    if (endingMask === 0) return { items };
    const [ordinal = at.newest, below = Number.MAX_SAFE_INTEGER] = part === "h" ? (place as string).split(".").map(Number) : [];
    if (part === "h") await this.checkChain(jobId, ordinal);
    const to = { ordinal, below };
    await this.chain(read, { jobId, isInTable: at.job !== 0 }, filter, limit, endingMask, to, items);
    return to.ordinal === 0 ? { items } : { items, cursor: `h:${to.ordinal}.${Math.min(to.below, to.ordinal + 1)}` };
  }

  /**
   * Fills `items` with the job's live executions of sequences below one, newest first; returns the sequence to go on below, 0 at the end.
   * Between two steps any of them may end: then the place is found anew from the front.
   */
  private async liveOf(
    read: Read, job: number, jobId: string, filter: ExecutionFilter, limit: number, below: number, items: ExecutionView[],
  ): Promise<number> {
    const { jobs, live } = this.state;
    const generation = jobs.generation[job];
    const wanted = liveMask(filter);
    let [slot, sequence, unseen] = [0, 0, below];
    const step = (): boolean => {
      if (!jobs.pool.has(job) || jobs.generation[job] !== generation) return true;
      const isInPlace = slot !== 0 && live.job[slot] === job && live.sequence[slot] === sequence;
      slot = (isInPlace ? live.nextOfJob[slot] : jobs.liveHead[job]) as number;
      for (let links = 1; slot !== 0; slot = live.nextOfJob[slot] as number, links++) {
        sequence = live.sequence[slot] as number;
        if (sequence < unseen) {
          unseen = sequence;
          const fits = ((wanted >>> (live.state[slot] as number)) & 1) !== 0 && this.liveFits(slot, filter);
          if (fits) items.push(showLive(this.state, slot, jobId));
          if (fits) return items.length >= limit;
        }
        if (links === STEP_LINKS) return false;
      }
      return true;
    };
    let isDone = await read.run(step);
    // Where many are to be passed over first, a page that came no further would never end.
    while (!isDone && unseen === below) isDone = await read.run(step);
    return isDone && items.length < limit ? 0 : unseen;
  }

  private liveFits(slot: number, { jobType, fromMs = 0, toMs = Number.POSITIVE_INFINITY }: ExecutionFilter): boolean {
    const atMs = this.state.live.scheduledAtMs[slot] as number;
    return atMs >= fromMs && atMs < toMs && (jobType === undefined || this.state.classOfLive(slot).jobType === jobType);
  }

  /** Fills `items` with records of a chain from one on, and moves `to` to the one to go on with, 0 at the end. */
  private async chain(
    read: Read, { jobId, isInTable }: { jobId: string; isInTable: boolean },
    filter: ExecutionFilter, limit: number, endingMask: number, to: ChainAt, items: ExecutionView[],
  ): Promise<void> {
    if (items.length >= limit) return;
    let byIndex = isInTable;
    await read.run(() => {
      const row = to.ordinal === 0 ? undefined : this.history.record(to.ordinal);
      to.ordinal = row?.previous ?? 0;
      if (row && recordFits(row, filter, endingMask)) items.push(showRecord(this.state, row, jobId));
      else if (row && to.ordinal !== 0 && byIndex) byIndex = this.skip(row.job, filter, endingMask, to);
      return to.ordinal === 0 || items.length >= limit;
    });
  }

  /** Moves `to` on by the index (E3). False when only the chain tells: what was found may be of an earlier holder of the job's number. */
  private skip(job: number, { jobType, fromMs, toMs }: ExecutionFilter, endingMask: number, to: ChainAt): boolean {
    const beforeOrdinal = Math.min(to.below, to.ordinal + 1);
    const { rows: [found], next } = this.history.scan({ job, endingMask, jobType, fromMs, toMs, beforeOrdinal, limit: 1 });
    if (found && this.owners.present(found) === undefined) return false;
    if (found) to.ordinal = found.ordinal;
    else if (next === undefined) to.ordinal = 0;
    to.below = found?.ordinal ?? next ?? 0;
    return true;
  }

  /** (E2) */
  private async checkChain(jobId: string, ordinal: number): Promise<void> {
    const row = this.history.record(ordinal);
    if (row === undefined || (this.owners.known(row) ?? (await this.owners.at(row))) === jobId) return;
    throw new PawlError("invalid", `cursor: not one of the executions of ${jobId}`, { field: "cursor" });
  }

  private showLive(slot: number): ExecutionView {
    return showLive(this.state, slot, this.owners.now(this.state.live.job[slot] as number));
  }

  private async showRecord(row: HistoryRow): Promise<ExecutionView> {
    return showRecord(this.state, row, this.owners.known(row) ?? (await this.owners.at(row)));
  }
}

function agedOut(id: string): PawlError {
  return new PawlError("gone", `execution ${id} ended so long ago that it is kept no longer; history.retention_days says how long`);
}

function mayBeLive(filter: ExecutionFilter): boolean {
  return liveMask(filter) !== 0;
}

/** Live states that fit, as bits; without a status all but "none". */
function liveMask({ status }: ExecutionFilter): number {
  return status === undefined ? ANY - 1 : (liveStatesOf.get(status) ?? 0);
}

function maskOf(status: string | undefined): number {
  if (status === undefined) return (1 << endings.length) - 1;
  const at = (endings as readonly string[]).indexOf(status);
  return at < 0 ? 0 : 1 << at;
}

function recordFits(row: HistoryRow, filter: ExecutionFilter, endingMask: number): boolean {
  const { jobType = row.jobType, fromMs = 0, toMs = Number.POSITIVE_INFINITY } = filter;
  if ((endingMask & (1 << row.ending)) === 0 || row.jobType !== jobType) return false;
  return row.scheduledAtMs < toMs && (row.scheduledAtMs >= fromMs || row.rangeToMs >= fromMs);
}
