// Owns: the bytes of one history block and how single fields are read out of it. Files and blocks' places are historyday.ts's.
//   header (92 bytes)  magic, length, CRC of the body, day, count, mask of endings as u32; first and last ordinal, then least and
//                      greatest end, scheduled time and sequence as f64; CRC of the header
//   per column         descriptor u8: width in bytes (0 to 7), 0x08 if all values are 0, 0x40 if some are, 0x80 if a base (f64) follows;
//                      then count * width bytes
//   notes              count u32, ends u32 each, UTF-8 bytes
// (N1) A field is stored as its distance from the least one of its column; times and ordinals first become distances from another
//      field of the row. 0 means "nothing" in every field and would spoil the least one, so it is kept apart: it is stored as 0
//      and all others one higher.
// (N2) The header's CRC also covers the file's name and the block's offset; the body's CRC is in the header.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { checksum } from "../base/checksum.ts";
import { assert } from "../base/errors.ts";
import { emptyHistoryRow } from "../jobs/history.ts";
import { quarantined, unknownFormat } from "./quarantine.ts";
import type { HistoryRow } from "../jobs/history.ts";

export const HEADER_BYTES = 92;
/** "PWH1": its last letter is the format. Any format keeps the length of the header and its CRC in their places. */
const MAGIC = 0x31485750;
const FORMAT_UNIT = 2 ** 24;
const FORMAT = Math.floor(MAGIC / FORMAT_UNIT);
const ZERO = 48;
const ALL_ZERO = 0x08;
const HAS_ZERO = 0x40;
const HAS_BASE = 0x80;
const WIDTH_MASK = 7;
const TWO_32 = 2 ** 32;

/** The fields in stored order, which is part of the format: a field is stored after the one it is a distance from. */
const fields = [
  "ordinal", "sequence", "job", "previous", "origin", "ending", "attempts", "scheduledAtMs", "startAtMs", "endAtMs",
  "token", "node", "rangeToMs", "rangeCount",
] as const;

export const column = Object.freeze({
  ordinal: 0, sequence: 1, previous: 3, ending: 5, scheduledAtMs: 7, startAtMs: 8, endAtMs: 9, rangeToMs: 12, note: 14,
});
export const COLUMNS = fields.length + 1;

/** Rows that can be read field by field: of a block, or not yet written. */
export interface Rows {
  readonly count: number;
  value(column: number, row: number): number;
  note(row: number): string;
}

export type BlockSummary = {
  readonly length: number;
  readonly bodyChecksum: number;
  readonly day: number;
  readonly count: number;
  readonly endingMask: number;
  readonly firstOrdinal: number;
  readonly lastOrdinal: number;
  readonly endFromMs: number;
  readonly endToMs: number;
  /** For ranges, their last due time counts too. */
  readonly scheduledFromMs: number;
  readonly scheduledToMs: number;
  /** 0 and 0 when there are only ranges. */
  readonly sequenceFrom: number;
  readonly sequenceTo: number;
};

export type BlockPlace = { readonly name: string; readonly offset: number; readonly day: number };

export function rowAt(rows: Rows, at: number): HistoryRow {
  const row = emptyHistoryRow();
  for (let i = 0; i < fields.length; i++) row[fields[i] as (typeof fields)[number]] = rows.value(i, at);
  row.note = rows.note(at);
  return row;
}

/** The fields of a row in stored order, without the note. */
export function fieldsOf(row: HistoryRow, out: Float64Array): void {
  for (let i = 0; i < fields.length; i++) out[i] = row[fields[i] as (typeof fields)[number]];
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
const references = fields.map((_, field) => {
  if (field === column.previous) return column.ordinal;
  if (field === column.startAtMs || field === column.rangeToMs) return column.scheduledAtMs;
  return field === column.endAtMs ? column.startAtMs : -1;
});

/** Distances of a field's values from their references; NaN stands for a value that is 0. */
function distancesOf(field: number, columns: readonly Float64Array[], out: Float64Array): void {
  const values = columns[field] as Float64Array;
  const bases = columns[references[field] ?? -1];
  const scheduled = columns[column.scheduledAtMs] as Float64Array;
  for (let row = 0; row < out.length; row++) {
    const value = values[row] as number;
    let from = field === column.ordinal ? row : 0;
    if (bases !== undefined) from = bases[row] as number;
    if (from === 0 && field === column.endAtMs) from = scheduled[row] as number;
    out[row] = value === 0 ? Number.NaN : value - from;
  }
}

/** `columns` holds a column per field, and the number of its note (from 1, 0 for none) in the last. */
export function encodeBlock(place: BlockPlace, columns: readonly Float64Array[], count: number, notes: readonly string[]): Uint8Array {
  const out = new ByteWriter(HEADER_BYTES + count * 40 + 1024);
  out.raw(new Uint8Array(HEADER_BYTES));
  const distances = new Float64Array(count);
  for (let field = 0; field < COLUMNS; field++) {
    distancesOf(field, columns, distances);
    encodeColumn(out, distances);
  }
  encodeNotes(out, notes);
  const block = out.take();
  writeHeader(block, place, columns, count);
  return block;
}

function encodeColumn(out: ByteWriter, distances: Float64Array): void {
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  let zero = 0;
  for (let i = 0; i < distances.length; i++) {
    const distance = distances[i] as number;
    if (distance !== distance) zero = 1;
    if (distance < least) least = distance;
    if (distance > greatest) greatest = distance;
  }
  const isEmpty = least === Number.POSITIVE_INFINITY;
  const hasZero = zero === 1 && !isEmpty;
  const base = isEmpty ? 0 : least;
  const width = isEmpty ? 0 : bytesFor(greatest - least + (hasZero ? 1 : 0));
  assert(isEmpty || greatest - least < Number.MAX_SAFE_INTEGER, "history fields are too far apart to be told exactly");
  out.u8(width | (isEmpty ? ALL_ZERO : 0) | (hasZero ? HAS_ZERO : 0) | (base === 0 ? 0 : HAS_BASE));
  if (base !== 0) out.f64(base);
  const packed = new Uint8Array(width * distances.length);
  const shift = base - (hasZero ? 1 : 0);
  for (let i = 0, at = 0; i < distances.length && width > 0; i++, at += width) {
    const distance = distances[i] as number;
    if (distance === distance) pack(packed, at, width, distance - shift);
  }
  out.raw(packed);
}

function bytesFor(value: number): number {
  let width = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) width++;
  return width;
}

function pack(out: Uint8Array, at: number, width: number, value: number): void {
  let low = value % TWO_32 | 0;
  for (let i = 0; i < width && i < 4; i++, low >>>= 8) out[at + i] = low & 255;
  let high = width > 4 ? Math.floor(value / TWO_32) : 0;
  for (let i = 4; i < width; i++, high >>>= 8) out[at + i] = high & 255;
}

function encodeNotes(out: ByteWriter, notes: readonly string[]): void {
  const texts = new ByteWriter();
  out.u32(notes.length);
  for (const note of notes) {
    texts.raw(Buffer.from(note, "utf8"));
    out.u32(texts.length);
  }
  out.raw(texts.take());
}

function writeHeader(block: Uint8Array, { name, offset, day }: BlockPlace, columns: readonly Float64Array[], count: number): void {
  const body = block.subarray(HEADER_BYTES);
  const of = (field: number): Float64Array => (columns[field] as Float64Array).subarray(0, count);
  const ends = of(column.endAtMs);
  const scheduled = of(column.scheduledAtMs);
  const sequences = of(column.sequence).filter((sequence) => sequence !== 0);
  const mask = of(column.ending).reduce((bits, ending) => bits | (1 << ending), 0);
  const ordinals = of(column.ordinal);
  const view = new DataView(block.buffer, block.byteOffset, HEADER_BYTES);
  [MAGIC, block.length, checksum(body), day, count, mask].forEach((value, i) => view.setUint32(i * 4, value, true));
  const wide = [
    ordinals[0] as number, ordinals[count - 1] as number, least(ends), greatest(ends), least(scheduled),
    Math.max(greatest(scheduled), greatest(of(column.rangeToMs))), least(sequences), greatest(sequences),
  ];
  wide.forEach((value, i) => view.setFloat64(24 + i * 8, value, true));
  view.setUint32(HEADER_BYTES - 4, headerChecksum(name, offset, block), true);
}

function least(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => Math.min(a, b));
}

function greatest(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => Math.max(a, b));
}

function headerChecksum(name: string, offset: number, bytes: Uint8Array): number {
  return checksum(bytes.subarray(0, HEADER_BYTES - 4), checksum(`${name}@${offset}`));
}

/** Throws PawlError("quarantined") unless a sound header of this place begins the bytes. */
export function decodeHeader(name: string, offset: number, bytes: Uint8Array): BlockSummary {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isWhole = bytes.length >= HEADER_BYTES && view.getUint32(HEADER_BYTES - 4, true) === headerChecksum(name, offset, bytes);
  if (!isWhole) throw quarantined("history", `${name} has no sound block at byte ${offset}`);
  const [magic, format] = [view.getUint32(0, true) % FORMAT_UNIT, bytes[3] as number];
  if (magic !== MAGIC % FORMAT_UNIT) throw quarantined("history", `${name} has no block at byte ${offset}`);
  if (format !== FORMAT) throw unknownFormat(`history: the block at byte ${offset} of ${name}`, format - ZERO);
  const narrow = (i: number): number => view.getUint32(i * 4, true);
  const wide = (i: number): number => view.getFloat64(24 + i * 8, true);
  const shape = { length: narrow(1), bodyChecksum: narrow(2), day: narrow(3), count: narrow(4), endingMask: narrow(5) };
  const ends = { firstOrdinal: wide(0), lastOrdinal: wide(1), endFromMs: wide(2), endToMs: wide(3) };
  return { ...shape, ...ends, scheduledFromMs: wide(4), scheduledToMs: wide(5), sequenceFrom: wide(6), sequenceTo: wide(7) };
}

/** A block as it was read. Fields are taken out of the bytes one by one: nothing is decoded ahead. */
export class Block implements Rows {
  readonly count: number;
  private readonly bytes: Uint8Array;
  private readonly notesAt: number;
  private readonly at = new Uint32Array(COLUMNS);
  private readonly width = new Uint8Array(COLUMNS);
  private readonly allZero = new Uint8Array(COLUMNS);
  private readonly hasZero = new Uint8Array(COLUMNS);
  private readonly base = new Float64Array(COLUMNS);

  /** Throws PawlError("quarantined") when the body fails its CRC. */
  constructor(name: string, offset: number, bytes: Uint8Array) {
    const { count, length, bodyChecksum } = decodeHeader(name, offset, bytes);
    const isSound = bytes.length === length && checksum(bytes.subarray(HEADER_BYTES)) === bodyChecksum;
    if (!isSound) throw quarantined("history", `the block at byte ${offset} of ${name} fails its checksum`);
    this.count = count;
    this.bytes = bytes;
    const reader = new ByteReader(bytes, HEADER_BYTES);
    for (let field = 0; field < COLUMNS; field++) {
      const descriptor = reader.u8();
      this.width[field] = descriptor & WIDTH_MASK;
      this.allZero[field] = (descriptor & ALL_ZERO) === 0 ? 0 : 1;
      this.hasZero[field] = (descriptor & HAS_ZERO) === 0 ? 0 : 1;
      this.base[field] = (descriptor & HAS_BASE) === 0 ? 0 : reader.f64();
      this.at[field] = reader.at;
      reader.raw(count * (descriptor & WIDTH_MASK));
    }
    this.notesAt = reader.at;
  }

  /** In bytes. */
  get length(): number {
    return this.bytes.length;
  }

  value(field: number, row: number): number {
    const width = this.width[field] as number;
    const from = (this.at[field] as number) + row * width;
    let stored = 0;
    for (let at = from + width - 1; at >= from; at--) stored = stored * 256 + (this.bytes[at] as number);
    const base = this.base[field] as number;
    if (this.allZero[field] === 1 || (this.hasZero[field] === 1 && stored === 0)) return 0;
    return base + stored - (this.hasZero[field] as number) + this.reference(field, row);
  }

  private reference(field: number, row: number): number {
    if (field === column.ordinal) return row;
    const from = references[field] ?? -1;
    if (from < 0) return 0;
    return this.value(from, row) || (field === column.endAtMs ? this.value(column.scheduledAtMs, row) : 0);
  }

  note(row: number): string {
    const number = this.value(column.note, row);
    if (number === 0) return "";
    const count = new ByteReader(this.bytes, this.notesAt).u32();
    const end = (note: number): number => (note === 0 ? 0 : new ByteReader(this.bytes, this.notesAt + note * 4).u32());
    const texts = this.notesAt + 4 + count * 4;
    return Buffer.from(this.bytes.subarray(texts + end(number - 1), texts + end(number))).toString("utf8");
  }
}
