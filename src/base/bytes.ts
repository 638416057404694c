// Owns: the one way to put integers, floats and texts into bytes and to take them out again. Little-endian. Used for log
// entries, stored values and frames between threads; what the fields mean is each room's own business.
// (B1) A reader never returns bytes past its end: it throws a PawlError("quarantined"), so a damaged value cannot be misread as a
//      short one.

import { PawlError, assert } from "./errors.ts";

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder("utf-8");
const TWO_32 = 2 ** 32;
const FIRST_BYTES = 256;
const NOTHING = new Uint8Array(0);
const NO_VIEW = new DataView(NOTHING.buffer);
/** Up to here a text of ASCII is written faster byte by byte than by a call of the encoder, which needs a view made for it. */
const SHORT_TEXT_CHARS = 48;
/** Of a text up to here the largest room that its UTF-8 form may need is kept free, so that it is encoded in its place. */
const PLACED_TEXT_CHARS = 4_096;
const UTF8_MAX_BYTES = 3;
/** Up to here `copy()` keeps the buffer, unless told otherwise. */
const KEPT_BYTES = 64 * 1024;

const SLAB_BYTES = 64 * 1024;
const SLAB_PART_MAX_BYTES = 4 * 1024;
let slab = new Uint8Array(0);
let slabAt = 0;

/**
 * Zeroed bytes. Small ones are cut from one piece of memory with others that are made at the same time: a buffer of its own costs a
 * microsecond to make and to collect. It holds all of that piece, so this is for what soon goes again; its `buffer` is not its own.
 */
export function smallBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length > SLAB_PART_MAX_BYTES) return new Uint8Array(length);
  if (slabAt + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabAt = 0;
  }
  const part = slab.subarray(slabAt, slabAt + length);
  slabAt += length;
  return part;
}

/** A growing buffer. `take()` hands out what was written and lets it go, `copy()` keeps the buffer for the next. */
export class ByteWriter {
  private buffer: Uint8Array<ArrayBuffer> = NOTHING;
  private view: DataView<ArrayBuffer> = NO_VIEW;
  private readonly initialBytes: number;
  private readonly keptBytes: number;
  length = 0;

  constructor(initialBytes = FIRST_BYTES, keptBytes = KEPT_BYTES) {
    this.initialBytes = initialBytes;
    this.keptBytes = keptBytes;
  }

  private room(count: number): number {
    const at = this.length;
    this.length = at + count;
    if (this.length > this.buffer.length) this.grow(this.length);
    return at;
  }

  private grow(needed: number): void {
    const bigger = new Uint8Array(Math.max(needed, this.buffer.length * 2, this.initialBytes));
    bigger.set(this.buffer);
    this.buffer = bigger;
    this.view = new DataView(bigger.buffer);
  }

  u8(value: number): void {
    const at = this.room(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.room(2);
    this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }

  /** An integer in [0, 2^48): ordinals, indexes. */
  u48(value: number): void {
    assert(value >= 0 && value < 2 ** 48, "u48 out of range");
    const at = this.room(6);
    this.view.setUint32(at, value % TWO_32, true);
    this.view.setUint16(at + 4, Math.floor(value / TWO_32), true);
  }

  f64(value: number): void {
    const at = this.room(8);
    this.view.setFloat64(at, value, true);
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    const at = this.room(value.length);
    this.buffer.set(value, at);
  }

  string(value: string): void {
    if (value.length <= SHORT_TEXT_CHARS && this.shortText(value)) return;
    if (value.length > PLACED_TEXT_CHARS) return this.bytes(utf8.encode(value));
    const lengthAt = this.room(4);
    const at = this.room(value.length * UTF8_MAX_BYTES);
    const { written } = utf8.encodeInto(value, this.buffer.subarray(at));
    this.view.setUint32(lengthAt, written, true);
    this.length = at + written;
  }

  /** False, and nothing written, when the text is not all ASCII. */
  private shortText(value: string): boolean {
    const start = this.length;
    this.u32(value.length);
    let at = this.room(value.length);
    const { buffer } = this;
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) {
        this.length = start;
        return false;
      }
      buffer[at++] = unit;
    }
    return true;
  }

  /** Writes a u32 at an earlier place, for lengths known only afterwards. */
  patchU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  /** The bytes written so far; the writer starts anew on another buffer, so the result is the caller's own and holds little more memory. */
  take(): Uint8Array<ArrayBuffer> {
    const tight = this.buffer.length <= this.length * 1.25;
    const out = tight ? this.buffer.subarray(0, this.length) : this.buffer.slice(0, this.length);
    this.buffer = NOTHING;
    this.view = NO_VIEW;
    this.length = 0;
    return out;
  }

  /** A view of what was written from `from` on, good until the next write. */
  written(from: number): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(from, this.length);
  }

  /** Takes back what was written from `length` on. */
  cut(length: number): void {
    assert(length <= this.length, "only what was written is taken back");
    this.length = length;
  }

  /** A copy of the bytes written so far (smallBytes), for a writer that is used over and over; a large buffer is let go. */
  copy(): Uint8Array<ArrayBuffer> {
    if (this.length > this.keptBytes) return this.take();
    const out = smallBytes(this.length);
    out.set(this.buffer.subarray(0, this.length));
    this.length = 0;
    return out;
  }
}

export class ByteReader {
  private readonly view: DataView;
  private readonly data: Uint8Array;
  at: number;

  constructor(data: Uint8Array, at = 0) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = at;
  }

  get left(): number {
    return this.data.length - this.at;
  }

  private need(count: number): number {
    const at = this.at;
    if (at + count > this.data.length)
      throw new PawlError("quarantined", `value ends at byte ${this.data.length}, needed ${at + count} (B1)`);
    this.at = at + count;
    return at;
  }

  u8(): number {
    return this.data[this.need(1)] as number;
  }

  u16(): number {
    return this.view.getUint16(this.need(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.need(4), true);
  }

  u48(): number {
    const at = this.need(6);
    return this.view.getUint32(at, true) + this.view.getUint16(at + 4, true) * TWO_32;
  }

  f64(): number {
    return this.view.getFloat64(this.need(8), true);
  }

  skip(count: number): void {
    this.need(count);
  }

  /** A view into the input, not a copy. */
  bytes(): Uint8Array {
    return this.raw(this.u32());
  }

  raw(count: number): Uint8Array {
    const at = this.need(count);
    return this.data.subarray(at, at + count);
  }

  string(): string {
    return text.decode(this.bytes());
  }
}

export function utf8Bytes(value: string): Uint8Array {
  return utf8.encode(value);
}

export function utf8Text(value: Uint8Array): string {
  return text.decode(value);
}

/** As utf8Text, with U+FFFD for what is no UTF-8: for texts that another node wrote. */
export function lenientText(value: Uint8Array): string {
  return lenient.decode(value);
}
