// A state that was carried into another cluster (H5, H15): what was due meanwhile, what was live, and that its tokens and ids are newer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenFloorAt } from "../../src/base/token.ts";
import { coldKeys } from "../../src/jobs/cold.ts";
import { decodeEnded } from "../../src/jobs/definition.ts";
import type { RestoredCommand } from "../../src/jobs/command.ts";
import { limits } from "../../src/limits.ts";
import { planChange } from "../../src/planner/changes.ts";
import type { Plannable } from "../../src/planner/changes.ts";
import { ScheduleBook } from "../../src/planner/schedulebook.ts";
import { at, everySecond, hourly, HOUR, NOON, plainClass, planOf, SECOND, spec } from "../jobs/machine.ts";
import type { Machine } from "../jobs/machine.ts";
import { Leader } from "./leader.ts";

const restore: RestoredCommand = {
  kind: "restored", reason: "restore", clusterId: "new", atMs: NOON + 2 * HOUR, catchUp: false, tokenFloor: 0,
};

/** The backup was made at noon; it is two hours later when its state begins another life. */
function carry(leader: Leader, part: Partial<RestoredCommand> = {}): void {
  leader.pass(2 * HOUR);
  leader.machine.entry([{ ...restore, ...part }]);
  leader.elect();
}

function records(machine: Machine): unknown[] {
  return machine.history.map(({ how, note, scheduledAtMs, rangeToMs, rangeCount }) => [how, note, scheduledAtMs, rangeToMs, rangeCount]);
}

const policies = ["fire_once", "fire_all", "skip"] as const;
const withPolicy = (policy: (typeof policies)[number]) => ({ misfire: { ...plainClass.misfire, policy, max: 5 } });

test("H15: what was due between backup and restore is recorded as unknown once, whatever the policy, and the schedule goes on", () => {
  for (const policy of policies) {
    const leader = new Leader();
    const { machine } = leader;
    machine.create("every", spec(everySecond, withPolicy(policy)), NOON - 3 * SECOND);
    machine.create("hourly", spec(hourly, withPolicy(policy)), NOON + HOUR);
    machine.create("later", spec(hourly, withPolicy(policy)), NOON + 3 * HOUR);
    machine.create("once", spec(at(NOON + HOUR), withPolicy(policy)), NOON + HOUR);
    machine.up("n");
    carry(leader);
    machine.up("n");
    leader.settle();
    const endMs = NOON + 2 * HOUR;
    assert.deepEqual(records(machine), [
      ["unknown", "restore", NOON - 3 * SECOND, endMs, 7204],
      ["unknown", "restore", NOON + HOUR, endMs, 2],
      ["unknown", "restore", NOON + HOUR, NOON + HOUR, 1],
    ]);
    const due = ["every", "hourly", "later"].map((id) => machine.state.jobs.dueAtMs[machine.job(id)]);
    assert.deepEqual(due, [endMs + SECOND, endMs + HOUR, endMs + HOUR]);
    assert.equal(machine.job("once"), 0);
    assert.equal(decodeEnded(machine.cold.get(coldKeys.ended("once")) as Uint8Array).status, "unknown");
    leader.pass(SECOND);
    leader.settle();
    assert.equal(machine.liveOf("every").length, 1, "the first due time after the restore fires as ever");
    assert.deepEqual(machine.restarted().image(), machine.image());
  }
});

test("H15: more due times than one record may hold become several, without gap or overlap", () => {
  const leader = new Leader();
  const minutes = { kind: "cron", expression: "* * * * *", timezone: "UTC", gap: "run_at_gap_end", overlap: "first" } as const;
  leader.machine.create("job", spec(minutes), NOON);
  leader.pass((limits.missedPerRangeMax + 9) * 60 * SECOND);
  leader.machine.entry([{ ...restore, atMs: leader.machine.clockMs }]);
  leader.settle();
  const counts = leader.machine.history.map(({ how, rangeCount }) => [how, rangeCount]);
  assert.deepEqual(counts, [["unknown", limits.missedPerRangeMax], ["unknown", 10]]);
});

test("H15: with --catch-up, and in a cluster made by force, the misfire policy decides as after any downtime", () => {
  for (const part of [{ catchUp: true }, { reason: "forced" as const }]) {
    const leader = new Leader();
    const { machine } = leader;
    machine.create("job", spec(hourly), NOON + HOUR);
    machine.create("once", spec(at(NOON + HOUR)), NOON + HOUR);
    carry(leader, part);
    machine.up("n");
    leader.settle();
    assert.deepEqual(machine.history.map(({ how }) => how), []);
    assert.deepEqual([machine.liveOf("job").length, machine.liveOf("once").length], [2, 1]);
    assert.equal(machine.state.clusterId, "new");
  }
});

test("H15: what the planner proposed before it knew of the restore has no effect, and a wrong window neither", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("job", spec(hourly), NOON + HOUR);
  machine.up("n");
  leader.pass(HOUR);
  const early = leader.plan();
  assert.equal(early?.count, 1);
  machine.clockMs = NOON + 2 * HOUR;
  machine.entry([restore]);
  leader.apply(early);
  assert.deepEqual([machine.liveOf("job").length, machine.history.length], [0, 0]);
  const ref = machine.ref("job");
  const missed = planOf((out) => out.range(ref.job, ref.generation, ref.revision, NOON + HOUR, NOON + HOUR, 1, NOON + 2 * HOUR));
  machine.entry([{ kind: "plan", items: missed }]);
  assert.equal(machine.history.length, 0);
  leader.settle();
  assert.deepEqual(records(machine), [["unknown", "restore", NOON + HOUR, NOON + 2 * HOUR, 2]]);
  const again = planOf((out) => out.unsure(ref.job, ref.generation, ref.revision, NOON + 3 * HOUR, NOON + 3 * HOUR, 1, NOON + 4 * HOUR));
  machine.clockMs = NOON + 3 * HOUR;
  machine.entry([{ kind: "plan", items: again }]);
  assert.equal(machine.history.length, 1, "what is due after the restore is sure");
});

function change(machine: Machine, asked: Plannable): unknown {
  const { settle, command } = planChange(machine.state, new ScheduleBook(machine.state), asked, undefined, machine.clockMs);
  return machine.entry(settle ? [{ kind: "plan", items: settle }, command] : [command]).at(-1);
}

test("H1f, H15: a change to a job with unsure due times first records them as unknown", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("job", spec(hourly), NOON + HOUR);
  carry(leader);
  assert.equal((change(machine, { kind: "pause", jobId: "job" }) as { kind: string }).kind, "done");
  assert.deepEqual(records(machine), [["unknown", "restore", NOON + HOUR, NOON + 2 * HOUR, 2]]);
});

test("H15: a due time that was asked for after the restore is run, however early it is; the next restore is unsure of it again", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("moved", spec(at(NOON + 9 * HOUR)), NOON + 9 * HOUR);
  carry(leader);
  change(machine, { kind: "create", jobId: "late", spec: spec(at(NOON + HOUR)) });
  change(machine, { kind: "update", jobId: "moved", patch: { schedule: at(NOON + HOUR) } });
  const other = machine.restarted();
  other.clockMs += HOUR;
  other.entry([{ ...restore, atMs: other.clockMs }]);
  leader.settle();
  assert.deepEqual([machine.liveOf("late").length, machine.liveOf("moved").length, machine.history.length], [1, 1, 0]);
  const second = new Leader(other);
  second.settle();
  assert.deepEqual(records(other), [0, 1].map(() => ["unknown", "restore", NOON + HOUR, NOON + HOUR, 1]));
});

test("H13, H15: a restore by a clock that is far ahead leaves nothing in doubt once the clock is set right", () => {
  const leader = new Leader();
  const { machine } = leader;
  machine.create("job", spec(hourly), NOON + HOUR);
  machine.entry([{ ...restore, atMs: NOON + 1000 * HOUR }]);
  machine.entry([{ kind: "clock", toMs: NOON }]);
  machine.up("n");
  leader.pass(HOUR);
  leader.settle();
  assert.deepEqual([machine.history.length, machine.liveOf("job").length], [0, 1]);
});

type Before = "queued" | "running" | "last" | "cancelling";
function live(machine: Machine, delivery: "at_least_once" | "at_most_once", before: Before): number {
  machine.create("job", spec(at(NOON), { delivery, retry: { ...plainClass.retry, maxAttempts: before === "last" ? 1 : 3 } }), NOON);
  const session = machine.up("n", { incarnation: 7 });
  machine.fire("job", 0, before === "queued" ? 0 : session);
  if (before === "cancelling") machine.one({ kind: "cancelExecution", key: undefined, sequence: 1 });
  return machine.only("job");
}

test("H5, H15: what was live goes on with a newer token where its policy has an attempt left; else nobody knows how it ended", () => {
  const expected: Record<string, Record<Before, string>> = {
    at_least_once: { queued: "queued", running: "queued", last: "unknown", cancelling: "cancelled" },
    at_most_once: { queued: "unknown", running: "unknown", last: "unknown", cancelling: "cancelled" },
  };
  for (const reason of ["restore", "forced"] as const) {
    for (const delivery of ["at_least_once", "at_most_once"] as const) {
      for (const before of ["queued", "running", "last", "cancelling"] as const) {
        const { machine } = new Leader();
        const slot = live(machine, delivery, before);
        const said = machine.watched.length;
        machine.entry([{ ...restore, reason, atMs: NOON, tokenFloor: 1600 }]);
        const ended = machine.history.at(-1);
        assert.equal(ended?.how ?? machine.stateOf(slot), expected[delivery]?.[before], `${delivery}, ${before}`);
        if (ended?.how === "unknown") assert.equal(ended.note, reason);
        const held = before === "queued" ? [] : ["void"];
        assert.deepEqual(machine.watched.slice(said).map(({ what }) => what), held);
        assert.deepEqual([machine.state.nodes.find("n")?.session, machine.running("n")], [0, 0]);
        const session = machine.up("n", { incarnation: 1 });
        assert.notEqual(session, 0, "a node of the new cluster counts its starts anew");
        if (ended) continue;
        machine.start(slot, session);
        assert.equal(machine.state.live.token[slot], 1601);
        assert.deepEqual(machine.restarted().image(), machine.image());
      }
    }
  }
});

test("H5b: tokens and execution numbers of a later restore are above all that an earlier one of the same backup can have given", () => {
  const siblings = [NOON, NOON + 7 * 24 * HOUR].map((atMs) => {
    const { machine } = new Leader();
    live(machine, "at_least_once", "running");
    machine.clockMs = atMs;
    machine.entry([{ ...restore, atMs, tokenFloor: tokenFloorAt(atMs) }]);
    return machine.state;
  });
  const [first, second] = siblings as [Machine["state"], Machine["state"]];
  assert.ok(first.tokenCounter > 1 && first.lastSequence > 1);
  assert.ok(second.tokenCounter >= first.tokenCounter + 7 * 86_400 * 1_000_000, "room for a million starts a second");
  assert.ok(second.lastSequence > first.lastSequence + 7 * 86_400 * 50_000);
  const { machine } = new Leader();
  machine.state.tokenCounter = 5000;
  machine.state.lastSequence = 4000;
  machine.entry([{ ...restore, tokenFloor: 16 }]);
  assert.deepEqual([machine.state.tokenCounter, machine.state.lastSequence], [5000, 4000], "never lower than its own");
});
