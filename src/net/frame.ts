// Owns: how a message becomes bytes on a link and back: u32 little-endian length, then one MessagePack array.
// What the elements mean is each room's own business.
// (F1) Nothing of a frame is stored or allocated before its length was found to be within limits.frameMaxBytes.
// (F2) A frame holds only arrays, numbers, texts, booleans, null and bytes, nested at most limits.frameDepthMax deep. This is
//      established on the raw bytes, before they reach msgpackr: its extensions and records (which a sender can define) are never run.
// (F3) Every Uint8Array of a received message owns its memory, exactly its length: it may be kept for ever and pins nothing else.

import { Packr, RESERVE_START_SPACE, Unpackr } from "msgpackr";
import { PawlError, assert, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";

const HEAD_BYTES = 4;

// `undefined` travels as null. Typed arrays other than Uint8Array travel as their bytes.
const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true, useToJSON: false });
const unpackr = new Unpackr({ useRecords: false, copyBuffers: true });

/**
 * The frame of `message`, length included; a buffer of its own or a slice that nobody writes to again.
 * A message that a receiver would refuse (F1, F2) is a bug of the caller.
 */
export function encodeFrame(message: readonly unknown[]): Buffer {
  const frame = packr.pack(message, RESERVE_START_SPACE | HEAD_BYTES);
  const length = frame.length - HEAD_BYTES;
  assert(length <= limits.frameMaxBytes, `a frame of ${length} bytes is beyond limits.frameMaxBytes (F1)`);
  const wrong = whyRefuse(frame, HEAD_BYTES, frame.length);
  assert(wrong === undefined, `a message that no peer would take: ${wrong} (F2)`);
  frame.writeUInt32LE(length, 0);
  return frame;
}

/** The message in data[start, end). Throws PawlError("invalid"). */
export function decodeMessage(data: Uint8Array, start: number, end: number): readonly unknown[] {
  const wrong = whyRefuse(data, start, end);
  if (wrong !== undefined) throw new PawlError("invalid", `bad frame: ${wrong}`);
  try {
    return unpackr.unpack(data, { start, end }) as readonly unknown[];
  } catch (error) {
    throw new PawlError("invalid", `bad frame: ${messageOf(error)}`, { cause: error });
  }
}

/** Cuts the byte stream of one connection into messages. After it has thrown, the connection must be closed. */
export class FrameReader {
  private head = 0;
  private headBytes = 0;
  private body: Buffer | undefined;
  private filled = 0;

  /** Calls `deliver` for each frame that `chunk` completes, in order. Throws PawlError("invalid") at a bad one. */
  push(chunk: Uint8Array, deliver: (message: readonly unknown[]) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.headBytes < HEAD_BYTES) {
        this.head += (chunk[at++] as number) * 2 ** (8 * this.headBytes++);
        if (this.headBytes === HEAD_BYTES) checkLength(this.head);
        continue;
      }
      const length = this.head;
      if (this.body === undefined && chunk.length - at >= length) {
        this.next();
        deliver(decodeMessage(chunk, at, at + length));
        at += length;
        continue;
      }
      at += this.fill(chunk, at, length);
      const body = this.body;
      if (body === undefined || this.filled < length) continue;
      this.next();
      deliver(decodeMessage(body, 0, length));
    }
  }

  /** Pages of a large allocation are not backed by memory before bytes arrive, so a mere promise of a long frame costs little. */
  private fill(chunk: Uint8Array, at: number, length: number): number {
    this.body ??= Buffer.allocUnsafeSlow(length);
    const count = Math.min(length - this.filled, chunk.length - at);
    this.body.set(chunk.subarray(at, at + count), this.filled);
    this.filled += count;
    return count;
  }

  private next(): void {
    this.head = 0;
    this.headBytes = 0;
    this.body = undefined;
    this.filled = 0;
  }
}

function checkLength(length: number): void {
  if (length === 0 || length > limits.frameMaxBytes) throw new PawlError("invalid", `bad frame: length ${length} (F1)`);
}

// What follows a MessagePack token: values up to 8 are that many bytes of a scalar, the others are named here.
const SHORT_TEXT = 16;
const SHORT_ARRAY = 17;
const SIZED_8 = 18;
const SIZED_16 = 19;
const SIZED_32 = 20;
const ARRAY_16 = 21;
const ARRAY_32 = 22;
const REFUSED = 255;

const tokens = tokenTable();

function tokenTable(): Uint8Array {
  const table = new Uint8Array(256).fill(REFUSED); // maps, extensions, 64-bit integers, the unused 0xc1
  table.fill(0, 0x00, 0x80); // small integers
  table.fill(SHORT_ARRAY, 0x90, 0xa0);
  table.fill(SHORT_TEXT, 0xa0, 0xc0);
  table.fill(0, 0xe0, 0x100); // small negative integers
  for (const token of [0xc0, 0xc2, 0xc3]) table[token] = 0; // null, false, true
  table.set([4, 8, 1, 2, 4], 0xca); // float 32 and 64; unsigned 8, 16 and 32
  table.set([1, 2, 4], 0xd0); // signed 8, 16 and 32
  table.set([SIZED_8, SIZED_16, SIZED_32], 0xc4); // bytes
  table.set([SIZED_8, SIZED_16, SIZED_32, ARRAY_16, ARRAY_32], 0xd9); // texts, arrays
  return table;
}

/** Why data[start, end) is not one message that may be decoded (F2), or undefined. One step per element, none per byte. */
function whyRefuse(data: Uint8Array, start: number, end: number): string | undefined {
  const open: number[] = []; // elements still missing in each array that is open
  let items = 0;
  let at = start;
  do {
    if (at >= end) return "cut short";
    if (++items > limits.frameItemsMax) return "too many elements";
    const token = data[at++] as number;
    const kind = tokens[token] as number;
    if (kind === REFUSED) return `type 0x${token.toString(16)}`;
    const array = kind === SHORT_ARRAY || kind >= ARRAY_16;
    if (open.length === 0 && !array) return "not an array";
    if (open.length > 0) open[open.length - 1] = (open[open.length - 1] as number) - 1;
    const lengthBytes = kind === SIZED_8 ? 1 : kind === SIZED_16 || kind === ARRAY_16 ? 2 : kind === SIZED_32 || kind === ARRAY_32 ? 4 : 0;
    let count = kind <= 8 ? kind : kind === SHORT_TEXT ? token & 31 : token & 15;
    if (lengthBytes > 0) {
      if (at + lengthBytes > end) return "cut short";
      count = bigEndian(data, at, lengthBytes);
      at += lengthBytes;
    }
    if (!array) at += count;
    else if (open.push(count) > limits.frameDepthMax) return "nested too deep";
    while (open.length > 0 && open[open.length - 1] === 0) open.pop();
  } while (open.length > 0);
  if (at !== end) return "bytes after the message";
  return items === 1 ? "empty" : undefined;
}

function bigEndian(data: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value = value * 256 + (data[at + i] as number);
  return value;
}
