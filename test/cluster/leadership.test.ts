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

test("H16.16: while so many entries are not applied nothing more is proposed, however many are full", () => {
  const leading = new Leading();
  for (let i = 0; i < 2 * limits.entriesInFlightMax * limits.entryItemsMax; i++) leading.submit(`job-${i}`);
  for (let i = 0; i < limits.entriesInFlightMax; i++) assert.ok(leading.propose());
  assert.equal(leading.propose(), false);
  assert.equal(leading.leadership.isHeld, true);
  leading.proposals.applied(11, 1, [], "s", 0);
  assert.ok(leading.propose());
});

test("entries that are not full wait for those before, so that more shares one", () => {
  const leading = new Leading();
  for (let i = 0; i < limits.entriesInFlightUsual; i++) {
    leading.submit(`job-${i}`);
    assert.ok(leading.propose());
  }
  leading.submit("one");
  leading.submit("more");
  assert.equal(leading.propose(), false);
  leading.proposals.applied(11, 1, [], "s", 0);
  assert.ok(leading.propose());
  assert.equal([...commandsOf(leading.entries.at(-1) as Uint8Array)].filter(({ kind }) => kind === commandKind.create).length, 2);
});

test("entries become smaller when those before took long to apply, and large again when they do not", () => {
  const leading = new Leading();
  const rounds = (count: number, tookMs: number): number => {
    for (let round = 0; round < count; round++) {
      assert.ok(leading.propose());
      leading.proposals.applied(10 + leading.entries.length, 1, [], "s", tookMs);
    }
    return (leading.entries.at(-1) as Uint8Array).length;
  };
  for (let i = 0; i < 10 * limits.entryItemsMax; i++) leading.submit(`job-${i}`);
  const large = rounds(1, 0);
  const small = rounds(16, 10 * limits.entryApplyMs);
  assert.ok(large > limits.entryChangesMaxBytes / 2 && small < large / 3, `${large} and ${small} bytes`);
  assert.ok(rounds(4, 0) > small * 2);
});

test("no more results go into an entry than what they cost allows", () => {
  const leading = new Leading();
  const results = new ResultWriter();
  const count = 3 * limits.entryItemsMax;
  for (let i = 1; i <= count; i++) results.add(i, 1, resultOutcome.completed, NOON, NOON, 0, "");
  leading.leadership.desk.receive("n", { kind: "results", session: 1, items: results.take() }, leading.nowMs);
  assert.ok(leading.propose());
  const left = leading.leadership.desk.resultsWaiting;
  assert.equal(left, count - limits.entryItemsMax);
  leading.proposals.applied(11, 1, [], "s", 10 * limits.entryApplyMs);
  assert.ok(leading.propose());
  const second = left - leading.leadership.desk.resultsWaiting;
  assert.ok(second > 0 && second <= limits.entryItemsMax * 0.8, `${second} results after an entry that took long`);
});

test("an entry whose place another one took was not committed, whatever time has passed", () => {
  const leading = new Leading();
  leading.submit("a");
  assert.ok(leading.propose());
  leading.submit("b");
  assert.ok(leading.propose());
  leading.nowMs += 7;
  leading.proposals.applied(11, 1, [], "s", 0);
  leading.proposals.applied(12, 2, [], "s", 0);
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
    leading.proposals.applied(10 + leading.entries.length, 1, [], "s", 0);
    leading.propose();
  }
  const waitsMs = leadership.nextExpectedMs - leading.nowMs;
  assert.ok(waitsMs > limits.entryPaceBusyMs && waitsMs <= limits.commitRideMaxMs + limits.commitRideSlackMs, `${waitsMs} ms`);
});
