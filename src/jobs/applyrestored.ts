// Owns: what becomes of a state that was carried into another cluster: restored from a backup, or taken over by force from what was
// left of a cluster (H5, H15). What ran there afterwards is not in it, so that this state's tokens, ids and sessions must be newer.
// (B1) After a restore nobody knows what became of due times up to then: they are recorded as unknown (unsure.ts), and
//      nothing fires them.
// (B2) By force, time went on in the same place: due times are treated as after any other downtime.

import type { ByteReader } from "../base/bytes.ts";
import { mayRetry } from "./applyitems.ts";
import { takeRestored } from "./command.ts";
import type { RestoredCommand } from "./command.ts";
import { eventCode } from "./eventlog.ts";
import { ending, endExecution, retryExecution } from "./executions.ts";
import { liveState } from "./livetable.ts";
import type { State } from "./state.ts";
import { makeUnsure } from "./unsure.ts";

/** Starts per execution that token floors leave room for: execution numbers are raised to a 16th of the token floor. */
const TOKENS_PER_SEQUENCE = 16;

export function applyRestored(state: State, body: ByteReader): void {
  const command = takeRestored(body);
  state.clusterId = command.clusterId;
  state.clockMs = Math.max(state.clockMs, command.atMs);
  state.tokenCounter = Math.max(state.tokenCounter, command.tokenFloor);
  // Execution ids are Idempotency-Keys at the jobs' targets: one that the earlier cluster gave must not come again for another run.
  state.lastSequence = Math.max(state.lastSequence, Math.floor(command.tokenFloor / TOKENS_PER_SEQUENCE));
  endAttempts(state, command.reason);
  closeSessions(state);
  if (command.reason === "restore" && !command.catchUp) makeUnsure(state, command.atMs);
}

/** What was live is tried again with a newer token where its policy allows another attempt; else nobody knows how it ended. */
function endAttempts(state: State, reason: RestoredCommand["reason"]): void {
  const { live, watcher } = state;
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    const occupies = state.occupies(slot);
    if (occupies) watcher.stopped(live.sequence[slot] as number, live.token[slot] as number, live.session[slot] as number, "void");
    if (live.state[slot] === liveState.cancelling) endExecution(state, slot, ending.cancelled, state.clockMs, `cancelled; ${reason}`);
    // Also one that waits here may have been started there: a second start of a job that runs at most once is never allowed.
    else if (state.classOfLive(slot).delivery === "at_most_once" || (occupies && !mayRetry(state, slot))) {
      endExecution(state, slot, ending.unknown, state.clockMs, reason);
    } else if (occupies) retryExecution(state, slot, state.clockMs, reason);
  }
}

/** The nodes of the new cluster count their starts anew. */
function closeSessions(state: State): void {
  for (const row of state.nodes.rows) {
    row.incarnation = 0;
    if (row.session === 0) continue;
    const { session } = row;
    state.nodes.close(row);
    state.events.add(eventCode["node.down"], 0, 0, 0, 0, 0, row.number, 0);
    state.watcher.sessionClosed(session);
  }
}
