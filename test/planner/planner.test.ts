// The leader's choices: what goes into the next entry, and that nothing due is forgotten, starved or given out twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PlanCursor, planType } from "../../src/jobs/items.ts";
import { limits } from "../../src/limits.ts";
import type { Planned } from "../../src/planner/planner.ts";
import { retryAt } from "../../src/planner/retry.ts";
import { at, everySecond, fieldsOf, hourly, HOUR, NOON, plainClass, SECOND, spec } from "../jobs/machine.ts";
import { Leader } from "./leader.ts";

function itemsOf(planned: Planned | undefined): { type: number; job: number; session: number }[] {
  const items = [];
  const cursor = new PlanCursor(planned?.plan ?? new Uint8Array(0));
  while (cursor.next()) items.push({ type: cursor.type, job: cursor.job, session: cursor.session });
  return items;
}

test("P4: higher priority first", () => {
  const leader = new Leader();
  const { machine } = leader;
  for (const priority of ["low", "medium", "high"] as const) machine.create(priority, spec(at(NOON), { priority }), NOON);
  machine.up("n", { slots: 2 });
  assert.deepEqual(itemsOf(leader.plan()).map(({ job }) => job), [machine.job("high"), machine.job("medium")]);
});

test("H1e: two entries in flight never give out more slots than there are", () => {
  const leader = new Leader();
  const { machine } = leader;
  for (let i = 0; i < 8; i++) machine.create(`j${i}`, spec(at(NOON)), NOON);
  machine.up("n", { slots: 3 });
  const first = leader.plan();
  const second = leader.plan();
  assert.deepEqual([itemsOf(first).length, itemsOf(second).length], [3, 0]);
  leader.apply(first);
  assert.equal(itemsOf(leader.plan()).length, 0, "they are taken by rows now");
  machine.result(machine.only("j0"), "completed");
  assert.equal(itemsOf(leader.plan()).length, 1);
});

test("P2: a slot is given out again by the entry that has the result of what held it, once, and not when that entry is lost", () => {
  const leader = new Leader();
  const { machine } = leader;
  for (let i = 0; i < 8; i++) machine.create(`j${i}`, spec(at(NOON)), NOON);
  const session = machine.up("n", { slots: 2 });
  leader.apply(leader.plan());
  const results = machine.resultsOf([machine.only("j0"), machine.only("j1")], "completed");
  const lost = leader.plan(results);
  assert.deepEqual(itemsOf(lost), [2, 3].map((job) => ({ type: planType.due, job: machine.job(`j${job}`), session })));
  assert.equal(leader.plan(), undefined, "both are given out again");
  leader.lose(lost);
  assert.equal(leader.plan(), undefined, "nothing has ended");
  leader.apply(leader.plan(results), results);
  assert.deepEqual([machine.running("n"), machine.stateOf(machine.only("j3"))], [2, "running"]);
  const copies = leader.plan(results);
  assert.equal(copies, undefined, "what has ended before frees nothing");
});

test("P2: an entry that only frees slots lets the ones behind it give them out", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("first", spec(at(NOON)), NOON);
  machine.create("second", spec(at(NOON + 1)), NOON + 1);
  machine.up("n", { slots: 1 });
  leader.apply(leader.plan());
  const results = machine.resultsOf([machine.only("first")], "completed");
  const freeing = leader.plan(results);
  assert.deepEqual([freeing?.count, freeing?.freed.length], [0, 1]);
  leader.pass(1);
  const behind = leader.plan();
  assert.equal(itemsOf(behind).length, 1);
  leader.apply(freeing, results);
  leader.apply(behind);
  assert.equal(machine.stateOf(machine.only("second")), "running");
  assert.equal(leader.plan(), undefined);
});

test("H3: what was proposed stays due, is not proposed twice, and is found again when its entry is lost or stale", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("job", spec(everySecond), NOON);
  machine.up("n");
  const lost = leader.plan();
  assert.equal(lost?.count, 1);
  assert.equal(leader.plan(), undefined);
  leader.lose(lost);
  const stale = leader.plan();
  assert.equal(stale?.count, 1);
  machine.one({ kind: "resume", key: undefined, ref: { job: 0, generation: 0, revision: 0 }, nextDueMs: 0, specJson: new Uint8Array(0) });
  machine.state.jobs.revision[machine.job("job")] = 1;
  leader.apply(stale);
  assert.equal(machine.liveOf("job").length, 1);
});

test("H3: a job that is due anew while its proposal is in flight is not passed over for ever", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("job", spec(at(NOON)), NOON);
  machine.up("n");
  const proposed = leader.plan();
  // In front of it in the log: an update that makes the job due at another time that has passed, so that the proposal is stale.
  machine.clockMs = NOON - 1;
  const fields = fieldsOf(spec(at(NOON - 5 * SECOND)));
  machine.state.clockMs = NOON - 1;
  machine.one({ kind: "update", key: undefined, ref: machine.ref("job"), nextDueMs: NOON - 5 * SECOND, reschedule: true, ...fields });
  machine.clockMs = NOON;
  assert.equal(leader.plan(), undefined);
  leader.apply(proposed);
  assert.equal(machine.liveOf("job").length, 0);
  assert.equal(leader.plan()?.count, 1);
});

test("an item that nobody can take starves none behind it, and is found when a node comes that can", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("tagged", spec(at(NOON), { placement: { tags: ["gpu"], mode: "any" } }), NOON);
  machine.create("plain", spec(at(NOON)), NOON);
  machine.up("n");
  leader.settle();
  assert.equal(machine.stateOf(machine.only("plain")), "running");
  assert.deepEqual(machine.liveOf("tagged"), []);
  machine.up("g", { tags: ["gpu"] });
  leader.pass(limits.rereadMs);
  leader.settle();
  assert.equal(machine.stateOf(machine.only("tagged")), "running");
});

test("a due time without a slot becomes a queued execution after a while, and starts when a slot is free", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("first", spec(at(NOON)), NOON);
  machine.create("second", spec(at(NOON + 1)), NOON + 1);
  machine.up("n", { slots: 1 });
  leader.settle();
  leader.pass(limits.queueAfterMs - 1);
  assert.equal(leader.settle(), 0);
  leader.pass(limits.rereadMs);
  leader.settle();
  assert.equal(machine.stateOf(machine.only("second")), "queued");
  machine.result(machine.only("first"), "completed");
  leader.settle();
  assert.equal(machine.stateOf(machine.only("second")), "running");
});

test("H7: a deadline counts in full after a failover, and a long one holds up none behind it", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("long", spec(at(NOON), { timeoutMs: HOUR }), NOON);
  machine.create("short", spec(at(NOON + HOUR), { timeoutMs: 10 * SECOND }), NOON + HOUR);
  machine.up("n");
  leader.settle();
  leader.pass(HOUR);
  leader.settle();
  leader.pass(10 * SECOND + limits.timeoutGraceMs);
  leader.elect();
  assert.equal(leader.plan(), undefined, "nothing is judged by what was before this leader");
  leader.pass(10 * SECOND + limits.timeoutGraceMs);
  leader.apply(leader.plan());
  assert.equal(machine.stateOf(machine.only("short")), "retrying");
  assert.equal(machine.stateOf(machine.only("long")), "running");
  leader.pass(HOUR);
  leader.apply(leader.plan());
  assert.equal(machine.stateOf(machine.only("long")), "retrying");
});

/** Runs a job that is late; gives what was fired and what was recorded as missed. */
function catchUp(of: ReturnType<typeof spec>, lateMs: number): { fired: number[]; missed: [number, number, number][] } {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("job", of, NOON);
  machine.up("n", { slots: 4096 });
  leader.pass(lateMs);
  leader.settle();
  const fired = machine.liveOf("job").map((slot) => machine.state.live.scheduledAtMs[slot] as number);
  return { fired, missed: machine.history.map((row) => [row.scheduledAtMs, row.rangeToMs, row.rangeCount]) };
}

test("H9: fire_once fires the newest of the missed due times and records the others as one range", () => {
  const misfire = { ...plainClass.misfire, policy: "fire_once" as const };
  const { fired, missed } = catchUp(spec(hourly, { misfire }), 5 * HOUR + 120 * SECOND);
  assert.deepEqual(fired, [NOON + 5 * HOUR]);
  assert.deepEqual(missed, [[NOON, NOON + 4 * HOUR, 5]]);
});

test("H9: fire_all fires the newest `max` one by one and records those before as a range; skip fires none", () => {
  const late = 5 * HOUR + 120 * SECOND;
  const all = catchUp(spec(hourly, { misfire: { policy: "fire_all", withinMs: 60_000, max: 2 } }), late);
  assert.deepEqual(all.fired, [NOON + 4 * HOUR, NOON + 5 * HOUR]);
  assert.deepEqual(all.missed, [[NOON, NOON + 3 * HOUR, 4]]);
  const skip = catchUp(spec(hourly, { misfire: { policy: "skip", withinMs: 60_000, max: 2 } }), late);
  assert.deepEqual(skip, { fired: [], missed: [[NOON, NOON + 5 * HOUR, 6]] });
});

test("H9: due times within the threshold fire one by one, whatever the policy", () => {
  const { fired, missed } = catchUp(spec(everySecond), 30 * SECOND);
  assert.deepEqual(fired, Array.from({ length: 31 }, (_, i) => NOON + i * SECOND));
  assert.deepEqual(missed, []);
});

test("H9: fire_once fires one also when just as many were missed as one range may hold", () => {
  const minutely = { ...hourly, expression: "* * * * *" } as typeof hourly;
  for (const count of [limits.missedPerRangeMax - 1, limits.missedPerRangeMax, limits.missedPerRangeMax + 1]) {
    const { fired, missed } = catchUp(spec(minutely), (count - 1) * 60_000 + 60_001);
    const old = fired.filter((atMs) => atMs <= NOON + (count - 1) * 60_000);
    assert.equal(old.length, 1, `${count} missed`);
    assert.equal(missed.reduce((sum, [, , each]) => sum + each, 0) + old.length, count);
  }
});

test("retries: exponential, bounded, varied by chance, and whole milliseconds at any count", () => {
  const retry = { maxAttempts: 1000, backoff: "exponential" as const, initialMs: 100, maxMs: 1000, multiplier: 2, jitter: 0.5 };
  assert.deepEqual([1, 2, 3, 9].map((tries) => retryAt(retry, tries, 0, 0.5)), [100, 200, 400, 1000]);
  assert.deepEqual([0, 0.999].map((chance) => retryAt(retry, 1, 0, chance)), [50, 150]);
  assert.equal(retryAt(retry, 1000, 0, 0.5), 0);
  assert.equal(retryAt({ ...retry, initialMs: 0, multiplier: 100 }, 999, NOON, 0.5), NOON);
});

test("nothing is planned for a job that is paused, and plan items of starts come before those of due jobs", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("queued", spec(at(NOON)), NOON);
  machine.fire("queued", 0);
  machine.create("due", spec(at(NOON)), NOON);
  machine.create("paused", spec(everySecond, {}, { paused: true }), NOON);
  machine.up("n");
  assert.deepEqual(itemsOf(leader.plan()).map(({ type }) => type), [planType.start, planType.due]);
});
