// Owns: a simulated log disk: what is durable, the one write in flight, which a crash loses or lands, and the checkpoint beside it.

import { assert } from "../../src/base/errors.ts";
import type { Entry, HardState, LogReader, LogWrite, MembershipAt } from "../../src/raft/types.ts";

const nothing: HardState = { term: 0, vote: "", commit: 0 };

/** A copy of the state up to `index`, as far as the core is concerned. */
export type SimSnapshot = { readonly index: number; readonly term: number; readonly membership: MembershipAt };

export class SimDisk implements LogReader {
  /** The last entry dropped from the front. */
  base = { index: 0, term: 0 };
  entriesStored: Entry[] = [];
  hardState = nothing;
  appliedIndex = 0;
  /** What was in force at `appliedIndex`. */
  membership: MembershipAt;
  pending: LogWrite | undefined;

  constructor(membership: MembershipAt) {
    this.membership = membership;
  }

  get firstIndex(): number {
    return this.base.index + 1;
  }

  get lastIndex(): number {
    return this.base.index + this.entriesStored.length;
  }

  term(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.entriesStored[index - this.firstIndex]?.term;
  }

  membershipEntries(): Entry[] {
    return this.entriesStored.filter(({ kind }) => kind === "membership");
  }

  entries(from: number, to: number, maxBytes: number): Entry[] {
    assert(from >= this.firstIndex && to <= this.lastIndex, "the core asks only for stored entries");
    const out: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.entriesStored[index - this.firstIndex] as Entry;
      bytes += entry.data.length;
      if (out.length > 0 && bytes > maxBytes) break;
      out.push(entry);
    }
    return out;
  }

  start(write: LogWrite): void {
    assert(this.pending === undefined, "one write is in flight at most");
    this.pending = write;
  }

  /** The write in flight becomes durable; returns its number. */
  land(): number {
    const write = this.pending;
    assert(write !== undefined, "a write is in flight");
    this.pending = undefined;
    if (write.truncateFrom !== undefined) {
      assert(write.truncateFrom > this.base.index, "what was dropped is not replaced");
      this.entriesStored.length = write.truncateFrom - this.firstIndex;
    }
    for (const entry of write.entries) {
      assert(entry.index === this.lastIndex + 1, "writes leave no hole");
      this.entriesStored.push(entry);
    }
    assert(write.hardState.commit <= this.lastIndex, "a stored commit is within the stored log");
    this.hardState = write.hardState;
    return write.number;
  }

  checkpoint(index: number, membership: MembershipAt): void {
    assert(index <= this.lastIndex && membership.index <= index, "a checkpoint is not ahead of the log");
    this.appliedIndex = index;
    this.membership = membership;
  }

  /** Drops entries from the front, which a checkpoint holds the effect of. */
  compact(to: number): void {
    assert(to >= this.base.index && to <= this.appliedIndex, "only what a checkpoint holds is dropped");
    const term = this.term(to) as number;
    this.entriesStored.splice(0, to - this.base.index);
    this.base = { index: to, term };
  }

  /** One batch: the state is the copy's, the log begins behind it. */
  install(snapshot: SimSnapshot): void {
    const { term, vote } = this.hardState;
    this.pending = undefined;
    this.base = { index: snapshot.index, term: snapshot.term };
    this.entriesStored = [];
    this.appliedIndex = snapshot.index;
    this.membership = snapshot.membership;
    const commit = snapshot.index;
    this.hardState = term >= snapshot.term ? { term, vote, commit } : { term: snapshot.term, vote: "", commit };
  }

  /** A new disk in the place of the old one. `term` is what its node is told before it takes part again. */
  wipe(membership: MembershipAt, term: number): void {
    this.pending = undefined;
    this.base = { index: 0, term: 0 };
    this.entriesStored = [];
    this.appliedIndex = 0;
    this.membership = membership;
    this.hardState = { ...nothing, term };
  }
}
