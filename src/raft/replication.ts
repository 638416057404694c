// Owns: copying the leader's log: what is sent, what a follower does with it, what its answers mean, and what is committed.
// (A1) A follower acknowledges what a message proved and no more: prevIndex plus its entries; it takes over a commit up to there.
// (A2) Only a conflict cuts a log, never a shorter message; committed entries are never cut.
// (A3) A leader commits by counting durable copies of an entry of its own term, per voter set; its own copy counts when durable too.
// (A4) Appends leave at once, beside the own disk's write; acknowledgements wait for it.
// (A5) A commit alone may wait a moment for the next entries, where the caller expects some: it then costs no message, and no answer.

import { assert } from "../base/errors.ts";
import type { Core } from "./core.ts";
import { ownTermCommitted } from "./heartbeats.ts";
import type { Progress } from "./progress.ts";
import { reachedByQuorum } from "./quorum.ts";
import type { Entry, EntryKind, Message, NodeId } from "./types.ts";

type Append = Extract<Message, { kind: "append" }>;
type AppendReply = Extract<Message, { kind: "append_reply" }>;
type HeartbeatReply = Extract<Message, { kind: "heartbeat_reply" }>;

const NOTHING: readonly Entry[] = [];

/** Appends to the leader's own log; what follows from it leaves with the next `take`. */
export function appendAsLeader(core: Core, kind: EntryKind, data: Uint8Array): Entry {
  const entry: Entry = { index: core.log.lastIndex + 1, term: core.term, kind, data };
  core.quota.add(data.length);
  core.append([entry]);
  core.appendsDue = true;
  return entry;
}

/** Sends every peer what it may have now. */
export function replicate(core: Core): void {
  core.appendsDue = false;
  core.commitUntold = false;
  for (const peer of core.peers) replicateTo(core, peer);
}

function replicateTo(core: Core, peer: Progress): void {
  if (peer.state === "probe") {
    if (!peer.probing) sendAppend(core, peer, true);
    return;
  }
  if (peer.state !== "replicate") return;
  const windowMax = core.options.appendsInFlightMax;
  while (peer.next <= core.log.lastIndex && peer.inFlightCount < windowMax) {
    if (!sendAppend(core, peer, true)) return;
  }
  const tellable = Math.min(core.commit, peer.next - 1);
  if (peer.inFlightCount >= windowMax || tellable <= peer.sentCommit) return;
  if (core.nowMs < core.commitWaitsUntilMs) core.commitUntold = true;
  else sendAppend(core, peer, false);
}

/** False when what comes before `next` is gone from the log: then only a snapshot helps. */
function sendAppend(core: Core, peer: Progress, withEntries: boolean): boolean {
  const prevIndex = peer.next - 1;
  const prevTerm = core.log.term(prevIndex);
  if (prevTerm === undefined || peer.next < core.log.firstIndex) {
    peer.needsSnapshot();
    core.snapshotsDue.add(peer.id);
    return false;
  }
  const last = core.log.lastIndex;
  const some = withEntries && peer.next <= last;
  const entries = some ? core.log.slice(peer.next, last, core.options.appendMaxBytes) : NOTHING;
  const sentLast = prevIndex + entries.length;
  core.send(peer.id, { kind: "append", term: core.term, prevIndex, prevTerm, entries, commit: core.commit });
  peer.sentCommit = Math.max(peer.sentCommit, Math.min(core.commit, sentLast));
  peer.sent(sentLast);
  return true;
}

/**
 * After a heartbeat's answer: a peer without headway gets an append without entries. Its answer shows whether what was on the way
 * arrived and waits for a slow disk, or was lost, so that nothing large is ever sent twice for nothing. A peer that waits for a
 * snapshot shows what it has by its own commit, and is named again if its snapshot was lost.
 */
export function revive(core: Core, peer: Progress, message: HeartbeatReply): void {
  if (peer.state === "probe" && !peer.probing) core.appendsDue = true;
  if (peer.state === "snapshot") acknowledged(core, peer, Math.min(message.commit, message.lastIndex));
  if (!peer.stuck) return;
  peer.stuck = false;
  if (peer.state === "snapshot") core.snapshotsDue.add(peer.id);
  else sendAppend(core, peer, false);
}

function acknowledged(core: Core, peer: Progress, match: number): void {
  if (peer.acknowledged(match, core.log.firstIndex - 1)) advanceCommit(core);
  core.appendsDue = true;
}

/** The sender is known to be the leader of this term. */
export function onAppend(core: Core, from: NodeId, message: Append): void {
  const { log } = core;
  const { prevIndex, prevTerm, entries } = message;
  if (prevIndex < core.commit) {
    // An old message. What is committed here is in every leader's log.
    acknowledge(core, from, core.commit);
    return;
  }
  if (log.term(prevIndex) !== prevTerm) {
    refuseAppend(core, from, prevIndex, prevTerm);
    return;
  }
  const fresh = firstNew(core, entries);
  if (fresh < entries.length) {
    const index = (entries[fresh] as Entry).index;
    assert(index > core.commit, "committed entries are never cut (A2)");
    if (index <= log.lastIndex) core.cut(index);
    core.append(fresh === 0 ? entries : entries.slice(fresh));
  }
  const proven = prevIndex + entries.length;
  core.commit = Math.max(core.commit, Math.min(message.commit, proven));
  acknowledge(core, from, proven);
}

/** Position of the first entry that this log lacks or holds with another term. */
function firstNew(core: Core, entries: readonly Entry[]): number {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (core.log.term(entry.index) !== entry.term) return i;
  }
  return entries.length;
}

function acknowledge(core: Core, to: NodeId, match: number): void {
  const message: Message = { kind: "append_reply", term: core.term, accepted: true, match, hintIndex: 0, hintTerm: 0 };
  // Entries that were durable before this message need not wait for a later write.
  if (match <= core.log.durableIndex && core.durableTerm === core.term) core.send(to, message);
  else core.sendWhenDurable(to, message);
}

function refuseAppend(core: Core, to: NodeId, prevIndex: number, prevTerm: number): void {
  // What is committed agrees with every leader's log, so no hint need lie below it.
  const hintIndex = Math.max(core.commit, core.log.lastWithTermAtMost(prevIndex, prevTerm));
  const hintTerm = core.log.term(hintIndex) ?? 0;
  core.send(to, { kind: "append_reply", term: core.term, accepted: false, match: prevIndex, hintIndex, hintTerm });
}

/** An answer of this leader's own term. Answers of earlier terms were thrown away before. */
export function onAppendReply(core: Core, peer: Progress, message: AppendReply): void {
  if (!peer.counts) return;
  peer.heardAtMs = core.nowMs;
  if (message.accepted) {
    acknowledged(core, peer, message.match);
    return;
  }
  const agreed = core.log.lastWithTermAtMost(message.hintIndex, message.hintTerm);
  if (peer.refused(message.match, agreed)) core.appendsDue = true;
}

/** Commits what durable copies on a quorum allow (A3). */
export function advanceCommit(core: Core): void {
  const { log } = core;
  const reached = reachedByQuorum(core.voters, (id) => (id === core.id ? log.durableIndex : (core.progress.get(id)?.match ?? 0)));
  if (reached <= core.commit || log.term(reached) !== core.term) return;
  const first = core.commit < core.termStart;
  core.commit = reached;
  core.appendsDue = true;
  core.quota.release(Math.min(core.commit, log.durableIndex));
  if (first) ownTermCommitted(core);
}
