// Where a list of lines is cut: a function of the lines alone, whatever the pieces in which they come and wherever the list is begun.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkCutter } from "../../src/client/ndjson.ts";
import { limits } from "../../src/limits.ts";

const CHUNK_BYTES = limits.bulkChunkMaxBytes;
const CHUNK_LINES = limits.bulkChunkLinesMax;

type Cut = { readonly firstLine: number; readonly lastLine: number; readonly text: string; readonly tooLong: readonly number[] };

/** The chunks of a text that comes in pieces of these sizes, the last size for the rest. */
function cut(text: string, cursor: number, sizes: readonly number[]): Cut[] {
  const cutter = new ChunkCutter(cursor);
  const bytes = Buffer.from(text);
  const chunks: Cut[] = [];
  const keep = (found: ReturnType<ChunkCutter["end"]>): void => {
    for (const { bytes: part, ...rest } of found) chunks.push({ ...rest, text: part.toString() });
  };
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)] as number;
    keep(cutter.cut(Buffer.from(bytes.subarray(at, at + size))));
    at += size;
  }
  keep(cutter.end());
  return chunks;
}

const shortLines = fc.array(fc.constantFrom("", "a", "{}", "äöü", "\r"), { size: "max", maxLength: 1_600 });
const sizes = [1, 700, Math.floor(CHUNK_BYTES / 3), CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1];
const longLines = fc.array(fc.constantFrom(...sizes), { size: "max", maxLength: 12 }).map((list) => list.map((size) => "x".repeat(size)));
const mixed = fc.tuple(shortLines, longLines, shortLines).map((lists) => lists.flat());
const lines = fc.oneof(shortLines, mixed);
const pieces = fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 20 }).map((list) => [...list, 65_536]);

test("a chunk ends where its lines and their numbers say, and within its bounds", () => {
  const start = fc.constantFrom(0, 1, 511, 512, 100_000);
  fc.assert(fc.property(lines, pieces, start, fc.boolean(), (list, sent, cursor, endsWithNewline) => {
    const text = list.map((line) => `${line}\n`).join("");
    const chunks = cut(endsWithNewline || list.at(-1) === "" ? text : text.slice(0, -1), cursor, sent);
    assert.deepEqual(chunks, cut(text, cursor, [text.length + 1]), "as if it had come at once");
    assert.equal(chunks.map((chunk) => `${chunk.text}\n`).join(""), text, "nothing is lost");
    let next = cursor + 1;
    for (const [i, { firstLine, lastLine, text: own }] of chunks.entries()) {
      assert.equal(firstLine, next);
      assert.equal(own.split("\n").length, lastLine - firstLine + 1);
      assert.ok(Buffer.byteLength(own) <= CHUNK_BYTES || firstLine === lastLine, "a chunk larger than the bound is one line");
      assert.equal(Math.floor((firstLine - 1) / CHUNK_LINES), Math.floor((lastLine - 1) / CHUNK_LINES));
      const following = chunks[i + 1]?.text.split("\n")[0];
      const isFull = following === undefined || lastLine % CHUNK_LINES === 0;
      assert.ok(isFull || Buffer.byteLength(`${own}\n${following}`) > CHUNK_BYTES, "a chunk ends only where it must");
      next = lastLine + 1;
    }
  }), { numRuns: 50 });
});

test("a list that goes on behind any of its chunks is cut as before", () => {
  fc.assert(fc.property(lines, pieces, (list, sent) => {
    const chunks = cut(list.map((line) => `${line}\n`).join(""), 0, sent);
    for (let at = 0; at < chunks.length; at++) {
      const rest = chunks.slice(at).map((chunk) => `${chunk.text}\n`).join("");
      assert.deepEqual(cut(rest, chunks[at - 1]?.lastLine ?? 0, sent), chunks.slice(at));
    }
  }), { numRuns: 30 });
});

test("a line that is too long is dropped as it comes, and counts as an empty one", () => {
  const longest = "x".repeat(limits.bodyMaxBytes);
  const text = `a\n${longest}\nb\n${longest}y\nc\n${longest.repeat(3)}`;
  for (const size of [10_000, 65_536, 5 * limits.bodyMaxBytes + 10]) {
    const chunks = cut(text, 0, [size]);
    assert.deepEqual(chunks.map((chunk) => chunk.text), ["a", longest, "b\n\nc\n"]);
    assert.deepEqual(chunks.map(({ tooLong }) => tooLong), [[], [], [4, 6]]);
  }
});
