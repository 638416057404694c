// Owns: keys and bytes of a checkpoint's values. When they are made, and what must be there at open, is the business of state.ts.
//   c/<n>          header: what checkpoint n consists of, chained to header n-1 by its seal
//   s/<n>          summary: scalars, membership, history marks, shape of the tables; of the newest checkpoint only
//   d/<n>/<i>      rows that changed since checkpoint n-1, at most about a mebibyte each
//   p/<table>/<k>  base page k of a table, with the number of the checkpoint that wrote it
//   x/<key>        cold rows (coldrows.ts)
//   m/             how a state came that was laid down by a copy (installmark.ts); not a part of the state
// (K1) Every value is sealed over key and value. A header holds the seals of all other values of its checkpoint but cold rows.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { HashSum } from "../jobs/hashsum.ts";
import { SEAL_BYTES, quarantined, sealInto, sealed, unsealed, unknownFormat } from "./quarantine.ts";
import { readMarks, writeMarks } from "./historymarks.ts";
import type { HistoryMarks } from "./historymarks.ts";
import type { LogPosition } from "./log.ts";

export const STORE = "state";
const VERSION = 6;
/** Rows and pages begin at a multiple of 8, as typed arrays want them. */
const STAMP_BYTES = 8;

export type PageSeal = { readonly table: number; readonly page: number; readonly seal: number };

export type Header = {
  readonly number: number;
  readonly previousSeal: number;
  readonly appliedIndex: number;
  /** Term of the entry at the applied index. */
  readonly appliedTerm: number;
  readonly position: LogPosition;
  /** Checkpoint at which the sweep under way began, and where it goes on. */
  readonly sweepFrom: number;
  readonly sweepTable: number;
  readonly sweepPage: number;
  /** Changes are kept from this checkpoint on: the start of the last finished sweep. */
  readonly neededFrom: number;
  /** The oldest header that is kept. */
  readonly headersFrom: number;
  readonly summarySeal: number;
  /** Seals of d/<n>/<i>, in order. */
  readonly deltas: readonly number[];
  readonly pages: readonly PageSeal[];
  /** Over the seals of all cold rows that are stored with this checkpoint (coldrows.ts, X4). */
  readonly coldSum: HashSum;
};

export type TableShape = { readonly name: string; readonly rowBytes: number; readonly pageRows: number };
/** The members at the applied index, as bytes that only consensus reads, and the index of the entry that made them so. */
export type StoredMembership = { readonly index: number; readonly bytes: Uint8Array };
export type Summary = {
  readonly scalars: Uint8Array;
  readonly membership: StoredMembership;
  readonly marks: HistoryMarks;
  readonly tables: readonly TableShape[];
};
export type Delta = { readonly table: number; readonly rows: Uint32Array; readonly bytes: Uint8Array };

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

export const keys = {
  header: (number: number): string => `c/${hex(number, 14)}`,
  summary: (number: number): string => `s/${hex(number, 14)}`,
  delta: (number: number, at: number): string => `d/${hex(number, 14)}/${hex(at, 4)}`,
  page: (table: string, page: number): string => `p/${table}/${hex(page, 8)}`,
} as const;

/** Throws PawlError("quarantined") unless the value is whole and belongs under its key. What else it must fit to is restore.ts's. */
export function checkValue(key: string, value: Uint8Array): void {
  const kind = key.slice(0, 2);
  if (kind === "c/") decodeHeader(key, value, undefined);
  else if (isStateKey(key)) unsealed(STORE, key, value);
  else throw quarantined(STORE, `unknown key ${JSON.stringify(key)}`);
}

/** Whether a key is of the state itself. */
export function isStateKey(key: string): boolean {
  return /^[csdpx]\//.test(key);
}

export function encodeHeader(header: Header): Uint8Array {
  const out = new ByteWriter(256 + header.pages.length * 9 + header.deltas.length * 4);
  out.u8(VERSION);
  out.u48(header.number);
  out.u32(header.previousSeal);
  out.u48(header.appliedIndex);
  out.u48(header.appliedTerm);
  writePosition(out, header.position);
  out.u48(header.sweepFrom);
  out.u8(header.sweepTable);
  out.u32(header.sweepPage);
  out.u48(header.neededFrom);
  out.u48(header.headersFrom);
  out.u32(header.summarySeal);
  out.u32(header.deltas.length);
  for (const seal of header.deltas) out.u32(seal);
  out.u32(header.pages.length);
  for (const { table, page, seal } of header.pages) {
    out.u8(table);
    out.u32(page);
    out.u32(seal);
  }
  header.coldSum.encode(out);
  return sealed(keys.header(header.number), out.take(), header.previousSeal);
}

/** `previousSeal` is that of the header before; undefined for the oldest one kept, which is taken at its own word. */
export function decodeHeader(key: string, value: Uint8Array, previousSeal: number | undefined): Header {
  const named = new ByteReader(value, 7).u32();
  const reader = new ByteReader(unsealed(STORE, key, value, named));
  if (previousSeal !== undefined && named !== previousSeal) throw quarantined(STORE, `${key} follows another checkpoint than is stored`);
  checkVersion(key, reader.u8());
  const number = reader.u48();
  reader.u32();
  const applied = { appliedIndex: reader.u48(), appliedTerm: reader.u48() };
  const position = readPosition(reader);
  const sweep = { sweepFrom: reader.u48(), sweepTable: reader.u8(), sweepPage: reader.u32() };
  const kept = { neededFrom: reader.u48(), headersFrom: reader.u48() };
  const summarySeal = reader.u32();
  const deltas = Array.from({ length: reader.u32() }, () => reader.u32());
  const pages = Array.from({ length: reader.u32() }, () => ({ table: reader.u8(), page: reader.u32(), seal: reader.u32() }));
  const coldSum = HashSum.of(reader);
  return { number, previousSeal: named, ...applied, position, ...sweep, ...kept, summarySeal, deltas, pages, coldSum };
}

export function writePosition(out: ByteWriter, position: LogPosition): void {
  out.u48(position.number);
  out.u48(position.index);
  out.u48(position.term);
  out.string(position.vote);
  out.u32(position.checksum);
}

export function readPosition(reader: ByteReader): LogPosition {
  const place = { number: reader.u48(), index: reader.u48(), term: reader.u48(), vote: reader.string() };
  return { ...place, checksum: reader.u32() };
}

export function encodeSummary(key: string, { scalars, membership, marks, tables }: Summary): Uint8Array {
  const out = new ByteWriter(256 + scalars.length + membership.bytes.length);
  out.u8(VERSION);
  out.bytes(scalars);
  out.u48(membership.index);
  out.bytes(membership.bytes);
  writeMarks(out, marks);
  out.u8(tables.length);
  for (const { name, rowBytes, pageRows } of tables) {
    out.string(name);
    out.u32(rowBytes);
    out.u32(pageRows);
  }
  return sealed(key, out.take());
}

export function decodeSummary(key: string, value: Uint8Array): Summary {
  const reader = new ByteReader(unsealed(STORE, key, value));
  checkVersion(key, reader.u8());
  const scalars = reader.bytes();
  const membership = { index: reader.u48(), bytes: reader.bytes() };
  const marks = readMarks(reader);
  const tables = Array.from({ length: reader.u8() }, () => ({ name: reader.string(), rowBytes: reader.u32(), pageRows: reader.u32() }));
  return { scalars, membership, marks, tables };
}

export function encodeDelta(key: string, { table, rows, bytes }: Delta): Uint8Array {
  const rowsBytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
  const dataAt = STAMP_BYTES + aligned(rowsBytes.length);
  const out = new Uint8Array(dataAt + bytes.length + SEAL_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(0, table, true);
  view.setUint32(4, rows.length, true);
  out.set(rowsBytes, STAMP_BYTES);
  out.set(bytes, dataAt);
  return sealInto(key, out);
}

export function decodeDelta(key: string, value: Uint8Array): Delta {
  const content = unsealed(STORE, key, value);
  const reader = new ByteReader(content);
  const table = reader.u32();
  const count = reader.u32();
  const rows = new Uint32Array(count);
  new Uint8Array(rows.buffer).set(reader.raw(count * 4));
  return { table, rows, bytes: content.subarray(STAMP_BYTES + aligned(count * 4)) };
}

export function encodePage(key: string, number: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(STAMP_BYTES + bytes.length + SEAL_BYTES);
  new DataView(out.buffer).setFloat64(0, number, true);
  out.set(bytes, STAMP_BYTES);
  return sealInto(key, out);
}

/** The page's bytes, and the checkpoint that wrote them. */
export function decodePage(key: string, value: Uint8Array): { number: number; bytes: Uint8Array } {
  const content = unsealed(STORE, key, value);
  return { number: new ByteReader(content).f64(), bytes: content.subarray(STAMP_BYTES) };
}

function aligned(length: number): number {
  return (length + 7) & ~7;
}

function checkVersion(key: string, version: number): void {
  if (version !== VERSION) throw unknownFormat(`${STORE}: ${key}`, version);
}
