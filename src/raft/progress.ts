// Owns: one peer as its leader sees it: what it holds, what is on the way to it, whether it answers. What is sent is replication's.
// (P1) match < next. `match` only grows while one leader leads; it is what the peer said to be durable.
// (P2) In "probe" one append is on the way at most; in "replicate" at most `appendsInFlightMax`.
// (P3) A lost append or answer is noticed by a heartbeat: whoever made no headway between two beats is "stuck", and its next
//      answer to a heartbeat brings a new append, so that no stall outlives a heartbeat's round trip.
// (P4) A voter whose durable log ends below what it acknowledged before the heartbeat was sent has lost acknowledged entries: it is
//      regressed and counts for nothing. A learner's acknowledgements are promises to nobody: it begins anew. Answers can overtake
//      each other, hence the round from which the floor holds.
// (P5) A peer whose next entries are gone is in "snapshot": it gets heartbeats only, until it shows that it agrees with a place that
//      the log still reaches back to, whichever snapshot brought it there.

import { assert } from "../base/errors.ts";
import type { NodeId, PeerStatus } from "./types.ts";

export class Progress {
  readonly id: NodeId;
  match = 0;
  next: number;
  state: "probe" | "replicate" | "snapshot" | "regressed" = "probe";
  readonly learner: boolean;
  /** A probe is on the way. */
  probing = false;
  /** The highest commit that appends on the way or received have told. */
  sentCommit = 0;
  heardAtMs: number;
  /** The newest heartbeat round that it answered. */
  answeredRound = 0;
  stuck = false;
  /** Last indexes of the appends on the way, oldest first. */
  private inFlight: number[] = [];
  private matchAtBeat = 0;
  private floorRound = 0;
  private floorMatch = 0;
  private floorSet = false;
  private readonly sinceRound: number;

  /** `nowMs` is when it became a peer, after the heartbeat `sinceRound`: until it can have been heard, it counts as heard then. */
  constructor(id: NodeId, next: number, learner: boolean, nowMs: number, sinceRound: number) {
    this.sinceRound = sinceRound;
    this.id = id;
    this.next = next;
    this.learner = learner;
    this.heardAtMs = nowMs;
  }

  get inFlightCount(): number {
    return this.inFlight.length;
  }

  get counts(): boolean {
    return this.state !== "regressed";
  }

  /** An append that ends at `last` left. */
  sent(last: number): void {
    if (this.state === "probe") {
      this.probing = true;
      return;
    }
    if (last < this.next) return;
    this.inFlight.push(last);
    this.next = last + 1;
  }

  /** Everything up to `index` is durable there. True if that is news. The log reaches back to `base`. */
  acknowledged(index: number, base: number): boolean {
    const news = index > this.match;
    if (news) {
      this.match = index;
      this.next = Math.max(this.next, index + 1);
    }
    let freed = 0;
    while (freed < this.inFlight.length && (this.inFlight[freed] as number) <= index) freed++;
    if (freed > 0) this.inFlight.splice(0, freed);
    if (this.state === "probe" || (this.state === "snapshot" && this.match >= base)) {
      this.state = "replicate";
      this.probing = false;
      this.stuck = false;
      this.next = this.match + 1;
    }
    assert(this.match < this.next, "match must stay below next (P1)");
    return news;
  }

  /**
   * The peer refused an append after `prevIndex`; the logs may still agree at `agreed`. False when the refusal is an old one.
   */
  refused(prevIndex: number, agreed: number): boolean {
    if (prevIndex <= this.match) return false;
    if (this.state === "replicate") {
      this.backTo("probe");
      return true;
    }
    if (this.state !== "probe" || prevIndex !== this.next - 1) return false;
    // Never at or above the refused place, so that probing always ends.
    this.next = Math.max(this.match + 1, Math.min(prevIndex, agreed + 1));
    this.probing = false;
    return true;
  }

  private backTo(state: "probe" | "snapshot"): void {
    this.state = state;
    this.probing = false;
    this.next = this.match + 1;
    this.inFlight = [];
    this.sentCommit = Math.min(this.sentCommit, this.match);
  }

  /** What comes next for it is gone from the log (P5). */
  needsSnapshot(): void {
    this.backTo("snapshot");
  }

  /** Messages, or a snapshot, were lost on the way: wait for an answer to a heartbeat before anything is sent again. */
  unreachable(): void {
    if (this.state === "regressed") return;
    if (this.state === "replicate") this.backTo("probe");
    this.probing = this.state === "probe";
    this.stuck = true;
  }

  /** A heartbeat of `round` leaves to this peer. `periodic` tells the regular beat from a read's extra round. */
  beat(round: number, periodic: boolean): void {
    if (!this.floorSet) {
      this.floorSet = true;
      this.floorRound = round;
      this.floorMatch = this.match;
    }
    if (!periodic) return;
    const waiting = this.state === "probe" ? this.probing : this.inFlight.length > 0;
    if (waiting && this.match === this.matchAtBeat) this.stuck = true;
    this.matchAtBeat = this.match;
  }

  /** The peer answered `round` with its last durable index. False when it has regressed (P4). */
  answered(round: number, lastIndex: number): boolean {
    if (this.floorSet && round >= this.floorRound) {
      this.floorSet = false;
      if (lastIndex < this.floorMatch && !this.beginsAnew(lastIndex)) return false;
    }
    this.answeredRound = Math.max(this.answeredRound, round);
    return true;
  }

  private beginsAnew(lastIndex: number): boolean {
    this.match = 0;
    this.backTo("probe");
    this.next = lastIndex + 1;
    if (!this.learner) this.state = "regressed";
    return this.learner;
  }

  /** `sinceMs` tells from when on it must have been heard to count as active. */
  status(sinceMs: number): PeerStatus {
    const { id, match, next, state, learner } = this;
    const hasAnswered = this.answeredRound > this.sinceRound;
    return { id, match, next, state, inFlight: this.inFlight.length, recentActive: this.heardAtMs > sinceMs, hasAnswered, learner };
  }
}
