// Owns: the history of one UTC day: its file of frames, where in it what is, and the rows that are not in a block yet. The index of the
// file is historyindex.ts's; which day a row belongs to, when files are synced and which are dropped is the business of history.ts.
// (Y1) Ordinals rise within a day, from block to block and into the tail; they need not be without gaps.
// (Y2) A page of the index stands right behind the blocks that make it due. So a start reads one page and the headers behind it, fewer
//      than FAN, however large the day is.

import { assert } from "../base/errors.ts";
import type { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { column, encodeBlock, lastUpTo, rowAt } from "./historyblock.ts";
import { HEADER_BYTES, anything, checkFrame, decodeHeader, field, summaryIn } from "./historyframe.ts";
import { HistoryIndex, IndexPage } from "./historyindex.ts";
import { Tail } from "./historytail.ts";
import { quarantined } from "./quarantine.ts";
import type { Files } from "./disk.ts";
import type { Block, Rows } from "./historyblock.ts";
import type { Filter } from "./historyframe.ts";
import type { Entry } from "./historyindex.ts";
import type { DayMark } from "./historymarks.ts";
import type { HistoryRow } from "../jobs/history.ts";

/** Frames that were read, of all days. */
export interface Frames {
  block(name: string, offset: number, length: number): Block;
  page(name: string, offset: number, length: number): IndexPage;
}

/** Rows of a day, and which one was looked for; or that there is none as far as the ordinal `passed`. */
export type Place = { readonly rows: Rows; readonly at: number } | { readonly rows: undefined; readonly passed: number };

export class HistoryDay {
  readonly day: number;
  readonly name: string;
  /** Whether its records were missing once (history.ts, T4). */
  readonly isFilled: boolean;
  /** Bytes written, synced or not. */
  length = 0;
  lastOrdinal = 0;
  private readonly files: Files;
  private readonly frames: Frames;
  private readonly index: HistoryIndex;
  private indexAt = 0;
  private tail: Tail | undefined;

  constructor(day: number, name: string, isFilled: boolean, files: Files, frames: Frames) {
    this.day = day;
    this.name = name;
    this.isFilled = isFilled;
    this.files = files;
    this.frames = frames;
    this.index = new HistoryIndex((offset, length) => frames.page(name, offset, length));
  }

  get mark(): DayMark {
    return { day: this.day, length: this.length, indexAt: this.indexAt, isFilled: this.isFilled };
  }

  /** Reads what is needed of the first `length` bytes of the file (Y2), and cuts what follows: it was never part of the state. */
  restore({ length, indexAt }: DayMark): void {
    const size = this.files.size(this.name);
    if (size < length) throw quarantined("history", `${this.name} has ${size} bytes, a checkpoint saw ${length}`);
    if (size > length) this.files.truncate(this.name, length);
    if (indexAt > 0) this.restoreIndex(indexAt);
    while (this.length < length) {
      const bytes = this.files.read(this.name, this.length, HEADER_BYTES);
      const { day, count } = decodeHeader(this.name, this.length, bytes);
      const summary = summaryIn(this.length, bytes);
      const isNext = day === this.day && count > 0 && (summary[field.first] as number) > this.lastOrdinal;
      if (!isNext || this.length + (summary[field.length] as number) > length) throw this.misfit(this.length);
      this.add(summary);
      if (this.index.isPageDue) throw this.misfit(this.length);
    }
    if (this.length > length) throw this.misfit(indexAt);
  }

  private misfit(offset: number): PawlError {
    return quarantined("history", `the block at byte ${offset} of ${this.name} does not continue the file`);
  }

  private restoreIndex(offset: number): void {
    const header = this.files.read(this.name, offset, HEADER_BYTES);
    const { length, day } = decodeHeader(this.name, offset, header);
    if (day !== this.day) throw this.misfit(offset);
    this.index.restore(new IndexPage(this.name, offset, this.files.read(this.name, offset, length)));
    this.indexAt = offset;
    this.length = offset + length;
    this.lastOrdinal = summaryIn(offset, header)[field.last] as number;
  }

  /** Reads the frame that begins at this byte, and checks it; its length, or undefined at the end of the file. */
  check(offset: number): number | undefined {
    if (offset >= this.length) return undefined;
    const { length } = decodeHeader(this.name, offset, this.files.read(this.name, offset, HEADER_BYTES));
    return checkFrame(this.name, offset, this.files.read(this.name, offset, length)).length;
  }

  get hasTail(): boolean {
    return this.tail !== undefined;
  }

  /** True when that filled a block, which is then in the file. */
  append(row: HistoryRow): boolean {
    assert(row.ordinal > this.lastOrdinal, "ordinals rise (Y1)");
    this.tail ??= new Tail(limits.historyBlockRecordsMax);
    this.tail.push(row);
    this.lastOrdinal = row.ordinal;
    return this.tail.isFull && this.writeTail();
  }

  /** Writes the rows that are in memory as a block; it is not durable before the file is synced. False when there are none. */
  writeTail(): boolean {
    const { tail } = this;
    if (tail === undefined) return false;
    this.tail = undefined;
    const { bytes, summary } = encodeBlock(this.end, tail.columns, tail.count, tail.texts);
    this.files.append(this.name, bytes);
    this.add(summary);
    if (this.index.isPageDue) this.writePage();
    return true;
  }

  private writePage(): void {
    const page = this.index.page(this.end);
    this.files.append(this.name, page);
    this.indexAt = this.length;
    this.length += page.length;
  }

  private get end(): { readonly name: string; readonly offset: number; readonly day: number } {
    return { name: this.name, offset: this.length, day: this.day };
  }

  private add(summary: Float64Array): void {
    this.index.add(summary);
    this.length += summary[field.length] as number;
    this.lastOrdinal = summary[field.last] as number;
  }

  /** No record has a smaller one; undefined without records. */
  get firstOrdinal(): number | undefined {
    return this.index.firstOrdinal ?? this.tail?.value(column.ordinal, 0);
  }

  /** The row with the greatest ordinal up to this one in the newest block that may pass the filter; the tail always may. */
  newest(ordinal: number, filter: Filter): Place | undefined {
    const inTail = this.tail === undefined ? -1 : lastUpTo(this.tail, ordinal);
    if (inTail >= 0) return { rows: this.tail as Tail, at: inTail };
    const found = this.index.newest(ordinal, filter);
    if (found === undefined) return undefined;
    if (!found.isBlock) return { rows: undefined, passed: found.entry.list.at(found.entry.row, field.first) };
    const rows = this.block(found.entry);
    return { rows, at: lastUpTo(rows, ordinal) };
  }

  /** The row with the least ordinal from this one on in the oldest block that may hold the sequence, if one is given. */
  oldest(ordinal: number, sequence?: number): Place | undefined {
    const found = this.index.oldest(ordinal, sequence);
    if (found !== undefined) {
      if (!found.isBlock) return { rows: undefined, passed: found.entry.list.at(found.entry.row, field.last) };
      const rows = this.block(found.entry);
      return { rows, at: lastUpTo(rows, ordinal - 1) + 1 };
    }
    if (this.tail === undefined || this.lastOrdinal < ordinal) return undefined;
    return { rows: this.tail, at: lastUpTo(this.tail, ordinal - 1) + 1 };
  }

  /** The record that has this ordinal, if it is one of this day. */
  record(ordinal: number): HistoryRow | undefined {
    if (ordinal > this.lastOrdinal) return undefined;
    const inTail = this.tail === undefined ? -1 : lastUpTo(this.tail, ordinal);
    const found = inTail < 0 ? this.index.newest(ordinal, anything)?.entry : undefined;
    if (found !== undefined && found.list.at(found.row, field.last) < ordinal) return undefined;
    const rows = found === undefined ? this.tail : this.block(found);
    const at = rows === undefined ? -1 : lastUpTo(rows, ordinal);
    return at >= 0 && rows?.value(column.ordinal, at) === ordinal ? rowAt(rows, at) : undefined;
  }

  private block({ list, row }: Entry): Block {
    return this.frames.block(this.name, list.at(row, field.offset), list.at(row, field.length));
  }
}
