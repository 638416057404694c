// Owns: memberships by themselves: their bytes, the steps from one to another, the list of those that may be in force; and what the door
// tells of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BugError, PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { decodeMembership, encodeMembership, isJoint, isWellFormed } from "../../src/raft/membership.ts";
import { Memberships, nobody, stepTowards, withoutLeft } from "../../src/raft/membership.ts";
import { tally } from "../../src/raft/quorum.ts";
import type { Entry, Membership, MembershipTarget, NodeId, PeerStatus } from "../../src/raft/types.ts";
import { SimCluster } from "./cluster.ts";

const seed = 20_261_121;
const ids = ["a", "b", "c", "d", "e", "f"];
const set = fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1, maxLength: 6 });
const target: fc.Arbitrary<MembershipTarget> = fc.tuple(set, fc.subarray(ids), fc.subarray(ids)).map(([voters, some, placed]) => {
  const learners = some.filter((id) => !voters.includes(id));
  const members = [...voters, ...learners];
  return { voters, learners, places: new Map(placed.filter((id) => members.includes(id)).map((id) => [id, `at ${id}`])) };
});
const settled = (asked: MembershipTarget): Membership => ({ ...asked, voters: [[...asked.voters].sort()] });

function canPart(one: Membership, other: Membership): boolean {
  for (let some = 0; some < 2 ** ids.length; some++) {
    const isIn = (id: NodeId): boolean => ((some >> ids.indexOf(id)) & 1) === 1;
    if (tally(one.voters, isIn) === "won" && tally(other.voters, (id) => !isIn(id)) === "won") return true;
  }
  return false;
}

test("each step to a target has a common node with the one before in any two majorities, and there are two steps at most (M2)", () => {
  const property = fc.property(target, target, (from, to) => {
    const start = settled(from);
    const first = stepTowards(start, to);
    assert.ok(isWellFormed(first));
    assert.ok(!canPart(start, first));
    const last = isJoint(first) ? withoutLeft(first) : first;
    assert.ok(!canPart(first, last));
    assert.deepEqual(last.voters, settled(to).voters);
    assert.deepEqual([...last.learners], [...to.learners].sort());
    for (const [id, place] of to.places) assert.equal(last.places.get(id), place);
    const members = [...to.voters, ...to.learners];
    for (const id of last.places.keys()) assert.ok(members.includes(id), `${id} is gone, its place is not`);
  });
  fc.assert(property, { numRuns: 1500, seed });
});

test("a membership comes back as it was written, and its bytes do not depend on the order of places", () => {
  const property = fc.property(target, target, (from, to) => {
    for (const membership of [settled(to), stepTowards(settled(from), to)]) {
      const bytes = encodeMembership(membership);
      assert.deepEqual(decodeMembership(bytes), { ...membership, places: new Map(membership.places) });
      const turned = { ...membership, places: new Map([...membership.places].reverse()) };
      assert.deepEqual(encodeMembership(turned), bytes);
    }
  });
  fc.assert(property, { numRuns: 500, seed });
});

function refuses(bytes: Uint8Array): void {
  const code = bytes.length > 0 && bytes[0] !== 1 ? "too_new" : "quarantined";
  assert.throws(() => decodeMembership(bytes), (error) => error instanceof PawlError && error.code === code);
}

test("bytes that are cut, longer, of another version or of no membership are refused", () => {
  const bytes = encodeMembership({ voters: [["a", "b"]], learners: ["c"], places: new Map([["a", "x"]]) });
  for (let length = 0; length < bytes.length; length++) refuses(bytes.subarray(0, length));
  refuses(Uint8Array.from([...bytes, 0]));
  refuses(bytes.with(0, 2));
  refuses(bytes.with(bytes.indexOf(97), 0xff));
  const wrong: Membership[] = [
    { voters: [], learners: ["a"], places: new Map() },
    { voters: [[]], learners: [], places: new Map() },
    { voters: [["a"], ["b"], ["c"]], learners: [], places: new Map() },
    { voters: [["a", "a"]], learners: [], places: new Map() },
    { voters: [["a", ""]], learners: [], places: new Map() },
    { voters: [["a"], ["b"]], learners: ["b"], places: new Map() },
    { voters: [["a"]], learners: [], places: new Map([["z", "nobody"]]) },
    { voters: [["a"]], learners: [], places: new Map([["a", "x".repeat(limits.memberPlaceMaxChars + 1)]]) },
    { voters: [Array.from({ length: limits.nodesMax + 1 }, (_, i) => `n${i}`)], learners: [], places: new Map() },
  ];
  for (const membership of wrong) refuses(encodeMembership(membership));
  const leaving: Membership = { voters: [["a", "b"], ["b"]], learners: ["a"], places: new Map() };
  assert.ok(isWellFormed(leaving), "a voter that becomes a learner is both while the joint membership lasts");
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (some) => refuses(some)), { numRuns: 2000, seed });
});

function entry(index: number, ...voters: NodeId[]): Entry {
  return { index, term: 1, kind: "membership", data: encodeMembership({ voters: [voters], learners: [], places: new Map() }) };
}

test("the list answers for what is applied and later, falls back at a cut, and lets go of the rest (M1, M3)", () => {
  const list = new Memberships({ index: 3, membership: decodeMembership(entry(3, "a").data) }, [entry(2, "z"), entry(5, "a", "b")]);
  assert.deepEqual([list.latest.index, list.at(3).index, list.at(4).index, list.at(5).index], [5, 3, 3, 5]);
  list.append(entry(8, "a", "b", "c"));
  assert.equal(list.cut(9), false);
  assert.equal(list.cut(8), true);
  assert.deepEqual(list.latest.membership.voters, [["a", "b"]]);
  list.append(entry(9, "b"));
  list.release(7);
  assert.deepEqual([list.at(7).index, list.at(8).index, list.at(9).index], [5, 5, 9]);
  assert.throws(() => list.at(4), BugError);
  assert.throws(() => list.append(entry(9, "c")), BugError);
  assert.throws(() => list.cut(1), BugError);
});

test("a member is heard until its removal is applied, since the entry may be cut by a leader that never had it (M4)", () => {
  const list = new Memberships({ index: 3, membership: decodeMembership(entry(3, "a", "b").data) }, []);
  list.append(entry(5, "a"));
  assert.deepEqual([list.circle.index, [...list.circle.ids]], [5, ["a", "b"]]);
  const { circle } = list;
  list.release(4);
  assert.equal(list.circle, circle);
  list.release(5);
  assert.deepEqual([...list.circle.ids], ["a"]);
});

test("the door tells of each membership once, and for a checkpoint the one in force there", () => {
  const made = new SimCluster({ voters: [["1"]], learners: [] }, 3, {}, ["2"]);
  made.start("1");
  const node = made.node("1");
  assert.deepEqual([node.lastReady?.circle?.index, [...(node.lastReady?.circle?.ids ?? [])]], [0, ["1"]]);
  made.advance(node, node.core.nextDeadlineMs());
  assert.equal(node.lastReady?.circle, undefined);
  const places = new Map([["2", "there"]]);
  node.diskHeld = true;
  assert.deepEqual(node.core.changeMembership({ voters: ["1"], learners: ["2"], places }, node.nowMs), { index: 2, term: 1 });
  const { circle, commit } = node.core.take(node.nowMs);
  assert.deepEqual([commit, circle?.index, circle?.places], [1, 2, places]);
  assert.deepEqual([node.core.membership().index, node.core.membershipAt(1).index], [2, 0]);
  assert.deepEqual(nobody.membership.voters, []);
});

test("the slowest healthy match is that of the members that are heard and streamed to", () => {
  const made = new SimCluster({ voters: [["1", "2", "3"]], learners: ["4"] }, 3);
  for (const id of ["1", "2", "3", "4"]) made.start(id);
  const leader = made.node("1");
  assert.equal(leader.core.slowestHealthyMatch(), Number.POSITIVE_INFINITY);
  made.advance(leader, leader.core.nextDeadlineMs());
  made.settle();
  const propose = (): void => {
    leader.core.propose(new Uint8Array(1), leader.nowMs);
    made.pump(leader);
  };
  propose();
  made.run(200);
  assert.equal(leader.core.slowestHealthyMatch(), 2);
  made.cut.add("4>1");
  propose();
  made.run(300);
  assert.equal(leader.core.slowestHealthyMatch(), 2);
  made.run(1000);
  assert.equal(leader.core.slowestHealthyMatch(), 3);
  assert.deepEqual(leader.core.status().peers.map(({ id, learner, recentActive }) => [id, learner, recentActive]), [
    ["2", false, true],
    ["3", false, true],
    ["4", true, false],
  ]);
});

test("a member that was demoted has answered only when it answers a heartbeat of after that: a late acknowledgement is of before", () => {
  const made = new SimCluster({ voters: [["1", "2", "3"]], learners: [] }, 3);
  for (const id of ["1", "2", "3"]) made.start(id);
  made.run(5_000);
  const [leader] = made.leaders();
  assert.ok(leader);
  const [away, other] = ["1", "2", "3"].filter((id) => id !== leader.id) as [string, string];
  made.crash(away, true);
  leader.core.changeMembership({ voters: [leader.id, other], learners: [away], places: new Map() }, leader.nowMs);
  made.run(500);
  const { term, match } = { ...leader.core.status(), match: 2 };
  const peer = (): PeerStatus => leader.core.status().peers.find(({ id }) => id === away) as PeerStatus;
  assert.deepEqual([peer().learner, peer().match, peer().hasAnswered], [true, 0, false]);
  leader.core.step(away, { kind: "append_reply", term, accepted: true, match, hintIndex: 0, hintTerm: 0 }, leader.nowMs);
  leader.core.step(away, { kind: "heartbeat_reply", term, round: 1, lastIndex: match, commit: 0 }, leader.nowMs);
  assert.deepEqual([peer().match, peer().hasAnswered], [match, false]);
  made.start(away);
  made.run(1_000);
  assert.equal(peer().hasAnswered, true);
});
