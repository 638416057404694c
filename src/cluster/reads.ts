// Owns: linearizable reads in waiting: first for the quorum round that says at which index they may be answered, then for that index
// to be applied here. The rounds themselves are the consensus core's (ReadIndex, Ongaro's thesis 6.4).

import type { Raft } from "../raft/raft.ts";
import type { ReadDone } from "../raft/types.ts";

type Done = (index: number | undefined) => void;

export class Reads {
  private readonly raft: Raft;
  private lastContext = 0;
  private readonly asked = new Map<number, Done>();
  private waiting: { readonly index: number; readonly done: Done }[] = [];

  constructor(raft: Raft) {
    this.raft = raft;
  }

  /** `done` is called with the index once it is applied, or with undefined when no quorum confirmed it. */
  ask(nowMs: number, done: Done): void {
    const context = ++this.lastContext;
    this.asked.set(context, done);
    this.raft.readIndex(context, nowMs);
  }

  done(reads: readonly ReadDone[], appliedIndex: number): void {
    for (const read of reads) {
      const done = this.asked.get(read.context);
      if (!done) continue;
      this.asked.delete(read.context);
      if ("refused" in read) done(undefined);
      else if (read.index <= appliedIndex) done(read.index);
      else this.waiting.push({ index: read.index, done });
    }
  }

  applied(index: number): void {
    if (this.waiting.length === 0) return;
    const ready = this.waiting.filter((read) => read.index <= index);
    this.waiting = this.waiting.filter((read) => read.index > index);
    for (const read of ready) read.done(read.index);
  }

  abandon(): void {
    for (const done of this.asked.values()) done(undefined);
    for (const read of this.waiting) read.done(undefined);
    this.asked.clear();
    this.waiting = [];
  }
}
