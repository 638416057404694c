// Holes in the history (H10e): a node that took up snapshots refuses every read that needs what it lacks, takes the missing records from a
// whole node in batches, over crashes and further snapshots, and then answers everything as that one does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { emptyHistoryRow } from "../../src/jobs/history.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import { limits } from "../../src/limits.ts";
import { HistoryStore } from "../../src/storage/history.ts";
import { decodeBatch, encodeBatch } from "../../src/storage/historybatch.ts";
import { noHistory, ownAfterSnapshot } from "../../src/storage/historymarks.ts";
import type { HistoryMarks } from "../../src/storage/historymarks.ts";
import { Crashable, isQuarantine, randomOf } from "./bench.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 10, 20);

function recordAt(ordinal: number, endAtMs: number): HistoryRow {
  const previous = Math.max(0, ordinal - 3);
  const note = `n${ordinal % 4}`;
  return { ...emptyHistoryRow(), ordinal, sequence: ordinal * 2, job: 1, previous, scheduledAtMs: endAtMs - 5, endAtMs, note };
}

/** Records that end within hours of each other, in four days. */
function records(random: () => number, from: number, to: number): HistoryRow[] {
  const endOf = (ordinal: number): number => Math.floor(START_MS + (ordinal / 300) * DAY_MS + random() * 0.3 * DAY_MS);
  return Array.from({ length: to - from }, (_, at) => recordAt(from + at, endOf(from + at)));
}

function isIncomplete(error: unknown): boolean {
  return error instanceof PawlError && error.code === "history_incomplete";
}

/** A node's history on a disk of its own, with the marks that its last checkpoint named. */
class Node {
  readonly crashable: Crashable;
  marks: HistoryMarks = noHistory;
  store: HistoryStore;

  constructor(seed: number) {
    this.crashable = new Crashable(seed);
    this.store = this.opened();
  }

  private opened(): HistoryStore {
    return HistoryStore.open(this.crashable.disk.files, 0, this.marks);
  }

  append(rows: readonly HistoryRow[]): void {
    for (const row of rows) this.store.append(row);
  }

  checkpoint(): void {
    this.store.flush(() => undefined);
    this.marks = this.store.marks();
    this.crashable.settle();
  }

  crash(): void {
    this.crashable.crash();
    this.store = this.opened();
  }

  /** Takes up a snapshot whose next record is `nextOrdinal`. */
  install(nextOrdinal: number): void {
    this.checkpoint();
    this.marks = { nextOrdinal, ...ownAfterSnapshot(this.marks, nextOrdinal) };
    this.crash();
  }

  /** One batch of what is missing, as it comes over a link. */
  fetch(from: HistoryStore): void {
    const { hole } = this.store;
    assert.ok(hole);
    const { rows, upTo } = from.batch(hole.from, hole.to);
    this.store.fill({ rows: decodeBatch(encodeBatch(rows), hole.from, upTo), upTo });
  }

  all(): HistoryRow[] {
    const rows: HistoryRow[] = [];
    for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
      const page = this.store.scan({ beforeOrdinal: before, limit: 97 });
      rows.push(...page.rows);
      before = page.next;
    }
    return rows;
  }
}

test("what a hole may hold is refused, what lies beside it is answered", () => {
  const rows = records(randomOf(1), 1, 401);
  const node = new Node(1);
  node.append(rows.slice(0, 100));
  node.install(301);
  node.append(rows.slice(300));
  assert.deepEqual([node.store.hole, node.store.missing], [{ from: 101, to: 301 }, 200]);
  for (const ordinal of [1, 100, 301, 400]) assert.deepEqual(node.store.record(ordinal), rows[ordinal - 1]);
  for (const ordinal of [101, 200, 300]) assert.throws(() => node.store.record(ordinal), isIncomplete, `record ${ordinal}`);
  assert.equal(node.store.record(401), undefined);
  assert.deepEqual(node.store.find(602), { row: rows[300] });
  assert.throws(() => node.store.find(301), isIncomplete, "nobody knows whether there is one");
  assert.deepEqual(node.store.scan({ limit: 100 }).rows.length, 100);
  assert.throws(() => node.store.scan({ limit: 101 }), isIncomplete);
  assert.throws(() => node.store.scan({ limit: 1, beforeOrdinal: 250 }), isIncomplete);
  assert.deepEqual(node.store.scan({ limit: 9, beforeOrdinal: 101 }).rows[0], rows[99]);
});

test("a node that lacks everything, or the newest records, refuses too", () => {
  const node = new Node(2);
  node.install(50);
  assert.throws(() => node.store.scan({ limit: 1 }), isIncomplete);
  assert.throws(() => node.store.record(1), isIncomplete);
  assert.throws(() => node.store.find(5), isIncomplete);
});

test("holes are filled over crashes and further snapshots, and then both histories are the same", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomOf(seed);
    const whole = new Node(seed + 1000);
    const node = new Node(seed);
    let next = 1;
    const go = (count: number, isHere: boolean): void => {
      const rows = records(random, next, next + count);
      next += count;
      whole.append(rows);
      if (random() < 0.5) whole.checkpoint();
      if (isHere) node.append(rows);
    };
    for (let round = 0; round < 6; round++) {
      go(Math.floor(random() * 200), true);
      if (random() < 0.7) go(Math.floor(random() * 400), false);
      // What comes after it was taken comes by the log.
      node.install(next);
      for (let steps = Math.floor(random() * 4); steps > 0 && node.store.hole; steps--) {
        node.fetch(whole.store);
        if (random() < 0.4) node.checkpoint();
        else if (random() < 0.3 && node.marks.nextOrdinal === next) node.crash();
      }
    }
    for (let batches = 0; node.store.hole; batches++) {
      assert.ok(batches < 100, `seed ${seed}: each batch is a step forward`);
      node.fetch(whole.store);
      if (random() < 0.3) node.checkpoint();
      else if (random() < 0.3) node.crash();
    }
    assert.deepEqual(node.all(), whole.all(), `seed ${seed}`);
    node.checkpoint();
    node.crash();
    assert.deepEqual(node.all(), whole.all(), `seed ${seed}, opened again`);
    for (let at = 1; at < next; at += 37) assert.deepEqual(node.store.record(at), whole.store.record(at), `seed ${seed}, record ${at}`);
  }
});

test("a batch is bounded, and ends where the other node has a hole, or no records yet", () => {
  const count = limits.historyFetchRows + 500;
  const other = new Node(3);
  other.append(Array.from({ length: count }, (_, at) => recordAt(at + 1, START_MS + at)));
  const { rows, upTo } = other.store.batch(1, count + 1);
  assert.deepEqual([rows.length, upTo], [limits.historyFetchRows, limits.historyFetchRows + 1]);
  assert.equal(other.store.batch(upTo, count + 1).upTo, count + 1);
  assert.deepEqual(other.store.batch(count + 1, count + 50), { rows: [], upTo: count + 1 });
  other.install(count + 100);
  assert.deepEqual(other.store.batch(count + 5, count + 90), { rows: [], upTo: count + 5, lackingTo: count + 100 });
  assert.equal(other.store.batch(count - 5, count + 90).upTo, count + 1);
});

test("records that have aged out are passed over", () => {
  const other = new Node(4);
  other.append(records(randomOf(4), 1, 900));
  other.store.dropBefore(Math.floor(START_MS / DAY_MS) + 2);
  const node = new Node(5);
  node.install(900);
  node.store.dropBefore(Math.floor(START_MS / DAY_MS) + 2);
  while (node.store.hole) node.fetch(other.store);
  assert.ok(other.all().length > 100);
  assert.deepEqual(node.all(), other.all());
});

test("a batch that was changed on its way, or is of other records, is no batch", () => {
  const rows = records(randomOf(6), 10, 20);
  const bytes = encodeBatch(rows);
  const isInvalid = (error: unknown): boolean => error instanceof PawlError && error.code === "invalid";
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] as number) ^ 16;
    assert.throws(() => decodeBatch(changed, 10, 20), isInvalid, `byte ${at}`);
  }
  assert.throws(() => decodeBatch(bytes, 11, 20), isInvalid);
  assert.throws(() => decodeBatch(bytes, 10, 19), isInvalid);
  assert.deepEqual(decodeBatch(bytes, 10, 20), rows);
});

test("a node with too many holes begins its history anew", () => {
  const holes = Array.from({ length: limits.historyHolesMax }, (_, at) => ({ from: 10 * at + 1, to: 10 * at + 5 }));
  const days = [{ day: 5, length: 100, indexAt: 0, isFilled: false }];
  const own = { nextOrdinal: 10_000, days, holes };
  assert.deepEqual(ownAfterSnapshot(own, 10_000), { days, holes });
  assert.deepEqual(ownAfterSnapshot(own, 20_000), { days: [], holes: [{ from: 1, to: 20_000 }] });
});

test("a file that holds what is said to be missing is damage", () => {
  const node = new Node(7);
  node.install(100);
  const other = new Node(8);
  other.append(records(randomOf(7), 1, 100));
  node.fetch(other.store);
  node.checkpoint();
  node.marks = { ...node.marks, holes: [{ from: 50, to: 100 }] };
  assert.throws(() => node.crash(), isQuarantine(/is said to be missing/));
});
