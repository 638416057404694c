// What requests and a leader's upkeep make of a membership: a table of requests, and for every small membership and health that no plan
// leaves a set that could not be committed (B2) or survives less than before (B3).

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { decodePlace, encodePlace, planRequest, planUpkeep } from "../../src/cluster/members.ts";
import type { Target, Vitals } from "../../src/cluster/members.ts";
import type { MembershipRequest } from "../../src/jobs/views.ts";
import type { Membership } from "../../src/raft/types.ts";

function membership(voters: string, learners = "", waiting = ""): Membership {
  const ids = [...voters, ...learners, ...waiting];
  const places = new Map(
    ids.map((id) => [id, encodePlace({ peer: `${id}:1`, api: `${id}:2`, ...(waiting.includes(id) ? { promote: true } : {}) })]),
  );
  return { voters: [[...voters]], learners: [...learners, ...waiting], places };
}

function vitals(dead = "", behind = ""): Vitals {
  return {
    isHealthy: (id) => !dead.includes(id),
    isCaughtUp: (id) => !dead.includes(id) && !behind.includes(id),
    deadMs: (id) => (dead.includes(id) ? 1_000_000 : 0),
  };
}

function shown(target: Target | undefined): string {
  return target === undefined ? "so already" : `${target.voters.join("")}|${target.learners.join("")}`;
}

const member = (id: string): { id: string; peer: string; api: string } => ({ id, peer: `${id}:1`, api: `${id}:2` });

type Case = readonly [title: string, now: Membership, request: MembershipRequest, dead: string, behind: string, want: string];

const cases: readonly Case[] = [
  ["a new voter begins as a learner", membership("abc"), { kind: "add", member: member("d"), as: "voter" }, "", "d", "abc|d"],
  ["adding what is there is done", membership("abc"), { kind: "add", member: member("a"), as: "voter" }, "", "", "so already"],
  [
    "adding a waiting learner again is done",
    membership("abc", "", "d"),
    { kind: "add", member: member("d"), as: "voter" },
    "",
    "",
    "so already",
  ],
  [
    "a lasting learner may become a voter to be",
    membership("abc", "d"),
    { kind: "add", member: member("d"), as: "voter" },
    "",
    "",
    "abc|d",
  ],
  [
    "other addresses are refused",
    membership("abc"),
    { kind: "add", member: { id: "a", peer: "x:1", api: "x:2" }, as: "voter" },
    "",
    "",
    "already_member",
  ],
  [
    "an address serves one member",
    membership("abc"),
    { kind: "add", member: { id: "d", peer: "a:1", api: "d:2" }, as: "voter" },
    "",
    "",
    "already_member",
  ],
  ["promotion needs the log", membership("abc", "d"), { kind: "promote", id: "d" }, "", "d", "not_ready"],
  ["a learner that has it is promoted", membership("abc", "d"), { kind: "promote", id: "d" }, "", "", "abcd|"],
  ["an unknown one is not", membership("abc"), { kind: "promote", id: "x" }, "", "", "unknown_member"],
  [
    "one of three healthy ones is not taken without force",
    membership("abc"),
    { kind: "remove", id: "c", force: false },
    "",
    "",
    "would_lose_quorum",
  ],
  ["with force it is", membership("abc"), { kind: "remove", id: "c", force: true }, "", "", "ab|"],
  ["a dead one of three costs nothing", membership("abc"), { kind: "remove", id: "c", force: false }, "c", "", "ab|"],
  ["with another one dead not even force helps", membership("abc"), { kind: "remove", id: "c", force: true }, "b", "", "would_lose_quorum"],
  ["the last voter stays", membership("a"), { kind: "remove", id: "a", force: true }, "", "", "would_lose_quorum"],
  ["a learner goes freely", membership("abc", "d"), { kind: "remove", id: "d", force: false }, "d", "", "abc|"],
  ["removing who is not there is done", membership("abc"), { kind: "remove", id: "x", force: false }, "", "", "so already"],
  ["a damaged voter begins again as a learner", membership("abc"), { kind: "demote", id: "c", force: false }, "c", "", "ab|c"],
  ["replacing begins with a learner", membership("abc"), { kind: "replace", id: "c", member: member("d") }, "c", "", "abc|d"],
  ["replacing who is not a voter", membership("abc"), { kind: "replace", id: "x", member: member("d") }, "", "", "unknown_member"],
];

for (const [title, now, request, dead, behind, want] of cases) {
  test(title, () => {
    let got: string;
    try {
      got = shown(planRequest(now, request, vitals(dead, behind)));
    } catch (error) {
      assert(error instanceof PawlError);
      got = error.code;
    }
    assert.equal(got, want);
  });
}

test("while a change is under way every request waits", () => {
  const joint = {
    ...membership("abc"),
    voters: [
      ["a", "b", "c"],
      ["a", "b", "d"],
    ],
  };
  assert.throws(() => planRequest(joint, { kind: "promote", id: "d" }, vitals()), { code: "change_pending" });
  assert.equal(planUpkeep(joint, vitals(), 1), undefined);
});

test("who caught up is promoted, and takes the seat that it came for", () => {
  assert.equal(shown(planUpkeep(membership("abc", "", "d"), vitals("", "d"), 1000)), "so already");
  assert.equal(shown(planUpkeep(membership("abc", "", "d"), vitals(), 1000)), "abcd|");
  const replacing = planRequest(membership("abc"), { kind: "replace", id: "c", member: member("d") }, vitals("c"));
  assert(replacing);
  const now = { voters: [replacing.voters], learners: replacing.learners, places: replacing.places };
  const next = planUpkeep(now, vitals("c"), Number.POSITIVE_INFINITY);
  assert.equal(shown(next), "abd|");
  assert.deepEqual(decodePlace(next?.places.get("d")), { peer: "d:1", api: "d:2", promote: undefined, replaces: undefined });
  assert.equal(next?.places.has("c"), false);
});

test("the dead are removed where that costs no tolerance, and only after their time", () => {
  assert.equal(shown(planUpkeep(membership("abcd"), vitals("d"), 1000)), "abc|");
  assert.equal(shown(planUpkeep(membership("abcd"), vitals("d"), 2_000_000)), "so already");
  assert.equal(shown(planUpkeep(membership("abc"), vitals("c"), 1000)), "so already");
  assert.equal(shown(planUpkeep(membership("abcde"), vitals("e"), 1000)), "so already");
});

test("no plan leaves a set that could not be committed, and upkeep none that survives less", () => {
  const names = "abcdef";
  for (let count = 1; count <= names.length; count++) {
    const voters = names.slice(0, count);
    const tolerance = (n: number): number => Math.floor((n - 1) / 2);
    for (let mask = 0; mask < 2 ** count; mask++) {
      const dead = [...voters].filter((_, at) => (mask >> at) % 2 === 1).join("");
      const living = (target: Target): number => target.voters.filter((id) => !dead.includes(id)).length;
      for (const id of voters) {
        for (const force of [false, true]) {
          let target: Target | undefined;
          try {
            target = planRequest(membership(voters), { kind: "remove", id, force }, vitals(dead));
          } catch (error) {
            assert(error instanceof PawlError && error.code === "would_lose_quorum");
            continue;
          }
          assert(target && living(target) > target.voters.length / 2, `${voters} without ${id}, dead ${dead}`);
        }
      }
      const kept = planUpkeep(membership(voters), vitals(dead), 1000);
      if (kept) assert(tolerance(kept.voters.length) >= tolerance(count) && living(kept) > kept.voters.length / 2);
    }
  }
});
