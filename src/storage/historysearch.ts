// Owns: looking through the files of all days: by ending, job type, job and time, by execution number, and in the order of ordinals. Where
// a day has what is looked for is historyday.ts's, which days there are and what is missing history.ts's.
// (S1) A call reads a bounded number of frames, gets on in any case, and says where to go on: whoever asks decides when (src/cluster).
// (S2) Days overlap in ordinals, around midnight and where records were missing once. Each day is a head with the ordinal that it has come
//      to; the farthest behind goes on first, so that rows come in order, and so that a call always gets on.

import { limits } from "../limits.ts";
import { column, rowAt } from "./historyblock.ts";
import { typeBitsOf } from "./historyframe.ts";
import type { Rows } from "./historyblock.ts";
import type { HistoryDay } from "./historyday.ts";
import type { Filter } from "./historyframe.ts";
import type { Holes } from "./historyholes.ts";
import type { HistoryRow } from "../jobs/history.ts";

export type HistoryQuery = {
  /** Bits 1 << ending; all when absent. */
  readonly endingMask?: number | undefined;
  readonly jobType?: string | undefined;
  /** Dense job number. No summary has it: without anything else it is found by looking at every record. */
  readonly job?: number | undefined;
  /** Scheduled times in [fromMs, toMs); of a range any of its due times. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Only rows with smaller ordinals. */
  readonly beforeOrdinal?: number | undefined;
  readonly limit: number;
};

/** `next` is the beforeOrdinal to go on with: a page may be short, even empty, before the end. Undefined at the end. */
export type HistoryPage = { readonly rows: readonly HistoryRow[]; readonly next: number | undefined };

/** All rows of [from, upTo), oldest first. */
export type HistoryWalk = { readonly rows: readonly HistoryRow[]; readonly upTo: number };

/** Where a search for an execution goes on. */
export type FindAt = { readonly name: string; readonly ordinal: number };

/** The record of an execution, or where its search goes on; undefined when there is none. */
export type Found = { readonly row: HistoryRow } | { readonly goOn: FindAt } | undefined;

/** What is looked through: as it is in this turn. */
export type Searched = {
  readonly days: Iterable<HistoryDay>;
  readonly holes: Holes;
  readonly nextOrdinal: number;
  readonly frames: { readonly reads: number };
};

/** A day, and its row that is next; while `rows` is undefined it may be as near as `at ordinal`, or farther. */
type Head = { readonly day: HistoryDay; ordinal: number; rows: Rows | undefined; at: number };

/** Newest first by ordinal (S1). Throws PawlError("history_incomplete") when rows of the page may be missing. */
export function scanDown({ days, holes, nextOrdinal, frames }: Searched, query: HistoryQuery): HistoryPage {
  const filter = filterOf(query);
  const rows: HistoryRow[] = [];
  const readsMax = frames.reads + limits.historyReadsPerStep;
  const begin = Math.min(query.beforeOrdinal ?? nextOrdinal, nextOrdinal);
  let before = begin;
  const heads = headsOf(days, (day) => Math.min(before - 1, day.lastOrdinal));
  for (;;) {
    const { first, second } = foremost(heads, 1);
    holes.check((first?.ordinal ?? 0) + 1, before);
    if (first === undefined) return { rows, next: undefined };
    if (first.rows === undefined) {
      if (frames.reads >= readsMax && first.ordinal + 1 < begin) return { rows, next: first.ordinal + 1 };
      const place = first.day.newest(first.ordinal, filter);
      if (place === undefined) heads.splice(heads.indexOf(first), 1);
      else if (place.rows === undefined) first.ordinal = place.passed - 1;
      else take(first, place.rows, place.at);
      continue;
    }
    const floor = second?.ordinal ?? 0;
    const matches = matcherOf(first.rows, query, filter);
    let { at } = first;
    for (; at >= 0 && first.rows.value(column.ordinal, at) > floor; at--) {
      if (!matches(at)) continue;
      rows.push(rowAt(first.rows, at));
      if (rows.length === query.limit) return { rows, next: first.rows.value(column.ordinal, at) };
    }
    before = at < 0 ? first.rows.value(column.ordinal, 0) : floor + 1;
    if (at >= 0) take(first, first.rows, at);
    else leave(first, before - 1);
  }
}

/** Rows with ordinals in [from, to), up to a bounded number (S1). */
export function walkUp({ days, frames }: Searched, from: number, to: number): HistoryWalk {
  const rows: HistoryRow[] = [];
  const readsMax = frames.reads + limits.historyReadsPerStep;
  const heads = headsOf(days, (day) => Math.max(from, day.firstOrdinal ?? Number.POSITIVE_INFINITY));
  for (;;) {
    const { first, second } = foremost(heads, -1);
    if (first === undefined || first.ordinal >= to) return { rows, upTo: Math.max(from, to) };
    if (rows.length === limits.historyFetchRows) return { rows, upTo: first.ordinal };
    if (first.rows === undefined) {
      if (frames.reads >= readsMax && first.ordinal > from) return { rows, upTo: first.ordinal };
      const place = first.day.oldest(first.ordinal);
      if (place?.rows === undefined) heads.splice(heads.indexOf(first), 1);
      else take(first, place.rows, place.at);
      continue;
    }
    const end = Math.min(to, second?.ordinal ?? Number.POSITIVE_INFINITY);
    let { at } = first;
    for (; at < first.rows.count && rows.length < limits.historyFetchRows && first.rows.value(column.ordinal, at) < end; at++) {
      rows.push(rowAt(first.rows, at));
    }
    if (at < first.rows.count) take(first, first.rows, at);
    else leave(first, first.rows.value(column.ordinal, at - 1) + 1);
  }
}

/**
 * Files are looked through oldest first: what ended before the execution was made has smaller sequences only, which summaries tell, and
 * from there as much is read as ended while it lived.
 */
export function findUp({ days, frames }: Searched, sequence: number, after: FindAt | undefined): Found {
  const readsMax = frames.reads + limits.historyReadsPerStep;
  const sorted = [...days].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const day of sorted) {
    if (after !== undefined && day.name < after.name) continue;
    let ordinal = day.name === after?.name ? after.ordinal : 0;
    for (;;) {
      if (frames.reads >= readsMax) return { goOn: { name: day.name, ordinal } };
      const place = day.oldest(ordinal, sequence);
      if (place === undefined) break;
      const { rows } = place;
      const at = rows === undefined ? -1 : rowOf(rows, sequence);
      if (rows !== undefined && at >= 0) return { row: rowAt(rows, at) };
      ordinal = (rows === undefined ? place.passed : rows.value(column.ordinal, rows.count - 1)) + 1;
    }
  }
  return undefined;
}

function rowOf(rows: Rows, sequence: number): number {
  let at = rows.count - 1;
  while (at >= 0 && rows.value(column.sequence, at) !== sequence) at--;
  return at;
}

function headsOf(days: Iterable<HistoryDay>, ordinalOf: (day: HistoryDay) => number): Head[] {
  return Array.from(days, (day) => ({ day, ordinal: ordinalOf(day), rows: undefined, at: 0 }));
}

function take(head: Head, rows: Rows, at: number): void {
  head.rows = rows;
  head.at = at;
  head.ordinal = rows.value(column.ordinal, at);
}

function leave(head: Head, ordinal: number): void {
  head.rows = undefined;
  head.ordinal = ordinal;
}

/** The head with the greatest ordinal (way 1) or the least (way -1), and the one after it. Of equal ones first whose row is not known. */
function foremost(heads: readonly Head[], way: 1 | -1): { readonly first: Head | undefined; readonly second: Head | undefined } {
  let first: Head | undefined;
  let second: Head | undefined;
  for (const head of heads) {
    if (first === undefined || isAhead(head, first, way)) [first, second] = [head, first];
    else if (second === undefined || isAhead(head, second, way)) second = head;
  }
  return { first, second };
}

function isAhead(a: Head, b: Head, way: 1 | -1): boolean {
  return a.ordinal === b.ordinal ? a.rows === undefined : (a.ordinal - b.ordinal) * way > 0;
}

/** Whether a row is asked for. */
function matcherOf(rows: Rows, { job, jobType }: HistoryQuery, { endingMask, fromMs, toMs }: Filter): (at: number) => boolean {
  const type = jobType === undefined ? undefined : rows.numberOf(jobType);
  if (type === -1) return () => false;
  return (at) => {
    if (((1 << rows.value(column.ending, at)) & endingMask) === 0) return false;
    if (type !== undefined && rows.value(column.jobType, at) !== type) return false;
    if (job !== undefined && rows.value(column.job, at) !== job) return false;
    const scheduledAtMs = rows.value(column.scheduledAtMs, at);
    return scheduledAtMs < toMs && (scheduledAtMs >= fromMs || rows.value(column.rangeToMs, at) >= fromMs);
  };
}

function filterOf({ endingMask = -1, fromMs, toMs, jobType }: HistoryQuery): Filter {
  const times = { fromMs: fromMs ?? Number.NEGATIVE_INFINITY, toMs: toMs ?? Number.POSITIVE_INFINITY };
  return { endingMask, ...times, typeBits: jobType === undefined ? undefined : typeBitsOf(jobType) };
}
