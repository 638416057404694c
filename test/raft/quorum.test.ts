// Owns: majority arithmetic against a count over all subsets, for one and two sets of voters.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { reachedByQuorum, tally, type VoterSets } from "../../src/raft/quorum.ts";

const seed = 20_261_121;
const ids = ["a", "b", "c", "d", "e", "f", "g"];
const set = fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 7 });
const sets: fc.Arbitrary<VoterSets> = fc.array(set, { minLength: 0, maxLength: 2 });

/** Whether `members` are a quorum: more than half of every set, and there is somebody to ask. */
function isQuorum(voters: VoterSets, members: ReadonlySet<string>): boolean {
  return voters.length > 0 && voters.every((one) => one.filter((id) => members.has(id)).length * 2 > one.length);
}

test("26 what a quorum has reached is the highest number that some quorum holds", () => {
  const numbers = fc.array(fc.nat(9), { minLength: 7, maxLength: 7 });
  const property = fc.property(sets, numbers, (voters, values) => {
    const numberOf = (id: string) => values[ids.indexOf(id)] as number;
    let expected = 0;
    for (const candidate of values) {
      const holding = new Set(ids.filter((id) => numberOf(id) >= candidate));
      if (candidate > expected && isQuorum(voters, holding)) expected = candidate;
    }
    assert.equal(reachedByQuorum(voters, numberOf), expected);
  });
  fc.assert(property, { numRuns: 3000, seed });
});

test("5 a vote is won, lost or open as the count of all ways to go on says", () => {
  const votes = fc.array(fc.option(fc.boolean(), { nil: undefined }), { minLength: 7, maxLength: 7 });
  const property = fc.property(sets, votes, (voters, given) => {
    const voteOf = (id: string) => given[ids.indexOf(id)];
    const granted = new Set(ids.filter((id) => voteOf(id) === true));
    const possible = new Set(ids.filter((id) => voteOf(id) !== false));
    const expected = isQuorum(voters, granted) ? "won" : isQuorum(voters, possible) ? "pending" : "lost";
    assert.equal(tally(voters, voteOf), expected);
  });
  fc.assert(property, { numRuns: 3000, seed });
});

test("an even number of voters needs more than half", () => {
  const four = [["a", "b", "c", "d"]];
  assert.equal(tally(four, (id) => (id < "c" ? true : undefined)), "pending");
  assert.equal(tally(four, (id) => id < "c"), "lost");
  assert.equal(reachedByQuorum(four, (id) => (id < "c" ? 5 : 1)), 1);
});

test("a quorum of nobody decides nothing", () => {
  for (const nobody of [[], [[]], [["a"], []]] as VoterSets[]) {
    assert.equal(tally(nobody, () => true), "lost");
    assert.equal(reachedByQuorum(nobody, () => 9), 0);
  }
});
