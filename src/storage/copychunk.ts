// Owns: one chunk of a copy of the state, and its bytes on a link or in a file. How chunks are made is the business of statecopy.ts,
// how they are laid down that of statestage.ts. Little-endian:
//   version u8 | copy text | number u48 | ops u32 | per op: 1 put, key text, value; or 0 del, key text | end u8 |
//   at the end: checkpoint u48, index u48, term u48, membership index u48, membership bytes, ops u48, bytes u48 | crc u32
// (C1) The CRC covers everything before it, so a chunk cannot pass for another one, or for one of another copy.
// (C2) Chunks are numbered from 0 without gaps, and mean what they mean only in that order: a later one may undo an earlier one.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { checksum } from "../base/checksum.ts";
import { PawlError, messageOf } from "../base/errors.ts";
import { isStateKey } from "./checkpointformat.ts";
import { unknownFormat } from "./quarantine.ts";
import type { KvOp } from "./disk.ts";
import type { StoredMembership } from "./checkpointformat.ts";

/** What the whole copy is: the state right after a checkpoint. The last chunk says it. */
export type CopyEnd = {
  readonly checkpoint: number;
  /** Applied index of the checkpoint, and the term of the entry there. */
  readonly index: number;
  readonly term: number;
  readonly membership: StoredMembership;
  /** Of all chunks. */
  readonly ops: number;
  readonly bytes: number;
};

export type Chunk = {
  /** Names the copy: chunks of two copies never mix. */
  readonly copy: string;
  readonly number: number;
  readonly ops: readonly KvOp[];
  readonly end: CopyEnd | undefined;
};

const VERSION = 1;
const CRC_BYTES = 4;

export function encodeChunk(chunk: Chunk): Uint8Array {
  const out = new ByteWriter(chunk.ops.reduce((sum, op) => sum + opBytes(op) + 16, 256));
  out.u8(VERSION);
  out.string(chunk.copy);
  out.u48(chunk.number);
  out.u32(chunk.ops.length);
  for (const op of chunk.ops) {
    out.u8("put" in op ? 1 : 0);
    out.string("put" in op ? op.put : op.del);
    if ("put" in op) out.bytes(op.value);
  }
  out.u8(chunk.end === undefined ? 0 : 1);
  if (chunk.end !== undefined) writeEnd(out, chunk.end);
  const crc = new ByteWriter(CRC_BYTES);
  const content = out.take();
  crc.u32(checksum(content));
  const sealed = new Uint8Array(content.length + CRC_BYTES);
  sealed.set(content);
  sealed.set(crc.take(), content.length);
  return sealed;
}

/** Values are views into `bytes`. Throws PawlError: "invalid" when they are not a chunk, "too_new" when they are one of another version. */
export function decodeChunk(bytes: Uint8Array): Chunk {
  const content = bytes.subarray(0, Math.max(0, bytes.length - CRC_BYTES));
  const isWhole = bytes.length > CRC_BYTES && new ByteReader(bytes, content.length).u32() === checksum(content);
  if (!isWhole) throw invalid("fails its checksum");
  try {
    return readChunk(new ByteReader(content));
  } catch (error) {
    const isSaid = error instanceof PawlError && (error.code === "invalid" || error.code === "too_new");
    throw isSaid ? error : invalid(messageOf(error));
  }
}

function readChunk(reader: ByteReader): Chunk {
  const version = reader.u8();
  if (version !== VERSION) throw unknownFormat("a chunk of a copy of the state", version);
  const copy = reader.string();
  const number = reader.u48();
  const ops: KvOp[] = [];
  for (let left = reader.u32(); left > 0; left--) ops.push(readOp(reader));
  const end = reader.u8() === 1 ? readEnd(reader) : undefined;
  if (reader.left !== 0) throw invalid("is longer than what it holds");
  return { copy, number, ops, end };
}

function readOp(reader: ByteReader): KvOp {
  const isPut = reader.u8() === 1;
  const key = reader.string();
  if (!isStateKey(key)) throw invalid(`has the unknown key ${JSON.stringify(key)}`);
  return isPut ? { put: key, value: reader.bytes() } : { del: key };
}

export function writeEnd(out: ByteWriter, end: CopyEnd): void {
  out.u48(end.checkpoint);
  out.u48(end.index);
  out.u48(end.term);
  out.u48(end.membership.index);
  out.bytes(end.membership.bytes);
  out.u48(end.ops);
  out.u48(end.bytes);
}

export function readEnd(reader: ByteReader): CopyEnd {
  const place = { checkpoint: reader.u48(), index: reader.u48(), term: reader.u48() };
  const membership = { index: reader.u48(), bytes: reader.bytes() };
  return { ...place, membership, ops: reader.u48(), bytes: reader.u48() };
}

/** Bytes of key and value. */
export function opBytes(op: KvOp): number {
  return "put" in op ? op.put.length + op.value.length : op.del.length;
}

function invalid(what: string): PawlError {
  return new PawlError("invalid", `a chunk of a copy of the state ${what}; ask for it again`);
}
