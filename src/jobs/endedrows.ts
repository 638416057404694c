// Owns: the cold rows of jobs that ended: one by id, and one by status and id, for lists. What is in one is definition.ts's; when one is
// written is for executions.ts and applychanges.ts to say.
// (E1) Nobody looks for one whose id none of them can have (endedids.ts): of a million new jobs each would.
// (E2) While a job is in the table there is none under its id: what an earlier job with it left goes when the new one is made. So the end
//      of a job looks for nothing.
// (E3) Those that ended as nearly all do are found by id alone: a list of them is a list of all, with few left out.

import { hashText } from "../base/checksum.ts";
import { coldKeys } from "./cold.ts";
import { decodeEnded, encodeEnded, encodeEndedNow } from "./definition.ts";
import type { Definition, Ended, EndedFacts } from "./definition.ts";
import type { State } from "./state.ts";

const NOTHING = new Uint8Array(0);

export function findEnded(state: State, jobId: string): Ended | undefined {
  if (!mayHaveEnded(state, hashText(jobId))) return undefined;
  const stored = state.cold.get(coldKeys.ended(jobId));
  return stored && decodeEnded(stored);
}

/** Whether a job with this hash of its id may have ended (E1). */
export function mayHaveEnded(state: State, idHash: number): boolean {
  return state.endedJobs > 0 && state.endedIds.mayHave(idHash);
}

/** Whether ended jobs of this status have rows of their own by which they are listed (E3). */
export function isListedByStatus(status: string): boolean {
  return status !== "completed";
}

/** Of a job that was in the table until now (E2). */
export function addEnded(state: State, facts: EndedFacts, definition: Definition): void {
  const { jobId } = definition;
  state.cold.add(coldKeys.ended(jobId), encodeEndedNow(facts, definition));
  if (isListedByStatus(facts.status)) state.cold.add(coldKeys.endedBy(facts.status, jobId), NOTHING);
  state.endedIds.add(hashText(jobId));
  state.endedJobs++;
}

/** What is kept of an ended job changes. */
export function changeEnded(state: State, jobId: string, before: Ended, ended: Ended): void {
  state.cold.put(coldKeys.ended(jobId), encodeEnded(ended));
  if (before.status === ended.status) return;
  if (isListedByStatus(before.status)) state.cold.del(coldKeys.endedBy(before.status, jobId));
  if (isListedByStatus(ended.status)) state.cold.put(coldKeys.endedBy(ended.status, jobId), NOTHING);
}

/** What was kept of an ended job goes. */
export function forgetEnded(state: State, jobId: string): void {
  const earlier = findEnded(state, jobId);
  if (!earlier) return;
  state.cold.del(coldKeys.ended(jobId));
  if (isListedByStatus(earlier.status)) state.cold.del(coldKeys.endedBy(earlier.status, jobId));
  state.endedJobs--;
}
