// Holes that were found by reading: each would have ended or split the replicas, or lost what must be kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import { coldKeys } from "../../src/jobs/cold.ts";
import { decodeEnded, decodeLeft } from "../../src/jobs/definition.ts";
import { limits } from "../../src/limits.ts";
import { at, everySecond, fieldsOf, HOUR, Machine, NOON, SECOND, spec } from "./machine.ts";

test("H14: the order in which a delete ends executions does not depend on a restart", () => {
  const machine = new Machine();
  machine.create("filler", spec(everySecond), NOON + HOUR);
  machine.one({ kind: "trigger", key: undefined, ref: machine.ref("filler") });
  machine.create("job", spec(everySecond), NOON + HOUR);
  for (let i = 0; i < 2; i++) machine.one({ kind: "trigger", key: undefined, ref: machine.ref("job") });
  const freed = machine.only("filler");
  machine.one({ kind: "cancelExecution", key: undefined, sequence: machine.state.live.sequence[freed] as number });
  machine.one({ kind: "trigger", key: undefined, ref: machine.ref("job") });
  assert.equal(machine.liveOf("job").at(-1), freed, "the newest execution has the lowest row");
  const other = machine.restarted();
  for (const each of [machine, other])
    each.one({ kind: "cancel", key: undefined, ref: each.ref("job"), jobId: "job", cancelRunning: true });
  assert.deepEqual(
    other.history.map((row) => row.sequence),
    machine.history.slice(-3).map((row) => row.sequence),
  );
  assert.deepEqual(other.image(), machine.image());
});

test("H14: what a one-shot ended as is state, not what this process happened to append last", () => {
  const machine = new Machine();
  machine.create("job", spec(at(NOON)), NOON);
  const session = machine.up("n");
  machine.fire("job", 0, session);
  machine.one({ kind: "pause", key: undefined, ref: machine.ref("job"), specJson: fieldsOf(spec(at(NOON))).specJson });
  machine.result(machine.only("job"), "failed");
  const other = machine.restarted();
  for (const each of [machine, other]) {
    each.one({ kind: "resume", key: undefined, ref: each.ref("job"), nextDueMs: 0, specJson: fieldsOf(spec(at(NOON))).specJson });
    assert.equal(decodeEnded(each.cold.get(coldKeys.ended("job")) as Uint8Array).status, "failed");
  }
  assert.deepEqual(other.image(), machine.image());
});

test("H16.4: a due time that the wheel cannot take is refused, not the end of every replica", () => {
  const machine = new Machine();
  for (const dueMs of [-1, 0.5, Number.NaN, 2 ** 48, Number.POSITIVE_INFINITY]) {
    const reply = machine.create("bad", spec(at(dueMs)), dueMs);
    assert.equal(reply.kind === "refused" && reply.code, "unprocessable");
  }
  assert.equal(machine.state.jobs.pool.count, 0);
});

test("the note of a failed attempt goes with its execution, also when that is cancelled before the second start", () => {
  for (const delayMs of [0, SECOND]) {
    const machine = new Machine();
    machine.create("job", spec(at(NOON)), NOON);
    machine.fire("job", 0, machine.up("n"));
    machine.result(machine.only("job"), "failed", NOON + delayMs, "no");
    assert.equal(machine.cold.under("note/").length, 1);
    machine.one({ kind: "cancelExecution", key: undefined, sequence: 1 });
    assert.deepEqual(machine.cold.under("note/"), []);
  }
});

test("H2b: old records keep their job's name when the number is used again without a record in between", () => {
  const machine = new Machine();
  machine.create("first", spec(at(NOON)), NOON);
  machine.fire("first", 0, machine.up("n"));
  machine.result(machine.only("first"), "completed");
  machine.create("second", spec(everySecond), NOON + HOUR);
  machine.one({ kind: "cancel", key: undefined, ref: machine.ref("second"), jobId: "second", cancelRunning: false });
  const left = machine.cold.under("left/").map((key) => decodeLeft(machine.cold.get(key) as Uint8Array).jobId);
  assert.deepEqual(left, ["first"]);
});

test("P4: what ends after a DELETE is in the chain of what GET answers, unless the id was used again", () => {
  for (const again of [false, true]) {
    const machine = new Machine();
    machine.create("job", spec(everySecond), NOON);
    machine.fire("job", NOON + HOUR, machine.up("n"));
    const slot = machine.only("job");
    machine.one({ kind: "cancel", key: undefined, ref: machine.ref("job"), jobId: "job", cancelRunning: false });
    if (again) machine.create("job", spec(everySecond), NOON + HOUR);
    machine.result(slot, "completed");
    const ended = machine.cold.get(coldKeys.ended("job"));
    if (again) assert.equal(ended, undefined);
    else assert.equal(decodeEnded(ended as Uint8Array).ordinal, machine.history.at(-1)?.ordinal);
  }
});

test("an execution that no node starts is tried ever more slowly, and ends before its attempts can overflow", () => {
  const machine = new Machine();
  machine.create("job", spec(at(NOON)), NOON);
  const session = machine.up("n");
  machine.fire("job", 0, session);
  const slot = machine.only("job");
  const waits: number[] = [];
  for (let i = 0; machine.state.live.pool.has(slot) && i <= limits.requeuesMax + 1; i++) {
    machine.result(slot, "notStarted");
    if (!machine.state.live.pool.has(slot)) break;
    const dueMs = machine.state.live.timerAtMs[slot] as number;
    waits.push(dueMs - machine.clockMs);
    machine.clockMs = dueMs;
    machine.start(slot, session);
  }
  assert.deepEqual(waits.slice(0, 3), [0, limits.requeueDelayStepMs, 2 * limits.requeueDelayStepMs]);
  assert.equal(waits.at(-1), limits.requeueDelayMaxMs);
  assert.equal(waits.length, limits.requeuesMax);
  assert.equal(machine.history.at(-1)?.how, "failed");
  assert.equal(machine.running("n"), 0);
});

test("H6: an attempt that a node names twice as held takes one slot", () => {
  const machine = new Machine();
  machine.create("job", spec(at(NOON)), NOON);
  machine.fire("job", 0, machine.up("n"));
  const held = { sequence: 1, token: 1 };
  machine.up("n", { held: [held, held] });
  assert.equal(machine.running("n"), 1);
  machine.result(machine.only("job"), "completed");
  assert.equal(machine.running("n"), 0);
});

test("H2e: the id of a job that has run is not used again before it is deleted", () => {
  const machine = new Machine();
  machine.create("job", spec(at(NOON)), NOON);
  machine.fire("job", 0, machine.up("n"));
  machine.result(machine.only("job"), "completed");
  const again = machine.create("job", spec(at(NOON + HOUR)), NOON + HOUR);
  assert.equal(again.kind === "refused" && again.code, "exists");
  const absent = { job: 0, generation: 0, revision: 0 };
  const remove = { kind: "cancel", key: undefined, ref: absent, jobId: "job", cancelRunning: false } as const;
  assert.equal(machine.one(remove).kind, "done");
  assert.equal(decodeEnded(machine.cold.get(coldKeys.ended("job")) as Uint8Array).status, "cancelled");
  const twice = machine.one(remove);
  assert.equal(twice.kind === "refused" && twice.code, "not_found");
  assert.equal(machine.create("job", spec(at(NOON + HOUR)), NOON + HOUR).kind, "done");
});
