// Jobs in due order: where the wheel is filled anew after a restart, and where the clock was set back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lane } from "../../src/jobs/state.ts";
import { at, Machine, NOON, SECOND, spec } from "./machine.ts";

function dueNow({ state, wheel }: Machine): number[] {
  const found: number[] = [];
  for (let job = wheel.readDue(lane.jobs + 1); job !== 0; job = wheel.readDue(lane.jobs + 1)) found.push(state.jobs.dueAtMs[job] as number);
  return found;
}

test("what waits for a slot is listed in due order after a restart too", () => {
  const machine = new Machine();
  const offsets = [50, 20, 3000, 10, 90_000, 40, 30];
  for (const offset of offsets) machine.create(`job-${offset}`, spec(at(NOON + offset)), NOON + offset);
  machine.clockMs = NOON + 60 * SECOND;
  machine.entry([]);
  const wanted = [10, 20, 30, 40, 50, 3000].map((offset) => NOON + offset);
  const other = machine.restarted();
  assert.deepEqual(dueNow(other), wanted);
  other.wheel.turnBack(machine.clockMs);
  assert.deepEqual(dueNow(other), wanted);
  while (other.wheel.advance(NOON + 90_000));
  assert.deepEqual(dueNow(other), [NOON + 90_000]);
});
