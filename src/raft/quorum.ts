// Owns: majority arithmetic over one or (in a joint configuration) two sets of voters. Whose numbers they are is the caller's business.
// (Q1) What is decided is decided by a majority of every set; the sets are never merged into one.
// (Q2) A majority of no set at all, or of an empty set, does not exist: nothing is won, committed or confirmed by it.

import type { NodeId } from "./types.ts";

export type VoterSets = readonly (readonly NodeId[])[];
export type VoteResult = "won" | "lost" | "pending";

function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** The result of a vote; `voteOf` says true (granted), false (refused) or undefined (not heard). */
export function tally(sets: VoterSets, voteOf: (id: NodeId) => boolean | undefined): VoteResult {
  let result: VoteResult = sets.length === 0 ? "lost" : "won";
  for (const set of sets) {
    let granted = 0;
    let refused = 0;
    for (const id of set) {
      const vote = voteOf(id);
      if (vote === true) granted++;
      else if (vote === false) refused++;
    }
    const needed = majority(set.length);
    if (set.length - refused < needed) return "lost";
    if (granted < needed) result = "pending";
  }
  return result;
}

const scratch: number[] = [];

/** The largest number that a majority of every set has reached; 0 by (Q2). */
export function reachedByQuorum(sets: VoterSets, numberOf: (id: NodeId) => number): number {
  let lowest = sets.length === 0 ? 0 : Number.MAX_SAFE_INTEGER;
  for (const set of sets) lowest = Math.min(lowest, reachedByMajority(set, numberOf));
  return lowest;
}

// Insertion into descending order: sets are small, and this runs for every acknowledgement.
function reachedByMajority(set: readonly NodeId[], numberOf: (id: NodeId) => number): number {
  const count = set.length;
  if (count === 0) return 0;
  for (let filled = 0; filled < count; filled++) {
    const value = numberOf(set[filled] as NodeId);
    let at = filled;
    while (at > 0 && (scratch[at - 1] as number) < value) {
      scratch[at] = scratch[at - 1] as number;
      at--;
    }
    scratch[at] = value;
  }
  return scratch[majority(count) - 1] as number;
}
