// A node's session against the leader's desk: leases, joins, what is held, results, reconciliation (H6, H7).

import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaderDesk } from "../../src/dispatch/desk.ts";
import type { LeaderMessage } from "../../src/dispatch/messages.ts";
import type { Command } from "../../src/jobs/command.ts";
import { ResultCursor, resultOutcome, ResultWriter } from "../../src/jobs/items.ts";
import { limits } from "../../src/limits.ts";
import { WorkerSession } from "../../src/worker/session.ts";
import { detailsOf } from "../../src/worker/startdetails.ts";
import type { SessionMessage } from "../../src/worker/session.ts";
import type { StartBatch, StopBatch } from "../../src/worker/types.ts";
import { at, everySecond, fieldsOf, HOUR, Machine, NOON, SECOND, spec } from "../jobs/machine.ts";

/** One node that leads and works: a state, its session and the leader's desk, with links that the test opens and closes. */
class Pair {
  readonly machine = new Machine();
  readonly starts: StartBatch[] = [];
  readonly stops: StopBatch[] = [];
  readonly sent: SessionMessage[] = [];
  readonly session: WorkerSession;
  desk: LeaderDesk;
  nowMs = 0;
  linked = true;

  constructor() {
    const { state } = this.machine;
    const identity = { node: "n", incarnation: 1, slots: 4, tags: [] };
    this.session = new WorkerSession(identity, state, {
      toLeader: (message) => this.toLeader(message),
      start: (batch) => void this.starts.push(batch),
      stop: (batch) => void this.stops.push(batch),
    });
    this.desk = this.elect();
    state.watcher = {
      started: (slot, session) => this.session.started(slot, session),
      stopped: (sequence, token, _session, reason) => this.session.stopped(sequence, token, reason),
      settled: (sequence, token) => this.session.settled(sequence, token),
      sessionOpened: (node, incarnation, session) => {
        this.session.sessionOpened(node, incarnation, session);
        this.desk.sessionOpened(node, session, this.nowMs);
      },
      sessionClosed: (session) => {
        this.session.sessionClosed(session);
        this.desk.sessionClosed(session);
      },
    };
  }

  elect(): LeaderDesk {
    this.desk = new LeaderDesk(this.machine.state, 1, this.nowMs, {
      send: (_node, message) => this.toWorker(message), retryAt: () => this.machine.clockMs + SECOND, wallClock: () => undefined,
    });
    return this.desk;
  }

  private toLeader(message: SessionMessage): boolean {
    this.sent.push(message);
    if (this.linked) this.desk.receive("n", message, this.nowMs);
    return this.linked;
  }

  private toWorker(message: LeaderMessage): void {
    if (!this.linked) return;
    if (message.kind === "reconcile") this.session.reconciled(message.term, message.session, message.index);
    else this.session.beatReply(message.session, message.sentAtMs, message.alive);
  }

  /** Time goes on in small steps; what the desk asks for is applied at once. */
  pass(ms: number, applying = true): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs = Math.min(endMs, this.nowMs + 100);
      this.session.tick(this.nowMs, NOON);
      this.desk.tick(this.nowMs);
      if (applying) this.applyDesk();
    }
  }

  applyDesk(): Command[] {
    const items = this.desk.takeResultItems(limits.entryItemsMax);
    const commands = this.desk.takeCommands();
    const all: Command[] = items ? [{ kind: "results", items }, ...commands] : commands;
    if (all.length > 0) this.machine.entry(all);
    this.session.entryApplied(this.nowMs);
    for (const command of commands) this.desk.commandLost(command);
    return commands;
  }

  /** A one-shot that is started on the node's session. */
  run(jobId: string, part: Parameters<typeof spec>[1] = {}): number {
    this.machine.create(jobId, spec(at(NOON - SECOND), part), NOON - SECOND);
    this.machine.fire(jobId, 0, this.machine.state.nodes.find("n")?.session);
    this.session.entryApplied(this.nowMs);
    return this.machine.only(jobId);
  }

  report(slot: number, outcome: keyof typeof resultOutcome): void {
    const { live } = this.machine.state;
    this.session.results({
      count: 1, sequences: Float64Array.of(live.sequence[slot] as number), tokens: Float64Array.of(live.token[slot] as number),
      outcomes: Uint8Array.of(resultOutcome[outcome]), startAtMs: Float64Array.of(NOON), endAtMs: Float64Array.of(NOON), errors: undefined,
    }, this.nowMs);
  }
}

function joined(): Pair {
  const pair = new Pair();
  pair.pass(1_000);
  assert.equal(pair.session.number, 1);
  assert.ok(pair.desk.usable(1, pair.nowMs));
  return pair;
}

test("H6e, W4: a session has no lease before a beat of its own was answered, however old its nodeUp is", () => {
  const pair = new Pair();
  pair.pass(100, false);
  pair.linked = false;
  pair.pass(limits.leaseNodeMs, false);
  pair.applyDesk();
  assert.equal(pair.session.number, 1);
  assert.equal(pair.desk.usable(1, pair.nowMs), false, "the leader gives it nothing before it was heard");
  const slot = pair.run("job");
  assert.equal(pair.starts.length, 0);
  assert.equal(pair.session.unsettled, 1, "what it does not start it reports");
  pair.linked = true;
  pair.pass(limits.resultResendMs + limits.beatMs);
  assert.equal(pair.machine.stateOf(slot), "queued");
  assert.ok(pair.desk.usable(1, pair.nowMs));
});

test("H6b: a start that arrives after the lease lapsed does not run, and is not lost: the next join says what is held", () => {
  const pair = joined();
  const kept = pair.run("kept");
  pair.linked = false;
  pair.pass(limits.leaseNodeMs + 100, false);
  assert.equal(pair.session.number, 0);
  const late = pair.run("late");
  assert.equal(pair.starts.length, 1);
  pair.linked = true;
  pair.pass(1_000);
  const { live } = pair.machine.state;
  assert.equal(pair.session.number, 2);
  assert.deepEqual([pair.machine.stateOf(kept), live.token[kept], live.session[kept]], ["running", 1, 2]);
  assert.equal(pair.machine.stateOf(late), "queued");
  assert.deepEqual([pair.starts.length, pair.stops.length], [1, 0], "what is carried over is neither started again nor stopped");
  pair.report(kept, "completed");
  pair.pass(500);
  assert.equal(pair.machine.history.at(-1)?.how, "completed");
});

test("H7: the leader's lease lapses after the node's, and nodeLost ends what ran", () => {
  const pair = joined();
  const slot = pair.run("job");
  pair.linked = false;
  for (let waited = 0; waited < limits.leaseLeaderMs - limits.beatMs - 100; waited += 100) {
    pair.pass(100);
    assert.equal(pair.machine.stateOf(slot), "running");
  }
  assert.equal(pair.session.number, 0, "the node's came first");
  pair.pass(2 * limits.beatMs);
  assert.equal(pair.machine.stateOf(slot), "queued");
  assert.deepEqual(pair.stops.map(({ reason }) => reason), ["void"]);
});

test("H7a: what earlier leaders heard of a session, and when, is nothing to a new one", () => {
  const pair = joined();
  pair.pass(10 * limits.leaseLeaderMs);
  pair.linked = false;
  pair.elect();
  pair.pass(limits.leaseLeaderMs - SECOND, false);
  assert.deepEqual(pair.desk.takeCommands(), []);
  pair.pass(SECOND, false);
  assert.deepEqual(pair.desk.takeCommands().map(({ kind }) => kind), ["nodeLost"]);
});

test("H7b: after a gap of the loop every lease starts afresh", () => {
  const pair = joined();
  pair.nowMs += 20_000;
  pair.desk.tick(pair.nowMs);
  assert.deepEqual(pair.desk.takeCommands(), []);
});

test("H6f: a result is sent again until an entry has it, and is kept over a change of leader", () => {
  const pair = joined();
  const slot = pair.run("job");
  pair.linked = false;
  pair.report(slot, "completed");
  assert.equal(pair.session.unsettled, 1);
  pair.linked = true;
  pair.elect();
  pair.session.leaderChanged(pair.nowMs, NOON);
  assert.equal(pair.sent.filter(({ kind }) => kind === "results").length, 2, "once to each leader");
  assert.equal(pair.session.unsettled, 1, "received is not applied");
  pair.applyDesk();
  assert.equal(pair.session.unsettled, 0);
  assert.equal(pair.machine.history.at(-1)?.how, "completed");
});

test("H6c: a new leader's reconciliation adopts what is held and frees what was never started", () => {
  const pair = joined();
  const held = pair.run("held");
  const { live } = pair.machine.state;
  pair.machine.state.watcher = { ...pair.machine.state.watcher, started: () => undefined };
  const never = pair.run("never");
  pair.elect();
  const later = pair.run("later");
  pair.pass(limits.reconcileResendMs);
  assert.deepEqual([held, never, later].map((slot) => pair.machine.stateOf(slot)), ["running", "queued", "running"]);
  assert.equal(live.losses[never], 1);
});

test("H12: an attempt runs the type, payload and limits of the version that it was pinned to", () => {
  const pair = joined();
  const { machine } = pair;
  machine.create("job", spec(everySecond, { jobType: "http", hasPayload: true, timeoutMs: 5_000 }, { payload: { url: "old" } }), NOON);
  machine.fire("job", NOON + HOUR);
  const shell = spec(everySecond, { jobType: "shell", hasPayload: true, delivery: "at_most_once" }, { payload: { argv: ["new"] } });
  machine.one({ kind: "update", key: undefined, ref: machine.ref("job"), nextDueMs: 0, reschedule: false, ...fieldsOf(shell) });
  machine.start(machine.only("job"), 1);
  pair.session.entryApplied(pair.nowMs);
  const [batch] = pair.starts;
  const details = batch && detailsOf(batch.details, 0, batch.sequences[0] as number);
  assert.deepEqual([batch?.typeNames, batch?.timeoutsMs[0], details?.payload], [["http"], 5_000, { url: "old" }]);
  assert.equal(details?.deliverOnce, false);
  machine.entry([{ kind: "nodeLost", session: 1 }]);
  assert.equal(machine.stateOf(machine.only("job")), "queued", "it keeps the promise that it was made with");
  assert.equal(machine.cold.under("def/").length, 2);
  machine.one({ kind: "cancelExecution", key: undefined, sequence: 1 });
  assert.equal(machine.cold.under("def/").length, 1, "the old version goes with the last execution that runs it");
});

test("H6i: what is cancelled in the entry that starts it never reaches the face, and ends as cancelled", () => {
  const pair = joined();
  const { machine } = pair;
  machine.create("job", spec(at(NOON - SECOND)), NOON - SECOND);
  machine.fire("job", 0, 1);
  machine.one({ kind: "cancelExecution", key: undefined, sequence: 1 });
  pair.session.entryApplied(pair.nowMs);
  assert.equal(pair.starts.length, 0);
  pair.pass(limits.beatMs);
  assert.equal(machine.history.at(-1)?.how, "cancelled");
});

test("what the log did not take goes into the next entry, and no entry's results exceed what an entry may hold", () => {
  const pair = joined();
  pair.desk.add({ kind: "nodeLost", session: 9 });
  const commands = pair.desk.takeCommands();
  pair.desk.putBack(commands, undefined);
  assert.deepEqual(pair.desk.takeCommands(), commands);
  const writer = new ResultWriter();
  const count = 5_000;
  for (let i = 1; i <= count; i++) writer.add(i, 1, resultOutcome.failed, NOON, NOON, 0, "x".repeat(limits.errorTextMaxBytes));
  pair.desk.receive("n", { kind: "results", session: 1, items: writer.take() }, pair.nowMs);
  assert.equal(pair.desk.resultsWaiting, count);
  const take = (): Uint8Array | undefined => pair.desk.takeResultItems(limits.entryItemsMax);
  const first = take() as Uint8Array;
  pair.desk.putBack([], first);
  assert.equal(pair.desk.resultsWaiting, count);
  const lots: Uint8Array[] = [];
  for (let lot = take(); lot; lot = take()) lots.push(lot);
  assert.deepEqual([lots[0], pair.desk.resultsWaiting], [first, 0]);
  assert.ok(lots.every((lot) => lot.length < limits.appendMaxBytes));
  const sequences: number[] = [];
  for (const lot of lots) for (const cursor = new ResultCursor(lot); cursor.next(); ) sequences.push(cursor.sequence);
  assert.deepEqual(sequences, Array.from({ length: count }, (_, i) => i + 1));
});

test("after a snapshot, what ran is stopped if its session was lost meanwhile", () => {
  const pair = joined();
  const held = pair.run("held");
  const ended = pair.run("ended");
  const { state } = pair.machine;
  const seen = state.watcher;
  const unseen = { started: () => undefined, stopped: () => undefined, settled: () => undefined };
  state.watcher = { ...seen, ...unseen, sessionOpened: () => undefined, sessionClosed: () => undefined };
  const missed = pair.run("missed");
  pair.machine.entry([{ kind: "nodeLost", session: 1 }]);
  pair.machine.entry([{ kind: "nodeUp", node: "n", incarnation: 1, slots: 4, tags: [], held: [] }]);
  assert.deepEqual([held, ended, missed].map((slot) => pair.machine.stateOf(slot)), ["queued", "queued", "queued"]);
  state.watcher = seen;
  pair.session.stateReplaced(state);
  assert.equal(pair.session.number, 0, "a session whose starts were not all seen is none");
  pair.pass(1_000);
  assert.equal(pair.session.number, 3);
  assert.deepEqual(pair.stops.flatMap(({ tokens, reason }) => [...tokens].map((token) => [token, reason])), [[1, "void"], [2, "void"]]);
});

test("after a snapshot an attempt that is still its execution's newest is carried over into the next session", () => {
  const pair = joined();
  const held = pair.run("held");
  const { state } = pair.machine;
  const seen = state.watcher;
  state.watcher = { ...seen, started: () => undefined };
  const missed = pair.run("missed");
  state.watcher = seen;
  pair.session.stateReplaced(state);
  pair.pass(1_000);
  assert.equal(pair.session.number, 2);
  assert.deepEqual([pair.machine.stateOf(held), pair.machine.stateOf(missed)], ["running", "queued"]);
  assert.deepEqual([pair.starts.length, pair.stops.length], [1, 0]);
});
