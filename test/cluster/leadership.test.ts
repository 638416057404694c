// What a leader puts into an entry, over the real planner, desk and proposals; the test applies or loses the entries.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TrustedClock } from "../../src/cluster/clock.ts";
import type { HousekeepingParts } from "../../src/cluster/housekeeping.ts";
import { Leadership } from "../../src/cluster/leadership.ts";
import { Proposals } from "../../src/cluster/proposals.ts";
import type { Steward } from "../../src/cluster/steward.ts";
import { Timings } from "../../src/cluster/timings.ts";
import { commandKind, commandsOf } from "../../src/jobs/command.ts";
import { ResultWriter, resultOutcome } from "../../src/jobs/items.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";
import { at, HOUR, Machine, NOON, spec } from "../jobs/machine.ts";

/** A leader of one node, whose offers the log takes one after the other and applies none. */
class Leading {
  readonly machine = new Machine();
  readonly proposals = new Proposals(1);
  readonly entries: Uint8Array[] = [];
  readonly leadership: Leadership;
  readonly timings = new Timings();
  nowMs = 1_000;

  constructor() {
    const { state, wheel } = this.machine;
    const system = { ...realSystem, wallMs: () => NOON, monotonicMs: () => this.nowMs, random: () => 0.5 };
    const clock = new TrustedClock(system, "n", (message) => assert.fail(message));
    clock.setVoters(["n"]);
    clock.applied(NOON, this.nowMs);
    this.machine.entry([{ kind: "bootstrap", clusterId: "c", idSpace: "s", shard: 0, ...state.capacity }]);
    this.machine.up("n");
    const housekeeping = { pace: { firstMarkMs: HOUR, markMs: HOUR } } as HousekeepingParts;
    const { timings } = this;
    const io = { send: () => undefined, alarm: assert.fail, failed: assert.ifError, steward: {} as Steward, housekeeping, timings };
    this.leadership = new Leadership(state, system, clock, this.proposals, wheel, 1, io);
  }

  submit(jobId: string): void {
    this.proposals.submit({ kind: "create", jobId, spec: spec(at(NOON + HOUR)) }, undefined, 300, this.nowMs, () => undefined);
  }

  propose(): boolean {
    this.nowMs += limits.entryPaceBusyMs;
    while (this.machine.wheel.advance(NOON));
    const offer = (data: Uint8Array): { index: number; term: number } => ({ index: 10 + this.entries.push(data), term: 1 });
    return this.leadership.propose(offer, true);
  }

  kinds(entry: number): Set<number> {
    return new Set([...commandsOf(this.entries[entry] as Uint8Array)].map(({ kind }) => kind));
  }
}

test("H16.6: a flood of changes leaves room in every entry for results, joins and what is due", () => {
  const leading = new Leading();
  leading.machine.create("due", spec(at(NOON)), NOON);
  for (let i = 0; i < 2 * limits.entryItemsMax; i++) leading.submit(`job-${i}`);
  const results = new ResultWriter();
  results.add(1, 1, resultOutcome.completed, NOON, NOON, 0, "");
  leading.leadership.desk.receive("n", { kind: "results", session: 1, items: results.take() }, leading.nowMs);
  const join = { kind: "join", node: "m", incarnation: 1, slots: 1, tags: [], known: 0, held: [] } as const;
  leading.leadership.desk.receive("m", join, leading.nowMs);
  const beat = { kind: "beat", node: "n", session: 1, sentAtMs: 0, wallMs: NOON, leaving: false } as const;
  leading.leadership.desk.receive("n", beat, leading.nowMs);
  assert.ok(leading.propose());
  const { create, results: resultsKind, nodeUp, plan } = commandKind;
  for (const kind of [resultsKind, nodeUp, create, plan]) assert.ok(leading.kinds(0).has(kind), `no command of kind ${kind}`);
  assert.ok(leading.proposals.waiting > 0 && (leading.entries[0] as Uint8Array).length < 2 * limits.appendMaxBytes);
});

test("H16.16: while so many entries are not applied nothing more is proposed", () => {
  const leading = new Leading();
  for (let i = 0; i < 4 * limits.entryItemsMax; i++) leading.submit(`job-${i}`);
  for (let i = 0; i < limits.entriesInFlightMax; i++) assert.ok(leading.propose());
  assert.equal(leading.propose(), false);
  leading.proposals.applied(11, 1, [], "s");
  assert.ok(leading.propose());
});

test("an entry whose place another one took was not committed, whatever time has passed", () => {
  const leading = new Leading();
  leading.submit("a");
  assert.ok(leading.propose());
  leading.submit("b");
  assert.ok(leading.propose());
  leading.nowMs += 7;
  leading.proposals.applied(11, 1, [], "s");
  leading.proposals.applied(12, 2, [], "s");
  const { commit, proposalWait } = leading.timings;
  assert.deepEqual([commit.count, commit.longestMs], [1, 7 + limits.entryPaceBusyMs]);
  assert.deepEqual([proposalWait.count, proposalWait.longestMs], [2, limits.entryPaceBusyMs]);
});

test("another entry is expected only where entries are near each other, and then for little longer than their pace", () => {
  const leading = new Leading();
  const { leadership } = leading;
  leading.submit("first");
  assert.ok(leading.propose());
  assert.ok(leadership.nextExpectedMs < leading.nowMs, "a first entry says nothing of a next one");
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < limits.entryBusyItemsPerSecond / 20; i++) leading.submit(`job-${round}-${i}`);
    leading.proposals.applied(10 + leading.entries.length, 1, [], "s");
    leading.propose();
  }
  const waitsMs = leadership.nextExpectedMs - leading.nowMs;
  assert.ok(waitsMs > limits.entryPaceBusyMs && waitsMs <= limits.commitRideMaxMs + limits.commitRideSlackMs, `${waitsMs} ms`);
});
