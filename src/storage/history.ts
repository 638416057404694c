// Owns: the history of ended executions: one file of blocks per UTC day of their end, which of it a checkpoint may name, and the
// reads over all of it. Bytes are in historyblock.ts, one day in historyday.ts; what a row means and when days go is src/jobs.
// (T1) flush() writes what is in memory and syncs it; marks() taken in the same turn are what the state of that turn consists of.
//      The files are synced before the checkpoint that names their length is written (checkpoint.ts).
// (T2) At open each file is cut to its mark, and a file without one is removed: both are rows that the log will bring again. A file
//      shorter than its mark has lost rows: quarantined.
// (T3) A dropped day's file is removed only when a checkpoint that no longer names it is durable.
// (T4) Records that were missing (historymarks.ts) go into files of their own, in order: a file's ordinals rise, and holes are filled from
//      the first one on while new records come behind them. A read that needs what is missing is refused, never answered without it.

import { assert, BugError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { Block, column, lastUpTo, rowAt } from "./historyblock.ts";
import { HistoryDay } from "./historyday.ts";
import { Holes } from "./historyholes.ts";
import { quarantined } from "./quarantine.ts";
import type { Rows } from "./historyblock.ts";
import type { Files } from "./disk.ts";
import type { HistoryMarks, Hole } from "./historymarks.ts";
import type { HistoryRow, HistorySink } from "../jobs/history.ts";

const DAY_MS = 86_400_000;
/** What a look at a block's summary costs in a scan, as a share of reading the block. */
const SUMMARIES_PER_BLOCK = 64;
const FILLED = ".filled";

export type HistoryQuery = {
  /** Bits 1 << ending; all when absent. */
  readonly endingMask?: number | undefined;
  /** Scheduled times in [fromMs, toMs); of a range any of its due times. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Only rows with smaller ordinals. */
  readonly beforeOrdinal?: number | undefined;
  readonly limit: number;
};

/** `next` is the beforeOrdinal to go on with: a page may be short, even empty, before the end. Undefined at the end. */
export type HistoryPage = { readonly rows: readonly HistoryRow[]; readonly next: number | undefined };

/** All records with ordinals in [from, upTo) that are kept, oldest first; upTo is `from` where they are missing, or still to come. */
export type HistoryBatch = {
  readonly rows: readonly HistoryRow[];
  readonly upTo: number;
  /** Where the hole ends that `from` lies in. */
  readonly lackingTo?: number;
};

/** A block of a file. */
export type BlockAt = { readonly name: string; readonly offset: number; readonly length: number };

export class HistoryStore implements HistorySink {
  private readonly files: Files;
  private readonly folder: string;
  /** By name of their file: in the order of their making. */
  private readonly days = new Map<string, HistoryDay>();
  private holes = new Holes([]);
  private readonly unsynced = new Set<string>();
  private readonly cache = new Map<string, Block>();
  /** Where the last record went: the next one goes there too, but for once a day. To make a file's name of it took a third of an append. */
  private latest: HistoryDay | undefined;
  private nextOrdinal = 1;
  private keptFrom = 0;
  /** Files of dropped days: not yet unnamed by marks(), and unnamed by the newest marks(). */
  private dropped: string[] = [];
  private removable: string[] = [];

  private constructor(files: Files, shard: number) {
    this.files = files;
    this.folder = `history/${shard}/`;
  }

  /** Throws PawlError("quarantined") when the files do not hold what the marks say (T2). */
  static open(files: Files, shard: number, marks: HistoryMarks): HistoryStore {
    const store = new HistoryStore(files, shard);
    const named = new Set(marks.days.map(({ day, isFilled }) => store.nameOf(day, isFilled)));
    for (const name of files.list(store.folder)) if (!named.has(name)) files.remove(name);
    for (const { day, length, isFilled } of marks.days) store.dayOf(day, isFilled).restore(length);
    store.nextOrdinal = marks.nextOrdinal;
    store.holes = new Holes(marks.holes);
    const last = Math.max(0, ...[...store.days.values()].map(({ lastOrdinal }) => lastOrdinal));
    const filled = Math.max(0, ...[...store.days.values()].map((day) => (day.isFilled ? day.lastOrdinal : 0)));
    const due = store.hole?.from ?? marks.nextOrdinal;
    if (filled >= due) throw quarantined("history", `holds record ${filled}, but what comes from ${due} on is said to be missing`);
    if (last >= marks.nextOrdinal) throw quarantined("history", `holds record ${last}, but ${marks.nextOrdinal} comes next`);
    return store;
  }

  /** Ordinals come without gaps. The row is copied. */
  append(row: HistoryRow): void {
    if (row.ordinal !== this.nextOrdinal) throw new BugError(`history record ${row.ordinal} where ${this.nextOrdinal} is due`);
    this.nextOrdinal++;
    this.put(row, false);
  }

  private put(row: HistoryRow, isFilled: boolean): void {
    const number = Math.max(this.keptFrom, Math.floor(row.endAtMs / DAY_MS));
    if (this.latest?.day !== number || this.latest.isFilled !== isFilled) this.latest = this.dayOf(number, isFilled);
    const day = this.latest;
    if (!day.hasTail) {
      this.closeOldestTail();
      this.unsynced.add(day.name);
    }
    day.append(row);
  }

  /** Writes everything appended so far and syncs it, then calls `done` as Files.sync does. */
  flush(done: (error?: Error) => void): void {
    for (const day of this.days.values()) day.writeTail();
    const names = [...this.unsynced];
    this.unsynced.clear();
    this.files.sync(names, done);
  }

  /** What a checkpoint of this turn's state must name. Only right after flush() (T1). */
  marks(): HistoryMarks {
    const days = [...this.days.values()];
    assert(days.every((day) => !day.hasTail), "marks() follows flush() in the same turn (T1)");
    this.removable.push(...this.dropped.splice(0));
    const marks = days.map(({ day, length, isFilled }) => ({ day, length, isFilled }));
    return { nextOrdinal: this.nextOrdinal, days: marks, holes: this.holes.all };
  }

  /** The checkpoint with the newest marks is durable: files that it does not name are removed (T3). */
  checkpointed(): void {
    for (const name of this.removable.splice(0)) this.files.remove(name);
  }

  dropBefore(day: number): void {
    this.keptFrom = Math.max(this.keptFrom, day);
    for (const [name, day] of this.days) {
      if (day.day >= this.keptFrom) continue;
      this.days.delete(name);
      this.unsynced.delete(day.name);
      if (day.length > 0) this.dropped.push(day.name);
    }
  }

  /** The oldest day that has records, undefined when there are none at all. */
  get oldestDay(): number | undefined {
    return this.days.size === 0 ? undefined : Math.min(...[...this.days.values()].map(({ day }) => day));
  }

  /** The oldest records that are missing; undefined when there are none. */
  get hole(): Hole | undefined {
    return this.holes.first;
  }

  /** Reads and checks the block that comes after this one, by files and places; undefined behind the last. */
  checkNext(after: BlockAt | undefined): BlockAt | undefined {
    for (const name of [...this.days.keys()].sort()) {
      if (after !== undefined && name < after.name) continue;
      const from = after?.name === name ? after.offset + after.length : 0;
      const length = (this.days.get(name) as HistoryDay).check(from);
      if (length !== undefined) return { name, offset: from, length };
    }
    return undefined;
  }

  /** How many records are missing. */
  get missing(): number {
    return this.holes.missing;
  }

  /** What another node lacks of [from, to); bounded work. */
  batch(from: number, to: number): HistoryBatch {
    const hole = this.holes.from(from);
    if (hole !== undefined && hole.from <= from) return { rows: [], upTo: from, lackingTo: hole.to };
    const end = Math.min(to, this.nextOrdinal, hole?.from ?? Number.POSITIVE_INFINITY);
    const rows: HistoryRow[] = [];
    let at = Math.min(from, end);
    for (let blocks = 0; blocks < limits.historyFetchBlocks && at < end && rows.length < limits.historyFetchRows; blocks++) {
      const first = this.firstFrom(at);
      if (first === undefined || first.ordinal >= end) return { rows, upTo: end };
      const found = first.day.rowsOf(first.part);
      const stop = Math.min(end, first.ceiling);
      for (let row = lastUpTo(found, first.ordinal); row < found.count && rows.length < limits.historyFetchRows; row++) {
        const ordinal = found.value(column.ordinal, row);
        if (ordinal >= stop) break;
        rows.push(rowAt(found, row));
        at = ordinal + 1;
      }
    }
    return { rows, upTo: Math.max(from, at) };
  }

  /** Takes the batch that begins where the first hole does, and ends in it. */
  fill({ rows, upTo }: HistoryBatch): void {
    for (const row of rows) this.put(row, true);
    this.holes.filled(upTo);
  }

  /** The oldest row from an ordinal on, and the oldest one of all other files: up to there its part is alone. */
  private firstFrom(ordinal: number): { day: HistoryDay; part: number; ordinal: number; ceiling: number } | undefined {
    let first: { day: HistoryDay; part: number; ordinal: number } | undefined;
    let ceiling = Number.POSITIVE_INFINITY;
    for (const day of this.days.values()) {
      const place = day.firstFrom(ordinal);
      if (place === undefined) continue;
      if (first === undefined || place.ordinal < first.ordinal) {
        ceiling = Math.min(ceiling, first?.ordinal ?? ceiling);
        first = { day, ...place };
      } else {
        ceiling = Math.min(ceiling, place.ordinal);
      }
    }
    return first === undefined ? undefined : { ...first, ceiling };
  }

  /**
   * The record, or undefined when there is none or it has aged out. Reads throw PawlError: "quarantined" on damage, "history_incomplete"
   * when they need what is missing (T4).
   */
  record(ordinal: number): HistoryRow | undefined {
    this.holes.check(ordinal, ordinal + 1);
    for (const day of this.days.values()) {
      if (ordinal > day.lastOrdinal) continue;
      const place = day.lastUpTo(ordinal);
      if (place?.ordinal !== ordinal) continue;
      const rows = day.rowsOf(place.part);
      return rowAt(rows, lastUpTo(rows, ordinal));
    }
    return undefined;
  }

  /** The record of an execution, newest days first. */
  findSequence(sequence: number): HistoryRow | undefined {
    if (sequence === 0) return undefined;
    for (const day of [...this.days.values()].sort((a, b) => b.day - a.day)) {
      const found = day.findSequence(sequence);
      if (found !== undefined) return rowAt(found.rows, found.at);
    }
    this.holes.check(0, this.nextOrdinal);
    return undefined;
  }

  /** Newest first by ordinal. Bounded work: see HistoryPage. */
  scan(query: HistoryQuery): HistoryPage {
    const { endingMask = -1, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = query;
    const rows: HistoryRow[] = [];
    let before = query.beforeOrdinal ?? this.nextOrdinal;
    for (let budget = limits.historyBlocksPerScanMax * SUMMARIES_PER_BLOCK; budget > 0; ) {
      const newest = this.newestBefore(before);
      this.holes.check((newest?.ordinal ?? 0) + 1, before);
      if (newest === undefined) return { rows, next: undefined };
      const { day, part, ordinal, floor } = newest;
      const mayHold = day.mayHold(part, endingMask, fromMs, toMs);
      budget -= mayHold ? SUMMARIES_PER_BLOCK : 1;
      before = Math.max(day.firstOrdinal(part), floor + 1);
      if (!mayHold) continue;
      const found = day.rowsOf(part);
      for (let at = lastUpTo(found, ordinal); at >= 0 && found.value(column.ordinal, at) > floor; at--) {
        if (!matches(found, at, endingMask, fromMs, toMs)) continue;
        rows.push(rowAt(found, at));
        if (rows.length === query.limit) return { rows, next: found.value(column.ordinal, at) };
      }
    }
    return { rows, next: before };
  }

  /** The newest row before an ordinal, and the newest one of all other days: down to there its part is alone. */
  private newestBefore(before: number): { day: HistoryDay; part: number; ordinal: number; floor: number } | undefined {
    let newest: { day: HistoryDay; part: number; ordinal: number } | undefined;
    let floor = 0;
    for (const day of this.days.values()) {
      const place = day.lastUpTo(before - 1);
      if (place === undefined) continue;
      if (newest === undefined || place.ordinal > newest.ordinal) {
        floor = Math.max(floor, newest?.ordinal ?? 0);
        newest = { day, ...place };
      } else {
        floor = Math.max(floor, place.ordinal);
      }
    }
    return newest === undefined ? undefined : { ...newest, floor };
  }

  private closeOldestTail(): void {
    const open = [...this.days.values()].filter((day) => day.hasTail);
    if (open.length < limits.historyDaysOpenMax) return;
    open.reduce((a, b) => (a.lastOrdinal < b.lastOrdinal ? a : b)).writeTail();
  }

  private dayOf(number: number, isFilled: boolean): HistoryDay {
    const name = this.nameOf(number, isFilled);
    let day = this.days.get(name);
    if (day === undefined) {
      day = new HistoryDay(number, name, isFilled, this.files, (file, offset, length) => this.load(file, offset, length));
      this.days.set(name, day);
    }
    return day;
  }

  private nameOf(day: number, isFilled: boolean): string {
    return this.folder + new Date(day * DAY_MS).toISOString().slice(0, 10) + (isFilled ? FILLED : "");
  }

  /** A block through the cache; the one used last is the last of the map. */
  private load(name: string, offset: number, length: number): Block {
    const key = `${name}@${offset}`;
    const block = this.cache.get(key) ?? new Block(name, offset, this.files.read(name, offset, length));
    this.cache.delete(key);
    this.cache.set(key, block);
    if (this.cache.size > limits.historyBlocksCachedMax) this.cache.delete(this.cache.keys().next().value as string);
    return block;
  }
}

function matches(rows: Rows, at: number, endingMask: number, fromMs: number, toMs: number): boolean {
  if (((1 << rows.value(column.ending, at)) & endingMask) === 0) return false;
  const scheduled = rows.value(column.scheduledAtMs, at);
  return scheduled < toMs && (scheduled >= fromMs || rows.value(column.rangeToMs, at) >= fromMs);
}
