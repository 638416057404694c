// Sums of states at marks: who is named, and when nobody may be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Agreement } from "../../src/cluster/agreement.ts";

const three = ["a", "b", "c"];

/** Who is named by a word. */
function heard(agreement: Agreement, node: string, index: number, hash: string): readonly string[] {
  return agreement.heard(node, index, hash, three)?.wrong ?? [];
}

test("who differs from a majority is named, once, whoever speaks last", () => {
  for (const order of [
    ["a", "b", "c"],
    ["c", "a", "b"],
    ["a", "c", "b"],
  ]) {
    const agreement = new Agreement();
    const named = order.flatMap((node) => heard(agreement, node, 7, node === "c" ? "other" : "same"));
    assert.deepEqual(named, ["c"], order.join());
  }
});

test("of two that differ nobody is named, nor by the word of one who is no member", () => {
  const agreement = new Agreement();
  assert.deepEqual(heard(agreement, "a", 7, "x"), []);
  assert.deepEqual(heard(agreement, "c", 7, "y"), []);
  assert.deepEqual(heard(agreement, "d", 7, "x"), []);
  assert.deepEqual(heard(agreement, "b", 7, "x"), ["c"]);
});

test("sums of different marks are not compared, and old marks are forgotten", () => {
  const agreement = new Agreement();
  assert.deepEqual(heard(agreement, "a", 1, "x"), []);
  assert.deepEqual(heard(agreement, "b", 2, "y"), []);
  assert.deepEqual(heard(agreement, "c", 2, "y"), []);
  for (const index of [3, 4, 5, 6]) heard(agreement, "a", index, "z");
  assert.deepEqual(heard(agreement, "b", 1, "other"), []);
  assert.deepEqual(heard(agreement, "c", 1, "other"), []);
});

test("the right sum is the majority's, also for the one who speaks last", () => {
  const agreement = new Agreement();
  for (const node of ["a", "b"]) heard(agreement, node, 7, "same");
  assert.deepEqual(agreement.heard("c", 7, "other", three), { right: "same", wrong: ["c"] });
});
