// Owns: the history of one UTC day: its file of blocks, the index of their summaries, and the rows that are not in a block yet.
// Which day a row belongs to, when files are synced and which are dropped is the business of history.ts.
// (Y1) Ordinals rise within a day, from block to block and into the tail; they need not be without gaps.

import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { Block, COLUMNS, HEADER_BYTES, column, decodeHeader, encodeBlock, fieldsOf, lastUpTo } from "./historyblock.ts";
import { quarantined } from "./quarantine.ts";
import type { BlockSummary, Rows } from "./historyblock.ts";
import type { Files } from "./disk.ts";
import type { HistoryRow } from "../jobs/history.ts";

/** Summaries of a day's blocks, nine numbers each. */
const OFFSET = 0;
const LENGTH = 1;
const FIRST = 2;
const LAST = 3;
const MASK = 4;
const SCHEDULED_FROM = 5;
const SCHEDULED_TO = 6;
const SEQUENCE_FROM = 7;
const SEQUENCE_TO = 8;
const STRIDE = 9;

/** A row of a day, and the part it is in: a block, or the tail behind the last block. */
export type Place = { readonly part: number; readonly ordinal: number };

/** Rows that were appended and not written. */
class Tail implements Rows {
  count = 0;
  readonly columns = Array.from({ length: COLUMNS }, () => new Float64Array(limits.historyBlockRecordsMax));
  readonly notes: string[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly fields = new Float64Array(COLUMNS - 1);

  push(row: HistoryRow): void {
    fieldsOf(row, this.fields);
    for (let i = 0; i < this.fields.length; i++) (this.columns[i] as Float64Array)[this.count] = this.fields[i] as number;
    (this.columns[column.note] as Float64Array)[this.count++] = row.note === "" ? 0 : this.number(row.note);
  }

  private number(note: string): number {
    let number = this.numbers.get(note);
    if (number === undefined) {
      number = this.notes.push(note);
      this.numbers.set(note, number);
    }
    return number;
  }

  value(field: number, row: number): number {
    return (this.columns[field] as Float64Array)[row] as number;
  }

  note(row: number): string {
    const number = this.value(column.note, row);
    return number === 0 ? "" : (this.notes[number - 1] as string);
  }
}

export class HistoryDay {
  readonly day: number;
  readonly name: string;
  /** Whether its records were missing once (history.ts, T4). */
  readonly isFilled: boolean;
  /** Bytes written, synced or not. */
  length = 0;
  lastOrdinal = 0;
  private readonly files: Files;
  private readonly load: (name: string, offset: number, length: number) => Block;
  private summaries = new Float64Array(16 * STRIDE);
  private blocks = 0;
  private tail: Tail | undefined;

  constructor(day: number, name: string, isFilled: boolean, files: Files, load: HistoryDay["load"]) {
    this.day = day;
    this.name = name;
    this.isFilled = isFilled;
    this.files = files;
    this.load = load;
  }

  /** Reads the summaries of the first `length` bytes of the file, and cuts what follows: it was never part of the state. */
  restore(length: number): void {
    const size = this.files.size(this.name);
    if (size < length) throw quarantined("history", `${this.name} has ${size} bytes, a checkpoint saw ${length}`);
    if (size > length) this.files.truncate(this.name, length);
    while (this.length < length) {
      const header = decodeHeader(this.name, this.length, this.files.read(this.name, this.length, HEADER_BYTES));
      const fits = header.day === this.day && header.firstOrdinal > this.lastOrdinal && this.length + header.length <= length;
      if (!fits) throw quarantined("history", `the block at byte ${this.length} of ${this.name} does not continue the file`);
      this.index(header);
    }
  }

  /** Reads the block that begins at this byte, and checks it; its length, or undefined at the end of the file. */
  check(offset: number): number | undefined {
    if (offset >= this.length) return undefined;
    const { length } = decodeHeader(this.name, offset, this.files.read(this.name, offset, HEADER_BYTES));
    return new Block(this.name, offset, this.files.read(this.name, offset, length)).length;
  }

  get hasTail(): boolean {
    return this.tail !== undefined;
  }

  append(row: HistoryRow): void {
    assert(row.ordinal > this.lastOrdinal, "ordinals rise (Y1)");
    this.tail ??= new Tail();
    this.tail.push(row);
    this.lastOrdinal = row.ordinal;
    if (this.tail.count === limits.historyBlockRecordsMax) this.writeTail();
  }

  /** Writes the rows that are in memory as a block; it is not durable before the file is synced. */
  writeTail(): void {
    const { tail } = this;
    if (tail === undefined) return;
    this.tail = undefined;
    const block = encodeBlock({ name: this.name, offset: this.length, day: this.day }, tail.columns, tail.count, tail.notes);
    this.files.append(this.name, block);
    this.index(decodeHeader(this.name, this.length, block));
  }

  /** The row with the least ordinal from this one on. */
  firstFrom(ordinal: number): Place | undefined {
    const part = this.blockUpTo(ordinal);
    if (part >= 0 && this.summary(part, LAST) >= ordinal) {
      const rows = this.rowsOf(part);
      return { part, ordinal: rows.value(column.ordinal, lastUpTo(rows, ordinal - 1) + 1) };
    }
    if (part + 1 < this.blocks) return { part: part + 1, ordinal: this.summary(part + 1, FIRST) };
    if (this.tail === undefined || this.lastOrdinal < ordinal) return undefined;
    return { part: this.blocks, ordinal: this.tail.value(column.ordinal, lastUpTo(this.tail, ordinal - 1) + 1) };
  }

  /** The row with the greatest ordinal up to this one. */
  lastUpTo(ordinal: number): Place | undefined {
    if (this.tail !== undefined) {
      const at = lastUpTo(this.tail, ordinal);
      if (at >= 0) return { part: this.blocks, ordinal: this.tail.value(column.ordinal, at) };
    }
    const part = this.blockUpTo(ordinal);
    if (part < 0) return undefined;
    if (ordinal >= this.summary(part, LAST)) return { part, ordinal: this.summary(part, LAST) };
    const rows = this.rowsOf(part);
    return { part, ordinal: rows.value(column.ordinal, lastUpTo(rows, ordinal)) };
  }

  rowsOf(part: number): Rows {
    if (part === this.blocks) return this.tail as Tail;
    return this.load(this.name, this.summary(part, OFFSET), this.summary(part, LENGTH));
  }

  /** The place and rows of an execution, newest part first. */
  findSequence(sequence: number): { readonly rows: Rows; readonly at: number } | undefined {
    for (let part = this.blocks - (this.tail === undefined ? 1 : 0); part >= 0; part--) {
      const isOutside = part < this.blocks && (sequence < this.summary(part, SEQUENCE_FROM) || sequence > this.summary(part, SEQUENCE_TO));
      if (isOutside) continue;
      const rows = this.rowsOf(part);
      for (let at = rows.count - 1; at >= 0; at--) if (rows.value(column.sequence, at) === sequence) return { rows, at };
    }
    return undefined;
  }

  /** Whether a part may hold rows of one of these endings, scheduled in [fromMs, toMs). The tail always may. */
  mayHold(part: number, endingMask: number, fromMs: number, toMs: number): boolean {
    if (part === this.blocks) return true;
    const isInTime = this.summary(part, SCHEDULED_TO) >= fromMs && this.summary(part, SCHEDULED_FROM) < toMs;
    return isInTime && (this.summary(part, MASK) & endingMask) !== 0;
  }

  firstOrdinal(part: number): number {
    return part === this.blocks ? (this.tail as Tail).value(column.ordinal, 0) : this.summary(part, FIRST);
  }

  private summary(part: number, field: number): number {
    return this.summaries[part * STRIDE + field] as number;
  }

  private index(header: BlockSummary): void {
    if ((this.blocks + 1) * STRIDE > this.summaries.length) {
      const bigger = new Float64Array(this.summaries.length * 2);
      bigger.set(this.summaries);
      this.summaries = bigger;
    }
    const { firstOrdinal, lastOrdinal, endingMask, scheduledFromMs, scheduledToMs, sequenceFrom, sequenceTo } = header;
    const times = [scheduledFromMs, scheduledToMs, sequenceFrom, sequenceTo];
    this.summaries.set([this.length, header.length, firstOrdinal, lastOrdinal, endingMask, ...times], this.blocks * STRIDE);
    this.blocks++;
    this.length += header.length;
    this.lastOrdinal = lastOrdinal;
  }

  /** The last block that begins at or below the ordinal. */
  private blockUpTo(ordinal: number): number {
    let low = 0;
    let high = this.blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.summary(middle, FIRST) <= ordinal) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
