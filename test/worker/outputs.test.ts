// Checks: O1-O3, against a plain model that keeps everything.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "../../src/limits.ts";
import { OutputStore } from "../../src/worker/outputs.ts";

test("streams are kept apart by attempt and read in the order of their first writes", () => {
  const outputs = new OutputStore();
  assert.deepEqual(outputs.read("x"), []);
  const first = outputs.open("x", 1);
  first.write("stderr", "oops");
  first.write("stdout", "grü");
  first.write("stdout", Buffer.from("n\n"));
  first.write("stdout", "");
  outputs.open("x", 2).write("log", "again");
  outputs.open("y", 1).write("stdout", "");
  assert.deepEqual(outputs.read("x"), [
    { attempt: 1, stream: "stderr", text: "oops", bytes: 4, omittedBytes: 0 },
    { attempt: 1, stream: "stdout", text: "grün\n", bytes: 6, omittedBytes: 0 },
    { attempt: 2, stream: "log", text: "again", bytes: 5, omittedBytes: 0 },
  ]);
  assert.deepEqual(outputs.read("y"), []);
});

test("a long stream keeps its beginning and its end, in whatever pieces it comes (O1)", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 30 });
  fc.assert(fc.property(lengths, fc.integer({ min: 2, max: 40 }), (pieces, maxBytes) => {
    const outputs = new OutputStore(1_000_000, maxBytes);
    const sink = outputs.open("x", 1);
    let whole = "";
    for (const length of pieces) {
      const piece = Array.from({ length }, (_, n) => String.fromCharCode(97 + ((whole.length + n) % 26))).join("");
      whole += piece;
      sink.write("stdout", piece);
    }
    const half = Math.floor(maxBytes / 2);
    const omitted = whole.length - 2 * half;
    const expected = omitted > 0 ? `${whole.slice(0, half)}\n[... ${omitted} bytes left out ...]\n${whole.slice(-half)}` : whole;
    const [read] = outputs.read("x");
    assert.equal(read?.text ?? "", expected);
    assert.equal(read?.bytes ?? 0, whole.length);
  }), { seed: 7, numRuns: 500 });
});

test("all together stay within the bound; the oldest go, and what they still write goes nowhere (O2)", () => {
  const outputs = new OutputStore(10_000, 2_000);
  const oldest = outputs.open("old", 1);
  oldest.write("stdout", "x".repeat(1_000));
  for (let n = 0; n < 1_000; n++) {
    outputs.open(`e${n}`, 1).write("stdout", "y".repeat(700));
    assert.ok(outputs.size <= 10_000);
  }
  oldest.write("stdout", "z");
  oldest.write("stderr", "z");
  assert.deepEqual([outputs.read("old"), outputs.read("e0")], [[], []]);
  assert.equal(outputs.read("e999")[0]?.bytes, 700);
  assert.ok(outputs.size > 5_000);
});

test("many tiny captures are bounded as well (O2)", () => {
  const outputs = new OutputStore(100_000);
  for (let n = 0; n < 1_000; n++) outputs.open(`e${n}`, 1).write("stdout", "y");
  const left = Array.from({ length: 1_000 }, (_, n) => outputs.read(`e${n}`)).filter((captures) => captures.length > 0);
  assert.ok(left.length < 200 && left.length > 50, String(left.length));
});

test("an execution that is tried again is the newest, and keeps its newest attempts (O2, O3)", () => {
  const outputs = new OutputStore(5_000);
  for (let attempt = 1; attempt <= 3; attempt++) outputs.open("again", attempt).write("stdout", "a");
  for (let n = 0; n < 3; n++) outputs.open(`e${n}`, 1).write("stdout", "b");
  outputs.open("again", 4).write("stdout", "a");
  outputs.open("last", 1).write("stdout", "b");
  assert.deepEqual([outputs.read("e0").length, outputs.read("again").length], [0, 4]);
  const many = new OutputStore();
  const first = many.open("x", 1);
  for (let attempt = 1; attempt <= limits.outputAttemptsMax + 2; attempt++) many.open("x", attempt).write("stdout", "a");
  first.write("stderr", "late");
  const before = many.size;
  first.write("stderr", "late".repeat(100));
  assert.deepEqual(many.read("x").map(({ attempt }) => attempt), Array.from({ length: limits.outputAttemptsMax }, (_, n) => n + 3));
  assert.equal(many.size, before);
});
