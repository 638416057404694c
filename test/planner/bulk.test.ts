// A batch of new jobs gets its first due times at the moment it is planned, as each of its jobs would alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Bulk, BulkWriter } from "../../src/jobs/bulk.ts";
import type { ScheduleSpec } from "../../src/jobs/spec.ts";
import { planChange } from "../../src/planner/changes.ts";
import { ScheduleBook } from "../../src/planner/schedulebook.ts";
import { at, daily, everySecond, hourly, Machine, NOON, SECOND, spec } from "../jobs/machine.ts";

const HOUR = 3600 * SECOND;
const every = (everyMs: number, anchorMs: number): ScheduleSpec => ({ kind: "every", everyMs, anchorMs });
const schedules: readonly ScheduleSpec[] = [
  at(NOON - HOUR), at(NOON + HOUR), hourly, daily, everySecond, every(7 * SECOND, 3), every(7 * SECOND, NOON + HOUR), every(HOUR, NOON),
];

function dues(batch: Uint8Array): number[] {
  const bulk = new Bulk(batch);
  return Array.from({ length: bulk.count }, (_, i) => bulk.dueMs(i));
}

test("each job of a batch is due when it would be alone, and anew each time the batch is planned", () => {
  const machine = new Machine();
  const book = new ScheduleBook(machine.state);
  const writer = new BulkWriter();
  schedules.forEach((schedule, i) => writer.add(`job-${i}`, spec(schedule)));
  writer.add("paused", spec(hourly, {}, { paused: true }));
  const batch = writer.take();
  assert.deepEqual(dues(batch), [...schedules.map(() => 0), 0], "nothing is filled in before");
  for (const nowMs of [NOON, NOON + 90 * 60 * SECOND]) {
    const { command, settle } = planChange(machine.state, book, { kind: "create_many", batch }, undefined, nowMs);
    assert.equal(settle, undefined);
    assert.ok(command.kind === "createMany" && command.batch === batch);
    const alone = schedules.map((schedule) => {
      const { command: one } = planChange(machine.state, book, { kind: "create", jobId: "x", spec: spec(schedule) }, undefined, nowMs);
      return one.kind === "create" ? one.nextDueMs : -1;
    });
    assert.deepEqual(dues(batch), [...alone, 0]);
  }
});
