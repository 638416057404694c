// Owns: the head that every frame of a history file begins with, and the summary in it: what may be found in the frame, or below it. A
// frame is a block of records (historyblock.ts) or a page of the index (historyindex.ts).
//   header (92 bytes)  magic, length, CRC of the body, day, count of records (0 for a page of the index), endings as bits: u32 each;
//                      first and last ordinal, least and greatest scheduled time and sequence: f64 each; job types: 16 bytes; CRC
// (N2) The header's CRC also covers the file's name and the frame's offset; the body's CRC is in the header.
// (N3) A summary may say too much, never too little: what it leaves out is not there. Job types are texts, so they are kept as bits of
//      their hashes; two types with the same bits cost a look at the records, never a wrong answer.

import { checksum, hashText } from "../base/checksum.ts";
import { quarantined, unknownFormat } from "./quarantine.ts";

export const HEADER_BYTES = 92;
/** "PWH2": its last letter is the format. Any format keeps the length of the header and its CRC in their places. */
const MAGIC = 0x32485750;
const FORMAT_UNIT = 2 ** 24;
const FORMAT = Math.floor(MAGIC / FORMAT_UNIT);
const ZERO = 48;
const TYPES_AT = 72;
const TYPE_BITS = 128;

/** Where a frame begins, in which file, of which day. */
export type FramePlace = { readonly name: string; readonly offset: number; readonly day: number };

export type Header = { readonly length: number; readonly bodyChecksum: number; readonly day: number; readonly count: number };

/** The numbers of a summary, in stored order: place and length of the frame, then what is in it. */
export const field = Object.freeze({
  offset: 0, length: 1, first: 2, last: 3, scheduledFromMs: 4, scheduledToMs: 5, sequenceFrom: 6, sequenceTo: 7, endings: 8, types: 9,
});
const TYPE_WORDS = TYPE_BITS / 32;
export const SUMMARY_NUMBERS = field.types + TYPE_WORDS;

/** What is looked for; a job type by its bits. Scheduled times are in [fromMs, toMs). */
export type Filter = {
  readonly endingMask: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly typeBits: readonly number[] | undefined;
};

export const anything: Filter = {
  endingMask: -1, fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY, typeBits: undefined,
};

/** The numbers of the bits that stand for a job type. */
export function typeBitsOf(jobType: string): readonly number[] {
  const hash = hashText(jobType);
  return [hash % TYPE_BITS, Math.floor(hash / TYPE_BITS) % TYPE_BITS];
}

/** Summaries of frames, oldest first. */
export class Summaries {
  count = 0;
  private numbers: Float64Array;

  constructor(room = 16) {
    this.numbers = new Float64Array(room * SUMMARY_NUMBERS);
  }

  at(row: number, number: number): number {
    return this.numbers[row * SUMMARY_NUMBERS + number] as number;
  }

  /** The numbers are copied. */
  push(summary: Float64Array): void {
    if ((this.count + 1) * SUMMARY_NUMBERS > this.numbers.length) {
      const bigger = new Float64Array(this.numbers.length * 2);
      bigger.set(this.numbers);
      this.numbers = bigger;
    }
    this.numbers.set(summary, this.count++ * SUMMARY_NUMBERS);
  }

  /** Says where the frame of a summary is. */
  place(row: number, offset: number, length: number): void {
    this.numbers[row * SUMMARY_NUMBERS + field.offset] = offset;
    this.numbers[row * SUMMARY_NUMBERS + field.length] = length;
  }

  /** One summary of all of them; its place and length are the caller's. */
  union(): Float64Array {
    const all = emptySummary();
    for (let row = 0; row < this.count; row++) {
      const from = row * SUMMARY_NUMBERS;
      widen(all, this.numbers.subarray(from, from + SUMMARY_NUMBERS));
    }
    return all;
  }

  /** The last one that begins at or below the ordinal; -1 if there is none. */
  lastUpTo(ordinal: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle, field.first) <= ordinal) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Whether something that passes the filter may be there (N3). */
  mayPass(row: number, { endingMask, fromMs, toMs, typeBits }: Filter): boolean {
    if ((this.at(row, field.endings) & endingMask) === 0) return false;
    if (this.at(row, field.scheduledToMs) < fromMs || this.at(row, field.scheduledFromMs) >= toMs) return false;
    return typeBits === undefined || typeBits.every((bit) => (this.at(row, field.types + (bit >>> 5)) & (1 << (bit & 31))) !== 0);
  }
}

export function emptySummary(): Float64Array {
  const summary = new Float64Array(SUMMARY_NUMBERS);
  for (const from of [field.first, field.scheduledFromMs, field.sequenceFrom]) {
    summary[from] = Number.POSITIVE_INFINITY;
    summary[from + 1] = Number.NEGATIVE_INFINITY;
  }
  return summary;
}

function widen(all: Float64Array, one: Float64Array): void {
  for (const from of [field.first, field.scheduledFromMs, field.sequenceFrom]) {
    all[from] = Math.min(all[from] as number, one[from] as number);
    all[from + 1] = Math.max(all[from + 1] as number, one[from + 1] as number);
  }
  for (let word = field.endings; word < SUMMARY_NUMBERS; word++) all[word] = ((all[word] as number) | (one[word] as number)) >>> 0;
}

export function addType(summary: Float64Array, jobType: string): void {
  for (const bit of typeBitsOf(jobType)) {
    const word = field.types + (bit >>> 5);
    summary[word] = ((summary[word] as number) | (1 << (bit & 31))) >>> 0;
  }
}

/** Writes the header in front of the body, which is behind the space for it, and its length into the summary. */
export function sealFrame(frame: Uint8Array, { name, offset, day }: FramePlace, count: number, summary: Float64Array): void {
  summary[field.offset] = offset;
  summary[field.length] = frame.length;
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  const narrow = [MAGIC, frame.length, checksum(frame.subarray(HEADER_BYTES)), day, count, summary[field.endings] as number];
  narrow.forEach((value, i) => view.setUint32(i * 4, value, true));
  for (let i = field.first; i <= field.sequenceTo; i++) view.setFloat64(24 + (i - field.first) * 8, summary[i] as number, true);
  for (let i = 0; i < TYPE_WORDS; i++) view.setUint32(TYPES_AT + i * 4, summary[field.types + i] as number, true);
  view.setUint32(HEADER_BYTES - 4, headerChecksum(name, offset, frame), true);
}

function headerChecksum(name: string, offset: number, bytes: Uint8Array): number {
  return checksum(bytes.subarray(0, HEADER_BYTES - 4), checksum(`${name}@${offset}`));
}

/** Throws PawlError("quarantined") unless a sound header of this place begins the bytes. */
export function decodeHeader(name: string, offset: number, bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isWhole = bytes.length >= HEADER_BYTES && view.getUint32(HEADER_BYTES - 4, true) === headerChecksum(name, offset, bytes);
  if (!isWhole) throw quarantined("history", `${name} has no sound block at byte ${offset}`);
  const [magic, format] = [view.getUint32(0, true) % FORMAT_UNIT, bytes[3] as number];
  if (magic !== MAGIC % FORMAT_UNIT) throw quarantined("history", `${name} has no block at byte ${offset}`);
  if (format !== FORMAT) throw unknownFormat(`history: the block at byte ${offset} of ${name}`, format - ZERO);
  const narrow = (i: number): number => view.getUint32(i * 4, true);
  return { length: narrow(1), bodyChecksum: narrow(2), day: narrow(3), count: narrow(4) };
}

/** The summary in a sound header. */
export function summaryIn(offset: number, bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const summary = new Float64Array(SUMMARY_NUMBERS);
  summary[field.offset] = offset;
  summary[field.length] = view.getUint32(4, true);
  summary[field.endings] = view.getUint32(20, true);
  for (let i = field.first; i <= field.sequenceTo; i++) summary[i] = view.getFloat64(24 + (i - field.first) * 8, true);
  for (let i = 0; i < TYPE_WORDS; i++) summary[field.types + i] = view.getUint32(TYPES_AT + i * 4, true);
  return summary;
}

/** A whole frame: its header; throws PawlError("quarantined") when the body fails its CRC. */
export function checkFrame(name: string, offset: number, bytes: Uint8Array): Header {
  const header = decodeHeader(name, offset, bytes);
  const isSound = bytes.length === header.length && checksum(bytes.subarray(HEADER_BYTES)) === header.bodyChecksum;
  if (!isSound) throw quarantined("history", `the block at byte ${offset} of ${name} fails its checksum`);
  return header;
}
