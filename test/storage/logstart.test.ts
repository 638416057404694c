// Where the log begins: old writes are dropped whole, another state is put under it, and whatever a crash or damage makes of that is
// either whole or known.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { limits } from "../../src/limits.ts";
import { checkState, openLog } from "../../src/storage/log.ts";
import { writeKey } from "../../src/storage/logformat.ts";
import { Steps } from "../../src/storage/steps.ts";
import { Crashable, finished, isQuarantine, levelBench, options, randomOf, simBench } from "./bench.ts";
import { entry, hard, logWrite, range, write } from "./entries.ts";
import type { Entry, HardState, LogWrite } from "../../src/raft/types.ts";
import type { KvOp } from "../../src/storage/disk.ts";
import type { LogPosition, RaftLog } from "../../src/storage/log.ts";
import type { SimStore } from "../support/simdisk.ts";
import type { Bench, MakeBench } from "./bench.ts";

function contract(name: string, make: MakeBench): void {
  describe(`${name}: where the log begins`, () => {
    let bench: Bench;
    let log: RaftLog;
    const open = async (): Promise<void> => void (log = await openLog(await bench.disk().open("log", options)));
    beforeEach(async () => {
      bench = make();
      await open();
      for (const at of [1, 4, 7]) await write(log, logWrite(hard(at, "a", at - 1), range(at, at + 2, at)));
    });
    afterEach(() => bench.end());

    test("whole writes are dropped with the next write, and stay dropped", async () => {
      const before = log.bytes;
      log.compact(7, 3);
      assert.equal(log.firstIndex, 1, "nothing is dropped before it is durable");
      await write(log, logWrite(hard(7, "a", 9)));
      assert.deepEqual([log.firstIndex, log.lastIndex, log.firstWrite], [7, 9, 3]);
      const { bytes } = log;
      assert.ok(bytes < before, `${bytes} of ${before}`);
      const seen = (): unknown[] => [5, 6, 7, 9, 10].map((index) => log.term(index));
      assert.deepEqual(seen(), [undefined, 4, 7, 7, undefined]);
      await bench.reopen();
      await open();
      assert.deepEqual(seen(), [undefined, 4, 7, 7, undefined]);
      assert.deepEqual([log.firstIndex, log.lastIndex, log.bytes, log.stateNumber], [7, 9, bytes, 1]);
      assert.deepEqual(log.entries(7, 9, 1e6), range(7, 9, 7));
      assert.throws(() => log.entries(6, 9, 1e6), /not in the log/);
    });

    test("all entries may be dropped, and others follow", async () => {
      await write(log, logWrite(hard(8, "b", 9)));
      log.compact(9, log.position().number);
      await write(log, logWrite(hard(8, "b", 9), [{ ...entry(10, 8), kind: "membership" }]));
      await write(log, logWrite(hard(9, "b", 9), range(10, 11, 9), 10));
      await bench.reopen();
      await open();
      assert.deepEqual([log.firstIndex, log.lastIndex, log.term(9), log.membershipEntries()], [10, 11, 7, []]);
      assert.deepEqual(log.entries(10, 11, 1e6), range(10, 11, 9));
    });

    test("membership entries go with the writes that held them", async () => {
      const memberships = [10, 11].map((index): Entry => ({ ...entry(index, 8), kind: "membership" }));
      for (const each of memberships) await write(log, logWrite(hard(8, "b", 9), [each]));
      log.compact(11, 5);
      await write(log, logWrite(hard(8, "b", 11)));
      assert.deepEqual(log.membershipEntries(), memberships.slice(1));
      await bench.reopen();
      await open();
      assert.deepEqual(log.membershipEntries(), memberships.slice(1));
    });

    test("another state takes the place of all entries; term and vote stay", async () => {
      const { position, write: replace } = log.replacement({ index: 40, term: 6 }, 2);
      await finished(replace);
      assert.deepEqual(log.position(), position);
      await bench.reopen();
      await open();
      assert.deepEqual([log.position(), log.hardState, log.stateNumber], [position, hard(7, "a", 40), 2]);
      assert.deepEqual([log.firstIndex, log.lastIndex, log.term(40), log.term(39)], [41, 40, 6, undefined]);
      checkState(log, { appliedIndex: 40, appliedTerm: 6, logPosition: position });
      await write(log, logWrite(hard(7, "a", 40), range(41, 42, 7)));
      assert.deepEqual(log.entries(41, 42, 1e6), range(41, 42, 7));
    });
  });
}

test("a state of a later term raises the term of an old log, which has voted for nobody in it", async () => {
  const crashable = new Crashable(1);
  const log = await openLog(await crashable.disk.open("log", options));
  written(crashable, log, logWrite(hard(7, "a"), range(1, 3, 7)));
  log.replacement({ index: 40, term: 9 }, 2).write(() => undefined);
  crashable.settle();
  assert.deepEqual(log.hardState, hard(9, "", 40));
});

contract("leveldisk", levelBench);
contract("simdisk", simBench);

test("what is dropped ends before the write that a checkpoint saw, and at the index that is allowed", async () => {
  const firstAfter = async (toIndex: number, witnessed: number): Promise<number> => {
    const crashable = new Crashable(1);
    const log = await openLog(await crashable.disk.open("log", options));
    const next = (each: LogWrite): void => written(crashable, log, each);
    for (const at of [1, 4, 7]) next(logWrite(hard(1, "", 9 * Math.floor(at / 7)), range(at, at + 2, 1)));
    log.compact(toIndex, witnessed);
    next(logWrite(hard(1, "", 9)));
    return log.firstIndex;
  };
  const found = await Promise.all([[2, 3], [3, 3], [5, 3], [6, 3], [9, 3], [9, 2], [9, 1]].map(([to, seen]) => firstAfter(to!, seen!)));
  assert.deepEqual(found, [1, 4, 4, 7, 7, 4, 1]);
});

test("a write drops a bounded number of others, and memory is given back", async () => {
  const crashable = new Crashable(1);
  const kv = await crashable.disk.open("log", options);
  const log = await openLog(kv);
  const batches: (readonly KvOp[])[] = [];
  const real = kv.write.bind(kv);
  kv.write = (ops, done) => {
    batches.push(ops);
    real(ops, done);
  };
  const next = (each: LogWrite): void => written(crashable, log, each);
  const count = 2 * limits.logDropsPerWriteMax + 10;
  for (let i = 1; i <= count; i++) next(logWrite(hard(1, "", i), range(i, i, 1)));
  batches.length = 0;
  log.compact(count, count);
  for (let i = 1; i <= 3; i++) next(logWrite(hard(1, "", count)));
  assert.deepEqual(batches.map((ops) => ops.length - 1), [limits.logDropsPerWriteMax, limits.logDropsPerWriteMax, 9]);
  assert.deepEqual([log.firstIndex, log.lastIndex], [count, count]);
});

test("steps give their memory back", () => {
  const steps = new Steps();
  for (let i = 0; i < 5000; i++) steps.push(i * 2, i);
  steps.dropTo(9001);
  assert.deepEqual([steps.firstIndex, steps.endAt(9001)], [9001, 9002]);
  assert.deepEqual([9000, 9001, 9002, 9999].map((index) => steps.at(index)), [undefined, 4500, 4501, 4999]);
  assert.ok(steps.capacity <= 2048, `${steps.capacity}`);
  steps.dropTo(20_000);
  assert.deepEqual([steps.length, steps.firstIndex, steps.at(20_000)], [1, 20_000, 4999]);
  assert.equal(steps.capacity, 64);
  steps.push(20_001, 1);
  assert.equal(steps.at(20_001), 1);
});

type Written = { readonly tail: number; readonly truncateFrom: number };

/** What a log should hold: all entries ever, where they begin, and how each write ended. */
class Model {
  entries: readonly Entry[] = [];
  base = 0;
  first = 1;
  hardState: HardState = hard(0);
  written: readonly Written[] = [];
  state = 1;

  copy(): Model {
    return Object.assign(new Model(), this);
  }

  get last(): number {
    return this.base + this.entries.length;
  }

  /** The furthest base that may be reached, found by trying all. */
  bestBase(toIndex: number, witnessed: number): number {
    let best = this.base;
    for (let first = this.first + 1; first <= witnessed; first++) {
      const { tail } = this.written[first - 2] as Written;
      const later = this.written.slice(first - 1);
      if (tail <= toIndex && later.every(({ truncateFrom }) => truncateFrom === 0 || truncateFrom > tail)) best = Math.max(best, tail);
    }
    return best;
  }

  write(random: () => number): LogWrite {
    const below = (count: number): number => Math.floor(random() * count);
    const { commit, term: old } = this.hardState;
    const term = Math.max(1, old + (random() < 0.3 ? 1 : 0));
    const kept = random() < 0.4 ? commit + below(this.last - commit + 1) : this.last;
    const truncateFrom = kept < this.last ? kept + 1 : undefined;
    const added = range(kept + 1, kept + below(4), term);
    this.entries = [...this.entries.slice(0, kept - this.base), ...added];
    this.hardState = hard(term, ["", "a", "b"][below(3)], random() < 0.5 ? commit : commit + below(this.last - commit + 1));
    this.written = [...this.written, { tail: this.last, truncateFrom: truncateFrom ?? 0 }];
    return logWrite(this.hardState, added, truncateFrom);
  }

  drop(base: number): void {
    this.entries = this.entries.slice(base - this.base);
    this.base = base;
  }

  check(log: RaftLog, note: string): void {
    assert.deepEqual([log.firstIndex, log.lastIndex, log.stateNumber], [this.base + 1, this.last, this.state], note);
    assert.deepEqual([log.hardState, log.position().number], [this.hardState, this.written.length], note);
    if (this.entries.length > 0) assert.deepEqual(log.entries(this.base + 1, this.last, 1e9), this.entries, note);
    for (const { index, term } of this.entries) assert.equal(log.term(index), term, note);
  }
}

type Place = { readonly appliedIndex: number; readonly appliedTerm: number; readonly logPosition: LogPosition };

/** One step of a node's life: writes, checkpoints, marks, other states; and the same in the model. */
class Life {
  readonly crashable: Crashable;
  readonly random: () => number;
  model = new Model();
  log: RaftLog;
  place: Place | undefined;
  marked = { index: 0, witnessed: 0 };

  private constructor(seed: number, crashable: Crashable, log: RaftLog) {
    this.random = randomOf(seed);
    this.crashable = crashable;
    this.log = log;
  }

  static async begin(seed: number): Promise<Life> {
    const crashable = new Crashable(seed);
    return new Life(seed, crashable, await openLog(await crashable.disk.open("log", options)));
  }

  async step(note: string): Promise<void> {
    const choice = this.random();
    if (choice < 0.2 && this.model.hardState.commit > 0) return this.checkpoint();
    if (choice < 0.35 && this.place !== undefined) return this.mark(this.place);
    const before = this.model.copy();
    const placeBefore = this.place;
    const isReplacement = choice < 0.4;
    if (isReplacement) this.replace();
    else this.write();
    if (this.random() < 0.4) {
      this.crashable.crash();
      this.log = await openLog(await this.crashable.disk.open("log", options));
      const isLost = this.log.position().number === before.written.length;
      if (isLost) [this.model, this.place] = [before, placeBefore];
      this.marked = { index: 0, witnessed: 0 };
    } else this.crashable.settle();
    this.model.first = this.log.firstWrite;
    this.model.check(this.log, note);
    checkState(this.log, this.place);
  }

  private write(): void {
    const each = this.model.write(this.random);
    const base = this.model.bestBase(this.marked.index, this.marked.witnessed);
    this.model.drop(base);
    this.log.write(each, () => undefined);
  }

  private replace(): void {
    const { model } = this;
    const base = { index: model.hardState.commit + 1 + Math.floor(this.random() * 9), term: model.hardState.term + 1 };
    const { position, write: replace } = this.log.replacement(base, model.state + 1);
    this.place = { appliedIndex: base.index, appliedTerm: base.term, logPosition: position };
    Object.assign(model, { entries: [], base: base.index, hardState: hard(base.term, "", base.index), state: model.state + 1 });
    model.written = [...model.written, { tail: base.index, truncateFrom: 0 }];
    replace(() => undefined);
  }

  private checkpoint(): void {
    const { commit } = this.model.hardState;
    this.place = { appliedIndex: commit, appliedTerm: this.log.term(commit) as number, logPosition: this.log.position() };
  }

  private mark({ appliedIndex, logPosition }: Place): void {
    this.marked = { index: Math.floor(this.random() * (appliedIndex + 1)), witnessed: logPosition.number };
    this.log.compact(this.marked.index, this.marked.witnessed);
  }
}

test("random writes, marks, other states and crashes agree with a list, and the furthest cut is found", async () => {
  for (let seed = 1; seed <= 80; seed++) {
    const life = await Life.begin(seed);
    for (let step = 0; step < 60; step++) await life.step(`seed ${seed}, step ${step}`);
  }
});

function written(crashable: Crashable, log: RaftLog, each: LogWrite): void {
  log.write(each, () => undefined);
  crashable.settle();
}

describe("damage where the log begins is known (H8)", () => {
  let crashable: Crashable;
  let witnessed: LogPosition;
  const reopened = async (): Promise<RaftLog> => openLog(await crashable.disk.open("log", options));
  const store = (): SimStore => crashable.storage.store("log");
  const next = (log: RaftLog, each: LogWrite): void => written(crashable, log, each);
  beforeEach(async () => {
    crashable = new Crashable(1);
    const log = await reopened();
    for (const at of [1, 4, 7]) next(log, logWrite(hard(at, "a", at - 1), range(at, at + 2, at)));
    witnessed = log.position();
    log.compact(9, 3);
    next(log, logWrite(hard(7, "a", 9), range(10, 11, 7)));
    next(log, logWrite(hard(8, "b", 9)));
  });
  const place = (appliedIndex: number, appliedTerm: number): Place => ({ appliedIndex, appliedTerm, logPosition: witnessed });

  test("the batch that dropped writes is lost, with and without the one behind it", async () => {
    const batch = store().batches[3] as readonly KvOp[];
    store().dropBatch(3);
    await assert.rejects(reopened(), isQuarantine(/is there, but the log begins with|some are missing/));
    store().batches.splice(3, 0, batch);
    store().dropNewest(2);
    assert.deepEqual([(await reopened()).firstIndex, (await reopened()).lastIndex], [1, 9], "as before it");
  });

  test("a dropped write is back, and the first one is lost, flipped or another", async () => {
    const [first, second] = [writeKey(3), writeKey(2)];
    const own = store().get(first);
    store().overwrite(second, own);
    await assert.rejects(reopened(), isQuarantine(/fails its checksum/));
    store().overwrite(second, undefined);
    store().overwrite(first, undefined);
    await assert.rejects(reopened(), isQuarantine(/follows write 2, some are missing/));
    store().overwrite(first, own);
    await reopened();
    store().flipBit(first, 77);
    await assert.rejects(reopened(), isQuarantine(/fails its checksum/));
  });

  test("a state that does not join the log, or is not of it", async () => {
    const log = await reopened();
    checkState(log, place(6, 4));
    checkState(log, place(9, 7));
    assert.throws(() => checkState(log, place(5, 4)), isQuarantine(/holds index 7 to 11, which does not join the state up to 5/));
    assert.throws(() => checkState(log, place(12, 4)), isQuarantine(/does not join/));
    assert.throws(() => checkState(log, place(9, 6)), isQuarantine(/has term 7 at index 9.*of term 6/));
    assert.throws(() => checkState(log, undefined), isQuarantine(/begins with index 7 and state 1, but nothing is stored/));
    const older = { ...place(6, 4), logPosition: { ...witnessed, number: 2 } };
    assert.throws(() => checkState(log, older), isQuarantine(/begins with write 3, a checkpoint saw write 2: a newer checkpoint is lost/));
  });

  test("another state whose batch is lost: the log names the state before", async () => {
    const log = await reopened();
    const { position, write: replace } = log.replacement({ index: 30, term: 8 }, 2);
    replace(() => undefined);
    crashable.settle();
    next(log, logWrite(hard(8, "b", 30), range(31, 32, 8)));
    const batch = store().batches.at(-2) as readonly KvOp[];
    store().dropBatch(store().batches.length - 2);
    await assert.rejects(reopened(), isQuarantine(/is there, but the log begins with write 6/));
    store().batches.splice(-1, 0, batch);
    store().dropNewest(2);
    const older = await reopened();
    assert.deepEqual([older.stateNumber, older.lastIndex], [1, 11]);
    const newer = { appliedIndex: 30, appliedTerm: 8, logPosition: position };
    assert.throws(() => checkState(older, newer), isQuarantine(/acknowledged writes are lost/));
  });
});

test("a log that was written since its replacement was made is not replaced", async () => {
  const crashable = new Crashable(1);
  const log = await openLog(await crashable.disk.open("log", options));
  log.write(logWrite(hard(1, "", 2), range(1, 3, 1)), () => undefined);
  crashable.settle();
  assert.throws(() => log.replacement({ index: 2, term: 1 }, 2), /replaced by a newer one/);
  assert.throws(() => log.replacement({ index: 9, term: 1 }, 1), /replaced by a newer one/);
  const { write: replace } = log.replacement({ index: 9, term: 1 }, 2);
  log.write(logWrite(hard(2)), () => undefined);
  crashable.settle();
  assert.throws(() => replace(() => undefined), /was written since/);
});
