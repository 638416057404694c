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
import { HistoryDay } from "./historyday.ts";
import { FrameCache } from "./historyframes.ts";
import { Holes } from "./historyholes.ts";
import { findUp, scanDown, walkUp } from "./historysearch.ts";
import { quarantined } from "./quarantine.ts";
import type { Files } from "./disk.ts";
import type { HistoryMarks, Hole } from "./historymarks.ts";
import type { FindAt, Found, HistoryPage, HistoryQuery, Searched } from "./historysearch.ts";
import type { HistoryRow, HistorySink } from "../jobs/history.ts";

const DAY_MS = 86_400_000;
const FILLED = ".filled";

/** All records with ordinals in [from, upTo) that are kept, oldest first; upTo is `from` where they are missing, or still to come. */
export type HistoryBatch = {
  readonly rows: readonly HistoryRow[];
  readonly upTo: number;
  /** Where the hole ends that `from` lies in. */
  readonly lackingTo?: number;
};

/** A frame of a file. */
export type FrameAt = { readonly name: string; readonly offset: number; readonly length: number };

export class HistoryStore implements HistorySink {
  private readonly files: Files;
  private readonly folder: string;
  /** By name of their file: in the order of their making. */
  private readonly days = new Map<string, HistoryDay>();
  private holes = new Holes([]);
  private readonly unsynced = new Set<string>();
  private readonly frames: FrameCache;
  /** The one that was appended to last. */
  private newest: HistoryDay | undefined;
  private nextOrdinal = 1;
  private keptFrom = 0;
  /** Files of dropped days: not yet unnamed by marks(), and unnamed by the newest marks(). */
  private dropped: string[] = [];
  private removable: string[] = [];

  private constructor(files: Files, shard: number) {
    this.files = files;
    this.frames = new FrameCache(files);
    this.folder = `history/${shard}/`;
  }

  /** Throws PawlError("quarantined") when the files do not hold what the marks say (T2). */
  static open(files: Files, shard: number, marks: HistoryMarks): HistoryStore {
    const store = new HistoryStore(files, shard);
    const named = new Set(marks.days.map(({ day, isFilled }) => store.nameOf(day, isFilled)));
    for (const name of files.list(store.folder)) if (!named.has(name)) files.remove(name);
    for (const mark of marks.days) store.dayOf(mark.day, mark.isFilled).restore(mark);
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
    // Nearly every record is of the day of the one before; to find it by the name of its file cost more than the rest of an append.
    let day = this.newest;
    if (day?.day !== number || day.isFilled !== isFilled) this.newest = day = this.dayOf(number, isFilled);
    if (!day.hasTail) this.closeOldestTail();
    if (day.append(row)) this.unsynced.add(day.name);
  }

  /** Writes everything appended so far and syncs it, then calls `done` as Files.sync does. */
  flush(done: (error?: Error) => void): void {
    for (const day of this.days.values()) this.writeTail(day);
    const names = [...this.unsynced];
    this.unsynced.clear();
    this.files.sync(names, done);
  }

  /** What a checkpoint of this turn's state must name. Only right after flush() (T1). */
  marks(): HistoryMarks {
    const days = [...this.days.values()];
    assert(days.every((day) => !day.hasTail), "marks() follows flush() in the same turn (T1)");
    this.removable.push(...this.dropped.splice(0));
    return { nextOrdinal: this.nextOrdinal, days: days.map(({ mark }) => mark), holes: this.holes.all };
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
      this.unsynced.delete(name);
      this.frames.drop(name);
      if (this.newest === day) this.newest = undefined;
      if (day.length > 0) this.dropped.push(name);
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

  /** Reads and checks the frame that comes after this one, by files and places; undefined behind the last. */
  checkNext(after: FrameAt | undefined): FrameAt | undefined {
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
    return end <= from ? { rows: [], upTo: from } : walkUp(this.searched, from, end);
  }

  /** Takes the batch that begins where the first hole does, and ends in it. */
  fill({ rows, upTo }: HistoryBatch): void {
    for (const row of rows) this.put(row, true);
    this.holes.filled(upTo);
  }

  /**
   * The record, or undefined when there is none or it has aged out. Reads throw PawlError: "quarantined" on damage, "history_incomplete"
   * when they need what is missing (T4). Each reads a bounded number of frames; `reads` counts them.
   */
  record(ordinal: number): HistoryRow | undefined {
    this.holes.check(ordinal, ordinal + 1);
    for (const day of this.days.values()) {
      const row = day.record(ordinal);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** The record of an execution, or the next part of its search. */
  find(sequence: number, from?: FindAt): Found {
    if (sequence === 0) return undefined;
    const found = findUp(this.searched, sequence, from);
    if (found === undefined) this.holes.check(0, this.nextOrdinal);
    return found;
  }

  /** Newest first by ordinal. */
  scan(query: HistoryQuery): HistoryPage {
    return scanDown(this.searched, query);
  }

  get reads(): number {
    return this.frames.reads;
  }

  private get searched(): Searched {
    return { days: this.days.values(), holes: this.holes, nextOrdinal: this.nextOrdinal, frames: this.frames };
  }

  private closeOldestTail(): void {
    const open = [...this.days.values()].filter((day) => day.hasTail);
    if (open.length < limits.historyDaysOpenMax) return;
    this.writeTail(open.reduce((a, b) => (a.lastOrdinal < b.lastOrdinal ? a : b)));
  }

  private writeTail(day: HistoryDay): void {
    if (day.writeTail()) this.unsynced.add(day.name);
  }

  private dayOf(number: number, isFilled: boolean): HistoryDay {
    const name = this.nameOf(number, isFilled);
    let day = this.days.get(name);
    if (day === undefined) {
      day = new HistoryDay(number, name, isFilled, this.files, this.frames);
      this.days.set(name, day);
    }
    return day;
  }

  private nameOf(day: number, isFilled: boolean): string {
    return this.folder + new Date(day * DAY_MS).toISOString().slice(0, 10) + (isFilled ? FILLED : "");
  }
}
