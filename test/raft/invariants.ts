// Owns: the safety invariants of Raft, checked against what a set of nodes shows: their status, their logs in memory and their disks.
// It keeps the history that the invariants speak of (who led which term, what was ever committed), so one checker belongs to one run.
// The numbers are those of the list in the messages; names follow Ongaro's thesis and the TLA+ specification of etcd's raft.

import { createHash } from "node:crypto";
import { tally } from "../../src/raft/quorum.ts";
import type { Entry, Membership, MembershipAt, Message, NodeId, RaftStatus } from "../../src/raft/types.ts";

export type Observed = {
  readonly id: NodeId;
  /** Undefined while the node is down. */
  readonly status: RaftStatus | undefined;
  /** Term of an entry of the log in memory. */
  termAt(index: number): number | undefined;
  /** The membership in force. */
  readonly membership: MembershipAt | undefined;
  readonly disk: {
    readonly term: number;
    readonly vote: NodeId;
    readonly lastIndex: number;
    /** Whether the entry is stored, or its effect in a checkpoint behind which the log begins. */
    holds(index: number, term: number): boolean;
  };
};

type Seen = {
  role: string;
  term: number;
  vote: NodeId;
  commit: number;
  applied: number;
  first: number;
  /** Terms by index; there are none below where the log began when it was first seen. */
  terms: number[];
  membership: MembershipAt;
};
type SeenDisk = { term: number; vote: NodeId };

export class InvariantError extends Error {}

function must(condition: boolean, number: number, id: NodeId, text: string): void {
  if (!condition) throw new InvariantError(`invariant ${number}, node ${id}: ${text}`);
}

export class Invariants {
  private readonly inFlightMax: number;
  private readonly leaders = new Map<number, NodeId>();
  private readonly seen = new Map<NodeId, Seen>();
  private readonly seenDisks = new Map<NodeId, SeenDisk>();
  /** "index:term" of every entry ever seen, to the term before it: equal everywhere, this is log matching by induction. */
  private readonly before = new Map<string, number>();
  /** Terms of all entries ever committed; [0] is unused. */
  private readonly committed: number[] = [0];
  /** The term in which each was first seen committed. */
  private readonly committedIn: number[] = [0];
  private readonly contents = new Map<number, string>();
  private readonly appliedTo = new Map<NodeId, number>();

  constructor(inFlightMax: number) {
    this.inFlightMax = inFlightMax;
  }

  get committedIndex(): number {
    return this.committed.length - 1;
  }

  /** The term in which the entry was committed, which may be later than its own. */
  termOfCommit(index: number): number | undefined {
    return this.committedIn[index];
  }

  /** To be called for a node after each event at it; `all` are needed for what quorums hold. */
  observe(node: Observed, all: ReadonlyMap<NodeId, Observed>): void {
    this.checkDisk(node);
    const { status } = node;
    if (status === undefined) return;
    const last = this.seen.get(node.id);
    this.checkOrder(node, status, last);
    const terms = this.checkLog(node, status, last);
    this.checkCommitted(node, status, last, all);
    if (status.role === "leader") this.checkLeader(node, status, last, all);
    const { role, term, vote, commit, applied, firstIndex: first } = status;
    this.seen.set(node.id, { role, term, vote, commit, applied, first, terms, membership: node.membership as MembershipAt });
  }

  private checkDisk(node: Observed): void {
    const { term, vote } = node.disk;
    const last = this.seenDisks.get(node.id);
    if (last !== undefined) {
      must(term >= last.term, 8, node.id, `stored term fell from ${last.term} to ${term}`);
      const kept = term > last.term || last.vote === "" || vote === last.vote;
      must(kept, 8, node.id, `stored vote of term ${term} changed from ${last.vote} to ${vote}`);
    }
    this.seenDisks.set(node.id, { term, vote });
  }

  private checkOrder(node: Observed, status: RaftStatus, last: Seen | undefined): void {
    const { id } = node;
    must(status.firstIndex - 1 <= status.applied, 9, id, `dropped up to ${status.firstIndex - 1}, applied ${status.applied}`);
    must(status.applied <= status.commit, 9, id, `applied ${status.applied} above commit ${status.commit}`);
    must(status.commit <= status.lastIndex, 9, id, `commit ${status.commit} above the last entry ${status.lastIndex}`);
    must(status.durableIndex <= status.lastIndex, 9, id, `durable ${status.durableIndex} above the last entry ${status.lastIndex}`);
    must(status.durableIndex <= node.disk.lastIndex, 10, id, `durable ${status.durableIndex}, on disk ${node.disk.lastIndex}`);
    must(status.term >= node.disk.term, 8, id, "the term in memory is older than the stored one");
    if (last === undefined) return;
    must(status.term >= last.term, 8, id, `term fell from ${last.term} to ${status.term}`);
    must(status.term > last.term || last.vote === "" || status.vote === last.vote, 8, id, "a vote changed within its term");
    must(status.commit >= last.commit, 8, id, `commit fell from ${last.commit} to ${status.commit}`);
    must(status.applied >= last.applied, 8, id, `applied fell from ${last.applied} to ${status.applied}`);
    must(status.firstIndex >= last.first, 8, id, `the log begins at ${status.firstIndex}, it began at ${last.first}`);
  }

  private checkLog(node: Observed, status: RaftStatus, last: Seen | undefined): number[] {
    const terms = last?.terms ?? this.beginning(node, status);
    const leads = last !== undefined && last.role === "leader" && status.role === "leader" && last.term === status.term;
    const common = Math.min(terms.length - 1, status.lastIndex);
    let same = common;
    while (same >= status.firstIndex && node.termAt(same) !== terms[same]) same--;
    must(!leads || same === terms.length - 1, 7, node.id, "a leader changed its own log");
    terms.length = same + 1;
    for (let index = same + 1; index <= status.lastIndex; index++) {
      const term = node.termAt(index) as number;
      const previous = terms[index - 1] as number;
      must(term >= previous, 2, node.id, `terms fall at ${index}`);
      const key = `${index}:${term}`;
      const known = this.before.get(key);
      must(known === undefined || known === previous, 2, node.id, `entry ${key} follows term ${previous} here, ${known} elsewhere`);
      this.before.set(key, previous);
      terms.push(term);
    }
    return terms;
  }

  private beginning(node: Observed, status: RaftStatus): number[] {
    const base = status.firstIndex - 1;
    const terms: number[] = [];
    terms[base] = node.termAt(base) as number;
    const known = this.committed[base];
    must(known === undefined || known === terms[base], 3, node.id, `begins behind ${base}:${terms[base]}, committed was ${known}`);
    return terms;
  }

  private checkCommitted(node: Observed, status: RaftStatus, last: Seen | undefined, all: ReadonlyMap<NodeId, Observed>): void {
    for (let index = (last?.commit ?? status.firstIndex - 1) + 1; index <= status.commit; index++) {
      const term = node.termAt(index) as number;
      const known = this.committed[index];
      must(known === undefined || known === term, 6, node.id, `committed ${index}:${term}, elsewhere ${index}:${known}`);
      if (known !== undefined) continue;
      this.committed[index] = term;
      this.committedIn[index] = status.term;
      // A membership that was appended since may have come after the commit.
      const holds = (id: NodeId): boolean => all.get(id)?.disk.holds(index, term) === true;
      const inForce = [node.membership, last?.membership].flatMap((at) => (at === undefined ? [] : [at.membership.voters]));
      const isDurable = inForce.length === 0 || inForce.some((voters) => tally(voters, holds) === "won");
      must(isDurable, 5, node.id, `committed ${index}:${term} is durable only on ${[...all.keys()].filter(holds).join(",")}`);
    }
  }

  private checkLeader(node: Observed, status: RaftStatus, last: Seen | undefined, all: ReadonlyMap<NodeId, Observed>): void {
    const known = this.leaders.get(status.term);
    must(known === undefined || known === node.id, 1, node.id, `two leaders in term ${status.term}: ${known}`);
    this.leaders.set(status.term, node.id);
    if (last === undefined || last.role !== "leader" || last.term !== status.term) {
      // Late votes may make a leader of a term that is long over; it may lack what was committed in later ones.
      for (let index = status.firstIndex; index < this.committed.length; index++) {
        const term = this.committed[index];
        if (term === undefined) continue;
        if ((this.committedIn[index] as number) >= status.term) break;
        must(node.termAt(index) === term, 3, node.id, `new leader of term ${status.term} lacks committed ${index}:${term}`);
      }
    }
    if (last !== undefined && last.role === "leader" && last.term === status.term) this.checkChange(node, status, last.membership);
    for (const peer of status.peers) {
      must(peer.match < peer.next, 12, node.id, `match ${peer.match}, next ${peer.next} of ${peer.id}`);
      must(peer.inFlight <= this.inFlightMax, 12, node.id, `${peer.inFlight} appends on the way to ${peer.id}`);
      const disk = all.get(peer.id)?.disk;
      const promised = !peer.learner && disk !== undefined && disk.term <= status.term;
      const held = !promised || peer.match <= disk.lastIndex;
      must(held, 12, node.id, `match ${peer.match} of ${peer.id} is not on its disk`);
    }
  }

  private checkChange(node: Observed, status: RaftStatus, before: MembershipAt): void {
    const now = node.membership as MembershipAt;
    if (now.index === before.index) return;
    must(before.index <= status.commit, 11, node.id, `changed at ${now.index} while ${before.index} was not committed`);
    must(node.termAt(status.commit) === status.term, 11, node.id, `changed at ${now.index} before it committed in its own term`);
    must(!canPart(before.membership, now.membership), 11, node.id, `two majorities are possible at ${now.index}`);
  }

  /** To be called for every message at the moment it leaves. */
  sent(from: Observed, to: NodeId, message: Message): void {
    const { disk } = from;
    if (message.kind === "vote_reply" && message.granted) {
      must(disk.term === message.term && disk.vote === to, 10, from.id, `granted ${to} a vote in ${message.term} that is not stored`);
    }
    if (message.kind === "append_reply" && message.accepted) {
      must(disk.term >= message.term, 10, from.id, `acknowledged in term ${message.term}, stored term is ${disk.term}`);
      must(disk.lastIndex >= message.match, 10, from.id, `acknowledged ${message.match}, stored up to ${disk.lastIndex}`);
    }
  }

  /** To be called for every entry that a node applies. */
  applied(id: NodeId, entry: Entry): void {
    const next = (this.appliedTo.get(id) ?? 0) + 1;
    must(entry.index === next, 4, id, `applied ${entry.index} instead of ${next}`);
    this.appliedTo.set(id, next);
    const hash = `${entry.term}:${createHash("sha1").update(entry.data).digest("hex")}`;
    const known = this.contents.get(entry.index);
    must(known === undefined || known === hash, 4, id, `applied another entry at ${entry.index} than elsewhere`);
    this.contents.set(entry.index, hash);
  }

  /** The node's disk was replaced by an empty one. */
  wiped(id: NodeId): void {
    this.restarted(id, 0);
    this.seenDisks.delete(id);
  }

  /** The node crashed or was started again with a state machine that stands at `appliedIndex`: what it knew in memory is gone. */
  restarted(id: NodeId, appliedIndex: number): void {
    this.seen.delete(id);
    this.appliedTo.set(id, appliedIndex);
  }
}

/** Whether a quorum of one membership and a quorum of the other can have no node in common. */
function canPart(one: Membership, other: Membership): boolean {
  const ids = [...new Set([...one.voters.flat(), ...other.voters.flat()])];
  for (let some = 0; some < 2 ** ids.length; some++) {
    const isIn = (id: NodeId): boolean => ((some >> ids.indexOf(id)) & 1) === 1;
    if (tally(one.voters, isIn) === "won" && tally(other.voters, (id) => !isIn(id)) === "won") return true;
  }
  return false;
}
