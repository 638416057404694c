// Owns: the order in which one checkpoint is taken across the state and the history. When one is due is decided in src/cluster.
// (P1) Rows, cold rows and history marks are taken in one turn, at one applied index.
// (P2) The history is durable before the checkpoint that names its length is written; else a power cut between the two leaves a
//      state that names records which do not exist.

import type { HistoryStore } from "./history.ts";
import type { CheckpointAt, StateStore } from "./state.ts";

/**
 * Takes a checkpoint of this turn. `scalars` of `at` is what the state keeps beside its tables. `done` is called when it is durable;
 * with an error when nobody can tell, and then the process must end.
 */
export function takeCheckpoint(
  state: StateStore,
  history: HistoryStore,
  at: CheckpointAt,
  done: (error?: Error) => void,
): void {
  history.flush((failed) => {
    if (failed !== undefined) return done(failed);
    state.commit((error) => {
      if (error === undefined) history.checkpointed();
      done(error);
    });
  });
  state.freeze(at, history.marks());
}
