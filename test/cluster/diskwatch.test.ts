// What a write of the log that does not return leads to, and when.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskWatch } from "../../src/cluster/diskwatch.ts";
import { limits } from "../../src/limits.ts";

const { diskStallStepDownMs: stepDownMs, diskStallExitMs: exitMs } = limits;

test("a write in flight wakes the loop by itself: first to step down, then to end the process", () => {
  const watch = new DiskWatch();
  assert.equal(watch.nextWakeMs(true), Number.POSITIVE_INFINITY);
  assert.equal(watch.isStalled(1e9), false, "no write is under way");
  watch.began(100);
  assert.deepEqual([watch.nextWakeMs(true), watch.nextWakeMs(false)], [101 + stepDownMs, 101 + exitMs]);
  assert.equal(watch.isStalled(100 + stepDownMs), false);
  assert.equal(watch.isStalled(watch.nextWakeMs(true)), true);
  assert.throws(() => watch.isStalled(watch.nextWakeMs(false)), /a log write has not returned for 10 s/);
  watch.done(150);
  assert.equal(watch.lastMs, 50);
  assert.equal(watch.isStalled(1e9), false);
});

test("a pause of the whole process says nothing about its disk (K1)", () => {
  const watch = new DiskWatch();
  watch.began(100);
  watch.paused(exitMs + 5_000, 200 + exitMs + 5_000);
  assert.equal(watch.isStalled(200 + exitMs + 5_000), false);
  assert.equal(watch.isStalled(200 + exitMs + 5_000 + stepDownMs), true, "after it, time counts again");
});
