// Owns: how a leader comes to be: pre-votes, votes, and the handing over of leadership.
// (E1) A node counts its own vote when it is durable, like everybody's. A pre-vote promises nothing and waits for nothing.
// (E2) A campaign raises the term only after a quorum said, in a pre-vote of this very round, that it would vote so.
// (E3) Who hears a leader helps no other candidate, unless that leader itself asked for the change (transfer).
// (E4) A node whose disk does not answer does not campaign, and neither does one that is no voter. A learner votes when asked, for it
//      may have been made a voter unawares; a joining node does not while its log is empty, for it may have voted before it was wiped.

import type { Core } from "./core.ts";
import { tally } from "./quorum.ts";
import { appendAsLeader } from "./replication.ts";
import type { Message, NodeId } from "./types.ts";

type PreVote = Extract<Message, { kind: "pre_vote" }>;
type PreVoteReply = Extract<Message, { kind: "pre_vote_reply" }>;
type Vote = Extract<Message, { kind: "vote" }>;
type VoteReply = Extract<Message, { kind: "vote_reply" }>;

const EMPTY = new Uint8Array(0);

/** The election timer ran out. */
export function onElectionTimeout(core: Core): void {
  const write = core.writeInFlight;
  const diskStalled = write !== undefined && core.nowMs - write.sinceMs >= core.options.electionTimeoutMs;
  if (!core.mayCampaign || diskStalled) {
    core.armElection();
    return;
  }
  core.becomeCandidate("pre_candidate");
  core.preVoteRound++;
  core.votes.set(core.id, true);
  const { lastIndex, lastTerm } = core.log;
  const message: Message = { kind: "pre_vote", term: core.term + 1, lastIndex, lastTerm, round: core.preVoteRound };
  for (const id of core.otherVoters) core.send(id, message);
  countVotes(core);
}

function campaign(core: Core, transfer: boolean): void {
  core.becomeCandidate("candidate");
  const { lastIndex, lastTerm } = core.log;
  for (const id of core.otherVoters) core.send(id, { kind: "vote", term: core.term, lastIndex, lastTerm, transfer });
  core.sendWhenDurable(core.id, { kind: "vote_reply", term: core.term, granted: true });
}

function countVotes(core: Core): void {
  const result = tally(core.voters, (id) => core.votes.get(id));
  if (result === "pending") return;
  if (result === "lost") core.becomeFollower(core.term, undefined);
  else if (core.role === "pre_candidate") campaign(core, false);
  else lead(core);
}

function lead(core: Core): void {
  core.becomeLeader();
  core.termStart = core.log.lastIndex + 1;
  core.quota.reset(core.termStart);
  // Only an entry of its own term lets a leader commit what it inherited.
  appendAsLeader(core, "command", EMPTY);
}

/** Any term. A refusal carries this node's term, so that a node left behind catches up instead of asking for ever. */
export function onPreVote(core: Core, from: NodeId, message: PreVote): void {
  const upToDate = core.log.isUpToDate(message.lastIndex, message.lastTerm);
  const granted = message.term > core.term && !core.sticksToLeader(from) && upToDate && !core.isBlank;
  core.send(from, { kind: "pre_vote_reply", term: granted ? message.term : core.term, granted, round: message.round });
}

/** Any term. */
export function onPreVoteReply(core: Core, from: NodeId, message: PreVoteReply): void {
  if (!message.granted && message.term > core.term) {
    core.becomeFollower(message.term, undefined);
    return;
  }
  if (core.role !== "pre_candidate" || message.round !== core.preVoteRound) return;
  if (message.granted && message.term !== core.term + 1) return;
  core.votes.set(from, message.granted);
  countVotes(core);
}

/** A vote asked in this term (a higher one was adopted before). */
export function onVote(core: Core, from: NodeId, message: Vote): void {
  const free = core.vote === from || (core.vote === "" && core.leader === undefined);
  const granted = free && core.log.isUpToDate(message.lastIndex, message.lastTerm) && !core.isBlank;
  if (granted) {
    core.vote = from;
    core.armElection();
  }
  core.sendWhenDurable(from, { kind: "vote_reply", term: core.term, granted });
}

/** An answer in this term. */
export function onVoteReply(core: Core, from: NodeId, message: VoteReply): void {
  if (core.role !== "candidate") return;
  core.votes.set(from, message.granted);
  countVotes(core);
}

/** The leader asks this node to take over: no pre-vote, and the others may leave the leader for it. */
export function onTimeoutNow(core: Core, from: NodeId): void {
  if (core.role !== "follower" || core.leader !== from || !core.isVoter) return;
  campaign(core, true);
}

/** Begins or redirects a transfer; ignored unless this node leads and `to` is another voter. */
export function startTransfer(core: Core, to: NodeId): void {
  if (core.role !== "leader" || core.transferTo === to || !core.otherVoters.includes(to)) return;
  core.transferTo = to;
  core.transferDeadlineMs = core.nowMs + core.options.electionTimeoutMs;
  finishTransfer(core, to);
}

/** Called whenever the peer was heard: once it holds everything, it is told to take over. Repeated, since the word may be lost. */
export function finishTransfer(core: Core, peerId: NodeId): void {
  if (core.transferTo !== peerId) return;
  const peer = core.progress.get(peerId);
  if (peer?.match === core.log.lastIndex) core.send(peerId, { kind: "timeout_now", term: core.term });
}
