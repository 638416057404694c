// The Raft log: what it gives back, on both disks; a model under random writes and crashes; and every kind of damage (H8a, b, e).

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { checkPosition, openLog } from "../../src/storage/log.ts";
import { decodeWrite, encodeWrite, writeKey } from "../../src/storage/logformat.ts";
import { sealIn, unsealed } from "../../src/storage/quarantine.ts";
import { entry, hard, logWrite, range, write } from "./entries.ts";
import { Crashable, isQuarantine, levelBench, options, randomOf, simBench } from "./bench.ts";
import type { Entry, HardState, LogWrite } from "../../src/raft/types.ts";
import type { LogPosition, RaftLog } from "../../src/storage/log.ts";
import type { SimStore } from "../support/simdisk.ts";
import type { Bench, MakeBench } from "./bench.ts";

function contract(name: string, make: MakeBench): void {
  describe(`${name}: the log`, () => {
    let bench: Bench;
    let log: RaftLog;
    const open = async (): Promise<void> => void (log = await openLog(await bench.disk().open("log", options)));
    beforeEach(async () => {
      bench = make();
      await open();
    });
    afterEach(() => bench.end());

    test("an empty log", async () => {
      assert.deepEqual([log.firstIndex, log.lastIndex, log.term(1), log.term(0)], [1, 0, undefined, undefined]);
      assert.deepEqual(log.hardState, hard(0));
      assert.deepEqual(log.position(), { number: 0, index: 0, term: 0, vote: "", checksum: 0 });
      assert.throws(() => log.entries(1, 1, 100), /not in the log/);
    });

    test("entries, terms and hard state outlive the process", async () => {
      await write(log, logWrite(hard(1, "a"), range(1, 3, 1)));
      await write(log, logWrite(hard(2, "b", 3)));
      await write(log, logWrite(hard(2, "b", 3), range(4, 40, 2)));
      const position = log.position();
      await bench.reopen();
      await open();
      assert.deepEqual([log.firstIndex, log.lastIndex, log.term(3), log.term(4), log.term(41)], [1, 40, 1, 2, undefined]);
      assert.deepEqual([log.hardState, log.position()], [hard(2, "b", 3), position]);
      assert.deepEqual(log.entries(2, 40, 1e6), [...range(2, 3, 1), ...range(4, 40, 2)]);
      await write(log, logWrite(hard(2, "b", 40), range(41, 41, 2)));
      assert.equal(log.position().number, 4);
    });

    test("a page of entries is cut by bytes but never empty", async () => {
      await write(log, logWrite(hard(1), range(1, 5, 1)));
      await write(log, logWrite(hard(1), range(6, 9, 1)));
      assert.deepEqual(log.entries(2, 9, 50), range(2, 6, 1));
      assert.deepEqual(log.entries(2, 9, 49), range(2, 5, 1));
      assert.deepEqual(log.entries(6, 9, 0), range(6, 6, 1));
    });

    test("later writes replace from an index on, also twice and in the middle of a write", async () => {
      await write(log, logWrite(hard(1), range(1, 9, 1)));
      await write(log, logWrite(hard(2), range(5, 6, 2), 5));
      await write(log, logWrite(hard(3), range(6, 7, 3), 6));
      const expected = [...range(1, 4, 1), ...range(5, 5, 2), ...range(6, 7, 3)];
      assert.deepEqual(log.entries(1, 7, 1e6), expected);
      await bench.reopen();
      await open();
      assert.deepEqual([log.entries(1, 7, 1e6), log.lastIndex, [4, 5, 6].map((index) => log.term(index))], [expected, 7, [1, 2, 3]]);
      await write(log, logWrite(hard(4), [], 1));
      assert.deepEqual([log.lastIndex, log.firstIndex, log.term(1)], [0, 1, undefined]);
      await write(log, logWrite(hard(4), range(1, 1, 4)));
      assert.deepEqual(log.entries(1, 1, 1e6), range(1, 1, 4));
    });
  });
}

contract("leveldisk", levelBench);
contract("simdisk", simBench);

test("what is written is visible when it is durable, not before (G4)", async () => {
  const crashable = new Crashable(1);
  const log = await openLog(await crashable.disk.open("log", options));
  log.write(logWrite(hard(1, "a"), range(1, 2, 1)), () => undefined);
  assert.deepEqual([log.lastIndex, log.position().number, log.hardState.term], [0, 0, 0]);
  assert.throws(() => log.write(logWrite(hard(1)), () => undefined), /in flight/);
  crashable.settle();
  assert.deepEqual([log.lastIndex, log.position().number, log.hardState.term], [2, 1, 1]);
});

test("a write that cannot follow is a bug, not data", async () => {
  const log = await openLog(await new Crashable(1).disk.open("log", options));
  const bad: [LogWrite, RegExp][] = [
    [logWrite(hard(1), range(2, 2, 1)), /holds index 2 where 1 is due/],
    [logWrite(hard(1), range(1, 1, 2)), /is of term 2/],
    [logWrite(hard(1), [], 2), /not there/],
    [logWrite(hard(1, "", 1)), /commit/],
    [logWrite(hard(2), [entry(1, 2), entry(2, 1)]), /comes after/],
  ];
  for (const [each, pattern] of bad) {
    const again = { ...each, number: logWrite(hard(1)).number };
    assert.throws(() => log.write(again, () => undefined), pattern);
  }
});

type Model = { entries: Entry[]; hardState: HardState; number: number };

/** A write that may follow the model, and the model after it. */
function drawn(random: () => number, model: Model): [LogWrite, Model] {
  const below = (count: number): number => Math.floor(random() * count);
  const term = Math.max(1, model.hardState.term + (random() < 0.3 ? 1 : 0));
  const kept = random() < 0.3 ? below(model.entries.length + 1) : model.entries.length;
  const added = range(kept + 1, kept + below(6), term);
  const hardState = hard(term, ["", "a", "b"][below(3)], below(kept + added.length + 1));
  const truncateFrom = kept < model.entries.length || random() < 0.2 ? kept + 1 : undefined;
  const entries = [...model.entries.slice(0, kept), ...added];
  return [logWrite(hardState, added, truncateFrom), { entries, hardState, number: model.number + 1 }];
}

function check(log: RaftLog, model: Model, note: string): void {
  assert.deepEqual([log.lastIndex, log.hardState, log.position().number], [model.entries.length, model.hardState, model.number], note);
  if (model.entries.length > 0) assert.deepEqual(log.entries(1, model.entries.length, 1e9), model.entries, note);
  for (const { index, term } of model.entries) assert.equal(log.term(index), term, note);
}

test("random writes, crashes and restarts agree with a list; only the write in flight may be lost", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomOf(seed);
    const crashable = new Crashable(seed);
    let log = await openLog(await crashable.disk.open("log", options));
    let model: Model = { entries: [], hardState: hard(0), number: 0 };
    let witnessed: LogPosition = log.position();
    for (let step = 0; step < 30; step++) {
      const [next, after] = drawn(random, model);
      log.write(next, () => undefined);
      const crashes = random() < 0.3;
      if (crashes) {
        crashable.crash();
        log = await openLog(await crashable.disk.open("log", options));
        if (log.position().number === after.number) model = after;
      } else {
        crashable.settle();
        model = after;
      }
      check(log, model, `seed ${seed}, step ${step}`);
      checkPosition(log, witnessed);
      if (random() < 0.2) witnessed = log.position();
    }
  }
});

/** Four writes: entries, a vote alone, entries, a vote alone. */
async function fourWrites(): Promise<[Crashable, LogPosition]> {
  const crashable = new Crashable(1);
  const log = await openLog(await crashable.disk.open("log", options));
  const first = [logWrite(hard(1, "a"), range(1, 4, 1)), logWrite(hard(2, "b"))];
  for (const each of [...first, logWrite(hard(2, "b"), range(5, 9, 2)), logWrite(hard(3, "c"))]) {
    log.write(each, () => undefined);
    crashable.settle();
  }
  return [crashable, log.position()];
}

describe("lost writes of the log are known (H8)", () => {
  let crashable: Crashable;
  let witnessed: LogPosition;
  const reopened = async (): Promise<RaftLog> => openLog(await crashable.disk.open("log", options));
  beforeEach(async () => void ([crashable, witnessed] = await fourWrites()));
  const store = (): SimStore => crashable.storage.store("log");

  test("a batch lost in the middle, also one with a vote alone, and the first", async () => {
    for (const at of [2, 1, 0]) {
      store().dropBatch(at);
      await assert.rejects(reopened(), isQuarantine(/some are missing.*must be resynchronised/));
    }
  });

  test("the newest writes lost: open cannot know, a checkpoint's witness does (G5)", async () => {
    for (let lost = 1; lost <= 4; lost++) {
      store().dropNewest(1);
      const log = await reopened();
      assert.equal(log.position().number, 4 - lost);
      assert.throws(() => checkPosition(log, witnessed), isQuarantine(/acknowledged writes are lost/));
    }
    const none = { number: 0, index: 0, term: 0, vote: "", checksum: 0 };
    checkPosition(await reopened(), none);
  });

  test("other writes in place of the lost ones", async () => {
    store().dropNewest(1);
    const log = await reopened();
    log.write(logWrite(hard(3, "x")), () => undefined);
    crashable.settle();
    assert.throws(() => checkPosition(log, witnessed), isQuarantine(/not the one that a checkpoint saw/));
    for (const field of ["index", "term", "checksum"] as const) {
      const other = { ...log.position(), [field]: 77 };
      assert.throws(() => checkPosition(log, other), isQuarantine(/not the one/), field);
    }
    assert.throws(() => checkPosition(log, { ...log.position(), vote: "z" }), isQuarantine(/not the one/));
  });

  test("a value that goes missing after open", async () => {
    const log = await reopened();
    store().overwrite(writeKey(3), undefined);
    assert.throws(() => log.entries(6, 7, 1000), isQuarantine(/write 3.*is missing/));
  });
});

describe("damaged writes of the log are known (H8)", () => {
  let crashable: Crashable;
  const reopened = async (): Promise<RaftLog> => openLog(await crashable.disk.open("log", options));
  beforeEach(async () => void ([crashable] = await fourWrites()));
  const store = (): SimStore => crashable.storage.store("log");

  test("a flipped bit anywhere in a value, at open and at read", async () => {
    const log = await reopened();
    const key = writeKey(3);
    const bits = (store().get(key) as Uint8Array).length * 8;
    for (let bit = 0; bit < bits; bit += 5) {
      store().flipBit(key, bit);
      await assert.rejects(reopened(), isQuarantine(/fails its checksum/), `bit ${bit}`);
      assert.throws(() => log.entries(6, 7, 1000), isQuarantine(/fails its checksum/), `bit ${bit}`);
      store().flipBit(key, bit);
    }
    await reopened();
  });

  test("a flipped bit in a key", async () => {
    const from = writeKey(4);
    for (const to of [writeKey(5), writeKey(0x4004), `${from.slice(0, 13)}t`]) {
      store().moveKey(from, to);
      await assert.rejects(reopened(), isQuarantine(/fails its checksum|unknown key/), to);
      store().moveKey(to, from);
    }
    await reopened();
  });
});

test("a sound value whose tail, chain or order is wrong does not open (G2, G3)", async () => {
  const crashable = new Crashable(1);
  const log = await openLog(await crashable.disk.open("log", options));
  log.write(logWrite(hard(2), range(1, 2, 2)), () => undefined);
  crashable.settle();
  const key = writeKey(2);
  const start = { write: 1, seal: 0, index: 0, term: 0, state: 1 };
  const place = { number: 2, previousSeal: log.position().checksum, start, truncateFrom: 0 };
  const sound = { ...place, hardState: hard(2), lastIndex: 3, lastTerm: 2, entries: range(3, 3, 2) };
  const changes: [object, RegExp][] = [
    [{}, /^$/],
    [{ lastIndex: 4 }, /ends at index 3/],
    [{ lastTerm: 1 }, /ends at/],
    [{ previousSeal: 5 }, /another write before it/],
    [{ hardState: hard(1) }, /term falls/],
    [{ entries: range(4, 4, 2), lastIndex: 4 }, /holds index 4/],
    [{ entries: range(3, 3, 1), lastTerm: 1 }, /comes after/],
    [{ truncateFrom: 9 }, /not there/],
    [{ start: { ...start, write: 2 } }, /write 1: is there, but the log begins with write 2/],
    [{ start: { ...start, write: 3 } }, /write 1: is there, but the log begins with write 3/],
    [{ start: { ...start, write: 0 } }, /write 1: follows write -1, some are missing/],
    [{ start: { ...start, seal: 1 } }, /write 1: names another write before it/],
    [{ start: { ...start, index: 1 } }, /write 1: holds index 1 where 2 is due/],
    [{ start: { ...start, term: 3 } }, /write 1: term 2 of index 1 comes after term 3/],
  ];
  for (const [change, pattern] of changes) {
    crashable.storage.store("log").overwrite(key, encodeWrite(key, { ...sound, ...change }));
    const opened = openLog(await crashable.disk.open("log", options));
    if (Object.keys(change).length === 0) await opened;
    else await assert.rejects(opened, isQuarantine(pattern));
  }
});

test("membership entries are kept at hand, up to what is cut, also after a restart", async () => {
  const bench = simBench();
  const open = async (): Promise<RaftLog> => openLog(await bench.disk().open("log", options));
  const membership = (index: number, term: number): Entry => ({ ...entry(index, term), kind: "membership" });
  const log = await open();
  await write(log, logWrite(hard(1), [entry(1, 1), membership(2, 1), entry(3, 1), membership(4, 1)]));
  assert.deepEqual(log.membershipEntries(), [membership(2, 1), membership(4, 1)]);
  await write(log, logWrite(hard(2), [membership(4, 2), membership(5, 2)], 4));
  await bench.reopen();
  const reopened = await open();
  assert.deepEqual(reopened.membershipEntries(), [membership(2, 1), membership(4, 2), membership(5, 2)]);
  assert.deepEqual(reopened.entries(1, 2, 1e6), [entry(1, 1), membership(2, 1)]);
  await bench.end();
});

test("an entry's own checksum is chained to the entry before it (E1)", () => {
  const start = { write: 1, seal: 4, index: 2 ** 33, term: 2 ** 34, state: 6 };
  const place = { number: 1, previousSeal: 9, start, truncateFrom: 0, lastIndex: 3, lastTerm: 1 };
  const write = { ...place, hardState: hard(1), entries: range(1, 3, 1) };
  const value = encodeWrite(writeKey(1), write);
  assert.equal(typeof sealIn(value), "number");
  const content = unsealed("log", writeKey(1), value).slice();
  assert.deepEqual(decodeWrite(1, content), write);
  const second = content.length - 2 * 31;
  content.set(content.subarray(second + 31), second);
  assert.throws(() => decodeWrite(1, content), isQuarantine(/entry at index 3 fails/));
});
