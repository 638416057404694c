// Owns: when this node last had word of a majority: on a follower from its leader, on a leader from so many followers. It decides how long
// callers wait for an answer and nothing else; who may lead is the business of src/raft.

import type { RaftStatus } from "../raft/types.ts";

export class Contact {
  private readonly heardAtMs = new Map<string, number>();
  /** Of a follower: when its leader was last heard. Of a leader, and of one that was: when a majority last was. */
  private quorumAtMs = Number.NEGATIVE_INFINITY;

  /** A message of consensus came. */
  heard(from: string, nowMs: number): void {
    this.heardAtMs.set(from, nowMs);
  }

  /** It was the leader's, of this node's term. */
  heardLeader(nowMs: number): void {
    this.quorumAtMs = nowMs;
  }

  /** How long there was no word of a majority. */
  silentMs({ role, peers }: Pick<RaftStatus, "role" | "peers">, nowMs: number): number {
    if (role === "leader") {
      const voters = peers.filter((peer) => !peer.learner);
      const latest = voters.map(({ id }) => this.heardAtMs.get(id) ?? Number.NEGATIVE_INFINITY).sort((a, b) => b - a);
      // With itself, this many others are a majority.
      const others = Math.floor((voters.length + 1) / 2);
      this.quorumAtMs = Math.max(this.quorumAtMs, others === 0 ? nowMs : (latest[others - 1] as number));
    }
    return nowMs - this.quorumAtMs;
  }
}
