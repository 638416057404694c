// The leader's desk alone, message by message: leases (D1), what an election asks of the sessions (D3), whom new work may be given (D4),
// joins and losses on their way, and results beyond what may wait. With a node's session at its other end: test/worker/session.test.ts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LeaderDesk } from "../../src/dispatch/desk.ts";
import type { LeaderMessage, WorkerMessage } from "../../src/dispatch/messages.ts";
import type { Command } from "../../src/jobs/command.ts";
import { ResultCursor, resultOutcome, ResultWriter } from "../../src/jobs/items.ts";
import { limits } from "../../src/limits.ts";
import { at, Machine, NOON, SECOND, spec } from "../jobs/machine.ts";

const TERM = 7;

class Leader {
  readonly machine = new Machine();
  readonly sent: { readonly node: string; readonly message: LeaderMessage }[] = [];
  readonly wallClocks: (readonly [node: string, wallMs: number])[] = [];
  /** Rows for whose failure a time of the next attempt was asked for. */
  readonly retried: number[] = [];
  nowMs = 1_000_000;
  desk = this.elect();

  elect(): LeaderDesk {
    this.desk = new LeaderDesk(this.machine.state, TERM, this.nowMs, {
      send: (node, message) => void this.sent.push({ node, message }),
      retryAt: (slot) => this.retried.push(slot),
      wallClock: (node, wallMs) => void this.wallClocks.push([node, wallMs]),
    });
    return this.desk;
  }

  /** A session that this leader opened. */
  open(node: string): number {
    const session = this.machine.up(node);
    this.desk.sessionOpened(node, session, this.nowMs);
    return session;
  }

  /** Time goes on by heartbeats; what is asked for meanwhile is told. */
  pass(ms: number): Command[] {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs = Math.min(endMs, this.nowMs + limits.heartbeatMs);
      this.desk.tick(this.nowMs);
    }
    return this.desk.takeCommands();
  }

  receive(from: string, message: WorkerMessage): void {
    this.desk.receive(from, message, this.nowMs);
  }

  beat(node: string, session: number, leaving = false): void {
    this.receive(node, { kind: "beat", node, session, sentAtMs: 5, wallMs: NOON, leaving });
  }

  join(node: string, incarnation: number, known = 0): void {
    this.receive(node, { kind: "join", node, incarnation, slots: 4, tags: [], known, held: [] });
  }

  held(node: string, session: number, tokens: readonly number[], term = TERM): void {
    this.receive(node, { kind: "held", term, session, held: tokens.map((token) => ({ sequence: 0, token })) });
  }

  /** A one-shot that runs in a session; returns its live row. */
  run(jobId: string, session: number): number {
    this.machine.create(jobId, spec(at(NOON - SECOND)), NOON - SECOND);
    this.machine.fire(jobId, 0, session);
    return this.machine.only(jobId);
  }

  token(slot: number): number {
    return this.machine.state.live.token[slot] as number;
  }

  /** Tokens and outcomes of the results that wait. */
  results(): (readonly [token: number, outcome: number])[] {
    const found: (readonly [number, number])[] = [];
    const items = this.desk.takeResultItems(Number.MAX_SAFE_INTEGER);
    if (items) for (const item = new ResultCursor(items); item.next(); ) found.push([item.token, item.outcome]);
    return found;
  }

  asked(): LeaderMessage[] {
    return this.sent.map(({ message }) => message).filter(({ kind }) => kind === "reconcile");
  }
}

const lost = (session: number): Command => ({ kind: "nodeLost", session });

describe("leases (D1)", () => {
  test("a session that is not heard is lost when its lease is over, and not before", () => {
    const leader = new Leader();
    const session = leader.open("a");
    assert.deepEqual(leader.pass(limits.leaseLeaderMs - 1), []);
    assert.deepEqual(leader.pass(1), [lost(session)]);
  });

  test("a beat of the node that has the session renews it, another's does not", () => {
    const leader = new Leader();
    const [a, b] = [leader.open("a"), leader.open("b")];
    leader.pass(limits.leaseLeaderMs - 1);
    leader.beat("a", a);
    leader.beat("a", b);
    assert.deepEqual(leader.pass(1), [lost(b)]);
    assert.deepEqual(leader.pass(limits.leaseLeaderMs - 2), []);
    assert.deepEqual(leader.pass(1), [lost(a)]);
  });

  test("a gap of the leader's own loop starts all leases afresh, the usual distance of ticks does not", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const usualMs = limits.heartbeatMs + limits.beatMs;
    leader.pass(limits.leaseLeaderMs - usualMs);
    leader.nowMs += usualMs + 1;
    leader.desk.tick(leader.nowMs);
    assert.deepEqual(leader.pass(limits.leaseLeaderMs - usualMs), []);
    leader.nowMs += usualMs;
    leader.desk.tick(leader.nowMs);
    assert.deepEqual(leader.desk.takeCommands(), [lost(session)]);
  });

  test("an election gives every open session a whole lease, and none to a node without one", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const closed = leader.open("b");
    leader.machine.entry([lost(closed)]);
    leader.pass(limits.leaseLeaderMs - 1);
    leader.elect();
    assert.deepEqual(leader.pass(limits.leaseLeaderMs - 1), []);
    assert.deepEqual(leader.pass(1), [lost(session)]);
  });
});

describe("joins and losses on their way", () => {
  test("a loss is asked for once; again when its entry was lost, and no more when the session is closed", () => {
    const leader = new Leader();
    const session = leader.open("a");
    leader.pass(limits.leaseLeaderMs);
    assert.deepEqual(leader.pass(limits.leaseLeaderMs), []);
    leader.desk.commandLost(lost(session));
    assert.deepEqual(leader.pass(limits.heartbeatMs), [lost(session)]);
    leader.desk.sessionClosed(session);
    leader.desk.commandLost(lost(session));
    assert.deepEqual(leader.pass(limits.leaseLeaderMs), []);
  });

  test("a session that is being lost is dead to its beats", () => {
    const leader = new Leader();
    const session = leader.open("a");
    leader.pass(limits.leaseLeaderMs);
    leader.beat("a", session);
    assert.equal(leader.desk.usable(session, leader.nowMs), false);
    assert.deepEqual(leader.sent.at(-1)?.message, { kind: "beat_reply", term: TERM, session, sentAtMs: 5, alive: false });
  });

  test("a join is asked for once; again when its entry was lost, or after the session that it opened", () => {
    const leader = new Leader();
    const shown = (each: Command): string => (each.kind === "nodeUp" ? `${each.node}${each.incarnation}` : each.kind);
    const joins = (): string[] => leader.desk.takeCommands().map(shown);
    leader.join("a", 1);
    leader.join("a", 1);
    leader.join("b", 3);
    assert.deepEqual(joins(), ["a1", "b3"]);
    leader.desk.commandLost({ kind: "nodeUp", node: "a", incarnation: 1, slots: 4, tags: [], held: [] });
    leader.join("b", 3);
    leader.join("a", 1);
    assert.deepEqual(joins(), ["a1"]);
    const session = leader.open("a");
    leader.join("a", 2, session);
    assert.deepEqual(joins(), ["a2"]);
  });

  test("a node that has not applied its newest session yet waits for it; a later incarnation does not", () => {
    const leader = new Leader();
    const session = leader.open("a");
    leader.join("a", 1, session - 1);
    assert.equal(leader.desk.waiting, 0);
    leader.join("a", 2, 0);
    assert.equal(leader.desk.takeCommands().length, 1);
    leader.desk.sessionOpened("a", session, leader.nowMs);
    leader.join("a", 1, session);
    assert.equal(leader.desk.waiting, 1, "it knows of the session and lost it");
  });
});

describe("who may be given new work (D4)", () => {
  test("only a session whose beat this leader heard, and for as long as beats are in time", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const usable = (): boolean => leader.desk.usable(session, leader.nowMs);
    assert.equal(usable(), false, "an entry that opened it is no word of its own");
    leader.beat("a", session);
    assert.equal(usable(), true);
    leader.nowMs += limits.beatSilenceMs - 1;
    assert.equal(usable(), true);
    leader.nowMs += 1;
    assert.equal(usable(), false);
    assert.deepEqual(leader.pass(limits.heartbeatMs), [], "silence alone takes nothing from it");
    leader.beat("a", session);
    assert.equal(usable(), true);
    leader.elect();
    assert.equal(usable(), false, "another leader heard it");
  });

  test("not one that is leaving, though it keeps its lease; nor one that is closed, or another node's", () => {
    const leader = new Leader();
    const [a, b] = [leader.open("a"), leader.open("b")];
    leader.beat("a", a);
    leader.pass(limits.leaseLeaderMs - 1);
    leader.beat("a", a, true);
    leader.beat("a", b);
    assert.equal(leader.desk.usable(a, leader.nowMs), false);
    assert.equal(leader.desk.usable(b, leader.nowMs), false);
    assert.deepEqual(leader.pass(1), [lost(b)]);
    leader.beat("a", a);
    assert.equal(leader.desk.usable(a, leader.nowMs), true);
    leader.desk.sessionClosed(a);
    assert.equal(leader.desk.usable(a, leader.nowMs), false);
  });

  test("every beat is answered by whether its session lives, and its wall clock is told", () => {
    const leader = new Leader();
    const session = leader.open("a");
    for (const [node, of, alive] of [["a", session, true], ["b", session, false], ["a", session + 1, false]] as const) {
      leader.beat(node, of);
      assert.deepEqual(leader.sent.at(-1), { node, message: { kind: "beat_reply", term: TERM, session: of, sentAtMs: 5, alive } });
      assert.deepEqual(leader.wallClocks.at(-1), [node, NOON]);
    }
  });
});

describe("what an election asks of the sessions (D3)", () => {
  test("each open session is asked what it holds, at the index of the election, until it says so", () => {
    const leader = new Leader();
    const [a, b] = [leader.open("a"), leader.open("b")];
    leader.machine.entry([lost(b)]);
    const { appliedIndex: index } = leader.machine.state;
    leader.elect();
    leader.machine.entry([]);
    leader.pass(limits.heartbeatMs);
    const question = { kind: "reconcile", term: TERM, session: a, index };
    assert.deepEqual(leader.asked(), [question]);
    leader.pass(limits.reconcileResendMs - 1);
    assert.equal(leader.asked().length, 1);
    leader.pass(1);
    assert.deepEqual(leader.asked(), [question, question]);
    leader.held("a", a, []);
    const opened = leader.open("c");
    leader.pass(3 * limits.reconcileResendMs);
    assert.equal(leader.asked().length, 2, `neither one that answered is asked, nor ${opened}, which this leader opened`);
  });

  test("a session that is closed is asked no more", () => {
    const leader = new Leader();
    const session = leader.open("a");
    leader.elect();
    leader.pass(limits.heartbeatMs);
    leader.desk.sessionClosed(session);
    leader.pass(3 * limits.reconcileResendMs);
    assert.equal(leader.asked().length, 1);
  });

  test("what a session does not hold was never started: of its own, and of tokens given before the election", () => {
    const leader = new Leader();
    const [a, b] = [leader.open("a"), leader.open("b")];
    const [kept, gone, others] = [leader.run("kept", a), leader.run("gone", a), leader.run("others", b)];
    leader.machine.result(leader.run("waits", a), "failed", NOON + SECOND);
    leader.elect();
    leader.run("later", a);
    leader.held("a", a, [leader.token(kept)]);
    assert.deepEqual(leader.results(), [[leader.token(gone), resultOutcome.notStarted]]);
    leader.held("b", b, []);
    assert.deepEqual(leader.results(), [[leader.token(others), resultOutcome.notStarted]]);
  });

  test("an answer to another leader's question, or a second one, says nothing", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const slot = leader.run("job", session);
    leader.elect();
    leader.held("a", session, [], TERM - 1);
    assert.deepEqual(leader.results(), []);
    leader.held("a", session, [leader.token(slot)]);
    leader.held("a", session, []);
    assert.deepEqual(leader.results(), []);
    leader.pass(3 * limits.reconcileResendMs);
    assert.equal(leader.asked().length, 0);
  });
});

describe("results", () => {
  test("what comes when as many wait as may is dropped: its node sends it again", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const writer = new ResultWriter();
    const perMessage = limits.resultsWaitingMax / 8;
    for (let i = 1; i <= perMessage; i++) writer.add(i, 1, resultOutcome.completed, NOON, NOON, 0, "");
    const items = writer.take();
    for (let i = 0; i < 8; i++) leader.receive("a", { kind: "results", session, items });
    assert.equal(leader.desk.resultsWaiting, limits.resultsWaitingMax);
    leader.receive("a", { kind: "results", session, items });
    assert.equal(leader.desk.resultsWaiting, limits.resultsWaitingMax);
    leader.desk.takeResultItems(1);
    leader.receive("a", { kind: "results", session, items });
    assert.ok(leader.desk.resultsWaiting > limits.resultsWaitingMax, "there is room again");
  });

  test("a result is taken once while it waits or is on its way; of another attempt, and of one that is over, again", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const slot = leader.run("job", session);
    const send = (token: number): void => {
      const writer = new ResultWriter();
      const sequence = leader.machine.state.live.sequence[slot] as number;
      writer.add(sequence, token, resultOutcome.completed, NOON, NOON, 0, "");
      leader.receive("a", { kind: "results", session, items: writer.take() });
    };
    const token = leader.token(slot);
    send(token);
    send(token);
    assert.deepEqual(leader.results(), [[token, resultOutcome.completed]]);
    send(token);
    assert.deepEqual(leader.results(), [], "it is on its way");
    leader.machine.state.live.token[slot] = token + 1;
    send(token + 1);
    send(token);
    assert.deepEqual(leader.results(), [[token + 1, resultOutcome.completed], [token, resultOutcome.completed]]);
  });

  test("a failure is given the time of its next attempt if its token is the newest", () => {
    const leader = new Leader();
    const session = leader.open("a");
    const slots = ["failed", "timeout", "completed"].map((name) => leader.run(name, session));
    const { sequence } = leader.machine.state.live;
    const writer = new ResultWriter();
    const outcomes = [resultOutcome.failed, resultOutcome.timeout, resultOutcome.completed];
    for (const [i, slot] of slots.entries()) {
      writer.add(sequence[slot] as number, leader.token(slot), outcomes[i] as number, NOON, NOON, 0, "");
      writer.add(sequence[slot] as number, leader.token(slot) - 1, resultOutcome.failed, NOON, NOON, 0, "");
    }
    leader.receive("a", { kind: "results", session, items: writer.take() });
    assert.deepEqual(leader.retried, slots.slice(0, 2));
    assert.equal(leader.desk.resultsWaiting, 6, "all are proposed, whatever their verdict will be (D2)");
  });
});
