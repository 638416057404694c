// Owns: a leader's heartbeats, their answers, and the linearizable reads that a round of them confirms.
// (H1) A heartbeat tells a commit of at most what the peer acknowledged, because nothing proves that it holds more.
//      How far the leader itself is it tells beside that, so that a peer knows how old its state is.
// (H2) A read's round begins after the read came; answers to earlier rounds never confirm it.

import type { Core } from "./core.ts";
import type { Progress } from "./progress.ts";
import { reachedByQuorum } from "./quorum.ts";
import type { LeaderRead } from "./reads.ts";
import type { Message, NodeId } from "./types.ts";

type Heartbeat = Extract<Message, { kind: "heartbeat" }>;
type HeartbeatReply = Extract<Message, { kind: "heartbeat_reply" }>;

/** Starts a new round: a heartbeat to every peer. */
export function beat(core: Core, periodic: boolean): void {
  core.round++;
  core.roundDue = false;
  for (const peer of core.peers) {
    const commit = Math.min(peer.match, core.commit);
    core.send(peer.id, { kind: "heartbeat", term: core.term, commit, round: core.round, leaderCommit: core.commit });
    peer.beat(core.round, periodic);
  }
  confirmReads(core);
}

/** The leader is known to be the sender. The answer promises nothing, so it need not wait for the disk. */
export function onHeartbeat(core: Core, from: NodeId, message: Heartbeat): void {
  // A commit beyond the own log would mean that acknowledged entries are gone; the answer tells the leader.
  if (message.commit <= core.log.lastIndex && message.commit > core.commit) core.commit = message.commit;
  core.send(from, heartbeatReply(core, message.round));
}

export function heartbeatReply(core: Core, round: number): HeartbeatReply {
  return { kind: "heartbeat_reply", term: core.term, round, lastIndex: core.log.durableIndex, commit: core.commit };
}

/** False when the peer has regressed and is left alone from now on. */
export function onHeartbeatReply(core: Core, peer: Progress, message: HeartbeatReply): boolean {
  if (!peer.counts || !peer.answered(message.round, message.lastIndex)) return false;
  peer.heardAtMs = core.nowMs;
  confirmReads(core);
  return true;
}

function confirmReads(core: Core): void {
  if (!core.reads.hasAsked) return;
  const answered = reachedByQuorum(core.voters, (id) => (id === core.id ? core.round : (core.progress.get(id)?.answeredRound ?? 0)));
  for (const { read, index } of core.reads.confirmed(answered)) {
    core.send(read.from as NodeId, { kind: "read_index_reply", term: core.term, context: read.context, index, ok: true });
  }
}

/** A read at the leader; rounds are started once per `take`, for all reads that came meanwhile. */
export function readAtLeader(core: Core, read: LeaderRead): void {
  if (core.commit < core.termStart) {
    core.reads.addEarly(read);
    return;
  }
  core.reads.addAsked(read, core.round + 1, core.commit);
  core.roundDue = true;
}

/** The leader's first commit of its term: what waited for it may ask now. */
export function ownTermCommitted(core: Core): void {
  if (core.reads.ownTermCommitted(core.round + 1, core.commit)) core.roundDue = true;
}
