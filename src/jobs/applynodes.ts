// Owns: what bootstrap and the coming and going of nodes do to the state (H6).

import type { ByteReader } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import type { HeldAttempt } from "./command.ts";
import { eventCode } from "./eventlog.ts";
import { loseExecution } from "./executions.ts";
import type { NodeRow } from "./nodes.ts";
import type { State } from "./state.ts";
import { limits } from "../limits.ts";

/** The first command of a cluster's life; a second one, proposed by a leader that did not know, changes nothing. */
export function applyBootstrap(state: State, body: ByteReader): void {
  const clusterId = body.string();
  const idSpace = body.string();
  const jobsMax = body.u32();
  const liveMax = body.u32();
  const shard = body.u8();
  if (state.clusterId !== "") return;
  assert(jobsMax === state.capacity.jobsMax && liveMax === state.capacity.liveMax, "the cluster's capacity differs from this node's");
  state.clusterId = clusterId;
  state.idSpace = idSpace;
  state.shard = shard;
}

/**
 * A node asks for a session. Every attempt of its earlier sessions ends, except those that it still holds and that nobody else was
 * given: they move to the new session with their token, since their work goes on (silence never stops running work).
 */
export function applyNodeUp(state: State, body: ByteReader): void {
  const id = body.string();
  const incarnation = body.u48();
  const slots = Math.min(body.u32(), limits.slotsMax);
  const tags = Array.from({ length: body.u16() }, () => body.string());
  const held: HeldAttempt[] = Array.from({ length: body.u32() }, () => ({ sequence: body.u48(), token: body.f64() }));
  const row = state.nodes.find(id) ?? (state.nodes.rows.length < limits.nodesMax ? state.nodes.add(id) : undefined);
  if (!row || incarnation < row.incarnation) return;
  const carried = row.session === 0 ? [] : held.filter((attempt) => isCurrent(state, attempt, row.session));
  const old = row.session;
  if (old !== 0) endSession(state, row, new Set(carried.map((attempt) => attempt.sequence)));
  const session = state.nodes.open(row, incarnation, slots, tags);
  for (const attempt of carried) adopt(state, row, attempt.sequence);
  state.events.add(eventCode["node.up"], 0, 0, 0, 0, 0, row.number, 0);
  state.watcher.sessionOpened(id, incarnation, session);
}

function isCurrent(state: State, attempt: HeldAttempt, session: number): boolean {
  const slot = state.live.find(attempt.sequence);
  return slot !== 0 && state.live.token[slot] === attempt.token && state.live.session[slot] === session && state.occupies(slot);
}

function adopt(state: State, row: NodeRow, sequence: number): void {
  const slot = state.live.find(sequence);
  // Named twice by the node: it holds one slot all the same.
  if (state.live.session[slot] === row.session) return;
  state.live.session[slot] = row.session;
  state.live.rows.touch(slot);
  row.running++;
}

export function applyNodeLost(state: State, session: number): void {
  const row = state.nodes.withSession(session);
  if (!row) return;
  endSession(state, row, new Set());
  state.events.add(eventCode["node.down"], 0, 0, 0, 0, 0, row.number, 0);
}

function endSession(state: State, row: NodeRow, keep: ReadonlySet<number>): void {
  const { live, watcher } = state;
  const session = row.session;
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    if (live.session[slot] !== session || keep.has(live.sequence[slot] as number)) continue;
    watcher.stopped(live.sequence[slot] as number, live.token[slot] as number, session, "void");
    loseExecution(state, slot);
  }
  state.nodes.close(row);
  watcher.sessionClosed(session);
}
