// A burst: many more due times within one second than there are slots. The order of the starts, who waits where, and who does not wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { liveState } from "../../src/jobs/livetable.ts";
import { ResultWriter, resultOutcome } from "../../src/jobs/items.ts";
import { limits } from "../../src/limits.ts";
import type { Planned } from "../../src/planner/planner.ts";
import { Machine, NOON, SECOND, at, spec } from "../jobs/machine.ts";
import { Leader } from "./leader.ts";

const priorities = ["high", "medium", "low"] as const;
const SLOTS = 50;

/** A leader over so many one-shots, due within one second in no order, every third of each priority. */
function burst(jobs: number): Leader {
  const leader = new Leader(new Machine({ jobsMax: jobs + 10, liveMax: jobs }));
  const { machine } = leader;
  for (let i = 0; i < jobs; i++) {
    const dueMs = NOON + 1 + ((i * 617) % 1000);
    machine.create(`j${i}`, spec(at(dueMs), { priority: priorities[i % 3] as "low" }), dueMs);
  }
  for (const node of ["a", "b"]) machine.up(node, { slots: SLOTS / 2 });
  leader.pass(SECOND);
  return leader;
}

/** What runs completes, the oldest first, but for the last `left` of them. */
function complete({ machine }: Leader, left: number): void {
  const { live } = machine.state;
  const running: number[] = [];
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    if (live.state[slot] === liveState.running) running.push(slot);
  }
  running.sort((a, b) => (live.token[a] as number) - (live.token[b] as number));
  const writer = new ResultWriter();
  for (const slot of running.slice(0, Math.max(0, running.length - left))) {
    writer.add(live.sequence[slot] as number, live.token[slot] as number, resultOutcome.completed, machine.clockMs, machine.clockMs, 0, "");
  }
  if (writer.count > 0) machine.entry([{ kind: "results", items: writer.take() }]);
}

/** Plans, with two entries on their way at a time, and completes until nothing is due. Priorities and due times in the order of starts. */
function drain(leader: Leader, each: (step: number) => void, most?: number, stepMs = 10): Started[] {
  const { state } = leader.machine;
  const started: Started[] = [];
  state.watcher = {
    ...state.watcher,
    started: (slot) => {
      const rank = priorities.indexOf(state.classOf(state.live.job[slot] as number).spec.priority);
      started.push({ rank, dueMs: state.live.scheduledAtMs[slot] as number });
    },
  };
  for (let step = 0; state.jobs.pool.count > 0; step++) {
    assert.ok(step < 100_000, "the burst finds no end");
    const first = leader.plan(undefined, most);
    const second = leader.plan(undefined, most);
    leader.apply(first);
    complete(leader, step % 7);
    leader.apply(second);
    leader.pass(stepMs);
    each(step);
  }
  return started;
}

type Started = { readonly rank: number; readonly dueMs: number };

function assertInOrder(started: readonly Started[]): void {
  for (let i = 1; i < started.length; i++) {
    const [before, after] = [started[i - 1], started[i]] as [Started, Started];
    const inOrder = before.rank < after.rank || (before.rank === after.rank && before.dueMs <= after.dueMs);
    assert.ok(inOrder, `start ${i}: ${JSON.stringify(after)} after ${JSON.stringify(before)}`);
  }
}

function startedBy(...entries: readonly (Planned | undefined)[]): number {
  return entries.reduce((sum, planned) => sum + (planned?.sessions.length ?? 0), 0);
}

test("P4: a burst starts by priority, then by due time, over many entries", () => {
  const jobs = 3_000;
  const started = drain(burst(jobs), () => undefined);
  assert.equal(started.length, jobs);
  assertInOrder(started);
});

test("P4: a burst that outlasts its misfire window keeps its order, and nothing of it counts as missed", () => {
  const jobs = 3_000;
  const leader = burst(jobs);
  assertInOrder(drain(leader, () => undefined, 20, SECOND));
  assert.equal(leader.machine.history.filter(({ how }) => how === "completed").length, jobs);
});

test("P4: what is on its way to be queued is not overtaken by what is due behind it and finds a slot meanwhile", () => {
  const jobs = 2 * limits.entryItemsMax + 500;
  const leader = burst(jobs);
  leader.settle();
  leader.pass(limits.queueAfterMs);
  const queueing = leader.plan();
  complete(leader, 0);
  const behind = leader.plan();
  leader.apply(queueing);
  complete(leader, 0);
  const later = leader.plan();
  leader.apply(behind);
  leader.apply(later);
  const started = drain(leader, () => undefined);
  assert.equal(started.length, jobs - SLOTS - startedBy(behind, later));
  assertInOrder(started);
  assert.equal(startedBy(behind), 0, "nothing starts that is behind what is queued");
  assert.ok((behind?.count ?? 0) > 0, "but it is queued as well");
});

test("P4: what is due later with a higher priority overtakes all that waits", () => {
  const leader = burst(3_000);
  const { machine } = leader;
  let createdAt = 0;
  let urgentAt = 0;
  drain(leader, (step) => {
    if (step === 40) {
      createdAt = step;
      machine.create("urgent", spec(at(machine.clockMs), { priority: "high" }), machine.clockMs);
    }
    const isStarted = createdAt > 0 && (machine.job("urgent") === 0 || machine.liveOf("urgent").length > 0);
    if (isStarted && urgentAt === 0) urgentAt = step;
  });
  assert.ok(urgentAt > 0 && urgentAt <= createdAt + 2, `started ${urgentAt - createdAt} entries after it was due`);
});

test("H9: what waits for a slot waits in the wheel; the first become queued after a while, and all before they count as missed", () => {
  const jobs = limits.queuedEarlyMax + 2 * limits.entryItemsMax + 4_000;
  const leader = burst(jobs);
  const { machine } = leader;
  const { live, jobs: table } = machine.state;
  leader.settle();
  assert.equal(live.pool.count, SLOTS, "nothing but what runs is a row");
  leader.pass(limits.queueAfterMs);
  leader.settle();
  const queued = live.counts[liveState.queued] as number;
  assert.ok(queued >= limits.queuedEarlyMax && queued < limits.queuedEarlyMax + limits.entryItemsMax, `${queued} are queued`);
  leader.pass(30 * SECOND);
  leader.settle();
  assert.equal(live.pool.count, jobs, "half of `within` has passed");
  assert.ok(machine.history.every(({ how }) => how !== "missed" && how !== "skipped"));
  assert.equal(table.pool.count, jobs);
});

test("H9: however few starts an entry holds, all that waits for a slot is queued before it counts as missed", () => {
  const jobs = 3 * limits.entryItemsMax;
  const leader = burst(jobs);
  const { live } = leader.machine.state;
  leader.settle();
  leader.pass(30 * SECOND);
  for (let entries = 0; entries < 4; entries++) leader.apply(leader.plan(undefined, 10));
  assert.equal(live.pool.count, jobs, "half of `within` has passed");
  assert.equal(live.counts[liveState.running], SLOTS);
});
