// Owns: the bytes of one write to the Raft log. Which writes may follow each other is the business of log.ts. Little-endian:
//   version u8 | previous seal u32 | start: first write u48, seal before it u32, index u48, term u48, state u48 |
//   term u48, vote text, commit u48 | truncateFrom u48 (0: nothing) | lastIndex u48, lastTerm u48 | count u32 |
//   per entry: index u48, term u48, kind u8, crc u32, length u32, data | seal u32
// (E1) An entry's CRC covers its index, term, kind and data and is chained to the entry before it; the first one's to the previous seal.
// (E2) The seal covers key and value (quarantine.ts); it is checked before anything here is called.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { checksum } from "../base/checksum.ts";
import { quarantined, sealInto, unknownFormat } from "./quarantine.ts";
import type { Entry, HardState } from "../raft/types.ts";

/** Where the log begins once a write is durable, and which state it belongs to. */
export type LogStart = {
  /** Number of the first write that is kept, and the seal of the one before it. */
  readonly write: number;
  readonly seal: number;
  /** Index and term of the last entry that was dropped; 0 when none was. */
  readonly index: number;
  readonly term: number;
  /** The state that the entries go on from is in the database `state-<state>`. */
  readonly state: number;
};

/** A write as stored. `truncateFrom` is 0 when nothing is replaced. */
export type StoredWrite = {
  readonly number: number;
  readonly previousSeal: number;
  readonly start: LogStart;
  readonly hardState: HardState;
  readonly truncateFrom: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly entries: readonly Entry[];
};

const VERSION = 2;
const ENTRY_HEADER_BYTES = 21;
/** What stands in front of the entries, the longest vote and the seal included. */
const WRITE_HEADER_MAX_BYTES = 256;
const PLACE_BYTES = 13;
const ENTRY_KINDS = ["command", "membership"] as const;

/** Sorts like the number, up to 2^53. */
export function writeKey(number: number): string {
  return number.toString(16).padStart(14, "0");
}

/** With `out`, which is empty, the result is a view of what it holds then. */
export function encodeWrite(key: string, write: StoredWrite, out = new ByteWriter(sizeOf(write))): Uint8Array {
  out.u8(VERSION);
  out.u32(write.previousSeal);
  out.u48(write.start.write);
  out.u32(write.start.seal);
  out.u48(write.start.index);
  out.u48(write.start.term);
  out.u48(write.start.state);
  out.u48(write.hardState.term);
  out.string(write.hardState.vote);
  out.u48(write.hardState.commit);
  out.u48(write.truncateFrom);
  out.u48(write.lastIndex);
  out.u48(write.lastTerm);
  out.u32(write.entries.length);
  let crc = write.previousSeal;
  for (const { index, term, kind, data } of write.entries) {
    const kindNumber = ENTRY_KINDS.indexOf(kind);
    crc = entryChecksum(index, term, kindNumber, data, crc);
    out.u48(index);
    out.u48(term);
    out.u8(kindNumber);
    out.u32(crc);
    out.bytes(data);
  }
  out.u32(0);
  return sealInto(key, out.written(0));
}

function sizeOf({ entries }: StoredWrite): number {
  return entries.reduce((sum, entry) => sum + entry.data.length + ENTRY_HEADER_BYTES, WRITE_HEADER_MAX_BYTES);
}

/** Takes a write apart and checks its entries (E1). `data` are views. */
export function decodeWrite(number: number, content: Uint8Array): StoredWrite {
  const reader = new ByteReader(content);
  const { count, ...head } = readHead(reader);
  const entries: Entry[] = [];
  let crc = head.previousSeal;
  for (let i = 0; i < count; i++) crc = readEntry(reader, crc, entries);
  if (reader.left !== 0) throw quarantined("raft log", `write ${number} is longer than its entries`);
  return { ...head, number, entries };
}

/** The entries of a write with indexes in [from, end). */
export function readEntries(content: Uint8Array, from: number, end: number): Entry[] {
  return decodeWrite(0, content).entries.filter(({ index }) => index >= from && index < end);
}

function readHead(reader: ByteReader): Omit<StoredWrite, "number" | "entries"> & { count: number } {
  const version = reader.u8();
  if (version !== VERSION) throw unknownFormat("raft log", version);
  const previousSeal = reader.u32();
  const first = { write: reader.u48(), seal: reader.u32() };
  const start = { ...first, index: reader.u48(), term: reader.u48(), state: reader.u48() };
  const hardState = { term: reader.u48(), vote: reader.string(), commit: reader.u48() };
  const place = { truncateFrom: reader.u48(), lastIndex: reader.u48(), lastTerm: reader.u48() };
  return { previousSeal, start, hardState, ...place, count: reader.u32() };
}

function readEntry(reader: ByteReader, previous: number, out: Entry[]): number {
  const index = reader.u48();
  const term = reader.u48();
  const kindNumber = reader.u8();
  const crc = reader.u32();
  const data = reader.bytes();
  const matches = crc === entryChecksum(index, term, kindNumber, data, previous);
  if (!matches) throw quarantined("raft log", `the entry at index ${index} fails its checksum`);
  const kind = ENTRY_KINDS[kindNumber];
  if (kind === undefined) throw unknownFormat(`raft log: the kind of entry ${index}`, kindNumber);
  out.push({ index, term, kind, data });
  return crc;
}

const place = new DataView(new ArrayBuffer(PLACE_BYTES));
const placeBytes = new Uint8Array(place.buffer);

function entryChecksum(index: number, term: number, kind: number, data: Uint8Array, previous: number): number {
  const high = Math.floor(index / 2 ** 32);
  place.setUint32(0, index % 2 ** 32, true);
  place.setUint16(4, high, true);
  place.setUint32(6, term % 2 ** 32, true);
  place.setUint16(10, Math.floor(term / 2 ** 32), true);
  place.setUint8(12, kind);
  return checksum(data, checksum(placeBytes, previous));
}
