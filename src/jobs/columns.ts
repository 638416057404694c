// Owns: a table of fixed-width rows kept as typed-array columns, and how its rows are copied out for a checkpoint and laid back.
// What the columns mean is the business of the tables built on it (jobtable.ts, livetable.ts); when copies are made, of src/storage.
// (C1) Memory is allocated once and untouched until used: rows start at 1 and "nothing" is 0 in every column.
// (C2) A row that was touched is reported once by takeChanged(), whatever happened to it.
// (C3) The sum over all rows' hashes is brought up to date from the rows that changed: when it is asked for, at each takeChanged(), and
//      between entries once many wait, so that no turn has all of them to do. Not in touch(): a row may be touched before it is changed.
// (C4) Rows of zeros count as 0: it does not matter how far the table was ever used.

import { mix32 } from "../base/checksum.ts";
import { assert } from "../base/errors.ts";
import type { Parts } from "../base/parts.ts";
import { gather, mixRows, scatter } from "./columnloops.ts";
import type { Column } from "./columnloops.ts";
import { HashSum } from "./hashsum.ts";

const ALIGN = 8;
/** What is known of a row that changed since takeChanged(): whether its hash is of what it holds now. */
const CHANGED = 1;
const SUMMED = 2;
const REHASH_ROWS = 16_384;

export class ColumnTable {
  readonly name: string;
  readonly capacity: number;
  readonly rowBytes: number;
  readonly pageRows: number;
  private readonly columns: readonly Column[];
  private readonly dirty: Uint8Array;
  private readonly hashes: Uint32Array;
  private readonly total = new HashSum();
  private changed = new Uint32Array(1024);
  private changedCount = 0;
  private unsummed = new Uint32Array(1024);
  private unsummedCount = 0;
  /** Highest row ever used, plus one. */
  private high = 1;

  constructor(name: string, capacity: number, columns: readonly Column[], pageBytes: number) {
    this.name = name;
    this.capacity = capacity;
    this.columns = columns;
    this.rowBytes = columns.reduce((sum, column) => sum + column.BYTES_PER_ELEMENT, 0);
    this.pageRows = Math.floor(pageBytes / this.rowBytes);
    this.dirty = new Uint8Array(capacity + 1);
    this.hashes = new Uint32Array(capacity + 1);
  }

  rowCount(): number {
    return this.high;
  }

  /** Notes that a row changed (C2). */
  touch(row: number): void {
    const before = this.dirty[row];
    if (before === CHANGED) return;
    this.dirty[row] = CHANGED;
    if (this.unsummedCount === this.unsummed.length) this.unsummed = doubled(this.unsummed);
    this.unsummed[this.unsummedCount++] = row;
    if (before === SUMMED) return;
    if (this.changedCount === this.changed.length) this.changed = doubled(this.changed);
    this.changed[this.changedCount++] = row;
    if (row >= this.high) this.high = row + 1;
  }

  changedRows(): number {
    return this.changedCount;
  }

  /** The sum over all rows as they are now (C3). */
  sum(): HashSum {
    const rows = this.unsummed.subarray(0, this.unsummedCount);
    for (let i = 0; i < rows.length; i++) this.dirty[rows[i] as number] = SUMMED;
    this.rehashRows(rows);
    this.unsummedCount = 0;
    return this.total;
  }

  /** To be called between entries: takes many changed rows into the sum (C3). */
  keepUp(): void {
    if (this.unsummedCount >= REHASH_ROWS) this.sum();
  }

  /** Brings the sum up to date after rows were laid back. */
  *rehash(): Parts {
    const end = Math.min(this.high, this.capacity + 1);
    const rows = new Uint32Array(REHASH_ROWS);
    for (let from = 1; from < end; from += REHASH_ROWS) {
      const count = Math.min(REHASH_ROWS, end - from);
      for (let i = 0; i < count; i++) rows[i] = from + i;
      this.rehashRows(rows.subarray(0, count));
      yield;
    }
  }

  private rehashRows(rows: Uint32Array): void {
    const hashes = hashesOf(this.columns, rows);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const before = this.hashes[row] as number;
      const hash = hashes[i] as number;
      if (hash === before) continue;
      this.hashes[row] = hash;
      this.total.remove(before);
      this.total.add(hash);
    }
  }

  takeChanged(): Uint32Array {
    this.sum();
    const rows = this.changed.slice(0, this.changedCount);
    for (let i = 0; i < rows.length; i++) this.dirty[rows[i] as number] = 0;
    this.changedCount = 0;
    if (this.changed.length > 65_536) this.changed = new Uint32Array(1024);
    return rows;
  }

  copyRows(rows: Uint32Array): Uint8Array {
    const out = new Uint8Array(this.sizeOf(rows.length));
    let at = 0;
    for (const column of this.columns) {
      gather(column, rows, viewLike(column, out, at, rows.length));
      at = aligned(at + rows.length * column.BYTES_PER_ELEMENT);
    }
    return out;
  }

  restoreRows(rows: Uint32Array, bytes: Uint8Array, places?: Uint32Array): void {
    const own = ownAligned(bytes);
    assert(own.length === this.sizeOf(rows.length), `${this.name}: delta of ${rows.length} rows has ${own.length} bytes`);
    const chosen = places === undefined ? rows : chosenOf(rows, places);
    let at = 0;
    for (const column of this.columns) {
      const values = viewLike(column, own, at, rows.length);
      scatter(column, chosen, places === undefined ? values : chosenOf(values, places));
      at = aligned(at + rows.length * column.BYTES_PER_ELEMENT);
    }
    for (let i = 0; i < chosen.length; i++) this.high = Math.max(this.high, (chosen[i] as number) + 1);
  }

  /** Rows [page * pageRows, (page + 1) * pageRows), column after column; the last page may be short of rows but not of bytes. */
  copyPage(page: number): Uint8Array {
    const from = page * this.pageRows;
    const out = new Uint8Array(this.sizeOf(this.pageRows));
    let at = 0;
    for (const column of this.columns) {
      const part = column.subarray(from, Math.min(from + this.pageRows, column.length));
      out.set(bytesOf(part), at);
      at = aligned(at + this.pageRows * column.BYTES_PER_ELEMENT);
    }
    return out;
  }

  restorePage(page: number, bytes: Uint8Array): void {
    const own = ownAligned(bytes);
    assert(own.length === this.sizeOf(this.pageRows), `${this.name}: page ${page} has ${own.length} bytes`);
    const from = page * this.pageRows;
    let at = 0;
    for (const column of this.columns) {
      const count = Math.min(this.pageRows, column.length - from);
      column.set(viewLike(column, own, at, count), from);
      at = aligned(at + this.pageRows * column.BYTES_PER_ELEMENT);
    }
    this.high = Math.max(this.high, Math.min(from + this.pageRows, this.capacity + 1));
  }

  private sizeOf(rows: number): number {
    let size = 0;
    for (const column of this.columns) size = aligned(size + rows * column.BYTES_PER_ELEMENT);
    return size;
  }
}

/** Hashes of rows' numbers and of all that they hold; 0 for rows of zeros. Column by column, as memory lies. */
function hashesOf(columns: readonly Column[], rows: Uint32Array): Uint32Array {
  const hashes = rows.slice();
  const bits = new Uint32Array(rows.length);
  for (const column of columns) mixRows(column, rows, hashes, bits);
  for (let i = 0; i < rows.length; i++) hashes[i] = bits[i] === 0 ? 0 : mix32(hashes[i] as number);
  return hashes;
}

function doubled(list: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(list.length * 2);
  bigger.set(list);
  return bigger;
}

function aligned(offset: number): number {
  return (offset + ALIGN - 1) & ~(ALIGN - 1);
}

function bytesOf(column: Column): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

/** Typed views need aligned memory; stored values may begin anywhere in theirs. */
function ownAligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % ALIGN === 0 ? bytes : bytes.slice();
}

function chosenOf<Values extends Column>(values: Values, places: Uint32Array): Values {
  const chosen = values.slice(0, places.length) as Values;
  gather(values, places, chosen);
  return chosen;
}

function viewLike(column: Column, bytes: Uint8Array, at: number, count: number): Column {
  const offset = bytes.byteOffset + at;
  if (column instanceof Float64Array) return new Float64Array(bytes.buffer, offset, count);
  if (column instanceof Uint32Array) return new Uint32Array(bytes.buffer, offset, count);
  if (column instanceof Uint16Array) return new Uint16Array(bytes.buffer, offset, count);
  return new Uint8Array(bytes.buffer, offset, count);
}
