// Owns: a table of fixed-width rows kept as typed-array columns, and how its rows are copied out for a checkpoint and laid back.
// What the columns mean is the business of the tables built on it (jobtable.ts, livetable.ts); when copies are made, of src/storage.
// (C1) Memory is allocated once and untouched until used: rows start at 1 and "nothing" is 0 in every column.
// (C2) A row that was touched is reported once by takeChanged(), whatever happened to it.

import { assert } from "../base/errors.ts";

export type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

const ALIGN = 8;

export class ColumnTable {
  readonly name: string;
  readonly capacity: number;
  readonly rowBytes: number;
  readonly pageRows: number;
  private readonly columns: readonly Column[];
  private readonly dirty: Uint8Array;
  private changed = new Uint32Array(1024);
  private changedCount = 0;
  /** Highest row ever used, plus one. */
  private high = 1;

  constructor(name: string, capacity: number, columns: readonly Column[], pageBytes: number) {
    this.name = name;
    this.capacity = capacity;
    this.columns = columns;
    this.rowBytes = columns.reduce((sum, column) => sum + column.BYTES_PER_ELEMENT, 0);
    this.pageRows = Math.floor(pageBytes / this.rowBytes);
    this.dirty = new Uint8Array(capacity + 1);
  }

  rowCount(): number {
    return this.high;
  }

  /** Notes that a row changed (C2). */
  touch(row: number): void {
    if (this.dirty[row] === 1) return;
    this.dirty[row] = 1;
    if (this.changedCount === this.changed.length) this.growChanged();
    this.changed[this.changedCount++] = row;
    if (row >= this.high) this.high = row + 1;
  }

  private growChanged(): void {
    const bigger = new Uint32Array(this.changed.length * 2);
    bigger.set(this.changed);
    this.changed = bigger;
  }

  changedRows(): number {
    return this.changedCount;
  }

  takeChanged(): Uint32Array {
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

  restoreRows(rows: Uint32Array, bytes: Uint8Array): void {
    const own = ownAligned(bytes);
    assert(own.length === this.sizeOf(rows.length), `${this.name}: delta of ${rows.length} rows has ${own.length} bytes`);
    let at = 0;
    for (const column of this.columns) {
      scatter(column, rows, viewLike(column, own, at, rows.length));
      at = aligned(at + rows.length * column.BYTES_PER_ELEMENT);
    }
    for (let i = 0; i < rows.length; i++) this.high = Math.max(this.high, (rows[i] as number) + 1);
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

function viewLike(column: Column, bytes: Uint8Array, at: number, count: number): Column {
  const offset = bytes.byteOffset + at;
  if (column instanceof Float64Array) return new Float64Array(bytes.buffer, offset, count);
  if (column instanceof Uint32Array) return new Uint32Array(bytes.buffer, offset, count);
  if (column instanceof Uint16Array) return new Uint16Array(bytes.buffer, offset, count);
  return new Uint8Array(bytes.buffer, offset, count);
}

function gather(column: Column, rows: Uint32Array, out: Column): void {
  for (let i = 0; i < rows.length; i++) out[i] = column[rows[i] as number] as number;
}

function scatter(column: Column, rows: Uint32Array, values: Column): void {
  for (let i = 0; i < rows.length; i++) column[rows[i] as number] = values[i] as number;
}
