// History: reads agree with a list of all rows, flushed or not, over restarts and crashes, on both disks; damage is known (H8, H10);
// and the order between history and checkpoint.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { emptyHistoryRow, endings } from "../../src/jobs/history.ts";
import { takeCheckpoint } from "../../src/storage/checkpoint.ts";
import { HistoryStore } from "../../src/storage/history.ts";
import { Block, encodeBlock, rowAt } from "../../src/storage/historyblock.ts";
import { Tail } from "../../src/storage/historytail.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { Crashable, finished, isQuarantine, levelBench, options, randomOf, simBench } from "./bench.ts";
import { Replica, momentAt } from "./tables.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import type { FindAt, HistoryQuery } from "../../src/storage/historysearch.ts";
import type { DayMark, HistoryMarks } from "../../src/storage/historymarks.ts";
import type { MakeBench } from "./bench.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 10, 21);

/** A plausible record. `spread` is how far apart the ends of neighbours may be. */
function drawn(random: () => number, ordinal: number, baseMs: number, spreadMs: number): HistoryRow {
  const below = (count: number): number => Math.floor(random() * count);
  const endAtMs = baseMs + below(spreadMs);
  const ending = below(endings.length);
  const isRange = ending >= 4;
  const startAtMs = isRange || random() < 0.1 ? 0 : endAtMs - below(3000);
  const scheduledAtMs = (startAtMs || endAtMs) - below(2000);
  return {
    ordinal, sequence: isRange ? 0 : ordinal * 2 + below(2), job: 1 + below(1e6), previous: random() < 0.2 ? 0 : below(ordinal),
    origin: below(2), ending, attempts: below(4), scheduledAtMs, startAtMs, endAtMs,
    token: startAtMs === 0 ? 0 : 2 ** 40 + ordinal, node: startAtMs === 0 ? 0 : 1 + below(3),
    rangeToMs: isRange ? scheduledAtMs + below(9000) : 0, rangeCount: isRange ? 1 + below(10) : 0,
    jobType: ["http", "noop", "email.send"][below(3)] as string, note: ["", "", "timeout", `exit ${below(9)} ü`][below(4)] as string,
  };
}

function expected(rows: readonly HistoryRow[], query: Omit<HistoryQuery, "limit">): HistoryRow[] {
  const { endingMask = -1, jobType, fromMs = -1, toMs = Infinity, beforeOrdinal = Infinity } = query;
  const matching = rows.filter((row) => row.ordinal < beforeOrdinal && ((1 << row.ending) & endingMask) !== 0 && row.scheduledAtMs < toMs);
  const inTime = matching.filter((row) => row.scheduledAtMs >= fromMs || row.rangeToMs >= fromMs);
  return inTime.filter((row) => jobType === undefined || row.jobType === jobType).reverse();
}

function scanned(store: HistoryStore, query: Omit<HistoryQuery, "limit">, limit: number, upTo = Infinity): HistoryRow[] {
  const out: HistoryRow[] = [];
  for (let before = query.beforeOrdinal; ; ) {
    const page = store.scan({ ...query, beforeOrdinal: before, limit });
    assert.ok(page.rows.length <= limit);
    out.push(...page.rows);
    if (page.next === undefined || out.length >= upTo) return out.slice(0, upTo);
    assert.ok(before === undefined || page.next < before, "a scan must go on");
    before = page.next;
  }
}

/** The record of an execution, however many parts its search has. */
function searched(store: HistoryStore, sequence: number): HistoryRow | undefined {
  for (let from: FindAt | undefined; ; ) {
    const found = store.find(sequence, from);
    if (found === undefined || "row" in found) return found?.row;
    from = found.goOn;
  }
}

/** Row by row, because the difference of two long lists takes minutes to print. */
function same(actual: readonly HistoryRow[], wanted: readonly HistoryRow[], note: string): void {
  for (const [i, row] of wanted.entries()) assert.deepEqual(actual[i], row, `${note}, row ${i}`);
  assert.equal(actual.length, wanted.length, note);
}

/** All reads agree with the rows. */
function check(store: HistoryStore, rows: readonly HistoryRow[], random: () => number, note: string): void {
  same(scanned(store, {}, 700), [...rows].reverse(), note);
  const middle = rows[rows.length >> 1]?.scheduledAtMs ?? 0;
  const byType = [{ endingMask: 2, jobType: "noop" }, { jobType: "shell" }];
  const queries = [...byType, { endingMask: 1 << 5, fromMs: middle }, { toMs: middle }, { fromMs: middle, toMs: middle + 1000 }];
  for (const query of queries) same(scanned(store, query, 50), expected(rows, query), note);
  for (let i = 0; i < 20; i++) {
    const row = rows[Math.floor(random() * rows.length)];
    if (row === undefined) break;
    assert.deepEqual(store.record(row.ordinal), row, note);
    if (row.sequence !== 0) assert.deepEqual(searched(store, row.sequence), row, note);
    const query = { beforeOrdinal: row.ordinal };
    assert.deepEqual(scanned(store, query, 9, 9), expected(rows, query).slice(0, 9), note);
  }
  for (const absent of [store.record(0), store.record(rows.length + 1), searched(store, 0), searched(store, 1e9)]) {
    assert.equal(absent, undefined);
  }
}

function contract(name: string, make: MakeBench): void {
  test(`${name}: history over three days, restarts and blocks`, async () => {
    const bench = make();
    const random = randomOf(3);
    const rows: HistoryRow[] = [];
    let store = HistoryStore.open(bench.disk().files, 0, noHistory);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 2500; i++) {
        const row = drawn(random, rows.length + 1, START_MS + round * 0.45 * DAY_MS, 1000 + DAY_MS / 5);
        rows.push(row);
        store.append(row);
      }
      check(store, rows, random, `round ${round}, in memory`);
      const synced = finished((done) => store.flush(done));
      const marks = store.marks();
      await synced;
      check(store, rows, random, `round ${round}, flushed`);
      await bench.reopen();
      store = HistoryStore.open(bench.disk().files, 0, marks);
      check(store, rows, random, `round ${round}, reopened`);
    }
    await bench.end();
  });
}

contract("leveldisk", levelBench);
contract("simdisk", simBench);

test("any rows come back out of a block as they went in", () => {
  const wide = fc.double({ min: 0, max: 1, noNaN: true }).map((part) => Math.floor(part * 2 ** 51));
  const instant = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 }), wide, fc.constant(START_MS));
  const field = fc.oneof(fc.constant(0), fc.nat(300), fc.integer({ min: 0, max: 2 ** 33 }), instant);
  const row = fc.record({
    ...Object.fromEntries(Object.keys(emptyHistoryRow()).map((key) => [key, field])),
    ending: fc.nat(5),
    jobType: fc.constantFrom("", "http", "noop"),
    note: fc.oneof(fc.constant(""), fc.string({ unit: "grapheme" })),
  }).map((each) => ({ ...emptyHistoryRow(), ...each }));
  const place = { name: "h", offset: 5, day: 9 };
  const property = fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (rows) => {
    const tail = new Tail(rows.length);
    for (const each of rows) tail.push(each);
    const block = new Block("h", 5, encodeBlock(place, tail.columns, rows.length, tail.texts).bytes);
    assert.deepEqual(rows.map((_, at) => rowAt(block, at)), rows);
    assert.deepEqual(rows.map((_, at) => rowAt(tail, at)), rows);
  });
  fc.assert(property, { numRuns: 400, seed: 20_261_121 });
});

test("what a crash leaves is cut to the marks, and the log brings it again", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const crashable = new Crashable(seed);
    const random = randomOf(seed);
    const rows: HistoryRow[] = [];
    let marks = noHistory;
    let store = HistoryStore.open(crashable.disk.files, 0, marks);
    for (let step = 0; step < 12; step++) {
      for (let i = Math.floor(random() * 60); i > 0; i--) {
        const row = drawn(random, rows.length + 1, START_MS + step * DAY_MS * 0.3, DAY_MS / 2);
        rows.push(row);
        store.append(row);
      }
      store.flush(() => undefined);
      const next = store.marks();
      if (random() < 0.6) {
        crashable.settle();
        marks = next;
        store.checkpointed();
        continue;
      }
      crashable.crash();
      rows.length = marks.nextOrdinal - 1;
      store = HistoryStore.open(crashable.disk.files, 0, marks);
      check(store, rows, random, `seed ${seed}, step ${step}`);
    }
  }
});

test("many days may be open at once, and come in any order", () => {
  const store = HistoryStore.open(new Crashable(1).disk.files, 0, noHistory);
  const random = randomOf(9);
  const rows = Array.from({ length: 300 }, (_, i) => drawn(random, i + 1, START_MS + ((i * 7) % 11) * DAY_MS, DAY_MS / 2));
  for (const row of rows) store.append(row);
  check(store, rows, random, "open");
  store.flush(() => undefined);
  assert.equal(store.marks().days.length, 11);
  check(store, rows, random, "flushed");
});

test("a range is found by any of its due times, also in a block", () => {
  const store = HistoryStore.open(new Crashable(1).disk.files, 0, noHistory);
  const times = { scheduledAtMs: START_MS, rangeToMs: START_MS + 5000, rangeCount: 6, endAtMs: START_MS + 9000, ending: 4 };
  store.append({ ...emptyHistoryRow(), ordinal: 1, ...times });
  for (const note of ["in memory", "in a block"]) {
    const found = [4000, 5000, 5001].map((ms) => store.scan({ fromMs: START_MS + ms, limit: 9 }).rows.length);
    assert.deepEqual(found, [1, 1, 0], note);
    store.flush(() => undefined);
  }
});

test("days are dropped whole, their files only once no checkpoint names them (T3)", async () => {
  const crashable = new Crashable(1);
  const { files } = crashable.disk;
  const store = HistoryStore.open(files, 0, noHistory);
  for (let ordinal = 1; ordinal <= 5; ordinal++) store.append({ ...emptyHistoryRow(), ordinal, endAtMs: START_MS + ordinal * DAY_MS });
  store.flush(() => undefined);
  const before = store.marks();
  crashable.settle();
  store.dropBefore(Math.floor(START_MS / DAY_MS) + 3);
  assert.deepEqual([store.record(2), store.record(3)?.ordinal, scanned(store, {}, 9).length], [undefined, 3, 3]);
  store.checkpointed();
  assert.equal(files.list("history/0/").length, 5, "the newest durable checkpoint still names all of them");
  store.flush(() => undefined);
  const after = store.marks();
  assert.equal(HistoryStore.open(files, 0, before).record(1)?.ordinal, 1);
  store.checkpointed();
  assert.deepEqual(files.list("history/0/"), ["2026-11-24", "2026-11-25", "2026-11-26"].map((day) => `history/0/${day}`));
  assert.equal(HistoryStore.open(files, 0, after).record(3)?.ordinal, 3);
});

describe("damage of the history is known (H8)", () => {
  let crashable: Crashable;
  let marks: HistoryMarks;
  const name = "history/0/2026-11-21";
  const reopened = (): HistoryStore => HistoryStore.open(crashable.disk.files, 0, marks);
  beforeEach(() => {
    crashable = new Crashable(1);
    const store = HistoryStore.open(crashable.disk.files, 0, noHistory);
    const random = randomOf(2);
    for (let ordinal = 1; ordinal <= 90; ordinal++) {
      store.append(drawn(random, ordinal, START_MS, 1000));
      if (ordinal % 30 === 0) store.flush(() => undefined);
    }
    marks = store.marks();
    crashable.settle();
  });

  test("a file shorter than its mark, or none", () => {
    const { files } = crashable.disk;
    files.truncate(name, files.size(name) - 1);
    assert.throws(reopened, isQuarantine(/has \d+ bytes, a checkpoint saw/));
    files.remove(name);
    assert.throws(reopened, isQuarantine(/has 0 bytes/));
  });

  test("a flipped bit, at open or at read", () => {
    const file = crashable.storage.files.get(name)?.data as Uint8Array;
    for (let at = 0; at < (marks.days[0]?.length as number); at += 3) {
      file[at] = (file[at] as number) ^ 4;
      const read = (): unknown => scanned(reopened(), {}, 100);
      assert.throws(read, isQuarantine(/no sound block|fails its checksum/), `byte ${at}`);
      file[at] = (file[at] as number) ^ 4;
    }
    assert.equal(scanned(reopened(), {}, 100).length, 90);
  });

  test("a sound block at another place, a mark inside a block, and rows of the future", () => {
    const file = crashable.storage.files.get(name)?.data as Uint8Array;
    const [whole] = marks.days as [DayMark];
    const third = Buffer.from(file).indexOf("PWH2", 93, "latin1");
    marks = { ...marks, nextOrdinal: 90 };
    assert.throws(reopened, isQuarantine(/holds record 90, but 90 comes next/));
    const first = file.slice(0, third);
    file.set(first, third);
    assert.throws(reopened, isQuarantine(/no sound block/));
    marks = { ...marks, nextOrdinal: 91, days: [{ ...whole, length: third - 1 }] };
    assert.throws(reopened, isQuarantine(/does not continue/));
  });
});

describe("history and checkpoint (P1, P2)", () => {
  const openAll = async (crashable: Crashable): Promise<{ replica: Replica; history: HistoryStore }> => {
    const kv = await crashable.disk.open("state", options);
    const replica = await Replica.open(kv, (run) => run());
    const history = HistoryStore.open(crashable.disk.files, 0, replica.store.restored?.historyMarks ?? noHistory);
    return { replica, history };
  };

  test("at whatever step the power is cut, the state names only history that is there, and as of its own turn", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const crashable = new Crashable(seed);
      const random = randomOf(seed);
      let { replica, history } = await openAll(crashable);
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 5; i++) history.append(drawn(random, ++replica.applied, START_MS + round * DAY_MS, 1000));
        takeCheckpoint(replica.store, history, momentAt(replica.applied), () => undefined);
        history.append(drawn(random, ++replica.applied, START_MS + round * DAY_MS, 1000));
        for (let steps = Math.floor(random() * 3); steps > 0; steps--) crashable.step();
        crashable.crash();
        ({ replica, history } = await openAll(crashable));
        const { applied } = replica;
        assert.equal(replica.store.restored?.historyMarks.nextOrdinal ?? 1, applied + 1, `seed ${seed}`);
        assert.equal(scanned(history, {}, 100).length, applied, `seed ${seed}`);
      }
    }
  });

  test("the wrong order is noticed: a checkpoint whose history was not synced", async () => {
    let noticed = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const crashable = new Crashable(seed);
      const { replica, history } = await openAll(crashable);
      history.append(drawn(randomOf(seed), 1, START_MS, 1000));
      history.flush(() => undefined);
      crashable.storage.files.forEach((file) => assert.equal(file.synced, 0));
      replica.store.freeze(momentAt(1), history.marks());
      replica.store.commit(() => undefined);
      crashable.storage.store("state").commit(crashable.storage.store("state").inFlight ?? []);
      crashable.crash();
      await openAll(crashable).catch((error: unknown) => (noticed += isQuarantine(/a checkpoint saw/)(error) ? 1 : 0));
    }
    assert.ok(noticed > 10, `${noticed} of 20`);
  });
});
