// Owns: the log against a plain model: what is in it, what is durable, what a write carries, with a cache too small for anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../src/raft/types.ts";
import { nobody } from "../../src/raft/membership.ts";
import { RaftLog } from "../../src/raft/log.ts";
import { generator } from "./cluster.ts";
import { SimDisk } from "./sim-disk.ts";

class Model {
  readonly disk = new SimDisk(nobody);
  readonly log: RaftLog;
  readonly expected: Entry[] = [];
  readonly random: () => number;
  term = 1;
  number = 0;

  constructor(seed: number) {
    this.random = generator(seed);
    this.log = new RaftLog(this.disk, Math.floor(this.random() * 200));
  }

  step(): void {
    const dice = this.random();
    if (dice < 0.4) this.append();
    else if (dice < 0.55) this.truncate();
    else if (dice < 0.75) this.submit();
    else if (dice < 0.93) this.persist();
    else if (dice < 0.95) this.compact();
    else this.term++;
    this.check();
  }

  private append(): void {
    const count = 1 + Math.floor(this.random() * 3);
    for (let i = 0; i < count; i++) {
      const data = new Uint8Array(Math.floor(this.random() * 30));
      const entry: Entry = { index: this.expected.length + 1, term: this.term, kind: "command", data };
      this.expected.push(entry);
      this.log.append([entry]);
    }
  }

  private truncate(): void {
    if (this.expected.length === this.disk.base.index) return;
    const from = Math.max(this.disk.firstIndex, this.expected.length - Math.floor(this.random() * 6));
    this.term++;
    this.log.truncate(from);
    this.expected.length = from - 1;
  }

  private submit(): void {
    if (this.disk.pending !== undefined || !this.log.unsubmitted) return;
    const { truncateFrom, entries } = this.log.submit();
    this.disk.start({ number: ++this.number, truncateFrom, entries, hardState: { term: this.term, vote: "", commit: 0 } });
  }

  private persist(): void {
    if (this.disk.pending === undefined) return;
    this.disk.land();
    this.log.persisted();
  }

  private compact(): void {
    const { disk, log } = this;
    const to = Math.min(log.durableIndex, disk.base.index + Math.floor(this.random() * 8));
    disk.checkpoint(to, nobody);
    disk.compact(to);
  }

  private check(): void {
    const { log, expected, disk } = this;
    const last = expected.length;
    const { base } = disk;
    assert.equal(log.firstIndex, base.index + 1);
    assert.equal(log.lastIndex, last);
    assert.equal(log.lastTerm, expected.at(-1)?.term ?? 0);
    assert.ok(log.durableIndex <= disk.lastIndex && log.durableIndex <= last);
    for (let index = log.firstIndex; index <= log.durableIndex; index++) {
      assert.equal(disk.entriesStored[index - disk.firstIndex], expected[index - 1]);
    }
    if (!log.unsubmitted && disk.pending === undefined) assert.deepEqual(disk.entriesStored, expected.slice(base.index));
    for (let index = base.index; index <= last + 1; index++) {
      assert.equal(log.term(index), index === 0 ? 0 : expected[index - 1]?.term);
    }
    if (last === base.index) return;
    const from = log.firstIndex + Math.floor(this.random() * (last - base.index));
    const to = from + Math.floor(this.random() * (last - from + 1));
    const got = log.slice(from, to, Math.floor(this.random() * 100));
    assert.ok(got.length > 0);
    got.forEach((entry, i) => assert.equal(entry, expected[from - 1 + i]));
    const term = Math.floor(this.random() * (this.term + 2));
    const limit = Math.floor(this.random() * (last + 2));
    const matching = expected.findLastIndex((entry) => entry.index <= limit && entry.term <= term);
    assert.equal(log.lastWithTermAtMost(limit, term), Math.min(limit, Math.max(base.index, matching + 1)));
  }
}

test("the log equals its model after every step", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const model = new Model(seed);
    try {
      for (let step = 0; step < 150; step++) model.step();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

test("a cut below what memory keeps is right about the term before it", () => {
  const disk = new SimDisk(nobody);
  disk.entriesStored = [1, 1, 2, 2, 3].map((term, i) => ({ index: i + 1, term, kind: "command", data: new Uint8Array(1) }));
  const log = new RaftLog(disk, 0);
  log.truncate(3);
  assert.deepEqual([log.lastIndex, log.lastTerm, log.durableIndex], [2, 1, 2]);
  assert.equal(log.term(3), undefined);
  assert.deepEqual(log.submit(), { truncateFrom: 3, entries: [] });
});
