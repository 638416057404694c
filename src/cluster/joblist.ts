// Owns: one job, and lists of jobs page by page: those in the table by number, then those that ended by id. Which rows fit is
// src/jobs/jobscan.ts's, how one is shown src/jobs/show.ts's, how much of a turn all this takes slices.ts's.
// (J1) A page is short, even empty, before the end, when its read has had its share (slices.ts, S2) or many rows did not fit: its cursor
//      says how far it came.
// (J2) A cursor is a place: a number of the table, which stays a job's for as long as it is there, or an id. One that was made up begins
//      somewhere else and does no harm.

import { findJob } from "../jobs/applychanges.ts";
import { coldKeys } from "../jobs/cold.ts";
import { isListedByStatus } from "../jobs/endedrows.ts";
import { decodeEnded } from "../jobs/definition.ts";
import { endings } from "../jobs/history.ts";
import { JobScan } from "../jobs/jobscan.ts";
import { showEnded, showJob } from "../jobs/show.ts";
import type { State } from "../jobs/state.ts";
import type { JobFilter, JobView, Page } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import { cursorOf } from "./cursor.ts";
import type { ColdPages, HistoryReader } from "./queries.ts";
import type { Read } from "./slices.ts";

/** Rows of the table that one step looks at. */
const STEP_ROWS = 32_768;

export class JobList {
  private readonly state: State;
  private readonly history: HistoryReader;
  private readonly cold: ColdPages;

  constructor(state: State, history: HistoryReader, cold: ColdPages) {
    this.state = state;
    this.history = history;
    this.cold = cold;
  }

  one(jobId: string): JobView | undefined {
    const job = findJob(this.state, jobId);
    if (job !== 0) return this.show(job);
    const ended = this.state.cold.get(coldKeys.ended(jobId));
    return ended ? this.showEnded(ended) : undefined;
  }

  async page(read: Read, filter: JobFilter, limit: number, cursor: string | undefined): Promise<Page<JobView>> {
    const [place, at] = cursorOf(cursor, "n", "e");
    const items: JobView[] = [];
    if (place === "n") {
      const seen = await this.inTable(read, filter, limit, Number(at ?? 0), items);
      const isEnd = seen + 1 >= this.state.jobs.rows.rowCount();
      if (!isEnd || (items.length >= limit && mayHaveEnded(filter))) return { items, cursor: `n:${seen}` };
    }
    if (!mayHaveEnded(filter)) return { items };
    const after = await this.ended(read, filter, limit, place === "e" ? (at ?? "") : "", items);
    return after === undefined ? { items } : { items, cursor: `e:${after}` };
  }

  /** Fills `items` from the table, from the number after `seen` on; returns the last number that was looked at. */
  private async inTable(read: Read, filter: JobFilter, limit: number, seen: number, items: JobView[]): Promise<number> {
    const { rows } = this.state.jobs;
    const scan = new JobScan(this.state, filter);
    if (!scan.mayFind) return rows.rowCount() - 1;
    let from = seen + 1;
    await read.run(() => {
      const end = Math.min(from + STEP_ROWS, rows.rowCount());
      if (from >= end) return true;
      from = scan.next(from, end);
      if (from < end) items.push(this.show(from++));
      return items.length >= limit;
    });
    return from - 1;
  }

  private show(job: number): JobView {
    const ordinal = this.state.jobs.history(job);
    return showJob(this.state, job, ordinal === 0 ? undefined : this.history.record(ordinal));
  }

  private showEnded(stored: Uint8Array): JobView {
    const { ordinal } = decodeEnded(stored);
    return showEnded(this.state, stored, ordinal === 0 ? undefined : this.history.record(ordinal));
  }

  /** Fills `items` from one page of the stored rows behind an id; returns the id to go on behind, undefined at the end. */
  private async ended(read: Read, filter: JobFilter, limit: number, after: string, items: JobView[]): Promise<string | undefined> {
    const { status } = filter;
    const listed = status !== undefined && isListedByStatus(status);
    const prefix = listed ? coldKeys.endedBy(status, "") : coldKeys.ended("");
    const asked = isSelective(filter, listed) ? limits.pageMax : limit - items.length;
    const rows = await this.cold.page({ gt: prefix + after, lt: `${prefix}\u{10ffff}`, limit: asked });
    let looked = 0;
    if (rows.length > 0)
      await read.run(() => {
        const [key, value] = rows[looked++] as [string, Uint8Array];
        const stored = !listed ? value : this.state.cold.get(coldKeys.ended(key.slice(prefix.length)));
        const view = stored && this.showEnded(stored);
        if (view && endedFits(view, filter)) items.push(view);
        return items.length >= limit || looked === rows.length;
      });
    if (looked === rows.length && rows.length < asked) return undefined;
    return (rows[looked - 1] as [string, Uint8Array])[0].slice(prefix.length);
  }
}

function mayHaveEnded({ status }: JobFilter): boolean {
  return status === undefined || (endings as readonly string[]).includes(status);
}

/** Whether rows of the wanted status may not fit all the same. */
function isSelective({ status, jobType, startFromMs, startToMs }: JobFilter, listed: boolean): boolean {
  return jobType !== undefined || startFromMs !== undefined || startToMs !== undefined || (status !== undefined && !listed);
}

function endedFits(view: JobView, { status, jobType, startFromMs = 0, startToMs = Number.POSITIVE_INFINITY }: JobFilter): boolean {
  if (status !== undefined && view.status !== status) return false;
  if (jobType !== undefined && view.spec.class.jobType !== jobType) return false;
  const startMs = view.lastScheduledAtMs ?? 0;
  return startMs >= startFromMs && startMs < startToMs;
}
