// The interleavings that the state machine must close, each played as the entries of its log.

import assert from "node:assert/strict";
import { test } from "node:test";
import { coldKeys } from "../../src/jobs/cold.ts";
import type { KeyUse } from "../../src/jobs/command.ts";
import { specOf, decodeDefinition } from "../../src/jobs/definition.ts";
import { definitionOf } from "../../src/jobs/definitionrows.ts";
import { limits } from "../../src/limits.ts";
import { planChange } from "../../src/planner/changes.ts";
import type { Plannable } from "../../src/planner/changes.ts";
import { ScheduleBook } from "../../src/planner/schedulebook.ts";
import type { Reply } from "../../src/jobs/reply.ts";
import { at, daily, everySecond, HOUR, hourly, Machine, MapRows, NOON, planOf, SECOND, spec } from "./machine.ts";

/** The change as a leader plans and proposes it now. */
function ask(machine: Machine, change: Plannable, key?: KeyUse): Reply | undefined {
  const { settle, command } = planChange(machine.state, new ScheduleBook(machine.state), change, key, machine.clockMs);
  return machine.entry(settle ? [{ kind: "plan", items: settle }, command] : [command]).at(-1);
}

function dueItem(machine: Machine, jobId: string, nextDueMs: number, session = 0): Uint8Array {
  return planOf((writer) => machine.writeDue(writer, jobId, nextDueMs, session));
}

test("H1a, b, c: a Due that was computed before an update or a pause has no effect", () => {
  const changes: Plannable[] = [
    { kind: "update", jobId: "job", patch: { schedule: daily } },
    { kind: "update", jobId: "job", patch: { payload: 1 } },
    { kind: "pause", jobId: "job" },
  ];
  for (const change of changes) {
    const machine = new Machine();
    machine.create("job", spec(hourly), NOON);
    machine.clockMs = NOON - 1;
    machine.state.clockMs = NOON - 1;
    const proposed = dueItem(machine, "job", NOON + HOUR);
    assert.equal(ask(machine, change)?.kind, "done");
    machine.clockMs = NOON;
    machine.entry([{ kind: "plan", items: proposed }]);
    assert.deepEqual(machine.liveOf("job"), []);
    assert.equal(machine.state.jobs.dueAtMs[machine.job("job")], change.kind === "pause" ? 0 : NOON);
  }
});

test("H1b: the same due time never fires twice", () => {
  const machine = new Machine();
  machine.create("job", spec(hourly), NOON);
  const proposed = dueItem(machine, "job", NOON + HOUR);
  for (let i = 0; i < 2; i++) machine.entry([{ kind: "plan", items: proposed }]);
  assert.equal(machine.liveOf("job").length, 1);
});

test("H1d: two starts of one attempt give one start", () => {
  const machine = new Machine();
  machine.create("job", spec(at(NOON)), NOON);
  const [a, b] = [machine.up("a"), machine.up("b")];
  machine.fire("job", 0);
  const slot = machine.only("job");
  const startOn = (session: number): Uint8Array => planOf((writer) => writer.start(slot, 1, 0, session));
  for (const session of [a, b]) machine.entry([{ kind: "plan", items: startOn(session) }]);
  assert.deepEqual([machine.state.live.attempt[slot], machine.running("a"), machine.running("b")], [1, 1, 0]);
});

test("H1e: apply counts slots and overlap itself", () => {
  const machine = new Machine();
  const session = machine.up("n", { slots: 1 });
  machine.create("a", spec(everySecond, { overlap: "skip" }), NOON);
  machine.create("b", spec(at(NOON)), NOON);
  machine.fire("a", NOON + SECOND, session);
  machine.fire("b", 0, session);
  machine.fire("a", NOON + 2 * SECOND, session);
  assert.deepEqual([machine.stateOf(machine.only("a")), machine.stateOf(machine.only("b"))], ["running", "queued"]);
  const records = machine.history.map(({ how, note, scheduledAtMs }) => [how, note, scheduledAtMs]);
  assert.deepEqual(records, [["skipped", "overlap", NOON + SECOND]]);
});

test("H1f: a change to a job whose due time has passed first turns it into its record, or is stale", () => {
  for (const kind of ["pause", "cancel", "update", "trigger"] as const) {
    const machine = new Machine();
    machine.create("job", spec(everySecond), NOON);
    machine.clockMs = NOON + 2 * SECOND;
    machine.entry([]);
    assert.equal(
      machine.one({ kind: "cancel", key: undefined, ref: machine.ref("job"), jobId: "job", cancelRunning: false }).kind,
      "stale",
    );
    const changes: { [kind: string]: Plannable } = {
      update: { kind: "update", jobId: "job", patch: { schedule: hourly } },
      cancel: { kind: "cancel", jobId: "job", running: "leave" },
      pause: { kind: "pause", jobId: "job" },
      trigger: { kind: "trigger", jobId: "job" },
    };
    assert.equal(ask(machine, changes[kind] as Plannable)?.kind, "done");
    assert.equal(machine.state.lastSequence, kind === "trigger" ? 4 : 3, "12:00:00, :01 and :02 have their executions");
  }
});

test("H2b: what names a number of an earlier generation is stale", () => {
  const machine = new Machine();
  machine.create("old", spec(hourly), NOON + HOUR);
  const proposed = dueItem(machine, "old", NOON + 2 * HOUR);
  const ref = machine.ref("old");
  machine.one({ kind: "cancel", key: undefined, ref, jobId: "job", cancelRunning: false });
  machine.create("new", spec(hourly), NOON + HOUR);
  assert.equal(machine.job("new"), ref.job);
  machine.entry([{ kind: "plan", items: proposed }]);
  assert.equal(machine.one({ kind: "pause", key: undefined, ref, specJson: new Uint8Array(0) }).kind, "stale");
  assert.deepEqual(machine.liveOf("new"), []);
});

test("H4e: beyond the bound of live executions a due time is skipped, and the job goes on", () => {
  const machine = new Machine({ jobsMax: 2, liveMax: 1 });
  machine.create("job", spec(everySecond), NOON);
  for (let i = 1; i <= 3; i++) machine.fire("job", NOON + i * SECOND);
  assert.equal(machine.liveOf("job").length, 1);
  assert.deepEqual(
    machine.history.map(({ note }) => note),
    ["capacity", "capacity"],
  );
  assert.equal(machine.state.jobs.dueAtMs[1], NOON + 3 * SECOND);
  assert.equal(ask(machine, { kind: "cancel", jobId: "job", running: "leave" })?.kind, "done");
});

test("H11a, d: a repeated key gets its first answer before any other check; another body is refused", () => {
  const machine = new Machine();
  const key = { scope: "k", bodyHash: "1" };
  const first = machine.create("job", spec(at(NOON)), NOON, key);
  assert.deepEqual(machine.create("job", spec(at(NOON)), NOON, key), first);
  const other = machine.create("job", spec(at(NOON)), NOON, { ...key, bodyHash: "2" });
  assert.equal(other.kind === "refused" && other.code, "key_reused");
  const plain = machine.create("job", spec(at(NOON)), NOON);
  assert.equal(plain.kind === "refused" && plain.code, "exists");
});

test("H11a: a new schedule_time that was set and has fired since is still answered by its key", () => {
  const machine = new Machine();
  machine.create("job", spec(everySecond), NOON + HOUR);
  const key = { scope: "k", bodyHash: "1" };
  const change: Plannable = { kind: "update", jobId: "job", patch: { schedule: at(NOON + SECOND) } };
  const first = ask(machine, change, key);
  machine.clockMs = NOON + SECOND;
  machine.fire("job", 0);
  assert.deepEqual(ask(machine, change, key), first);
  const fresh = ask(machine, change);
  assert.equal(fresh?.kind === "refused" && fresh.code, "unprocessable");
});

test("H11b: a full generation of keys refuses new ones and forgets none; the next one has room", () => {
  const machine = new Machine();
  const key = (scope: string): KeyUse => ({ scope, bodyHash: "1" });
  const first = machine.create("a", spec(hourly), NOON + HOUR, key("a"));
  machine.state.keysInGeneration = limits.keysPerGenerationMax;
  const refused = machine.create("b", spec(hourly), NOON + HOUR, key("b"));
  assert.equal(refused.kind === "refused" && refused.code, "overloaded");
  assert.equal(machine.job("b"), 0);
  assert.deepEqual(machine.create("a", spec(hourly), NOON + HOUR, key("a")), first);
  machine.entry([], HOUR);
  assert.equal(machine.create("b", spec(hourly), NOON + HOUR, key("b")).kind, "done");
});

test("H11c: keys live for 24 hours of leaders' time, whatever the clock does", () => {
  const machine = new Machine();
  const key = { scope: "k", bodyHash: "1" };
  const first = machine.create("job", spec(hourly), NOON + 9e9, key);
  machine.clockMs += 1_000 * HOUR;
  for (let hour = 1; hour < limits.keyGenerations; hour++) machine.entry([], HOUR);
  assert.deepEqual(machine.create("job", spec(hourly), NOON + 9e9, key), first);
  machine.entry([], HOUR);
  assert.equal(machine.create("job", spec(hourly), NOON + 9e9, key).kind, "refused");
});

test("H12: an update while an execution lives leaves its definition until it has ended", () => {
  const machine = new Machine();
  machine.create("job", spec(everySecond, {}, { description: "one" }), NOON);
  machine.fire("job", NOON + HOUR, machine.up("n"));
  const job = machine.job("job");
  ask(machine, { kind: "update", jobId: "job", patch: { description: "two" } });
  const pinned = machine.cold.get(coldKeys.definition(job, 1)) as Uint8Array;
  assert.equal(specOf(decodeDefinition(pinned)).description, "one");
  assert.equal(specOf(definitionOf(machine.state, job)).description, "two");
  machine.result(machine.only("job"), "completed");
  assert.deepEqual(machine.cold.under("def/"), [coldKeys.definition(job, 2)]);
});

test("H13c: a leader whose clock is behind computes no due time that has fired", () => {
  const machine = new Machine();
  machine.create("job", spec(everySecond), NOON);
  machine.fire("job", NOON + SECOND, machine.up("n"));
  machine.clockMs = NOON - 5 * SECOND;
  assert.equal(ask(machine, { kind: "update", jobId: "job", patch: { schedule: everySecond } })?.kind, "done");
  assert.equal(machine.state.jobs.dueAtMs[machine.job("job")], NOON + SECOND);
});

test("H16.1: an end is an end: what comes later is seen and changes nothing", () => {
  const machine = new Machine();
  machine.create("job", spec(at(NOON), { delivery: "at_most_once" }), NOON);
  machine.fire("job", 0, machine.up("n"));
  machine.up("n", { incarnation: 2 });
  assert.deepEqual(
    machine.history.map(({ how }) => how),
    ["unknown"],
  );
  const before = machine.image();
  machine.resultOf(1, 1, "completed");
  assert.deepEqual({ ...(machine.image() as object), index: 0 }, { ...(before as object), index: 0 });
  assert.equal(machine.watched.at(-1)?.what, "settled");
});

test("H16.2: at_most_once starts once, whatever becomes of it", () => {
  for (const outcome of ["failed", "timeout"] as const) {
    const machine = new Machine();
    machine.create("job", spec(at(NOON), { delivery: "at_most_once" }), NOON);
    machine.fire("job", 0, machine.up("n"));
    machine.result(machine.only("job"), outcome, NOON + SECOND);
    assert.equal(machine.job("job"), 0);
    assert.equal(machine.watched.filter(({ what }) => what === "started").length, 1);
  }
});

test("one entry that deletes a job with queued, running and retrying executions ends or stops each", () => {
  for (const running of ["leave", "cancel"] as const) {
    const machine = new Machine();
    machine.create("job", spec(everySecond), NOON);
    const session = machine.up("n");
    for (let i = 1; i <= 3; i++) machine.fire("job", NOON + i * HOUR, i === 1 ? 0 : session);
    const [, second, third] = machine.liveOf("job");
    machine.result(third as number, "failed", NOON + HOUR);
    assert.equal(ask(machine, { kind: "cancel", jobId: "job", running })?.kind, "done");
    assert.deepEqual(
      machine.history.map(({ how }) => how),
      ["cancelled", "cancelled"],
    );
    assert.equal(machine.stateOf(second as number), running === "leave" ? "running" : "cancelling");
    machine.result(second as number, "completed");
    assert.equal(machine.state.jobs.pool.count, 0);
    assert.deepEqual(machine.cold.under("def/"), []);
  }
});

test("a job may turn from cron to one-shot and back, be paused and resumed, and be due before 1970", () => {
  const machine = new Machine(undefined, new MapRows());
  ask(machine, { kind: "create", jobId: "job", spec: spec(at(-5)) });
  assert.equal(machine.state.jobs.dueAtMs[1], 1);
  for (const schedule of [hourly, at(NOON + HOUR), everySecond]) {
    assert.equal(ask(machine, { kind: "update", jobId: "job", patch: { schedule } })?.kind, "done");
    for (const kind of ["pause", "pause", "resume", "resume"] as const) assert.equal(ask(machine, { kind, jobId: "job" })?.kind, "done");
    assert.ok((machine.state.jobs.dueAtMs[machine.job("job")] as number) > NOON);
  }
  assert.deepEqual(machine.restarted().image(), machine.image());
});
