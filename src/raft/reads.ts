// Owns: linearizable reads under way: on a leader those that wait for its first commit or for a round of heartbeats, on a follower
// those forwarded to the leader. Sending rounds and messages is left to the caller. Source: ReadIndex, section 6.4 of Ongaro's thesis.
// (R1) A read is answered with a commit index of its leader, taken after the leader committed an entry of its own term, and only when a
//      quorum answered a heartbeat round that began after the read came.
// (R2) Rounds and forwarding batches are private counters: a caller's number is never part of what confirms a read.
// (R3) Every read ends once, with an index or a refusal: on loss of the leader, of the leadership, or after a timeout of the forward.

import { assert } from "../base/errors.ts";
import type { NodeId, ReadDone, Refusal } from "./types.ts";

/** A read at the leader; `from` is undefined for its own callers. */
export type LeaderRead = { readonly from: NodeId | undefined; readonly context: number };
type RoundRead = LeaderRead & { readonly round: number; readonly index: number };
type Batch = { readonly contexts: readonly number[]; readonly deadlineMs: number };

export class Reads {
  private readonly max: number;
  private readonly timeoutMs: number;
  private done: ReadDone[] = [];
  private early: LeaderRead[] = [];
  private asked: RoundRead[] = [];
  private unsent: number[] = [];
  private unsentSinceMs = 0;
  private readonly batches = new Map<number, Batch>();
  private batchNumber: number;
  private waiting = 0;

  /** `firstBatch` differs between incarnations, so that an answer to an earlier one is not taken for ours. */
  constructor(max: number, timeoutMs: number, firstBatch: number) {
    this.max = max;
    this.timeoutMs = timeoutMs;
    this.batchNumber = firstBatch;
  }

  get isFull(): boolean {
    return this.waiting >= this.max;
  }

  get hasDone(): boolean {
    return this.done.length > 0;
  }

  takeDone(): ReadDone[] {
    const out = this.done;
    if (out.length > 0) this.done = [];
    return out;
  }

  refuse(context: number, refused: Refusal): void {
    this.done.push({ context, refused });
  }

  /** A leader that has not committed in its own term yet: the read waits for `ownTermCommitted`. */
  addEarly(read: LeaderRead): void {
    this.waiting++;
    this.early.push(read);
  }

  /** The read waits for a quorum's answers to `round` or a later one. */
  addAsked(read: LeaderRead, round: number, index: number): void {
    assert(this.asked.length === 0 || (this.asked.at(-1) as RoundRead).round <= round, "rounds only grow (R2)");
    this.waiting++;
    this.asked.push({ ...read, round, index });
  }

  ownTermCommitted(round: number, index: number): boolean {
    const early = this.early;
    this.early = [];
    this.waiting -= early.length;
    for (const read of early) this.addAsked(read, round, index);
    return early.length > 0;
  }

  get hasAsked(): boolean {
    return this.asked.length > 0;
  }

  /** A quorum has answered `round`. Own reads are done; the others are returned to be answered. */
  confirmed(round: number): { read: LeaderRead; index: number }[] {
    let count = 0;
    while (count < this.asked.length && (this.asked[count] as RoundRead).round <= round) count++;
    const remote: { read: LeaderRead; index: number }[] = [];
    for (const read of this.asked.splice(0, count)) {
      this.waiting--;
      if (read.from === undefined) this.done.push({ context: read.context, index: read.index });
      else remote.push({ read, index: read.index });
    }
    return remote;
  }

  forward(context: number, nowMs: number): void {
    this.waiting++;
    if (this.unsent.length === 0) this.unsentSinceMs = nowMs;
    this.unsent.push(context);
  }

  get hasUnsent(): boolean {
    return this.unsent.length > 0;
  }

  /** All reads not forwarded yet travel as one; returns the number of the batch. */
  sendBatch(): number {
    const number = ++this.batchNumber;
    this.batches.set(number, { contexts: this.unsent, deadlineMs: this.unsentSinceMs + this.timeoutMs });
    this.unsent = [];
    return number;
  }

  answered(number: number, index: number | undefined): void {
    const batch = this.batches.get(number);
    if (batch === undefined) return;
    this.batches.delete(number);
    this.waiting -= batch.contexts.length;
    for (const context of batch.contexts) this.done.push(index === undefined ? { context, refused: "not_leader" } : { context, index });
  }

  /** When the oldest forwarded read gives up; Infinity without one. */
  get deadlineMs(): number {
    for (const batch of this.batches.values()) return batch.deadlineMs;
    return Number.POSITIVE_INFINITY;
  }

  expire(nowMs: number): void {
    for (const [number, batch] of this.batches) {
      if (batch.deadlineMs > nowMs) return;
      this.answered(number, undefined);
    }
  }

  /** The leader, or the leadership, is gone: refuses everything and returns the reads of other nodes, to be told so. */
  refuseAll(): LeaderRead[] {
    if (this.waiting === 0) return [];
    const remote: LeaderRead[] = [];
    for (const read of [...this.early, ...this.asked]) {
      if (read.from === undefined) this.refuse(read.context, "not_leader");
      else remote.push(read);
    }
    for (const batch of this.batches.values()) for (const context of batch.contexts) this.refuse(context, "not_leader");
    for (const context of this.unsent) this.refuse(context, "not_leader");
    this.early = [];
    this.asked = [];
    this.batches.clear();
    this.unsent = [];
    this.waiting = 0;
    return remote;
  }
}
