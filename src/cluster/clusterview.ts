// Owns: what a node can say of the cluster's members, out of consensus and links. Whoever is asked answers for itself; how far the others
// are only their leader knows.

import type { MemberState, MemberView } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Membership, PeerStatus, RaftStatus } from "../raft/types.ts";
import { decodePlace } from "./members.ts";

export type ViewParts = {
  readonly self: string;
  readonly version: string;
  readonly status: RaftStatus;
  readonly membership: Membership;
  /** Version of each peer that is linked. */
  versionOf(id: string): string | undefined;
  /** How far a member's wall clock is ahead of this node's, where it was heard of late. */
  skewMs(id: string): number | undefined;
};

export function memberViews(parts: ViewParts): MemberView[] {
  const { voters, places } = parts.membership;
  const voting = new Set(voters.flat());
  return [...places.keys()].sort().map((id) => {
    const { peer = "", api = "" } = decodePlace(places.get(id)) ?? {};
    const isSelf = id === parts.self;
    const version = isSelf ? parts.version : parts.versionOf(id);
    return {
      id,
      role: id === parts.status.leader ? "leader" : voting.has(id) ? "voter" : "learner",
      api,
      peer,
      healthy: version !== undefined,
      version: version ?? "",
      ...(isSelf ? ownProgress(parts.status) : progressOf(id, version !== undefined, parts.status)),
      clockSkewMs: isSelf ? 0 : parts.skewMs(id),
    };
  });
}

type Progress = Pick<MemberView, "state" | "appliedIndex" | "matchIndex" | "lag">;

function ownProgress({ role, leader, commit, applied, durableIndex }: RaftStatus): Progress {
  const lag = Math.max(0, commit - applied);
  const campaigns = role === "candidate" || role === "pre_candidate";
  const state = campaigns || leader === undefined ? "no_leader" : stateAt(lag);
  return { state, appliedIndex: applied, matchIndex: durableIndex, lag };
}

function progressOf(id: string, isLinked: boolean, { peers, commit }: RaftStatus): Progress {
  const peer = peers.find((each) => each.id === id);
  if (peer === undefined) return { state: isLinked ? "up" : "unreachable", appliedIndex: undefined, matchIndex: undefined, lag: undefined };
  const { match } = peer;
  const lag = Math.max(0, commit - match);
  return { state: stateOf(peer, isLinked, lag), appliedIndex: Math.min(match, commit), matchIndex: match, lag };
}

function stateOf(peer: PeerStatus, isLinked: boolean, lag: number): MemberState {
  if (peer.state === "regressed") return "regressed";
  if (!isLinked || !peer.recentActive) return "unreachable";
  return peer.state === "snapshot" ? "snapshot" : stateAt(lag);
}

function stateAt(lag: number): MemberState {
  return lag > limits.caughtUpEntries ? "catching_up" : "up";
}
