// Owns: a core under messages that no honest peer sends. It may follow a wrong lead, for it trusts its peers to be honest, but it never
// fails an assertion, and it keeps its own bounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, EntryKind, Message } from "../../src/raft/types.ts";
import { generator, SimCluster, type SimNode } from "./cluster.ts";

class Hostile {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  pick<T>(...list: T[]): T {
    return list[Math.floor(this.random() * list.length)] as T;
  }

  /** Mostly small and believable, now and then absurd. */
  private number(around: number): number {
    const near = Math.max(0, around + Math.floor(this.random() * 5) - 2);
    if (this.random() < 0.9) return near;
    return this.pick(0, -1, 1.5, Number.NaN, 2 ** 47, 2 ** 48, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY);
  }

  private flag(): boolean {
    return this.random() < 0.5;
  }

  message(node: SimNode): Message {
    const status = node.core.status();
    const term = this.number(status.term);
    const index = this.number(status.lastIndex);
    const other = this.number(status.commit);
    const entryTerm = this.number(status.term);
    const round = this.number(Math.floor(this.random() * 20));
    const known = Number.isSafeInteger(index) ? node.core.term(index) : undefined;
    const data = new Uint8Array(Math.floor(this.random() * 20));
    const count = Math.floor(this.random() * 4);
    const entry = (i: number): Entry => {
      return { index: index + 1 + i, term: this.number(status.term), kind: this.pick<EntryKind>("command", "membership"), data };
    };
    const entries = Array.from({ length: count }, (_, i) => entry(i));
    return this.pick<Message>(
      { kind: "pre_vote", term, lastIndex: index, lastTerm: entryTerm, round },
      { kind: "pre_vote_reply", term, granted: this.flag(), round },
      { kind: "vote", term, lastIndex: index, lastTerm: entryTerm, transfer: this.flag() },
      { kind: "vote_reply", term, granted: this.flag() },
      { kind: "append", term, prevIndex: index, prevTerm: known ?? entryTerm, entries, commit: other },
      { kind: "append", term, prevIndex: index, prevTerm: entryTerm, entries, commit: index },
      { kind: "append_reply", term, accepted: this.flag(), match: index, hintIndex: other, hintTerm: entryTerm },
      { kind: "heartbeat", term, commit: other, round, leaderCommit: other },
      { kind: "heartbeat_reply", term, round, lastIndex: index, commit: other },
      { kind: "read_index", term, context: round },
      { kind: "read_index_reply", term, context: round, index, ok: this.flag() },
      { kind: "timeout_now", term },
    );
  }
}

test("no message fails an assertion, whatever it claims", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const cluster = new SimCluster({ voters: [["1", "2", "3"]], learners: ["4"] }, seed, { logCacheMaxBytes: 40 });
    cluster.checked = false;
    const hostile = new Hostile(seed);
    const node = cluster.node(hostile.pick("1", "4"));
    cluster.start(node.id);
    let last = "";
    try {
      for (let step = 0; step < 200; step++) {
        const message = hostile.message(node);
        last = `${JSON.stringify(message)} at ${JSON.stringify(node.core.status())}`;
        cluster.deliver({ from: hostile.pick("1", "2", "3", "9"), to: node.id, message });
        if (step % 7 === 0) cluster.advance(node, node.nowMs + 300);
        if (step % 11 === 0) node.core.propose(new Uint8Array(5), node.nowMs);
        if (step % 13 === 0) node.core.readIndex(step, node.nowMs);
        const { term, commit, lastIndex, durableIndex } = node.core.status();
        assert.ok(Number.isSafeInteger(term) && commit <= lastIndex && durableIndex <= lastIndex);
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${last}`, { cause: error });
    }
  }
});
