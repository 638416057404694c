// Owns: the cold rows of jobs that ended: one by id, and one by status and id, for lists. What is in one is definition.ts's; when one is
// written is for executions.ts and applychanges.ts to say.
// (E1) How many there are is counted in the state, so that while there are none nobody looks for one: of a million new jobs each would.

import { coldKeys } from "./cold.ts";
import { decodeEnded, encodeEnded } from "./definition.ts";
import type { Ended } from "./definition.ts";
import type { State } from "./state.ts";

export function findEnded(state: State, jobId: string): Ended | undefined {
  const stored = state.endedJobs === 0 ? undefined : state.cold.get(coldKeys.ended(jobId));
  return stored && decodeEnded(stored);
}

/** Puts it in the place of what was kept of an earlier job with this id. */
export function putEnded(state: State, jobId: string, ended: Ended): void {
  const earlier = findEnded(state, jobId);
  if (earlier) state.cold.del(coldKeys.endedBy(earlier.status, jobId));
  else state.endedJobs++;
  state.cold.put(coldKeys.ended(jobId), encodeEnded(ended));
  state.cold.put(coldKeys.endedBy(ended.status, jobId), new Uint8Array(0));
}

/** What was kept of an ended job goes. */
export function forgetEnded(state: State, jobId: string): void {
  const earlier = findEnded(state, jobId);
  if (!earlier) return;
  state.cold.del(coldKeys.ended(jobId));
  state.cold.del(coldKeys.endedBy(earlier.status, jobId));
  state.endedJobs--;
}
