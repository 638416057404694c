// Owns: the bytes of one block of history and how single fields are read out of them. The header in front is historyframe.ts's, rows that
// are not in a block yet are historytail.ts's, files and the places of blocks historyday.ts's.
//   per column         descriptor u8: width in bytes (0 to 7), 0x08 if all values are 0, 0x40 if some are, 0x80 if a base (f64) follows;
//                      then count * width bytes
//   texts              count u32, ends u32 each, UTF-8 bytes: job types and notes, each once
// (N1) A field is stored as its distance from the least one of its column; times and ordinals first become distances from another
//      field of the row. 0 means "nothing" in every field and would spoil the least one, so it is kept apart: it is stored as 0
//      and all others one higher.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { emptyHistoryRow } from "../jobs/history.ts";
import { HEADER_BYTES, addType, checkFrame, emptySummary, field as summed, sealFrame } from "./historyframe.ts";
import { quarantined } from "./quarantine.ts";
import type { HistoryRow } from "../jobs/history.ts";
import type { FramePlace } from "./historyframe.ts";

const ALL_ZERO = 0x08;
const HAS_ZERO = 0x40;
const HAS_BASE = 0x80;
const WIDTH_MASK = 7;
const TWO_32 = 2 ** 32;

/** The fields in stored order, which is part of the format: a field is stored after the one it is a distance from. */
export const column = Object.freeze({
  ordinal: 0, sequence: 1, job: 2, previous: 3, origin: 4, ending: 5, attempts: 6, scheduledAtMs: 7, startAtMs: 8, endAtMs: 9,
  token: 10, node: 11, rangeToMs: 12, rangeCount: 13, jobType: 14, note: 15,
});
export const COLUMNS = 16;

/** Rows that can be read field by field: of a block, or not yet written. */
export interface Rows {
  readonly count: number;
  value(column: number, row: number): number;
  /** By its number; 0 is "". */
  text(number: number): string;
  /** The number of a text in these rows, -1 when it is in none of them. */
  numberOf(text: string): number;
}

export function rowAt(rows: Rows, at: number): HistoryRow {
  const row = emptyHistoryRow();
  row.ordinal = rows.value(column.ordinal, at);
  row.sequence = rows.value(column.sequence, at);
  row.job = rows.value(column.job, at);
  row.previous = rows.value(column.previous, at);
  row.origin = rows.value(column.origin, at);
  row.ending = rows.value(column.ending, at);
  row.attempts = rows.value(column.attempts, at);
  row.scheduledAtMs = rows.value(column.scheduledAtMs, at);
  row.startAtMs = rows.value(column.startAtMs, at);
  row.endAtMs = rows.value(column.endAtMs, at);
  row.token = rows.value(column.token, at);
  row.node = rows.value(column.node, at);
  row.rangeToMs = rows.value(column.rangeToMs, at);
  row.rangeCount = rows.value(column.rangeCount, at);
  row.jobType = rows.text(rows.value(column.jobType, at));
  row.note = rows.text(rows.value(column.note, at));
  return row;
}

/** The row that has this ordinal, or else the last one below it; -1 if there is none. */
export function lastUpTo(rows: Rows, ordinal: number): number {
  let low = 0;
  let high = rows.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows.value(column.ordinal, middle) <= ordinal) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The field that a field is a distance from (N1); of an end, the scheduled time stands in for a start that is 0. -1 for none. */
const references = Array.from({ length: COLUMNS }, (_, each) => {
  if (each === column.previous) return column.ordinal;
  if (each === column.startAtMs || each === column.rangeToMs) return column.scheduledAtMs;
  return each === column.endAtMs ? column.startAtMs : -1;
});

/** A block's bytes, and its summary. */
export type Encoded = { readonly bytes: Uint8Array; readonly summary: Float64Array };

/** `columns` holds a column per field; texts have numbers from 1 on, in their order. */
export function encodeBlock(place: FramePlace, columns: readonly Float64Array[], count: number, texts: readonly string[]): Encoded {
  const out = new ByteWriter(HEADER_BYTES + count * 32 + 1024);
  out.raw(new Uint8Array(HEADER_BYTES));
  const distances = new Float64Array(count);
  for (let each = 0; each < COLUMNS; each++) encodeColumn(out, distances, measure(each, columns, distances));
  encodeTexts(out, texts);
  const bytes = out.take();
  const summary = summaryOf(columns, count, texts);
  sealFrame(bytes, place, count, summary);
  return { bytes, summary };
}

type Measured = { readonly least: number; readonly greatest: number; readonly zero: boolean };

/**
 * Distances of a field's values from their references; NaN stands for a value that is 0. Each column is passed twice, here and in
 * encodeColumn(), by loops over local arrays without calls: with a call per value a block took three times as long.
 */
function measure(which: number, columns: readonly Float64Array[], out: Float64Array): Measured {
  const values = columns[which] as Float64Array;
  const bases = columns[references[which] ?? -1];
  const second = which === column.endAtMs ? columns[column.scheduledAtMs] : undefined;
  const step = which === column.ordinal ? 1 : 0;
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  let zero = false;
  for (let row = 0; row < out.length; row++) {
    const value = values[row] as number;
    if (value === 0) {
      zero = true;
      out[row] = Number.NaN;
      continue;
    }
    let from = row * step;
    if (bases !== undefined) from = (bases[row] as number) || (second === undefined ? 0 : (second[row] as number));
    const distance = value - from;
    out[row] = distance;
    if (distance < least) least = distance;
    if (distance > greatest) greatest = distance;
  }
  return { least, greatest, zero };
}

function encodeColumn(out: ByteWriter, distances: Float64Array, { least, greatest, zero }: Measured): void {
  const isEmpty = least === Number.POSITIVE_INFINITY;
  const hasZero = zero && !isEmpty;
  const base = isEmpty ? 0 : least;
  const width = isEmpty ? 0 : bytesFor(greatest - least + (hasZero ? 1 : 0));
  assert(isEmpty || greatest - least < Number.MAX_SAFE_INTEGER, "history fields are too far apart to be told exactly");
  out.u8(width | (isEmpty ? ALL_ZERO : 0) | (hasZero ? HAS_ZERO : 0) | (base === 0 ? 0 : HAS_BASE));
  if (base !== 0) out.f64(base);
  if (width > 0) out.raw(packed(distances, width, base - (hasZero ? 1 : 0)));
}

function packed(distances: Float64Array, width: number, shift: number): Uint8Array {
  const bytes = new Uint8Array(width * distances.length);
  const lowEnd = Math.min(width, 4);
  for (let row = 0, at = 0; row < distances.length; row++, at += width) {
    const distance = distances[row] as number;
    if (distance !== distance) continue;
    const value = distance - shift;
    let low = value | 0;
    for (let i = at; i < at + lowEnd; i++, low >>>= 8) bytes[i] = low;
    if (width <= 4) continue;
    let high = Math.floor(value / TWO_32);
    for (let i = at + 4; i < at + width; i++, high >>>= 8) bytes[i] = high;
  }
  return bytes;
}

function bytesFor(value: number): number {
  let width = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) width++;
  return width;
}

function encodeTexts(out: ByteWriter, texts: readonly string[]): void {
  const bytes = new ByteWriter();
  out.u32(texts.length);
  for (const text of texts) {
    bytes.raw(Buffer.from(text, "utf8"));
    out.u32(bytes.length);
  }
  out.raw(bytes.take());
}

/** One pass over the columns, for the same reason as above. */
function summaryOf(columns: readonly Float64Array[], count: number, texts: readonly string[]): Float64Array {
  const summary = emptySummary();
  const ordinals = columns[column.ordinal] as Float64Array;
  const scheduled = columns[column.scheduledAtMs] as Float64Array;
  const rangeTo = columns[column.rangeToMs] as Float64Array;
  const sequences = columns[column.sequence] as Float64Array;
  const endings = columns[column.ending] as Float64Array;
  const types = columns[column.jobType] as Float64Array;
  let [fromMs, toMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [sequenceFrom, sequenceTo] = [fromMs, toMs];
  let mask = 0;
  const seen = new Uint8Array(texts.length + 1);
  for (let row = 0; row < count; row++) {
    const scheduledAtMs = scheduled[row] as number;
    // Of a range any of its due times may be asked for; without one both are 0.
    const untilMs = Math.max(scheduledAtMs, rangeTo[row] as number);
    const sequence = sequences[row] as number;
    if (scheduledAtMs < fromMs) fromMs = scheduledAtMs;
    if (untilMs > toMs) toMs = untilMs;
    if (sequence !== 0 && sequence < sequenceFrom) sequenceFrom = sequence;
    if (sequence !== 0 && sequence > sequenceTo) sequenceTo = sequence;
    mask |= 1 << (endings[row] as number);
    const type = types[row] as number;
    if (seen[type] === 0) addType(summary, type === 0 ? "" : (texts[type - 1] as string));
    seen[type] = 1;
  }
  const numbers = [ordinals[0] as number, ordinals[count - 1] as number, fromMs, toMs, sequenceFrom, sequenceTo, mask];
  summary.set(numbers, summed.first);
  return summary;
}

/** A block as it was read. Fields are taken out of the bytes one by one: nothing is decoded ahead. */
export class Block implements Rows {
  readonly count: number;
  private readonly bytes: Uint8Array;
  private readonly textsAt: number;
  private readonly at = new Uint32Array(COLUMNS);
  private readonly width = new Uint8Array(COLUMNS);
  private readonly allZero = new Uint8Array(COLUMNS);
  private readonly hasZero = new Uint8Array(COLUMNS);
  private readonly base = new Float64Array(COLUMNS);

  /** Throws PawlError("quarantined") when the body fails its CRC, or this is no block. */
  constructor(name: string, offset: number, bytes: Uint8Array) {
    const { count } = checkFrame(name, offset, bytes);
    if (count === 0) throw quarantined("history", `${name} has a page of the index at byte ${offset}, where records are due`);
    this.count = count;
    this.bytes = bytes;
    const reader = new ByteReader(bytes, HEADER_BYTES);
    for (let each = 0; each < COLUMNS; each++) {
      const descriptor = reader.u8();
      this.width[each] = descriptor & WIDTH_MASK;
      this.allZero[each] = (descriptor & ALL_ZERO) === 0 ? 0 : 1;
      this.hasZero[each] = (descriptor & HAS_ZERO) === 0 ? 0 : 1;
      this.base[each] = (descriptor & HAS_BASE) === 0 ? 0 : reader.f64();
      this.at[each] = reader.at;
      reader.raw(count * (descriptor & WIDTH_MASK));
    }
    this.textsAt = reader.at;
  }

  value(which: number, row: number): number {
    const width = this.width[which] as number;
    const from = (this.at[which] as number) + row * width;
    let stored = 0;
    for (let at = from + width - 1; at >= from; at--) stored = stored * 256 + (this.bytes[at] as number);
    const base = this.base[which] as number;
    if (this.allZero[which] === 1 || (this.hasZero[which] === 1 && stored === 0)) return 0;
    return base + stored - (this.hasZero[which] as number) + this.reference(which, row);
  }

  private reference(which: number, row: number): number {
    if (which === column.ordinal) return row;
    const from = references[which] ?? -1;
    if (from < 0) return 0;
    return this.value(from, row) || (which === column.endAtMs ? this.value(column.scheduledAtMs, row) : 0);
  }

  text(number: number): string {
    if (number === 0) return "";
    const count = new ByteReader(this.bytes, this.textsAt).u32();
    const end = (text: number): number => (text === 0 ? 0 : new ByteReader(this.bytes, this.textsAt + text * 4).u32());
    const texts = this.textsAt + 4 + count * 4;
    return Buffer.from(this.bytes.subarray(texts + end(number - 1), texts + end(number))).toString("utf8");
  }

  numberOf(text: string): number {
    if (text === "") return 0;
    const count = new ByteReader(this.bytes, this.textsAt).u32();
    for (let number = 1; number <= count; number++) if (this.text(number) === text) return number;
    return -1;
  }
}
