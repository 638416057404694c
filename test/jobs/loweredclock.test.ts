// H13: the clock, set back after a wrong wall clock had moved it ahead: schedules live again, and no due time is recorded twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lane } from "../../src/jobs/state.ts";
import type { Reply } from "../../src/jobs/reply.ts";
import { limits } from "../../src/limits.ts";
import { planRedue } from "../../src/planner/redue.ts";
import { ScheduleBook } from "../../src/planner/schedulebook.ts";
import { Leader } from "../planner/leader.ts";
import { at, everySecond, HOUR, hourly, Machine, NOON, SECOND, spec } from "./machine.ts";

const WRONG = Date.UTC(2099, 0, 1);

function lower(machine: Machine, toMs: number): string {
  const reply = machine.one({ kind: "lowerClock", toMs }) as Exclude<Reply, { kind: "stale" }>;
  if (reply.kind === "done") machine.clockMs = toMs;
  return reply.kind === "done" ? reply.status : `${reply.code}: ${reply.message}`;
}

/** What the leader proposes until nothing is left; the number of entries. */
function redue({ machine }: Leader): number {
  for (let entries = 0; ; entries++) {
    const command = planRedue(machine.state, new ScheduleBook(machine.state));
    if (!command) return entries;
    machine.entry([command]);
  }
}

function due(machine: Machine, jobId: string): number {
  return machine.state.jobs.dueAtMs[machine.job(jobId)] as number;
}

/** A cluster whose first clock showed 2099. */
function poisoned(): Leader {
  const leader = new Leader();
  leader.machine.clockMs = WRONG;
  leader.machine.up("n");
  return leader;
}

test("jobs that were made under the wrong clock are due by their schedules again, also those that are armed already", () => {
  const leader = poisoned();
  const { machine } = leader;
  machine.create("hourly", spec(hourly), WRONG + HOUR);
  machine.create("seconds", spec(everySecond), WRONG + SECOND);
  machine.create("later", spec(at(WRONG + HOUR)), WRONG + HOUR);
  machine.create("soon", spec(at(NOON + HOUR)), WRONG + 2 * HOUR);
  machine.create("resting", spec(hourly, {}, { paused: true }), 0);
  assert.equal(leader.settle(), 0);
  assert.equal(lower(machine, NOON), "lowered");
  assert.deepEqual([machine.state.clockMs, machine.state.redueFrom], [NOON, 1]);
  assert.equal(leader.settle(), 0, "nothing is due");
  assert.equal(redue(leader), 1);
  for (let at = 0; at < lane.count; at++) assert.equal(machine.wheel.dueCount(at), 0, "the wheel has gone back");
  assert.deepEqual([due(machine, "hourly"), due(machine, "seconds"), due(machine, "resting")], [NOON + HOUR, NOON + SECOND, 0]);
  assert.equal(due(machine, "later"), WRONG + HOUR, "the instant of a one-shot is what its caller set");
  leader.pass(3 * SECOND);
  leader.settle();
  assert.deepEqual([...new Set(machine.history.map(({ scheduledAtMs }) => scheduledAtMs))].length, machine.history.length);
  assert.equal(due(machine, "seconds"), NOON + 4 * SECOND);
});

test("while a job has a record of a later time nothing is set back; deleted and made anew it is another job", () => {
  const leader = poisoned();
  const { machine } = leader;
  machine.create("hourly", spec(hourly), WRONG + HOUR);
  machine.create("quiet", spec(hourly), WRONG + 9 * HOUR);
  leader.pass(HOUR);
  leader.settle();
  const before = machine.state.clockMs;
  assert.match(lower(machine, NOON), /^conflict: 1 jobs have run .* later than 2026-11-21T12:00:00.000Z, 1 executions are live/);
  assert.deepEqual([machine.state.clockMs, machine.state.redueFrom, machine.wheel.count > 0], [before, 0, true]);
  const slot = machine.state.live.pool.nextUsed(0);
  machine.result(slot, "completed");
  assert.match(lower(machine, NOON), /^conflict: 1 jobs .* 0 executions/);
  machine.one({ kind: "cancel", key: undefined, ref: machine.ref("hourly"), jobId: "hourly", cancelRunning: false });
  assert.equal(lower(machine, NOON), "lowered");
  redue(leader);
  machine.create("hourly", spec(hourly), NOON + HOUR);
  leader.pass(HOUR);
  leader.settle();
  assert.deepEqual([due(machine, "hourly"), due(machine, "quiet")], [NOON + 2 * HOUR, NOON + 2 * HOUR]);
});

test("a clock that is not ahead is not set back, nor to no time at all", () => {
  const { machine } = poisoned();
  for (const toMs of [WRONG, WRONG + 1, 0, Number.NaN]) assert.match(lower(machine, toMs), /^conflict: the cluster's clock is not ahead/);
  assert.equal(machine.state.clockMs, WRONG);
});

test("what was due and had no record is due at its time, and what waits to be tried again is ready at once", () => {
  const leader = new Leader();
  const { machine } = leader;
  const session = machine.up("n");
  machine.create("now", spec(at(NOON)), NOON);
  machine.fire("now", 0, session);
  const slot = machine.state.live.pool.nextUsed(0);
  machine.create("later", spec(at(NOON + HOUR)), NOON + HOUR);
  machine.clockMs = WRONG;
  machine.result(slot, "failed", WRONG + HOUR);
  assert.equal(machine.state.live.timerAtMs[slot], WRONG + HOUR);
  while (machine.wheel.advance(WRONG));
  assert.equal(lower(machine, NOON + SECOND), "lowered");
  assert.equal(machine.state.live.timerAtMs[slot], NOON + SECOND);
  redue(leader);
  assert.equal(leader.settle(), 1, "the one that is tried again");
  assert.equal(due(machine, "later"), NOON + HOUR);
  leader.pass(HOUR);
  leader.settle();
  assert.equal(machine.state.jobs.lastAtMs[machine.job("later")], NOON + HOUR);
});

test("due times come a bounded number of rows at a time, and the next leader goes on where the last one was", () => {
  const capacity = { jobsMax: 2 * limits.redueRowsMax + 10, liveMax: 10 };
  const leader = new Leader(new Machine(capacity));
  const { machine } = leader;
  machine.clockMs = WRONG;
  const count = 2 * limits.redueRowsMax + 1;
  for (let job = 0; job < count; job++) machine.create(`job-${job}`, spec(hourly), WRONG + HOUR);
  assert.equal(lower(machine, NOON), "lowered");
  const first = planRedue(machine.state, new ScheduleBook(machine.state));
  assert.ok(first?.kind === "redue" && first.rows.length === limits.redueRowsMax);
  machine.entry([first]);
  machine.entry([first]);
  assert.equal(machine.state.redueFrom, first.next, "the same rows again have no effect");
  assert.equal(redue(leader), 2);
  assert.deepEqual([due(machine, "job-0"), due(machine, `job-${count - 1}`)], [NOON + HOUR, NOON + HOUR]);
});

test("a checkpoint remembers that due times are yet to be computed again", () => {
  const { machine } = poisoned();
  assert.equal(lower(machine, NOON), "lowered");
  const loaded = new Machine();
  loaded.state.restoreScalars(machine.state.encodeScalars(), machine.state.appliedIndex);
  assert.deepEqual([loaded.state.redueFrom, loaded.state.redueAfterMs], [1, NOON]);
});
