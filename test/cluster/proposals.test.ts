// P2: every change has exactly one answer, whatever becomes of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { Proposals } from "../../src/cluster/proposals.ts";
import type { ForwardId, Waiting } from "../../src/cluster/proposals.ts";
import type { Reply } from "../../src/jobs/reply.ts";
import { stale } from "../../src/jobs/reply.ts";
import type { Change } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";

const change: Change = { kind: "trigger", jobId: "job" };
const done: Reply = { kind: "done", status: "triggered", jobId: "job", sequence: 1, index: 7 };

class Desk {
  readonly proposals = new Proposals(1);
  readonly answers: string[] = [];
  settled = 0;

  submit(name: string, nowMs = 0, bytes = 10): void {
    this.proposals.submit(change, undefined, bytes, nowMs, (outcome) => {
      const text = outcome instanceof PawlError ? `${outcome.code}/${outcome.outcome}` : outcome.status;
      this.answers.push(`${name}: ${text}`);
    });
  }

  propose(index: number, term = 1): void {
    const changes: readonly Waiting[] = this.proposals.take(10, 1000);
    this.proposals.proposed(index, term, changes, () => void this.settled++);
  }

  /** After everything: nobody is answered twice, and all bytes have been given back. */
  end(...expected: string[]): void {
    this.proposals.applied(1_000, 1, [], "s", 0);
    this.proposals.expire(1e9, false);
    this.proposals.forwardAnswered({ birth: 1, number: 1 }, { status: "triggered", index: 1 });
    assert.deepEqual(this.answers, expected);
    this.submit("large", 0, limits.proposalsWaitingMaxBytes);
    assert.deepEqual(this.answers, expected, "the queue is empty to the byte");
    this.proposals.abandon();
    assert.equal(this.answers.length, expected.length + 1);
  }
}

test("done and refused are relayed by position; stale is computed again, a bounded number of times", () => {
  const desk = new Desk();
  for (const name of ["a", "b", "c"]) desk.submit(name);
  desk.propose(7);
  desk.proposals.applied(7, 1, [done, { kind: "refused", code: "exists", message: "" }, stale], "s", 0);
  assert.deepEqual(desk.answers, ["a: triggered", "b: exists/rejected"]);
  for (let index = 8; desk.proposals.waiting > 0; index++) {
    desk.propose(index);
    desk.proposals.applied(index, 1, [stale], "s", 0);
  }
  assert.equal(desk.settled, limits.recomputesMax);
  desk.end("a: triggered", "b: exists/rejected", "c: conflict/rejected");
});

test("an entry whose place another took never happened: its changes are proposed again", () => {
  const desk = new Desk();
  desk.submit("a");
  desk.propose(7, 1);
  desk.proposals.applied(7, 2, [undefined], "s", 0);
  assert.deepEqual([desk.answers, desk.proposals.waiting, desk.settled], [[], 1, 1]);
  desk.propose(8, 3);
  desk.proposals.applied(8, 3, [done], "s", 0);
  desk.end("a: triggered");
});

test("an entry that this node did not see being applied: nobody can tell", () => {
  const desk = new Desk();
  desk.submit("a");
  desk.propose(7);
  desk.proposals.applied(9, 2, [], "s", 0);
  desk.end("a: timeout/unknown");
});

test("time's end says rejected in the queue, unknown in flight and at the leader, each for itself", () => {
  const late = limits.proposalTimeoutMs;
  const queued = new Desk();
  queued.submit("a");
  queued.proposals.expire(late - 1, false, "x");
  assert.deepEqual(queued.answers, []);
  queued.proposals.expire(late, false, "x");
  queued.end("a: unavailable/rejected");
  const leaderless = new Desk();
  leaderless.submit("a");
  leaderless.proposals.expire(limits.noQuorumPatienceMs, true);
  leaderless.end("a: no_quorum/rejected");
  const flying = new Desk();
  flying.submit("old");
  flying.submit("new", 5);
  flying.propose(7);
  flying.proposals.expire(late, false);
  assert.deepEqual(flying.answers, ["old: timeout/unknown"]);
  flying.proposals.applied(7, 1, [done, done], "s", 0);
  flying.end("old: timeout/unknown", "new: triggered");
});

test("without a majority what was sent or is in the log is unknown as soon as what was not is rejected", () => {
  const desk = new Desk();
  desk.submit("flying");
  desk.propose(7);
  desk.submit("sent");
  desk.proposals.forward("x", () => true);
  desk.submit("queued");
  desk.proposals.expire(limits.noQuorumPatienceMs - 1, true, "x");
  assert.deepEqual(desk.answers, []);
  desk.proposals.expire(limits.noQuorumPatienceMs, true, "x");
  desk.end("queued: no_quorum/rejected", "sent: no_quorum/unknown", "flying: no_quorum/unknown");
});

test("without a leader that can take it nothing waits long, though a majority was just heard of", () => {
  const desk = new Desk();
  desk.submit("queued");
  desk.proposals.expire(limits.noQuorumPatienceMs - 1, false);
  assert.deepEqual(desk.answers, []);
  desk.proposals.expire(limits.noQuorumPatienceMs, false);
  desk.end("queued: no_quorum/rejected");
});

test("what was sent to a leader that silently stopped is unknown soon after another one leads", () => {
  const desk = new Desk();
  desk.submit("sent");
  desk.proposals.forward("x", () => true);
  desk.proposals.expire(100, false, "x");
  desk.proposals.expire(1_000, false);
  desk.proposals.expire(1_100, false, "y");
  desk.proposals.expire(1_100 + limits.formerLeaderMs - 1, false, "y");
  assert.deepEqual(desk.answers, [], "a leader that hands over in good order has the time to answer");
  desk.proposals.expire(1_100 + limits.formerLeaderMs, false, "y");
  desk.end("sent: timeout/unknown");
});

test("what was sent to a leader that silently stopped does not wait long for another one", () => {
  const desk = new Desk();
  desk.submit("sent");
  desk.proposals.forward("x", () => true);
  desk.proposals.expire(limits.noQuorumPatienceMs - 1, false);
  assert.deepEqual(desk.answers, []);
  desk.proposals.expire(limits.noQuorumPatienceMs, false);
  desk.end("sent: timeout/unknown");
});

test("forwarded: one answer from the leader, from the end of time, or from the loss of the link; not_leader is asked again", () => {
  const ids: ForwardId[] = [];
  const send = (id: ForwardId): boolean => ids.push(id) > 0;
  const desk = new Desk();
  for (const name of ["a", "b", "c"]) desk.submit(name);
  desk.proposals.forward("x", send);
  const [{ birth, number }] = ids as [ForwardId];
  desk.proposals.forwardAnswered({ birth: birth - 1, number }, { status: "updated", index: 1 });
  desk.proposals.forwardAnswered(ids[0] as ForwardId, { status: "triggered", index: 1 });
  desk.proposals.forwardAnswered(ids[0] as ForwardId, { status: "triggered", index: 1 });
  desk.proposals.forwardAnswered(ids[1] as ForwardId, new PawlError("not_leader", ""));
  assert.equal(desk.proposals.waiting, 1);
  desk.proposals.linkLost("y");
  desk.proposals.linkLost("x");
  assert.deepEqual(desk.answers, ["a: triggered", "c: timeout/unknown"]);
  desk.proposals.forward("y", () => false);
  assert.equal(desk.proposals.waiting, 1, "what could not be sent waits");
  desk.proposals.forward("y", send);
  desk.proposals.expire(limits.proposalTimeoutMs, false);
  desk.end("a: triggered", "c: timeout/unknown", "b: timeout/unknown");
});

test("abandon answers everybody: rejected where nothing was sent", () => {
  const desk = new Desk();
  desk.submit("flying");
  desk.propose(7);
  desk.submit("sent");
  desk.proposals.forward("x", () => true);
  desk.submit("queued");
  desk.proposals.abandon();
  desk.end("queued: unavailable/rejected", "sent: timeout/unknown", "flying: timeout/unknown");
});

test("an operator's word on the clock counts as long as it waits", () => {
  const proposals = new Proposals(1);
  proposals.submit({ kind: "confirm_clock" }, undefined, 1, 0, () => undefined);
  assert.equal(proposals.confirming, true);
  const taken = proposals.take(1, 1);
  assert.equal(proposals.confirming, false);
  proposals.putBack(taken);
  assert.equal(proposals.confirming, true);
  proposals.expire(limits.proposalTimeoutMs, false);
  assert.equal(proposals.confirming, false);
});

test("an order that cannot be done yet waits, and changes of the state pass it by", () => {
  const proposals = new Proposals(1);
  proposals.submit({ kind: "transfer" }, undefined, 1, 0, () => undefined);
  proposals.submit(change, undefined, 1, 0, () => undefined);
  const orders = proposals.takeOrders();
  proposals.putBack(orders);
  assert.deepEqual(proposals.take(10, 1000).map((waiting) => waiting.change), [change]);
  assert.deepEqual(proposals.takeOrders(), orders);
  assert.equal(proposals.waiting, 0);
});
