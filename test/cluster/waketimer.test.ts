// Owns: when a replica's timer wakes it: at the time that was set last, not before, and after waiting input when it is very late.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WakeTimer } from "../../src/cluster/waketimer.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";

class Clock {
  nowMs = 1000;
  readonly seen: string[] = [];
  armed: { readonly atMs: number; readonly run: () => void } | undefined;
  readonly timer = new WakeTimer(
    {
      ...realSystem,
      monotonicMs: () => this.nowMs,
      after: (delayMs, run) => {
        const armed = { atMs: this.nowMs + delayMs, run };
        this.armed = armed;
        return { cancel: () => (this.armed = this.armed === armed ? undefined : this.armed) };
      },
      soon: (run) => {
        this.seen.push("input");
        run();
      },
    },
    () => this.seen.push("turn"),
  );

  fire(atMs: number): void {
    const { armed } = this;
    this.armed = undefined;
    this.nowMs = atMs;
    armed?.run();
  }
}

test("the time that was set last counts, and lies ahead", () => {
  const clock = new Clock();
  clock.timer.set(1050, 1000);
  clock.timer.set(1020, 1000);
  assert.equal(clock.armed?.atMs, 1020);
  clock.timer.set(900, 1000);
  assert.equal(clock.armed?.atMs, 1001);
  clock.timer.cancel();
  assert.equal(clock.armed, undefined);
});

test("a timer that comes early waits for the rest without a turn", () => {
  const clock = new Clock();
  clock.timer.set(1020, 1000);
  clock.fire(1013);
  assert.deepEqual(clock.seen, []);
  assert.equal(clock.armed?.atMs, 1020);
  clock.fire(1020);
  assert.deepEqual(clock.seen, ["turn"]);
});

test("a timer that comes very late lets waiting input in first", () => {
  const clock = new Clock();
  clock.timer.set(1020, 1000);
  clock.fire(1021 + 1.5 * limits.heartbeatMs);
  assert.deepEqual(clock.seen, ["input", "turn"]);
});
