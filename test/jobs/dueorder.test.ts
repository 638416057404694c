// Jobs in due order: where the wheel is filled anew after a restart, and where the clock was set back.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { inDueOrder } from "../../src/jobs/dueorder.ts";
import { lane } from "../../src/jobs/state.ts";
import { at, HOUR, Machine, NOON, SECOND, spec } from "./machine.ts";

const DAY = 24 * HOUR;

test("a list is in due order to the millisecond within six days, and to a small part of its span beyond", () => {
  const spans = [1, 1000, 6 * DAY, 4000 * DAY];
  const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 50 });
  const property = fc.property(fc.constantFrom(...spans), places, (span, parts) => {
    const dueAtMs = Float64Array.from([0, ...parts.map((part) => NOON + Math.floor(part * span))]);
    const listed = inDueOrder(parts.map((_, i) => i + 1).reverse(), dueAtMs);
    assert.deepEqual([...listed].sort((a, b) => a - b), parts.map((_, i) => i + 1));
    const outOfOrderMs = span <= 6 * DAY ? 0 : span / 2 ** 28;
    for (let i = 1; i < listed.length; i++) assert.ok(dueAtMs[listed[i]!]! >= dueAtMs[listed[i - 1]!]! - outOfOrderMs);
  });
  fc.assert(property, { seed: 20261121, numRuns: 200 });
});

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
