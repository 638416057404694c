// Owns: one log entry applied to the state: the header's clock, then each command in order. Pure and total: every committed entry
// changes every replica alike, and nothing in an entry can make apply throw except damage or a bug.
// (A1) Each item is checked against the row it was computed from; a stale one has no effect (H1).
// (A2) The clock never goes back by an entry's header, only by a command (H13).

import type { ByteReader } from "../base/bytes.ts";
import { assert, unreachable } from "../base/errors.ts";
import { commandKind, commandsOf, readHeader, takeKey } from "./command.ts";
import type { KeyUse } from "./command.ts";
import { applyCreateMany } from "./applybulk.ts";
import { applyCancel, applyCancelExecution, applyCreate, applyPause, applyResume, applyTrigger, applyUpdate } from "./applychanges.ts";
import { applyBootstrap, applyNodeLost, applyNodeUp } from "./applynodes.ts";
import { applyPlan, applyResults } from "./applyitems.ts";
import { applyRestored } from "./applyrestored.ts";
import { applyLowerClock, applyRedue } from "./applyclock.ts";
import { applyDropHistory, applyForget } from "./applyretention.ts";
import { keysAreFull, rememberKey, seenKey, turnKeys } from "./keys.ts";
import { refused } from "./reply.ts";
import type { Reply } from "./reply.ts";
import type { State } from "./state.ts";
import { checkUnderstood } from "./versions.ts";

/** Reply of each command of the entry, by position; undefined for commands that nobody waits for. */
export type Replies = readonly (Reply | undefined)[];

type Keyed = (state: State, body: ByteReader, index: number) => Reply;

const keyed: ReadonlyMap<number, Keyed> = new Map<number, Keyed>([
  [commandKind.create, applyCreate],
  [commandKind.createMany, applyCreateMany],
  [commandKind.update, applyUpdate],
  [commandKind.cancel, applyCancel],
  [commandKind.pause, applyPause],
  [commandKind.resume, applyResume],
  [commandKind.trigger, applyTrigger],
  [commandKind.cancelExecution, applyCancelExecution],
]);

/** Applies one entry. `data` may be empty: a leader's first entry of its term, like an entry that is not a command, changes nothing. */
export function applyEntry(state: State, index: number, data: Uint8Array): Replies {
  assert(index === state.appliedIndex + 1, `entry ${index} applied after ${state.appliedIndex}`);
  if (data.length > 0) checkUnderstood(state.versions, index, data);
  state.appliedIndex = index;
  if (data.length === 0) return [];
  const header = readHeader(data);
  state.clockMs = Math.max(state.clockMs, header.clockMs);
  state.elapsedMs += header.elapsedMs;
  turnKeys(state);
  state.events.begin(index, state.clockMs);
  const replies: (Reply | undefined)[] = [];
  for (const { kind, body, length } of commandsOf(data)) replies.push(applyCommand(state, index, kind, body, length));
  state.jobs.rows.keepUp();
  state.live.rows.keepUp();
  return replies;
}

function applyCommand(state: State, index: number, kind: number, body: ByteReader, length: number): Reply | undefined {
  if (kind === commandKind.plan) return void applyPlan(state, body.raw(length));
  if (kind === commandKind.results) return void applyResults(state, body.raw(length));
  const handler = keyed.get(kind);
  if (handler) return applyKeyed(state, index, handler, body);
  if (kind === commandKind.nodeUp) return void applyNodeUp(state, body);
  if (kind === commandKind.nodeLost) return void applyNodeLost(state, body.u32());
  if (kind === commandKind.bootstrap) return void applyBootstrap(state, body);
  if (kind === commandKind.clock) return applyClock(state, index, body.f64());
  if (kind === commandKind.lowerClock) return applyLowerClock(state, index, body.f64());
  return void applyUpkeep(state, kind, body);
}

function applyUpkeep(state: State, kind: number, body: ByteReader): void {
  if (kind === commandKind.restored) return applyRestored(state, body);
  if (kind === commandKind.raiseVersion) return applyRaiseVersion(state, body.u32());
  if (kind === commandKind.dropHistory) return applyDropHistory(state, body.u32());
  if (kind === commandKind.redue) return applyRedue(state, body);
  if (kind === commandKind.forget) return applyForget(state, body);
  if (kind === commandKind.mark) return state.watcher.marked?.(body.u48(), state.hash());
  unreachable(kind as never);
}

function applyRaiseVersion(state: State, to: number): void {
  state.version = Math.max(state.version, to);
}

/** The key comes first: a repeated command gets its first reply and changes nothing (H11). */
function applyKeyed(state: State, index: number, handler: Keyed, body: ByteReader): Reply {
  const key: KeyUse | undefined = takeKey(body);
  if (key) {
    const earlier = seenKey(state, key);
    if (earlier) return earlier;
    if (keysAreFull(state)) return refused("overloaded", "too many Idempotency-Keys this hour; retry later or without a key");
  }
  const reply = handler(state, body, index);
  if (key && reply.kind === "done") rememberKey(state, key, reply);
  return reply;
}

function applyClock(state: State, index: number, toMs: number): Reply {
  state.clockMs = toMs;
  // What is due after a clock that was set back can not have been run before a restore.
  state.unsureUntilMs = Math.min(state.unsureUntilMs, toMs);
  return { kind: "done", status: "confirmed", jobId: undefined, sequence: undefined, index };
}
