// Owns: proof that the check of linearizability tells good histories from bad ones, in cases small enough to be decided by hand.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { linearize } from "./linear.ts";
import type { Call, Seen } from "./linear.ts";

const forever = Number.POSITIVE_INFINITY;
const shown = (revision: number, tag: string, paused = false, gone = false): Seen => ({ revision, tag, paused, gone });
const call = (kind: Call["kind"], beganMs: number, endedMs: number, rest: Partial<Call> = {}): Call => {
  return { kind, beganMs, endedMs, who: "", ...rest };
};
const read = (beganMs: number, endedMs: number, seen: Seen | undefined): Call => call("read", beganMs, endedMs, { seen });
const create = call("create", 0, 10, { tag: "a" });

const good: readonly [string, readonly Call[], boolean?][] = [
  ["a read during a create sees it or not", [create, read(5, 20, undefined), read(5, 20, shown(1, "a"))]],
  [
    "calls at the same time take any order",
    [create, call("update", 20, 50, { tag: "b" }), call("pause", 20, 50), read(60, 61, shown(3, "b", true))],
  ],
  [
    "what nobody knows happens late",
    [create, call("update", 20, forever, { tag: "b" }), read(30, 31, shown(1, "a")), read(90, 91, shown(2, "b"))],
  ],
  ["what nobody knows never happens", [create, call("update", 20, forever, { tag: "b" }), read(90, 91, shown(1, "a"))]],
  [
    "a deleted job takes no change",
    [create, call("cancel", 20, 21), call("update", 30, 31, { refused: true }), read(40, 41, shown(1, "a", false, true))],
  ],
  ["a one-shot may have ended", [create, call("pause", 30, 31, { refused: true })], true],
  ["a wrong first guess is taken back", [create, call("pause", 20, 90), call("resume", 20, 90), read(91, 92, shown(3, "a", true))]],
];

const bad: readonly [string, readonly Call[], boolean?][] = [
  ["a read goes behind a change that was answered", [create, call("update", 20, 21, { tag: "b" }), read(22, 23, shown(1, "a"))]],
  [
    "a read goes behind an earlier read",
    [create, call("update", 20, 50, { tag: "b" }), read(22, 23, shown(2, "b")), read(24, 25, shown(1, "a"))],
  ],
  ["a value that nobody wrote", [create, read(20, 21, shown(1, "x"))]],
  ["a change is lost", [create, call("update", 20, 21, { tag: "b" }), call("update", 30, 31, { tag: "c" }), read(40, 41, shown(2, "c"))]],
  ["a change happens twice", [create, call("update", 20, 21, { tag: "b" }), read(40, 41, shown(3, "b"))]],
  ["a job comes back", [create, call("cancel", 20, 21), read(40, 41, shown(1, "a"))]],
  ["a change of a job that is there finds none", [create, call("pause", 20, 21, { refused: true })]],
  [
    "what was unknown happens, and is undone",
    [create, call("update", 20, forever, { tag: "b" }), read(30, 31, shown(2, "b")), read(32, 33, shown(1, "a"))],
  ],
];

describe("linearizability", () => {
  for (const [name, calls, mayEnd = false] of good) it(`can be: ${name}`, () => assert.ok(linearize(calls, mayEnd)));
  for (const [name, calls, mayEnd = false] of bad) it(`cannot be: ${name}`, () => assert.equal(linearize(calls, mayEnd), undefined));
});
