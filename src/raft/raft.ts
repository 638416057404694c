// Owns: the door to the consensus core: what callers and the network put in, and what is to be done as a result. The rules are in
// core.ts, elections.ts, replication.ts and heartbeats.ts; disks, links and clocks belong to the driver.
// (F1) One write is in flight at most; whatever is decided meanwhile travels in the next one, in order of its number.
// (F2) Nothing a message claims is believed before it was checked against what this node knows; what cannot be is counted and dropped.
// (F3) A node's membership may lag behind that of a legitimate leader or candidate, and a joining node knows nobody. So requests are
//      judged by terms and logs alone, whoever sends them: leaving out voters that this node does not know yet could leave a cluster
//      without a quorum for ever. A removed node gets nowhere by it: its log lacks the removal, and pre-votes keep its term down.
//      Answers and reads count only from members, for nobody else was asked.

import { assert } from "../base/errors.ts";
import { changeMembership, onCommitted, onTransferTimeout } from "./changes.ts";
import { Core } from "./core.ts";
import { finishTransfer, onElectionTimeout, onTimeoutNow, startTransfer } from "./elections.ts";
import { onPreVote, onPreVoteReply, onVote, onVoteReply } from "./elections.ts";
import { beat, heartbeatReply, onHeartbeat, onHeartbeatReply, readAtLeader } from "./heartbeats.ts";
import { isPlausible } from "./plausible.ts";
import { reachedByQuorum } from "./quorum.ts";
import { advanceCommit, appendAsLeader, onAppend, onAppendReply, replicate, revive } from "./replication.ts";
import type { ChangeRefusal, Circle, Entry, LogWrite, MembershipAt, MembershipTarget, Message, NodeId } from "./types.ts";
import type { RaftOptions, RaftStatus, Ready, Refusal, Restored } from "./types.ts";

type FromLeader = Extract<Message, { kind: "append" | "heartbeat" }>;
const requests: ReadonlySet<Message["kind"]> = new Set(["append", "heartbeat", "vote", "pre_vote", "timeout_now"]);
type ToLeader = Extract<Message, { kind: "append_reply" | "heartbeat_reply" }>;

export class Raft {
  private readonly core: Core;
  private taken = { role: "", term: -1, leader: undefined as NodeId | undefined, commit: -1 };
  private takenCircle: Circle | undefined;

  /** `nowMs` is monotonic, from any origin; every later call passes the same clock. */
  constructor(options: RaftOptions, restored: Restored, nowMs: number) {
    this.core = new Core(options, restored, nowMs);
    this.taken.commit = restored.appliedIndex;
  }

  /** Acts on the deadlines that have passed. After a pause of its own the driver hands in waiting messages first. */
  tick(nowMs: number): void {
    const { core } = this;
    core.at(nowMs);
    core.reads.expire(core.nowMs);
    if (core.role === "leader") this.tickLeader();
    else if (core.nowMs >= core.electionDeadlineMs) onElectionTimeout(core);
  }

  private tickLeader(): void {
    const { core } = this;
    if (core.nowMs >= core.quorumDueMs) {
      core.quorumDueMs = core.nextDue(core.quorumDueMs, core.options.electionTimeoutMs);
      const isHeard = (id: NodeId): boolean => id === core.id || (core.progress.get(id)?.heardAtMs ?? 0) > core.quorumSinceMs;
      if (reachedByQuorum(core.voters, (id) => (isHeard(id) ? 1 : 0)) === 0) core.becomeFollower(core.term, undefined);
      core.quorumSinceMs = core.nowMs;
    }
    if (core.commitUntold && core.nowMs >= core.commitWaitsUntilMs) core.appendsDue = true;
    if (core.transferTo !== undefined && core.nowMs >= core.transferDeadlineMs) onTransferTimeout(core);
    if (core.role !== "leader") return;
    if (core.nowMs >= core.heartbeatDueMs) {
      core.heartbeatDueMs = core.nextDue(core.heartbeatDueMs, core.options.heartbeatMs);
      beat(core, true);
    }
  }

  /** Takes in a message. Impossible claims change nothing (F2). */
  step(from: NodeId, message: Message, nowMs: number): void {
    const { core } = this;
    core.at(nowMs);
    if (from === core.id || !isPlausible(core, message)) {
      core.invalidMessages++;
      return;
    }
    if (!requests.has(message.kind) && !core.others.includes(from)) return;
    // Pre-votes and their answers speak of a term that nobody is in yet.
    if (message.kind === "pre_vote") {
      onPreVote(core, from, message);
    } else if (message.kind === "pre_vote_reply") {
      onPreVoteReply(core, from, message);
    } else if (message.term < core.term) {
      this.answerOldTerm(from, message);
    } else {
      if (message.term > core.term) {
        if (message.kind === "vote" && !message.transfer && core.sticksToLeader(from)) return;
        core.becomeFollower(message.term, undefined);
      }
      this.dispatch(from, message);
    }
  }

  /**
   * The sender learns this node's term: a deposed leader steps down, a node left behind catches up. Old answers say nothing. Neither does
   * the answer, but the term: the sender may lead in this very term by now, and must not take it for one to what it sent in it. Hence
   * index and round 0.
   */
  private answerOldTerm(from: NodeId, message: Message): void {
    const { core } = this;
    const { term } = core;
    if (message.kind === "append") {
      core.send(from, { kind: "append_reply", term, accepted: false, match: 0, hintIndex: 0, hintTerm: 0 });
    } else if (message.kind === "heartbeat") {
      core.send(from, heartbeatReply(core, 0));
    } else if (message.kind === "vote") {
      core.send(from, { kind: "vote_reply", term, granted: false });
    } else if (message.kind === "read_index") {
      core.send(from, { kind: "read_index_reply", term, context: message.context, index: 0, ok: false });
    }
  }

  private dispatch(from: NodeId, message: Message): void {
    const { core } = this;
    switch (message.kind) {
      case "append":
      case "heartbeat":
        this.fromLeader(from, message);
        break;
      case "append_reply":
      case "heartbeat_reply":
        this.toLeader(from, message);
        break;
      case "vote":
        onVote(core, from, message);
        break;
      case "vote_reply":
        onVoteReply(core, from, message);
        break;
      case "read_index":
        this.onReadIndex(from, message.context);
        break;
      case "read_index_reply":
        core.reads.answered(message.context, message.ok ? message.index : undefined);
        break;
      case "timeout_now":
        onTimeoutNow(core, from);
        break;
    }
  }

  private fromLeader(from: NodeId, message: FromLeader): void {
    const { core } = this;
    if (core.role === "leader" || (core.leader !== undefined && core.leader !== from)) {
      core.invalidMessages++;
      return;
    }
    if (core.leader !== from) core.becomeFollower(core.term, from);
    core.leaderHeardAtMs = core.nowMs;
    core.armElection();
    if (message.kind === "append") onAppend(core, from, message);
    else onHeartbeat(core, from, message);
  }

  private toLeader(from: NodeId, message: ToLeader): void {
    const { core } = this;
    const peer = core.progress.get(from);
    if (core.role !== "leader" || peer === undefined) return;
    if (message.kind === "append_reply") onAppendReply(core, peer, message);
    else if (onHeartbeatReply(core, peer, message)) revive(core, peer, message);
    onCommitted(core);
    finishTransfer(core, from);
  }

  private onReadIndex(from: NodeId, context: number): void {
    const { core } = this;
    if (core.role === "leader" && !core.reads.isFull) readAtLeader(core, { from, context });
    else core.send(from, { kind: "read_index_reply", term: core.term, context, index: 0, ok: false });
  }

  /**
   * Appends to the log if this node leads. The entry is committed when `Ready.commit` reaches its index while the term of the entry
   * applied there is this one; an entry of another term at that index means that the proposal is lost.
   */
  propose(data: Uint8Array, nowMs: number): { index: number; term: number } | { refused: Refusal } {
    const { core } = this;
    core.at(nowMs);
    assert(data.length > 0, "empty entries are the leader's own");
    if (core.role !== "leader") return { refused: "not_leader" };
    if (core.transferTo !== undefined) return { refused: "transferring" };
    if (!core.quota.admits(data.length)) return { refused: "overloaded" };
    const { index, term } = appendAsLeader(core, "command", data);
    return { index, term };
  }

  /** More is proposed before then, it is expected: what is committed meanwhile may be told along with it (A5). */
  commitMayWait(untilMs: number): void {
    this.core.commitWaitsUntilMs = untilMs;
  }

  /** Begins to change the membership to `target`, through a joint one where more than one voter differs (changes.ts). */
  changeMembership(target: MembershipTarget, nowMs: number): { index: number; term: number } | { refused: ChangeRefusal } {
    this.core.at(nowMs);
    return changeMembership(this.core, target);
  }

  /** The membership in force, committed or not. */
  membership(): MembershipAt {
    return this.core.memberships.latest;
  }

  /** Whom to be linked with. */
  circle(): Circle {
    return this.core.memberships.circle;
  }

  /** The membership in force at an applied index, for the checkpoint made there. It is known until something newer is applied. */
  membershipAt(index: number): MembershipAt {
    return this.core.memberships.at(index);
  }

  /** A linearizable read: answered by a ReadDone of the same `context`, to be served when that index is applied. */
  readIndex(context: number, nowMs: number): void {
    const { core } = this;
    core.at(nowMs);
    if (core.leader === undefined) core.reads.refuse(context, "not_leader");
    else if (core.reads.isFull) core.reads.refuse(context, "overloaded");
    else if (core.role === "leader") readAtLeader(core, { from: undefined, context });
    else core.reads.forward(context, core.nowMs);
  }

  /** The write with this number is durable, and the LogReader shows it. */
  persisted(writeNumber: number, nowMs: number): void {
    const { core } = this;
    core.at(nowMs);
    const write = core.writeInFlight;
    assert(write !== undefined && write.number === writeNumber, "only the write in flight completes (F1)");
    core.writeInFlight = undefined;
    core.durableTerm = write.term;
    core.log.persisted();
    for (const own of core.outbox.release(writeNumber, core.term, core.id)) {
      if (own.kind === "vote_reply") onVoteReply(core, core.id, own);
    }
    if (core.role !== "leader") return;
    advanceCommit(core);
    core.quota.release(Math.min(core.commit, core.log.durableIndex));
    onCommitted(core);
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: number): void {
    const { core } = this;
    assert(index >= core.applied && index <= core.commit, "applied grows, up to commit");
    core.applied = index;
    core.memberships.release(index);
  }

  /** The link to `peer` broke: what was on the way may be lost. A follower forgets its leader by it, but keeps its timer. */
  unreachable(peer: NodeId): void {
    const { core } = this;
    core.progress.get(peer)?.unreachable();
    if (core.role === "follower" && core.leader === peer) core.becomeFollower(core.term, undefined);
  }

  /** The snapshot for `peer` did not get there; it is named again when the peer was heard. */
  snapshotFailed(peer: NodeId): void {
    const progress = this.core.progress.get(peer);
    if (progress?.state === "snapshot") progress.unreachable();
  }

  /**
   * Whether a snapshot that ends with this entry should be installed here: not if it brings nothing new. If the log holds that entry,
   * the snapshot proves it committed, and the log goes on from there: what was acknowledged behind it must not be lost.
   */
  installable(index: number, term: number): boolean {
    const { core } = this;
    if (index <= core.commit) return false;
    if (core.log.term(index) !== term) return true;
    core.commit = index;
    return false;
  }

  /** Up to where every peer that was heard lately and can be streamed to holds the log; Infinity without such a peer. */
  slowestHealthyMatch(): number {
    const healthy = this.status().peers.filter(({ recentActive, state }) => recentActive && (state === "probe" || state === "replicate"));
    return Math.min(...healthy.map(({ match }) => match));
  }

  /**
   * Hands the leadership to `to`: takes no proposals, brings `to` up to date and tells it to campaign. Gives up after an election timeout.
   */
  transfer(to: NodeId, nowMs: number): void {
    this.core.at(nowMs);
    startTransfer(this.core, to);
  }

  /** Ceases to lead, for a watchdog that knows better; the term stays. */
  stepDown(nowMs: number): void {
    const { core } = this;
    core.at(nowMs);
    if (core.role === "leader") core.becomeFollower(core.term, undefined);
  }

  hasReady(): boolean {
    const { core, taken } = this;
    if (!core.outbox.isEmpty || core.appendsDue || core.roundDue || core.reads.hasDone || core.snapshotsDue.size > 0) return true;
    if (core.memberships.circle !== this.takenCircle) return true;
    if (core.commit > taken.commit || (core.reads.hasUnsent && core.leader !== undefined)) return true;
    if (core.writeInFlight === undefined && core.unsaved) return true;
    return core.role !== taken.role || core.term !== taken.term || core.leader !== taken.leader;
  }

  /** Everything that should happen since the last take. */
  take(nowMs = this.core.nowMs): Ready {
    const { core, taken } = this;
    core.at(nowMs);
    if (core.role === "leader") {
      if (core.roundDue) beat(core, false);
      if (core.appendsDue) replicate(core);
    } else if (core.reads.hasUnsent && core.leader !== undefined) {
      core.send(core.leader, { kind: "read_index", term: core.term, context: core.reads.sendBatch() });
    }
    const changed = core.role !== taken.role || core.term !== taken.term || core.leader !== taken.leader;
    taken.role = core.role;
    taken.term = core.term;
    taken.leader = core.leader;
    taken.commit = core.commit;
    const circle = core.memberships.circle === this.takenCircle ? undefined : core.memberships.circle;
    this.takenCircle = core.memberships.circle;
    return {
      write: this.nextWrite(),
      messages: core.outbox.take(),
      commit: core.commit,
      reads: core.reads.takeDone(),
      role: changed ? { role: core.role, term: core.term, leader: core.leader } : undefined,
      snapshots: this.takeSnapshots(),
      circle,
    };
  }

  /** Who meanwhile needs none any more is not named. */
  private takeSnapshots(): NodeId[] {
    const { progress, snapshotsDue } = this.core;
    const named = [...snapshotsDue].filter((id) => progress.get(id)?.state === "snapshot");
    snapshotsDue.clear();
    return named;
  }

  private nextWrite(): LogWrite | undefined {
    const { core } = this;
    if (core.writeInFlight !== undefined || !core.unsaved) return undefined;
    const number = ++core.writeNumber;
    core.writeInFlight = { number, term: core.term, sinceMs: core.nowMs };
    core.submittedTerm = core.term;
    core.submittedVote = core.vote;
    const { truncateFrom, entries } = core.log.submit();
    return { number, truncateFrom, entries, hardState: { term: core.term, vote: core.vote, commit: core.commit } };
  }

  /** Committed entries from `from` to at most `to`: at least one, cut at `maxBytes`, sometimes earlier. */
  entriesToApply(from: number, to: number, maxBytes: number): Entry[] {
    assert(to <= this.core.commit, "only committed entries are applied");
    return this.core.log.slice(from, to, maxBytes);
  }

  /** Term of an entry, durable or not; undefined outside the log. */
  term(index: number): number | undefined {
    return this.core.log.term(index);
  }

  /** When `tick` has something to do next. */
  nextDeadlineMs(): number {
    const { core } = this;
    if (core.role !== "leader") return Math.min(core.electionDeadlineMs, core.reads.deadlineMs);
    const transferMs = core.transferTo === undefined ? Number.POSITIVE_INFINITY : core.transferDeadlineMs;
    const commitMs = core.commitUntold ? core.commitWaitsUntilMs : Number.POSITIVE_INFINITY;
    return Math.min(core.heartbeatDueMs, core.quorumDueMs, transferMs, commitMs);
  }

  status(): RaftStatus {
    const { core } = this;
    const { id, role, term, vote, leader, commit, applied, invalidMessages } = core;
    const { firstIndex, lastIndex, durableIndex } = core.log;
    const peers = core.peers.map((peer) => peer.status(core.nowMs - core.options.electionTimeoutMs));
    const transferringTo = core.transferTo;
    return { id, role, term, vote, leader, commit, applied, firstIndex, lastIndex, durableIndex, transferringTo, peers, invalidMessages };
  }
}
