// The index of the history beside a list of all rows: random streams of several days in thousands of small blocks, so that the index has
// all its levels; over restarts and power cuts. And what it is for: a step, and a start, read little, however much there is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyHistoryRow } from "../../src/jobs/history.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import { limits } from "../../src/limits.ts";
import { HistoryStore } from "../../src/storage/history.ts";
import { FAN } from "../../src/storage/historyindex.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import type { HistoryMarks } from "../../src/storage/historymarks.ts";
import type { FindAt, HistoryQuery } from "../../src/storage/historysearch.ts";
import { Crashable, isQuarantine, randomOf } from "./bench.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 10, 21);
/** Some of them share their bits in a summary (historyframe.ts, N3) with others. */
const types = Array.from({ length: 40 }, (_, i) => `type-${i}`);
const COMMON = 1;
const FAILED = 2;
const RARE = 8;
/** A step reads a page for each level and a block more than its bound at most, on each of the days that overlap. */
const READS_MAX = limits.historyReadsPerStep + 4 * 4;

/** Rows as a store got them, with what was asked of its files. */
class Model {
  readonly crashable: Crashable;
  readonly random: () => number;
  readonly rows: HistoryRow[] = [];
  marks: HistoryMarks = noHistory;
  reads = 0;
  store: HistoryStore;
  private readonly last = new Map<number, number>();
  private sequence = 0;
  private readonly late: number[] = [];

  constructor(seed: number) {
    this.crashable = new Crashable(seed);
    this.random = randomOf(seed);
    this.store = this.opened();
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  opened(): HistoryStore {
    const { files } = this.crashable.disk;
    const counted = Object.assign(Object.create(files) as typeof files, {
      read: (name: string, offset: number, length: number) => {
        this.reads++;
        return files.read(name, offset, length);
      },
    });
    return HistoryStore.open(counted, 0, this.marks);
  }

  /** `atMs` moves on over the days; now and then something ends that was made long ago. */
  append(atMs: number): void {
    const ordinal = this.rows.length + 1;
    const job = 1 + this.below(50);
    let sequence = ++this.sequence;
    if (this.random() < 0.02) {
      this.late.push(sequence);
      sequence = ++this.sequence;
    }
    if (this.late.length > 20 && this.random() < 0.1) [sequence = 0] = this.late.splice(this.below(this.late.length), 1, sequence);
    const draw = this.random();
    const ending = draw < 0.0005 ? 3 : draw < 0.05 ? 1 : 0;
    const jobType = this.random() < 0.001 ? (types[10 + this.below(30)] as string) : (types[job % 5] as string);
    const endAtMs = atMs + this.below(2000);
    const scheduledAtMs = endAtMs - this.below(this.random() < 0.01 ? DAY_MS / 4 : 1000);
    const previous = this.last.get(job) ?? 0;
    const row = { ...emptyHistoryRow(), ordinal, sequence, job, jobType, ending, previous, scheduledAtMs, endAtMs };
    this.last.set(job, ordinal);
    this.rows.push(row);
    this.store.append(row);
  }

  flush(): void {
    this.store.flush(() => undefined);
  }

  checkpoint(): void {
    this.flush();
    this.marks = this.store.marks();
    this.crashable.settle();
  }

  crash(): void {
    this.crashable.crash();
    this.rows.length = this.marks.nextOrdinal - 1;
    this.store = this.opened();
    this.last.clear();
    for (const { job, ordinal } of this.rows) this.last.set(job, ordinal);
  }

  expected(query: HistoryQuery): HistoryRow[] {
    const { endingMask = -1, jobType, job, fromMs = 0, toMs = Infinity, beforeOrdinal = Infinity } = query;
    const isAsked = (row: HistoryRow): boolean =>
      row.ordinal < beforeOrdinal && ((1 << row.ending) & endingMask) !== 0 && row.scheduledAtMs >= fromMs && row.scheduledAtMs < toMs &&
      (jobType ?? row.jobType) === row.jobType && (job ?? row.job) === row.job;
    return this.rows.filter(isAsked).reverse();
  }

  /** All pages of a query; each is one step of bounded work. */
  scanned(query: HistoryQuery): HistoryRow[] {
    const out: HistoryRow[] = [];
    for (let beforeOrdinal = query.beforeOrdinal; ; ) {
      const before = this.store.reads;
      const page = this.store.scan({ ...query, beforeOrdinal });
      assert.ok(this.store.reads - before <= READS_MAX, `${this.store.reads - before} reads in a step`);
      assert.ok(page.next === undefined || beforeOrdinal === undefined || page.next < beforeOrdinal, "each step gets on");
      out.push(...page.rows);
      if (page.next === undefined) return out;
      beforeOrdinal = page.next;
    }
  }

  found(sequence: number): HistoryRow | undefined {
    for (let from: FindAt | undefined; ; ) {
      const before = this.store.reads;
      const found = this.store.find(sequence, from);
      assert.ok(this.store.reads - before <= READS_MAX, `${this.store.reads - before} reads in a step`);
      if (found === undefined || "row" in found) return found?.row;
      from = found.goOn;
    }
  }

  query(): HistoryQuery {
    const span = (this.rows.at(-1)?.endAtMs ?? START_MS) - START_MS;
    const fromMs = START_MS + this.below(span + 1);
    return {
      limit: 1 + this.below(200),
      ...(this.random() < 0.5 ? { endingMask: [COMMON, FAILED, RARE, FAILED | RARE][this.below(4)] } : {}),
      ...(this.random() < 0.5 ? { jobType: types[this.below(types.length)] } : {}),
      ...(this.random() < 0.3 ? { job: 1 + this.below(51) } : {}),
      ...(this.random() < 0.5 ? { fromMs, toMs: fromMs + this.below(span + 1) } : {}),
      ...(this.random() < 0.5 ? { beforeOrdinal: this.below(this.rows.length + 2) } : {}),
    };
  }

  check(count: number, note: string): void {
    for (let i = 0; i < count; i++) {
      const query = this.query();
      const text = `${note}: ${JSON.stringify(query)}`;
      const wanted = this.expected(query);
      const scanned = this.scanned(query);
      assert.equal(scanned.length, wanted.length, text);
      for (const [at, row] of wanted.entries()) assert.equal(scanned[at]?.ordinal, row.ordinal, text);
      const row = this.rows[this.below(this.rows.length)] as HistoryRow;
      assert.deepEqual(this.store.record(row.ordinal), row, note);
      assert.deepEqual(this.found(row.sequence), row, `${note}: sequence ${row.sequence}`);
    }
    assert.equal(this.found(this.sequence + 1), undefined);
  }
}

/** Blocks of a few rows, over `days` days. */
function grow(model: Model, blocks: number, days: number): void {
  const stepMs = (days * DAY_MS) / blocks;
  const fromMs = model.rows.at(-1)?.endAtMs ?? START_MS;
  for (let block = 0; block < blocks; block++) {
    for (let rows = 1 + model.below(4); rows > 0; rows--) model.append(fromMs + block * stepMs);
    model.flush();
  }
}

test("random streams in many blocks are searched as a list of all rows is, over restarts and power cuts", (context) => {
  for (const seed of [1, 2, 3]) {
    context.diagnostic(`seed ${seed}`);
    const model = new Model(seed);
    for (let round = 0; round < 6; round++) {
      grow(model, 100 + model.below(700), 0.4);
      model.check(20, `seed ${seed}, round ${round}`);
      if (model.random() < 0.6) model.checkpoint();
      if (model.random() < 0.6 && model.marks !== noHistory) model.crash();
      model.check(20, `seed ${seed}, round ${round}, opened again`);
    }
  }
});

test("with thousands of blocks a day, what is rare is found by few reads, and a start reads few", () => {
  const model = new Model(7);
  grow(model, FAN * FAN + 5 * FAN + 7, 0.9);
  model.checkpoint();
  assert.equal(model.marks.days.length, 1);
  model.check(30, "level 2");
  const readsOf = (run: () => unknown): number => {
    const before = model.store.reads;
    run();
    return model.store.reads - before;
  };
  const rare = model.expected({ endingMask: RARE, limit: 1 }).length;
  const reads = readsOf(() => model.scanned({ endingMask: RARE, limit: 100 }));
  assert.ok(rare > 0 && reads <= 5 * rare, `${reads} reads for ${rare} rows`);
  assert.equal(readsOf(() => model.scanned({ endingMask: 1 << 5, limit: 100 })), 0, "what never happened is known without reading");
  assert.equal(readsOf(() => model.scanned({ toMs: START_MS - DAY_MS, limit: 100 })), 0);
  assert.ok(readsOf(() => model.store.record(5)) <= 3);
  model.reads = 0;
  model.store = model.opened();
  assert.ok(model.reads <= FAN + 2, `${model.reads} reads at a start`);
  model.check(10, "opened again");
});

test("a mark that names another page of the index, or none, is damage", () => {
  const model = new Model(8);
  grow(model, 3 * FAN + 5, 0.5);
  model.checkpoint();
  const { marks } = model;
  const [day] = marks.days;
  assert.ok(day && day.indexAt > 0);
  for (const indexAt of [0, 1, day.length]) {
    model.marks = { ...marks, days: [{ ...day, indexAt }] };
    assert.throws(() => model.opened(), isQuarantine(/does not continue|no sound block|where a page/), `indexAt ${indexAt}`);
  }
  model.marks = { ...marks, days: [{ ...day, length: day.indexAt }] };
  assert.throws(() => model.opened(), isQuarantine(/does not continue|no sound block/));
});
