// How reads share turns of the loop: short ones do not wait for long ones, no turn has more than its share, and each read has an end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Slices } from "../../src/cluster/slices.ts";
import { limits } from "../../src/limits.ts";

/** A loop whose turns the test takes, and whose clock moves by a millisecond with each step. */
class Loop {
  nowMs = 0;
  readonly turns: (() => void)[] = [];
  readonly slices = new Slices({ monotonicMs: () => this.nowMs, soon: (run) => void this.turns.push(run) });
  readonly taken: string[] = [];

  /** A read of so many steps. */
  read(name: string, steps: number): Promise<boolean> {
    let left = steps;
    return this.slices.begin().run(() => {
      this.nowMs++;
      this.taken.push(name);
      return --left === 0;
    });
  }

  turn(): string[] {
    this.taken.length = 0;
    this.turns.shift()?.();
    return [...this.taken];
  }
}

test("a read that fits into what is left of the turn is answered within it", async () => {
  const loop = new Loop();
  assert.equal(await loop.read("a", 2), true);
  assert.equal(await loop.read("b", limits.readSliceMs - 2), true);
  assert.equal(loop.taken.length, limits.readSliceMs);
  void loop.read("c", 1);
  assert.equal(loop.taken.length, limits.readSliceMs, "the share of this turn is used up");
  assert.deepEqual(loop.turn(), ["c"]);
});

test("all reads together have one share of a turn, and take turns in it", () => {
  const loop = new Loop();
  for (const name of ["a", "b", "c"]) void loop.read(name, 5);
  assert.deepEqual(loop.taken, ["a", "a", "a", "a"]);
  assert.deepEqual(loop.turn().join(""), "abcb");
  assert.deepEqual(loop.turn().join(""), "cbcb");
});

test("a short read waits for a step of each long one", () => {
  const loop = new Loop();
  for (const name of ["a", "b"]) void loop.read(name, 1000);
  void loop.read("short", 1);
  assert.deepEqual(loop.turn(), ["a", "b", "short", "a"]);
});

test("a read that has had its share of the loop is ended, and the loop with it", async () => {
  const loop = new Loop();
  const long = loop.read("long", 1000);
  let steps = loop.taken.length;
  while (loop.turns.length > 0) steps += loop.turn().length;
  assert.equal(await long, false);
  assert.equal(steps, limits.readSpendMs);
});

test("what is left of a share is left for all that follows in the same read, a step at least", async () => {
  const loop = new Loop();
  const read = loop.slices.begin();
  const step = (): boolean => {
    loop.nowMs += limits.readSpendMs;
    return false;
  };
  assert.equal(await read.run(step), false);
  const second = read.run(step);
  loop.turn();
  assert.equal(await second, false);
  assert.equal(loop.nowMs, 2 * limits.readSpendMs);
});

test("a step that fails is its own read's failure", async () => {
  const loop = new Loop();
  const failing = loop.slices.begin().run(() => {
    throw new Error("damaged");
  });
  assert.equal(await loop.read("a", 1), true);
  await assert.rejects(failing, /damaged/);
});

test("reads beyond the bound are refused by name", async () => {
  const loop = new Loop();
  const waiting = Array.from({ length: limits.readsAtOnceMax }, (_, i) => loop.read(`${i}`, limits.readSliceMs + 1));
  await assert.rejects(loop.read("too many", 1), { code: "overloaded" });
  while (loop.turns.length > 0) loop.turn();
  assert.ok((await Promise.all(waiting)).every(Boolean));
});
