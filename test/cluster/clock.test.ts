// H13: which time a leader may propose. The test moves the wall clock and the monotonic one on their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TrustedClock } from "../../src/cluster/clock.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";
import { HOUR, NOON, SECOND } from "../jobs/machine.ts";

class Clocks {
  wall = NOON;
  mono = 0;
  readonly alarms: string[] = [];
  readonly clock: TrustedClock;

  constructor(voters: readonly string[]) {
    this.clock = new TrustedClock({ ...realSystem, wallMs: () => this.wall, monotonicMs: () => this.mono }, "a", (message) => {
      this.alarms.push(message);
    });
    this.clock.setVoters(voters);
  }

  pass(ms: number): void {
    this.wall += ms;
    this.mono += ms;
  }

  others(offsetMs: number): void {
    for (const id of ["b", "c"]) this.clock.heard(id, this.wall + offsetMs);
  }
}

test("H13a: a node that boots in 2099 neither sets a fresh clock nor moves an old one, and names a node with a better one", () => {
  for (const known of [0, NOON]) {
    const at = new Clocks(["a", "b", "c"]);
    if (known) at.clock.applied(known, 0);
    at.wall = Date.UTC(2099, 0, 1);
    at.others(NOON - at.wall);
    at.pass(SECOND);
    const { nowMs, trusted } = at.clock.read();
    assert.equal(trusted, false);
    assert.equal(nowMs, known === 0 ? 0 : NOON + SECOND);
    assert.equal(at.clock.better(), "b");
  }
});

test("H13b: a step of an hour moves nothing until a majority agrees; then it does", () => {
  const at = new Clocks(["a", "b", "c"]);
  at.clock.applied(NOON, 0);
  at.wall += HOUR;
  at.others(-HOUR);
  assert.deepEqual(at.clock.read(), { nowMs: NOON, trusted: false });
  at.others(limits.clockAgreementMs);
  assert.deepEqual(at.clock.read(), { nowMs: NOON + HOUR, trusted: true });
  at.others(HOUR);
  at.pass(limits.clockSampleMaxMs);
  at.wall += HOUR;
  assert.equal(at.clock.read().trusted, false, "old samples agree with nothing");
});

test("H13c: a leader whose wall clock is behind goes on from the newest entry and never back", () => {
  const at = new Clocks(["a", "b", "c"]);
  at.clock.applied(NOON + 2 * SECOND, 0);
  assert.deepEqual(at.clock.read(), { nowMs: NOON + 2 * SECOND, trusted: true });
  at.clock.applied(NOON, 0);
  assert.equal(at.clock.read().nowMs, NOON + 2 * SECOND);
});

test("H13: a gap beyond the bound waits for an operator, whose word counts for one entry only", () => {
  const at = new Clocks(["a"]);
  at.clock.applied(NOON, 0);
  at.wall += limits.clockMaxGapMs + HOUR;
  assert.equal(at.clock.read().trusted, false);
  at.clock.confirm();
  const { nowMs, trusted } = at.clock.read();
  assert.deepEqual([nowMs, trusted], [at.wall, true]);
  at.clock.applied(nowMs, at.mono);
  at.wall += limits.clockMaxGapMs + HOUR;
  assert.equal(at.clock.read().trusted, false);
});

test("a leader far behind the others computes nothing and another one is named; within the bound it goes on, late as it is", () => {
  const at = new Clocks(["a", "b", "c"]);
  at.clock.applied(NOON, 0);
  at.others(limits.clockSkewMaxMs);
  assert.deepEqual(at.clock.read(), { nowMs: NOON, trusted: true });
  at.others(limits.clockSkewMaxMs + 1);
  assert.deepEqual(at.clock.read(), { nowMs: NOON, trusted: false });
  assert.equal(at.clock.better(), "b");
  at.wall += limits.clockSkewMaxMs;
  at.others(1);
  assert.equal(at.clock.read().trusted, true, "set right, it is trusted with the next beat");
});

test("far from the others, but none of them could do better: it goes on", () => {
  const at = new Clocks(["a", "b", "c"]);
  at.clock.applied(NOON, 0);
  at.clock.heard("b", NOON + HOUR);
  at.clock.heard("c", NOON + 2 * HOUR);
  assert.equal(at.clock.read().trusted, true);
  const two = new Clocks(["a", "b"]);
  two.clock.applied(NOON, 0);
  two.clock.heard("b", NOON + HOUR);
  assert.equal(two.clock.read().trusted, true, "of two nobody can tell which is wrong");
});

test("a step back moves nothing back, whoever leads: due times between the new and the old time wait", () => {
  const at = new Clocks(["a", "b", "c"]);
  at.clock.applied(NOON, 0);
  at.wall -= HOUR;
  at.others(0);
  assert.deepEqual(at.clock.read(), { nowMs: NOON, trusted: true });
  at.pass(HOUR + SECOND);
  at.others(0);
  assert.deepEqual(at.clock.read(), { nowMs: NOON + SECOND, trusted: true });
});

test("a clock that is off for a while is named once, and again after it was right", () => {
  const at = new Clocks(["a", "b", "c"]);
  const beats = (offsetMs: number, forMs: number): void => {
    for (let past = 0; past <= forMs; past += limits.beatMs) {
      at.clock.heard("b", at.wall);
      at.clock.heard("c", at.wall + offsetMs);
      at.pass(limits.beatMs);
    }
  };
  beats(limits.clockSkewAlarmMs - 1, 10 * SECOND);
  beats(-800, limits.clockDistrustMs - 2 * limits.beatMs);
  beats(0, SECOND);
  assert.deepEqual(at.alarms, [], "a little, or for a moment, is not worth a word");
  beats(-800, 10 * SECOND);
  assert.match(at.alarms.join(), /^the wall clock of node c is 800 ms behind the others'[^,]*$/);
  beats(0, SECOND);
  beats(700, 10 * SECOND);
  assert.equal(at.alarms.length, 2);
});
