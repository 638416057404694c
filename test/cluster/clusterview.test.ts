// What a node says of the members: of itself what it knows, of the others what their leader knows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memberViews } from "../../src/cluster/clusterview.ts";
import type { ViewParts } from "../../src/cluster/clusterview.ts";
import { encodePlace } from "../../src/cluster/members.ts";
import type { MemberView } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import type { PeerStatus, RaftStatus } from "../../src/raft/types.ts";

const COMMIT = 5_000;
const ids = ["a", "b", "c", "d", "e"];
const places = new Map(ids.map((id, at) => [id, encodePlace({ peer: `10.0.0.${at}:7600`, api: `10.0.0.${at}:7500` })]));

function peer(id: string, more: Partial<PeerStatus>): PeerStatus {
  const well = { state: "replicate", inFlight: 0, recentActive: true, hasAnswered: true, learner: false } as const;
  return { id, match: COMMIT, next: COMMIT + 1, ...well, ...more };
}

function views(status: Partial<RaftStatus>, more: Partial<ViewParts> = {}): MemberView[] {
  const whole: RaftStatus = {
    id: "a", role: "leader", term: 4, vote: "a", leader: "a", commit: COMMIT, applied: COMMIT - 1, firstIndex: 1, lastIndex: COMMIT,
    durableIndex: COMMIT, transferringTo: undefined, peers: [], invalidMessages: 0, ...status,
  };
  const membership = { voters: [["a", "b", "c"], ["a", "b", "d"]], learners: ["e"], places };
  const versionOf = (id: string): string | undefined => (id === "d" ? undefined : "0.1.0");
  return memberViews({ self: "a", version: "0.1.0", status: whole, membership, versionOf, skewMs: () => 7, ...more });
}

test("the leader knows how far each member is and what it waits for; voters of either set of a joint membership vote", () => {
  const behind = COMMIT - limits.caughtUpEntries;
  const peers = [
    peer("b", { match: COMMIT + 2 }), peer("c", { state: "regressed", match: 10 }), peer("d", {}),
    peer("e", { match: behind - 1, learner: true }),
  ];
  const told = views({ peers }).map(({ id, role, state, appliedIndex, matchIndex, lag, healthy }) =>
    [id, role, state, appliedIndex, matchIndex, lag, healthy].join(" "));
  assert.deepEqual(told, [
    "a leader up 4999 5000 1 true",
    "b voter up 5000 5002 0 true",
    "c voter regressed 10 10 4990 true",
    "d voter unreachable 5000 5000 0 false",
    `e learner catching_up ${behind - 1} ${behind - 1} ${limits.caughtUpEntries + 1} true`,
  ]);
  const states = (more: Partial<PeerStatus>): string | undefined => views({ peers: [peer("b", more)] })[1]?.state;
  assert.deepEqual(
    [states({ state: "snapshot" }), states({ recentActive: false }), states({ match: behind })],
    ["snapshot", "unreachable", "up"],
  );
  assert.deepEqual(views({}).map(({ clockSkewMs }) => clockSkewMs), [0, 7, 7, 7, 7]);
});

test("who does not lead knows of the others whether they are linked, and of itself whether anybody leads", () => {
  const following = views({ role: "follower", leader: "b" });
  assert.deepEqual(following.map(({ role, state, lag }) => [role, state, lag]), [
    ["voter", "up", 1], ["leader", "up", undefined], ["voter", "up", undefined], ["voter", "unreachable", undefined],
    ["learner", "up", undefined],
  ]);
  const own = (status: Partial<RaftStatus>): string | undefined => views(status)[0]?.state;
  assert.equal(own({ role: "follower", leader: undefined }), "no_leader");
  assert.equal(own({ role: "pre_candidate", leader: undefined }), "no_leader");
  assert.equal(own({ role: "follower", leader: "b", applied: 1 }), "catching_up");
});
