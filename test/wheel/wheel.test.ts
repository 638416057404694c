// The wheel beside a model: random steps, every edge of every level, bursts, small budgets, reading positions, memory.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { limits } from "../../src/limits.ts";
import { Wheel } from "../../src/wheel/wheel.ts";
import { Beside, LANES } from "./beside.ts";

/** 2026-11-21T00:00:00Z, not on the edge of any slot. */
const START_MS = Date.UTC(2026, 10, 21);
const YEAR_9999_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const WIDTHS = [1, 256, 256 ** 2, 256 ** 3, 256 ** 4, 256 ** 5];
const ITEMS = 40;

type Step =
  | { readonly kind: "arm"; readonly item: number; readonly lane: number; readonly at: readonly [number, number, number] }
  | { readonly kind: "disarm"; readonly item: number }
  | { readonly kind: "advance"; readonly at: readonly [number, number, number]; readonly fully: boolean }
  | { readonly kind: "wake" }
  | { readonly kind: "back" }
  | { readonly kind: "turn back"; readonly at: readonly [number, number, number] }
  | { readonly kind: "read"; readonly lane: number }
  | { readonly kind: "rewind"; readonly lane: number };

/** A time near an edge of a slot: the level, how many slots from now, and how far from the edge. */
const nearEdge = fc.tuple(
  fc.constantFrom(0, 0, 1, 1, 2, 3, 4, 5),
  fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(254, 255, 256, 257, 511, 512, 513)),
  fc.integer({ min: -2, max: 2 }),
);
const item = fc.integer({ min: 1, max: ITEMS - 1 });
const lane = fc.integer({ min: 0, max: LANES - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("arm" as const), item, lane, at: nearEdge }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("disarm" as const), item }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), at: nearEdge, fully: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wake" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("back" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("turn back" as const), at: nearEdge }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("read" as const), lane }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("rewind" as const), lane }) },
);

function timeAt(nowMs: number, [level, slots, offsetMs]: readonly [number, number, number]): number {
  const width = WIDTHS[level] as number;
  return Math.min(YEAR_9999_MS, Math.max(1, (Math.floor(nowMs / width) + slots) * width + offsetMs));
}

function timeBefore(nowMs: number, [level, slots, offsetMs]: readonly [number, number, number]): number {
  return timeAt(nowMs, [level, -slots, offsetMs]);
}

function take(beside: Beside, each: Step): void {
  if (each.kind === "arm") beside.arm(each.item, timeAt(beside.nowMs, each.at), each.lane);
  else if (each.kind === "disarm") beside.disarm(each.item);
  else if (each.kind === "read") beside.readDue(each.lane);
  else if (each.kind === "rewind") beside.rewind(each.lane);
  else if (each.kind === "turn back") beside.turnBack(timeBefore(beside.nowMs, each.at));
  else if (each.kind === "back") beside.advance(beside.nowMs - 1);
  else if (each.kind === "wake") wake(beside);
  else if (each.fully) beside.advanceFully(timeAt(beside.nowMs, each.at));
  else beside.advance(timeAt(beside.nowMs, each.at));
}

function wake(beside: Beside): void {
  const wakeMs = beside.wheel.nextWakeMs();
  if (wakeMs !== Infinity) beside.advance(Math.max(beside.nowMs, wakeMs));
}

describe("the wheel beside a model", () => {
  for (const movesMax of [1, 3, 17, 4096]) {
    test(`random steps, at most ${movesMax} moves per turn`, () => {
      const property = fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), (steps) => {
        const beside = new Beside(ITEMS, START_MS, movesMax);
        for (const each of steps) take(beside, each);
        beside.advanceFully(YEAR_9999_MS);
        assert.equal(beside.wheel.nextWakeMs(), Infinity);
      });
      fc.assert(property, { seed: 20261121 + movesMax, numRuns: 150 });
    });
  }

  test("both sides of every slot's edge, each reached in one leap and by its wakes", () => {
    for (const startMs of [0, 255, 256, 65_535, 65_536, 256 ** 3 - 1, 256 ** 5 - 1, START_MS]) {
      const times = WIDTHS.flatMap((_, level) =>
        [1, 2, 255, 256, 257, 511, 512].flatMap((slots) => [-1, 0, 1].map((offsetMs) => timeAt(startMs, [level, slots, offsetMs]))),
      ).filter((atMs) => atMs > startMs);
      const leaping = new Beside(times.length + 1, startMs, 7);
      const waking = new Beside(times.length + 1, startMs, 7);
      times.forEach((atMs, i) => {
        leaping.arm(i + 1, atMs, i % LANES);
        waking.arm(i + 1, atMs, i % LANES);
      });
      leaping.advanceFully(YEAR_9999_MS);
      for (let wakes = 0; waking.wheel.nextWakeMs() !== Infinity; wakes++) {
        assert.ok(wakes < times.length * 12, `${wakes} wakes for ${times.length} timers`);
        wake(waking);
      }
    }
  });

  test("a time is due in its very millisecond, whatever was opened early", () => {
    const beside = new Beside(1001, START_MS, 10);
    for (let i = 1; i <= 1000; i++) beside.arm(i, START_MS + i * 131, 0);
    for (let i = 1; i <= 1000; i++) {
      beside.advanceFully(START_MS + i * 131 - 1);
      assert.equal(beside.wheel.dueCount(0), i - 1);
      beside.advanceFully(START_MS + i * 131);
      assert.equal(beside.wheel.dueCount(0), i);
    }
  });
});

/** A wheel with `count` timers, all in lane 0, without the model, which would be slow at this size. */
function burst(count: number, startMs: number, dueMs: (item: number) => number): Wheel {
  const dueAtMs = Float64Array.from({ length: count + 1 }, (_, each) => dueMs(each));
  const wheel = new Wheel(count + 1, dueAtMs, new Uint8Array(count + 1), 1, startMs);
  for (let each = 1; each <= count; each++) wheel.arm(each);
  return wheel;
}

describe("bursts", () => {
  const COUNT = 100_000;

  test("a hundred thousand timers of one millisecond come in bounded turns", () => {
    const wheel = burst(COUNT, START_MS, () => START_MS + 100);
    let before = 0;
    let turns = 1;
    for (; wheel.advance(START_MS + 100); turns++) {
      assert.equal(wheel.dueCount(0) - before, limits.wheelMovesPerTurnMax);
      before = wheel.dueCount(0);
    }
    assert.equal(wheel.dueCount(0), COUNT);
    assert.equal(turns, Math.ceil(COUNT / limits.wheelMovesPerTurnMax));
  });

  for (const [level, width] of WIDTHS.slice(1, 5).entries()) {
    test(`a full slot of level ${level + 1} is open before its time, so that only its due timers are moved then`, () => {
      const dayMs = 86_400_000;
      const slotMs = (Math.floor(START_MS / width) + 700) * width;
      const wheel = burst(COUNT, START_MS, (each) => slotMs + 1000 + each);
      for (let turns = 0; wheel.nextWakeMs() < slotMs; turns++) {
        assert.ok(turns < 200, `${turns} turns before the slot`);
        wheel.advance(wheel.nextWakeMs());
      }
      assert.equal(wheel.dueCount(0), 0);
      assert.equal(wheel.advance(slotMs), false, "nothing is left to be done at the edge");
      for (let ms = 1; ms <= 2000; ms++) {
        assert.equal(wheel.advance(slotMs + ms), false, `stalls ${ms} ms after the edge`);
        assert.equal(wheel.dueCount(0), Math.max(0, ms - 1000));
      }
      while (wheel.advance(slotMs + dayMs)) assert.ok(wheel.dueCount(0) <= COUNT);
      assert.equal(wheel.dueCount(0), COUNT);
    });
  }

  test("a slot that could not be opened in time is opened first, and nothing is lost", () => {
    const beside = new Beside(101, START_MS, 4);
    for (let i = 1; i <= 100; i++) beside.arm(i, START_MS + 1_000_000 + (i % 10), i % LANES);
    assert.ok(beside.advanceFully(START_MS + 1_000_005) > 25);
    beside.advanceFully(START_MS + 1_000_010);
    assert.equal(beside.wheel.dueCount(0) + beside.wheel.dueCount(1) + beside.wheel.dueCount(2), 100);
  });

  test("a timer armed in the middle of an unfinished advance is neither lost nor early", () => {
    const beside = new Beside(50, START_MS, 5);
    for (let i = 1; i <= 40; i++) beside.arm(i, START_MS + 1000 + i, 0);
    assert.equal(beside.advance(START_MS + 2000), true);
    beside.arm(41, START_MS + 1500, 0);
    beside.arm(42, START_MS + 1, 0);
    beside.arm(43, START_MS + 2001, 0);
    beside.advanceFully(START_MS + 2000);
    assert.equal(beside.wheel.dueCount(0), 42);
  });
});

describe("reading what is due", () => {
  function three(): Beside {
    const beside = new Beside(10, START_MS, 100);
    for (const each of [3, 1, 2]) beside.arm(each, START_MS + each, 1);
    beside.advance(START_MS + 10);
    return beside;
  }

  test("goes on where it stopped, begins anew after a rewind, and sees what comes later", () => {
    const beside = three();
    assert.deepEqual([1, 2, 3, 4].map(() => beside.readDue(1)), [1, 2, 3, 0]);
    beside.arm(4, START_MS, 1);
    assert.deepEqual([beside.readDue(1), beside.readDue(1)], [4, 0]);
    beside.rewind(1);
    assert.deepEqual([1, 2, 3, 4, 5].map(() => beside.readDue(1)), [1, 2, 3, 4, 0]);
  });

  test("keeps its place when items before, at and after it are disarmed", () => {
    for (const [gone, expected] of [[1, 3], [2, 3], [3, 0]] as const) {
      const beside = three();
      assert.deepEqual([beside.readDue(1), beside.readDue(1)], [1, 2]);
      beside.disarm(gone);
      assert.equal(beside.readDue(1), expected);
    }
  });

  test("removes nothing: an item is due until it is disarmed or armed for later (H3)", () => {
    const beside = three();
    for (let i = 0; i < 3; i++) beside.readDue(1);
    beside.advance(START_MS + 1_000_000);
    assert.equal(beside.wheel.dueCount(1), 3);
    beside.arm(1, START_MS + 2_000_000, 2);
    assert.equal(beside.wheel.dueCount(1), 2);
    beside.advanceFully(START_MS + 2_000_000);
    assert.equal(beside.readDue(2), 1);
  });

  test("a changed lane counts from the next arming, and leaves the old lane whole", () => {
    const beside = three();
    beside.arm(2, START_MS, 0);
    assert.deepEqual([beside.readDue(1), beside.readDue(1), beside.readDue(1)], [1, 3, 0]);
    assert.equal(beside.readDue(0), 2);
  });
});

describe("the wheel's bounds", () => {
  test("refuses what cannot be armed", () => {
    const dueAtMs = Float64Array.of(0, 0, Infinity, Number.NaN, 1.5, 2 ** 48, -1, START_MS);
    const wheel = new Wheel(8, dueAtMs, new Uint8Array(8), 1, START_MS);
    for (const each of [0, 1, 2, 3, 4, 5, 6, 8, -1]) assert.throws(() => wheel.arm(each), { name: "BugError" });
    wheel.arm(7);
    assert.equal(wheel.dueHead(0), 7);
    assert.throws(() => wheel.disarm(0), { name: "BugError" });
    assert.throws(() => wheel.advance(Number.NaN), { name: "BugError" });
    assert.throws(() => new Wheel(2 ** 24, dueAtMs, new Uint8Array(8), 1, START_MS), { name: "BugError" });
  });

  test("notices a due time that changed under an armed item", () => {
    const dueAtMs = Float64Array.of(0, START_MS + 1_000_000);
    const wheel = new Wheel(2, dueAtMs, new Uint8Array(2), 1, START_MS);
    wheel.arm(1);
    dueAtMs[1] = START_MS;
    assert.throws(() => wheel.advance(START_MS + 1_000_000), { name: "BugError" });
  });

  test("has room for every job and live execution, and takes no memory before they come", () => {
    const items = limits.jobsMax + limits.liveExecutionsMax + 1;
    const dueAtMs = new Float64Array(items);
    const lanes = new Uint8Array(items);
    const before = process.memoryUsage().rss;
    const wheel = new Wheel(items, dueAtMs, lanes, LANES, START_MS);
    assert.ok(process.memoryUsage().rss - before < 16 * 2 ** 20, "the links of 11 million items are 88 MB when touched");
    dueAtMs[items - 1] = START_MS + 5;
    wheel.arm(items - 1);
    wheel.advance(START_MS + 5);
    assert.equal(wheel.dueHead(0), items - 1);
  });
});

test("turned back, a wheel is like a new one at that time with the same items", () => {
  const due = new Float64Array(ITEMS);
  const lanes = new Uint8Array(ITEMS);
  const backMs = START_MS - (WIDTHS[4] as number);
  const turned = new Wheel(ITEMS, due, lanes, LANES, START_MS);
  for (let item = 1; item < ITEMS; item++) {
    due[item] = START_MS + item ** 6;
    lanes[item] = item % LANES;
    turned.arm(item);
  }
  while (turned.advance(START_MS + 20 ** 6));
  turned.readDue(1);
  turned.turnBack(backMs);
  assert.deepEqual([turned.count, turned.dueCount(1), turned.readDue(1)], [ITEMS - 1, 0, 0]);
  const fresh = new Wheel(ITEMS, due, lanes, LANES, backMs);
  for (let item = 1; item < ITEMS; item++) fresh.arm(item);
  assert.equal(turned.nextWakeMs(), fresh.nextWakeMs());
  for (let at = 1; at < ITEMS; at++) {
    for (const wheel of [turned, fresh]) while (wheel.advance(START_MS + at ** 6));
    assert.deepEqual([turned.count, turned.nextWakeMs()], [fresh.count, fresh.nextWakeMs()]);
    for (let lane = 0; lane < LANES; lane++) assert.equal(turned.readDue(lane), fresh.readDue(lane));
  }
});

test("turned back to a time that it has not reached, a wheel stays as it is", () => {
  const beside = new Beside(3, START_MS, 1);
  beside.arm(1, START_MS + 5, 0);
  beside.arm(2, START_MS + 5, 0);
  assert.equal(beside.advance(START_MS + 5), true, "one of them is due so far");
  beside.turnBack(START_MS + 5);
  assert.equal(beside.advance(START_MS + 5), false);
  assert.equal(beside.wheel.dueCount(0), 2);
});
