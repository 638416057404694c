// Owns: the state of one node and the moves that every part needs: change of role and term, sending, the clock's deadlines. Elections,
// replication and reads are functions over it, each in a file of its own; raft.ts is the door for callers.
// (C1) term never falls, and a vote once given in a term stays. commit never falls.
// (C2) Whatever promises something to another node (a granted vote, an acknowledged entry, this node's own vote) is held back until the
//      write that carries it is durable.
// (C3) The membership is that of the newest membership entry in the log, committed or not; voters and peers follow it at once.
// (C4) Periodic deadlines are origin + k * period, whatever the delay of a tick, so that nodes do not drift into step.

import { assert } from "../base/errors.ts";
import { RaftLog } from "./log.ts";
import { Memberships } from "./membership.ts";
import { Outbox } from "./outbox.ts";
import { Progress } from "./progress.ts";
import { Quota } from "./quota.ts";
import type { VoterSets } from "./quorum.ts";
import { Reads } from "./reads.ts";
import type { Entry, Message, NodeId, RaftOptions, Restored, Role } from "./types.ts";

type WriteInFlight = { readonly number: number; readonly term: number; readonly sinceMs: number };

export class Core {
  readonly options: RaftOptions;
  readonly id: NodeId;
  private readonly joining: boolean;
  readonly memberships: Memberships;
  voters: VoterSets = [];
  /** Every other member, sorted, so that nothing depends on the order of a map. */
  others: readonly NodeId[] = [];
  otherVoters: readonly NodeId[] = [];
  isVoter = false;
  readonly log: RaftLog;
  readonly outbox = new Outbox();
  readonly reads: Reads;
  readonly quota: Quota;

  nowMs: number;
  role: Role = "follower";
  term: number;
  vote: NodeId;
  leader: NodeId | undefined;
  commit: number;
  applied: number;

  /** Who granted or refused in the campaign under way. */
  readonly votes = new Map<NodeId, boolean>();
  preVoteRound = 0;
  electionDeadlineMs = 0;
  leaderHeardAtMs = Number.NEGATIVE_INFINITY;

  /** A leader's view of the others; the two hold the same objects. */
  readonly progress = new Map<NodeId, Progress>();
  peers: Progress[] = [];
  /** Peers to be named to the driver. */
  readonly snapshotsDue = new Set<NodeId>();
  /** Index of the leader's own empty entry. */
  termStart = 0;
  /** Newest heartbeat round. */
  round = 0;
  roundDue = false;
  appendsDue = false;
  /** A commit that nothing else would tell is told from here on; whether one waits for that. */
  commitWaitsUntilMs = Number.NEGATIVE_INFINITY;
  commitUntold = false;
  heartbeatDueMs = 0;
  quorumDueMs = 0;
  /** The last check of the quorum: who was heard since counts at the next one. */
  quorumSinceMs = 0;
  transferTo: NodeId | undefined;
  transferDeadlineMs = 0;

  writeNumber = 0;
  writeInFlight: WriteInFlight | undefined;
  submittedTerm: number;
  submittedVote: NodeId;
  durableTerm: number;
  invalidMessages = 0;

  constructor(options: RaftOptions, restored: Restored, nowMs: number) {
    const { hardState, log, appliedIndex } = restored;
    this.options = options;
    this.id = options.id;
    this.joining = restored.joining;
    this.log = new RaftLog(log, options.logCacheMaxBytes);
    this.memberships = new Memberships(restored.membership, log.membershipEntries());
    this.quota = new Quota(options.uncommittedMaxBytes);
    this.reads = new Reads(options.readsWaitingMax, options.electionTimeoutMs, Math.floor(options.random() * 2 ** 40));
    this.nowMs = nowMs;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.submittedTerm = hardState.term;
    this.submittedVote = hardState.vote;
    this.durableTerm = hardState.term;
    // A commit of its own does not force a write, so what was applied may be ahead of what was noted.
    this.commit = Math.max(hardState.commit, appliedIndex);
    this.applied = appliedIndex;
    assert(this.commit <= this.log.lastIndex, "the stored log holds everything that was committed");
    assert(this.term >= this.log.lastTerm, "the stored term covers the stored entries");
    assert(this.applied >= this.log.firstIndex - 1, "the state holds what the log has dropped");
    this.memberships.release(appliedIndex);
    this.followMembership();
    this.armElection();
    // A sole voter has nobody to wait for, and nobody to disturb.
    if (this.isVoter && this.otherVoters.length === 0) this.electionDeadlineMs = nowMs;
  }

  /** Time never runs backwards in here, whatever the caller's clock does. */
  at(nowMs: number): void {
    if (nowMs > this.nowMs) this.nowMs = nowMs;
  }

  armElection(): void {
    const timeoutMs = this.options.electionTimeoutMs;
    this.electionDeadlineMs = this.nowMs + timeoutMs + Math.floor(this.options.random() * timeoutMs);
  }

  /** The next deadline of a series with a fixed period that lies after now (C4). */
  nextDue(dueMs: number, periodMs: number): number {
    return dueMs + (Math.floor((this.nowMs - dueMs) / periodMs) + 1) * periodMs;
  }

  append(entries: readonly Entry[]): void {
    this.log.append(entries);
    const changes = entries.filter(({ kind }) => kind === "membership");
    for (const entry of changes) this.memberships.append(entry);
    if (changes.length > 0) this.followMembership();
  }

  cut(from: number): void {
    this.log.truncate(from);
    if (this.memberships.cut(from)) this.followMembership();
  }

  private followMembership(): void {
    const { voters, learners } = this.memberships.latest.membership;
    const everyVoter = new Set(voters.flat());
    this.voters = voters;
    this.isVoter = everyVoter.has(this.id);
    this.otherVoters = [...everyVoter].filter((id) => id !== this.id).sort();
    this.others = [...new Set([...everyVoter, ...learners])].filter((id) => id !== this.id).sort();
    if (this.role === "leader") this.followPeers();
  }

  /**
   * Who stays what it was keeps its progress. Who becomes a voter or a learner begins anew: what a learner acknowledged is not
   * promised, since it may lose its disk, and what it says from now on is.
   */
  private followPeers(): void {
    const kept = new Map(this.progress);
    this.progress.clear();
    for (const id of this.others) {
      const learner = !this.otherVoters.includes(id);
      const before = kept.get(id);
      const fresh = (): Progress => new Progress(id, before?.next ?? this.log.lastIndex + 1, learner, this.nowMs, this.round);
      this.progress.set(id, before?.learner === learner ? before : fresh());
    }
    this.peers = [...this.progress.values()];
    this.appendsDue = true;
    if (this.transferTo !== undefined && !this.otherVoters.includes(this.transferTo)) this.transferTo = undefined;
  }

  /**
   * A voter; or one that would be none any more by an entry that is not known to be committed: it may be the only node that holds what
   * the voters need, and then nobody else can be elected. Its own vote does not count.
   */
  get mayCampaign(): boolean {
    if (this.isVoter) return true;
    const committed = this.memberships.at(this.commit).membership;
    return committed.voters.some((set) => set.includes(this.id));
  }

  /** New or wiped, and told nothing yet: what it may have promised before is not known. */
  get isBlank(): boolean {
    return this.joining && this.log.lastIndex === 0;
  }

  send(to: NodeId, message: Message): void {
    this.outbox.send(to, message);
  }

  get unsaved(): boolean {
    return this.term !== this.submittedTerm || this.vote !== this.submittedVote || this.log.unsubmitted;
  }

  /** Sends when everything decided up to now is durable (C2). */
  sendWhenDurable(to: NodeId, message: Message): void {
    if (this.unsaved) this.outbox.hold(this.writeNumber + 1, to, message);
    else if (this.writeInFlight !== undefined) this.outbox.hold(this.writeInFlight.number, to, message);
    else this.send(to, message);
  }

  /** Whether another node leads and was heard within the shortest election timeout: then nobody else is helped to an office. */
  sticksToLeader(candidate: NodeId): boolean {
    if (this.role === "leader") return true;
    if (this.leader === undefined || this.leader === candidate) return false;
    return this.nowMs < this.leaderHeardAtMs + this.options.electionTimeoutMs;
  }

  private refuseReads(): void {
    for (const read of this.reads.refuseAll()) {
      if (read.from === undefined) continue;
      this.send(read.from, { kind: "read_index_reply", term: this.term, context: read.context, index: 0, ok: false });
    }
  }

  /** The election timer is left alone, except for a leader that had none: only a leader's word or a granted vote may reset it. */
  becomeFollower(term: number, leader: NodeId | undefined): void {
    assert(term >= this.term, "the term never falls (C1)");
    const changed = term !== this.term || leader !== this.leader || this.role === "leader";
    if (term > this.term) {
      this.term = term;
      this.vote = "";
    }
    if (this.role === "leader") {
      this.armElection();
      this.progress.clear();
      this.peers = [];
      this.snapshotsDue.clear();
      this.transferTo = undefined;
      this.roundDue = false;
      this.appendsDue = false;
      this.quota.reset(1);
    }
    this.role = "follower";
    this.leader = leader;
    this.votes.clear();
    if (changed) this.refuseReads();
  }

  /** Both kinds of candidate follow nobody. */
  becomeCandidate(role: "pre_candidate" | "candidate"): void {
    assert(this.role !== "leader" && this.mayCampaign, "only a voter that does not lead campaigns");
    this.role = role;
    if (role === "candidate") {
      this.term++;
      this.vote = this.id;
    }
    this.leader = undefined;
    this.votes.clear();
    this.armElection();
    this.refuseReads();
  }

  /** The roles' common part; the first entry of the term is appended by the caller. */
  becomeLeader(): void {
    assert(this.role === "candidate", "only a candidate becomes leader");
    this.role = "leader";
    this.leader = this.id;
    this.votes.clear();
    this.followPeers();
    this.commitWaitsUntilMs = Number.NEGATIVE_INFINITY;
    this.heartbeatDueMs = this.nowMs + this.options.heartbeatMs;
    this.quorumDueMs = this.nowMs + this.options.electionTimeoutMs;
    this.quorumSinceMs = this.nowMs;
  }
}
