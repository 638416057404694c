// Owns: the index of one history file: which of its blocks may hold what is looked for, without more memory for a large day than for a
// small one. Blocks are historyblock.ts's, where in the file frames are written historyday.ts's.
//
// Summaries of the newest blocks are in memory, as level 0. When there are FAN of them, a page with them is written into the file behind
// them, and one summary of all takes their place, at level 1; FAN of those become one at level 2, and so on. A page holds the lists of
// all levels as they are then, so that the newest page alone brings all of them back.
// (I1) The summary at level n > 0 that stands for a page has what it sums up in that page's list n - 1.
// (I2) In memory is less than FAN summaries for each level. A day of 50,000 records a second has 4.2 million blocks: four levels.
//   page               frame header; levels u8; per level: count u16, then SUMMARY_NUMBERS f64 each

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { HEADER_BYTES, SUMMARY_NUMBERS, Summaries, checkFrame, field, sealFrame } from "./historyframe.ts";
import { quarantined } from "./quarantine.ts";
import type { Filter, FramePlace } from "./historyframe.ts";

export const FAN = 64;

/** A summary in its list. */
export type Entry = { readonly list: Summaries; readonly row: number };

/** The summary of a block, or of the page below which there is none after all. */
export type Descent = { readonly isBlock: boolean; readonly entry: Entry };

/** A page of the index as it was read. */
export class IndexPage {
  readonly lists: readonly Summaries[];
  /** In bytes. */
  readonly length: number;

  /** Throws PawlError("quarantined") when it is none, or damaged. */
  constructor(name: string, offset: number, bytes: Uint8Array) {
    const { count } = checkFrame(name, offset, bytes);
    if (count !== 0) throw quarantined("history", `${name} has records at byte ${offset}, where a page of the index is due`);
    const reader = new ByteReader(bytes, HEADER_BYTES);
    this.length = bytes.length;
    this.lists = Array.from({ length: reader.u8() }, () => readList(reader));
  }
}

function readList(reader: ByteReader): Summaries {
  const count = reader.u16();
  const list = new Summaries(Math.max(1, count));
  const summary = new Float64Array(SUMMARY_NUMBERS);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < SUMMARY_NUMBERS; i++) summary[i] = reader.f64();
    list.push(summary);
  }
  return list;
}

/** Reads a page of the file by its place. */
export type LoadPage = (offset: number, length: number) => IndexPage;

export class HistoryIndex {
  private lists: Summaries[] = [new Summaries(FAN)];
  private readonly load: LoadPage;

  constructor(load: LoadPage) {
    this.load = load;
  }

  /** As it was when the page was written. The page's lists become those of the index. */
  restore(page: IndexPage): void {
    this.lists = page.lists.map((list) => (list.count < FAN ? list : new Summaries(FAN)));
  }

  add(summary: Float64Array): void {
    (this.lists[0] as Summaries).push(summary);
  }

  get isPageDue(): boolean {
    return (this.lists[0] as Summaries).count === FAN;
  }

  /** The page that is due, for this place. */
  page(place: FramePlace): Uint8Array {
    const { lists } = this;
    const whole = (lists[0] as Summaries).union();
    const own: Summaries[] = [];
    for (let level = 0; lists[level]?.count === FAN; level++) {
      const above = (lists[level + 1] ??= new Summaries(FAN));
      above.push((lists[level] as Summaries).union());
      own.push(above);
    }
    const bytes = lists.reduce((sum, list) => sum + 2 + list.count * SUMMARY_NUMBERS * 8, HEADER_BYTES + 1);
    for (const list of own) list.place(list.count - 1, place.offset, bytes);
    const out = new ByteWriter(bytes);
    out.raw(new Uint8Array(HEADER_BYTES));
    out.u8(lists.length);
    for (const list of lists) writeList(out, list);
    const frame = out.take();
    sealFrame(frame, place, 0, whole);
    this.lists = lists.map((list) => (list.count < FAN ? list : new Summaries(FAN)));
    return frame;
  }

  /** No block has a smaller one; undefined without blocks. */
  get firstOrdinal(): number | undefined {
    return this.lists.findLast((list) => list.count > 0)?.at(0, field.first);
  }

  /** Down to the newest block that begins at or below the ordinal and may pass the filter. Reads one page per level at most. */
  newest(ordinal: number, filter: Filter): Descent | undefined {
    for (const [level, list] of this.lists.entries()) {
      const row = newestIn(list, ordinal, filter);
      if (row >= 0) return this.down({ list, row }, level, (below) => newestIn(below, ordinal, filter));
    }
    return undefined;
  }

  /** Down to the oldest block that ends at or above the ordinal, and may hold the sequence if one is given. */
  oldest(ordinal: number, sequence: number | undefined): Descent | undefined {
    for (let level = this.lists.length - 1; level >= 0; level--) {
      const list = this.lists[level] as Summaries;
      const row = oldestIn(list, ordinal, sequence);
      if (row >= 0) return this.down({ list, row }, level, (below) => oldestIn(below, ordinal, sequence));
    }
    return undefined;
  }

  private down(from: Entry, level: number, choose: (list: Summaries) => number): Descent {
    let entry = from;
    for (let at = level - 1; at >= 0; at--) {
      const { list, row } = entry;
      const below = this.load(list.at(row, field.offset), list.at(row, field.length)).lists[at] as Summaries;
      const next = choose(below);
      if (next < 0) return { isBlock: false, entry };
      entry = { list: below, row: next };
    }
    return { isBlock: true, entry };
  }
}

function writeList(out: ByteWriter, list: Summaries): void {
  out.u16(list.count);
  for (let row = 0; row < list.count; row++) for (let i = 0; i < SUMMARY_NUMBERS; i++) out.f64(list.at(row, i));
}

function newestIn(list: Summaries, ordinal: number, filter: Filter): number {
  let row = list.lastUpTo(ordinal);
  while (row >= 0 && !list.mayPass(row, filter)) row--;
  return row;
}

function oldestIn(list: Summaries, ordinal: number, sequence: number | undefined): number {
  let row = Math.max(0, list.lastUpTo(ordinal));
  while (row < list.count && (list.at(row, field.last) < ordinal || !mayHold(list, row, sequence))) row++;
  return row < list.count ? row : -1;
}

function mayHold(list: Summaries, row: number, sequence: number | undefined): boolean {
  return sequence === undefined || (sequence >= list.at(row, field.sequenceFrom) && sequence <= list.at(row, field.sequenceTo));
}
