// Frames: values survive, whatever the cuts between chunks; hostile bytes are refused before they cost anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { BugError, PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { FrameReader, decodeMessage, encodeFrame } from "../../src/net/frame.ts";

const SEED = 20_261_121;

const { message } = fc.letrec<{ value: unknown; message: unknown[] }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.double({ noNaN: true }).map((number) => number + 0),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.string({ unit: "grapheme" }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 400 }),
    fc.array(tie("value"), { maxLength: 20 }),
  ),
  message: fc.array(tie("value"), { minLength: 1, maxLength: 20 }),
}));

/** Bytes come back as Buffers; their class is not part of the contract. Minus zero may come back as zero. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  return typeof value === "number" ? value + 0 : value;
}

function bytesOf(value: unknown): Uint8Array[] {
  return Array.isArray(value) ? value.flatMap(bytesOf) : value instanceof Uint8Array ? [value] : [];
}

function readAll(chunks: readonly Uint8Array[]): unknown[] {
  const out: unknown[] = [];
  const reader = new FrameReader();
  for (const chunk of chunks) reader.push(chunk, (found) => out.push(found));
  return out;
}

function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...places.map((place) => place % (stream.length + 1)), 0, stream.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => stream.subarray(at[i], end));
}

test("messages survive, however the stream is cut, and their bytes are their own", () => {
  const streams = fc.array(message, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(streams, fc.array(fc.nat(100_000), { maxLength: 12 }), (messages, places) => {
      const stream = Buffer.concat(messages.map(encodeFrame));
      const chunks = cut(stream, places);
      const found = readAll(chunks);
      stream.fill(0xff); // whatever still aliased the input would now differ (F3)
      assert.deepEqual(found.map(plain), messages.map(plain));
      for (const bytes of bytesOf(found)) assert.equal(bytes.buffer.byteLength, bytes.length);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("damaged frames are refused or read as another message, never anything worse", () => {
  const damage = fc.array(fc.record({ at: fc.nat(100_000), byte: fc.nat(255) }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(message, damage, fc.nat(100_000), (original, changes, end) => {
      const frame = Buffer.from(encodeFrame(original).subarray(4));
      for (const { at, byte } of changes) frame[at % frame.length] = byte;
      checkDecoded(frame.subarray(0, end % 3 === 0 ? end % frame.length : frame.length));
    }),
    { seed: SEED, numRuns: 5_000 },
  );
});

test("random bytes are refused or read as a message", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(0x91, 0x92, 0x9f, 0xdc, 0xdd), (bytes, token) => {
      checkDecoded(bytes);
      checkDecoded(Uint8Array.from([token, ...bytes]));
    }),
    { seed: SEED, numRuns: 5_000 },
  );
});

function isRefusal(error: unknown): boolean {
  return error instanceof PawlError && error.code === "invalid";
}

/** Either a PawlError, or a value of nothing but the allowed types that is encoded and read back unchanged. */
function checkDecoded(bytes: Uint8Array): void {
  let found: readonly unknown[];
  try {
    found = decodeMessage(bytes, 0, bytes.length);
  } catch (error) {
    assert.ok(isRefusal(error), String(error));
    return;
  }
  checkTypes(found);
  const again = encodeFrame(found);
  assert.deepEqual(plain(decodeMessage(again, 4, again.length)), plain(found));
}

function checkTypes(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(checkTypes);
  const allowed = value === null || value instanceof Uint8Array || ["number", "string", "boolean"].includes(typeof value);
  assert.ok(allowed, `a ${typeof value} came out of a frame`);
}

test("extensions, records, maps, 64-bit integers and odd shapes are refused", () => {
  const rich = new Packr({ moreTypes: true, useRecords: false });
  const packed = (value: unknown): number[] => [...rich.pack([value])];
  const nested = (depth: number): number[] => [...new Array<number>(depth).fill(0x91), 0x01];
  const bad: [string, number[]][] = [
    ["date", packed(new Date(0))],
    ["error", packed(new Error("x"))],
    ["pattern", packed(/x/)],
    ["set", packed(new Set([1]))],
    ["map", packed({ a: 1 })],
    ["map 16", [0x91, 0xde, 0, 0]],
    ["undefined", packed(undefined)],
    ["bigint", packed(2n ** 60n)],
    ["uint64", [0x91, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["record", [...new Packr().pack([{ a: 1 }])]],
    ["record definition", [0x93, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01, 0x40]],
    ["unused", [0x91, 0xc1]],
    ["not an array", [0x01]],
    ["text alone", [0xa1, 0x61]],
    ["empty array", [0x90]],
    ["nothing", []],
    ["too deep", nested(limits.frameDepthMax + 1)],
    ["a million deep", nested(1_000_000)],
    ["array of 2^32", [0xdd, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["bytes of 2^32", [0x91, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ["text of 2^32", [0x91, 0xdb, 0xff, 0xff, 0xff, 0xff]],
    ["length cut", [0x91, 0xc6, 0x00]],
    ["number cut", [0x91, 0xcb, 0x00]],
    ["trailing byte", [0x91, 0x01, 0x01]],
  ];
  for (const [name, bytes] of bad) {
    assert.throws(() => decodeMessage(Uint8Array.from(bytes), 0, bytes.length), isRefusal, name);
  }
  const deepest = nested(limits.frameDepthMax);
  checkTypes(decodeMessage(Uint8Array.from(deepest), 0, deepest.length));
});

test("too many elements are refused before they are made", () => {
  const bytes = Buffer.alloc(5 + limits.frameItemsMax, 0xc0);
  bytes.writeUInt8(0xdd, 0);
  bytes.writeUInt32BE(limits.frameItemsMax, 1);
  assert.throws(() => decodeMessage(bytes, 0, bytes.length), /too many elements/);
  bytes.writeUInt32BE(limits.frameItemsMax - 1, 1);
  assert.equal(decodeMessage(bytes, 0, bytes.length - 1).length, limits.frameItemsMax - 1);
});

test("a length out of bounds is refused at once, without its frame", () => {
  for (const length of [0, limits.frameMaxBytes + 1, 2 ** 31, 2 ** 32 - 1]) {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(length);
    assert.throws(() => new FrameReader().push(head, () => assert.fail()), isRefusal);
  }
});

test("a message that no peer would take is the sender's bug", () => {
  const tooLong = [new Uint8Array(limits.frameMaxBytes)];
  for (const wrong of [[new Date(0)], [{ a: 1 }], [2n ** 60n], [], tooLong]) assert.throws(() => encodeFrame(wrong), BugError);
});
