// The steps of the scrubber: one store after the other, at its pace, never after it was stopped, and damage told once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Scrubber } from "../../src/cluster/scrubber.ts";
import type { Scrub } from "../../src/cluster/scrubber.ts";
import type { System } from "../../src/system.ts";

const pace = { scrubFirstStepMs: 1, scrubStepMs: 10, scrubRestMs: 1000 };

function unexpected(error: unknown): void {
  throw error;
}

/** Timers that the test runs. */
class Clock {
  readonly delays: number[] = [];
  nowMs = 0;
  private run: (() => void) | undefined;
  readonly system: System = {
    wallMs: () => 0,
    monotonicMs: () => this.nowMs,
    random: () => 0,
    soon: (run) => run(),
    after: (delayMs, run) => {
      this.delays.push(delayMs);
      this.run = run;
      return { cancel: () => (this.run = undefined) };
    },
  };

  get waits(): boolean {
    return this.run !== undefined;
  }

  /** The timer is due; everything that follows from it happens. */
  async tick(): Promise<void> {
    const { run } = this;
    this.run = undefined;
    run?.();
    for (let turns = 0; turns < 8; turns++) await undefined;
  }
}

/** A store that takes so many steps; what was read is noted under its name. */
function store(name: string, steps: number, read: string[]): Scrub {
  let at = 0;
  return {
    step: async () => {
      read.push(name);
      at = (at + 1) % steps;
      return at === 0;
    },
  };
}

test("stores are read one after the other, quickly at first, and a round is followed by a rest", async () => {
  const clock = new Clock();
  const read: string[] = [];
  const scrubber = new Scrubber(clock.system, pace, [store("state", 3, read), store("log", 2, read)], unexpected);
  scrubber.start();
  for (let ticks = 0; ticks < 6; ticks++) await clock.tick();
  assert.deepEqual(read, ["state", "state", "state", "log", "log", "state"]);
  assert.deepEqual(clock.delays, [1, 1, 1, 1, 1, 1000, 10]);
  assert.equal(scrubber.rounds, 1);
});

test("the first round takes a twentieth of the time at most, however long a step lasts", async () => {
  const clock = new Clock();
  const lasting = [0.01, 0.2, 5];
  const slow: Scrub = {
    step: async () => {
      clock.nowMs += lasting.shift() ?? 0;
      return false;
    },
  };
  const scrubber = new Scrubber(clock.system, pace, [slow], unexpected);
  scrubber.start();
  for (let ticks = 0; ticks < 3; ticks++) await clock.tick();
  assert.deepEqual(clock.delays.map((ms) => Math.round(ms * 10) / 10), [1, 1, 3.8, 10]);
});

test("damage is told once, and nothing is read after it", async () => {
  const clock = new Clock();
  const told: unknown[] = [];
  const damage = new Error("damage");
  const scrubber = new Scrubber(clock.system, pace, [{ step: () => Promise.reject(damage) }], (error) => void told.push(error));
  scrubber.start();
  await clock.tick();
  assert.deepEqual(told, [damage]);
  assert.equal(clock.waits, false);
});

test("a stop waits for the step under way, whatever becomes of it, and there is no other", async () => {
  const clock = new Clock();
  let finish = (_error: Error): void => assert.fail("nothing is read");
  const scrubber = new Scrubber(clock.system, pace, [{ step: () => new Promise((_, reject) => (finish = reject)) }], unexpected);
  scrubber.start();
  await clock.tick();
  let isStopped = false;
  const stopped = scrubber.stop().then(() => (isStopped = true));
  await clock.tick();
  assert.equal(isStopped, false);
  finish(new Error("damage of what is about to be replaced"));
  await stopped;
  assert.equal(clock.waits, false);
});
