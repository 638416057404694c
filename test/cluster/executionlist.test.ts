// Lists of executions over a real history: by job, ending, type and time, by random filters and with random shares of a turn, beside a
// list of all records. Jobs take over the numbers of others that left.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Queries } from "../../src/cluster/queries.ts";
import { endings } from "../../src/jobs/history.ts";
import type { ExecutionFilter } from "../../src/jobs/views.ts";
import { HistoryStore } from "../../src/storage/history.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { realSystem } from "../../src/system.ts";
import type { Record as Ended } from "../jobs/machine.ts";
import { everySecond, Machine, NOON, SECOND, spec } from "../jobs/machine.ts";
import { Crashable, randomOf } from "../storage/bench.ts";

const types = ["http", "noop", "shell"];

class World {
  readonly machine = new Machine();
  readonly store = HistoryStore.open(new Crashable(1).disk.files, 0, noHistory);
  readonly random: () => number;
  /** By job id: of its present life only. */
  readonly records = new Map<string, Ended[]>();
  private readonly session: number;

  constructor(seed: number) {
    this.random = randomOf(seed);
    const sink = this.machine.state.historySink;
    this.machine.state.historySink = {
      append: (row) => {
        sink.append(row);
        this.store.append(row);
      },
      dropBefore: () => undefined,
    };
    this.session = this.machine.up("node", { slots: 100 });
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  create(jobId: string): void {
    this.machine.create(jobId, spec(everySecond, { jobType: types[this.below(3)] as string, retry: noRetry }), this.machine.clockMs);
    this.records.set(jobId, []);
  }

  remove(jobId: string): void {
    this.machine.one({ kind: "cancel", key: undefined, ref: this.machine.ref(jobId), jobId, cancelRunning: false });
    this.records.delete(jobId);
  }

  /** One execution from its due time to its end. */
  run(jobId: string): void {
    const { machine, records } = this;
    machine.clockMs += this.below(2 * SECOND);
    machine.fire(jobId, machine.clockMs + SECOND, this.session);
    const [slot = 0] = machine.liveOf(jobId);
    machine.result(slot, this.random() < 0.03 ? "failed" : "completed");
    (records.get(jobId) as Ended[]).push(machine.history.at(-1) as Ended);
    if (this.random() < 0.2) this.store.flush(() => undefined);
  }

  filter(jobId: string): ExecutionFilter {
    const fromMs = NOON + this.below(this.machine.clockMs - NOON);
    return {
      jobId,
      ...(this.random() < 0.5 ? { status: this.random() < 0.7 ? "failed" : "completed" } : {}),
      ...(this.random() < 0.3 ? { jobType: types[this.below(3)] as string } : {}),
      ...(this.random() < 0.4 ? { fromMs } : {}),
      ...(this.random() < 0.4 ? { toMs: fromMs + this.below(this.machine.clockMs - fromMs) } : {}),
    };
  }

  expected({ jobId = "", status, jobType, fromMs = 0, toMs = Infinity }: ExecutionFilter): number[] {
    const records = (this.records.get(jobId) as Ended[]).filter((row) => row.scheduledAtMs >= fromMs && row.scheduledAtMs < toMs);
    const isOf = (row: (typeof records)[number]): boolean => (jobType ?? row.jobType) === row.jobType;
    const fits = records.filter((row) => (status ?? endings[row.ending]) === endings[row.ending] && isOf(row));
    return fits.map(({ scheduledAtMs }) => scheduledAtMs).reverse();
  }

  /** Every reading of the clock takes so long: a step of a read is a share of it. */
  async listed(filter: ExecutionFilter, limit: number, stepMs: number): Promise<number[]> {
    let nowMs = 0;
    const system = { ...realSystem, monotonicMs: () => (nowMs += stepMs) };
    const queries = new Queries(this.machine.state, this.store, { page: async () => [] }, system);
    const out: number[] = [];
    for (let cursor: string | undefined, pages = 0; pages === 0 || cursor !== undefined; pages++) {
      const answer = await queries.answer({ kind: "executions", filter, limit, cursor });
      assert.ok(answer.kind === "executions" && answer.page.items.length <= limit);
      out.push(...answer.page.items.map((item) => item.scheduledAtMs));
      cursor = answer.page.cursor;
      assert.ok(pages < 2000, "cursors come to an end");
    }
    return out;
  }
}

const noRetry = { maxAttempts: 1, backoff: "fixed", initialMs: SECOND, maxMs: SECOND, multiplier: 1, jitter: 0 } as const;

test("the records of a job, by random filters and shares of a turn, are those of a list", async (context) => {
  for (const seed of [1, 2, 3]) {
    context.diagnostic(`seed ${seed}`);
    const world = new World(seed);
    for (let job = 0; job < 8; job++) world.create(`job-${job}`);
    for (let i = 0; i < 1500; i++) {
      // A few run often, the others seldom; now and then one leaves, and the next to come gets its number.
      const jobId = `job-${world.random() < 0.9 ? world.below(2) : world.below(8)}`;
      world.run(jobId);
      if (world.random() > 0.004) continue;
      world.remove(jobId);
      world.create(jobId);
      world.run(jobId);
    }
    for (let i = 0; i < 60; i++) {
      const filter = world.filter(`job-${world.below(8)}`);
      const [limit, stepMs] = [1 + world.below(40), [0, 0.5, 1.5][world.below(3)] as number];
      const note = `seed ${seed}: ${JSON.stringify(filter)}, pages of ${limit}, steps of ${stepMs} ms`;
      assert.deepEqual(await world.listed(filter, limit, stepMs), world.expected(filter), note);
    }
  }
});

test("what is old is found without following the chain of all that ran since", async () => {
  const world = new World(9);
  world.create("job");
  for (let i = 0; i < 3000; i++) world.run("job");
  world.store.flush(() => undefined);
  let asked = 0;
  const reader = Object.assign(Object.create(world.store) as HistoryStore, {
    record: (ordinal: number) => {
      asked++;
      return world.store.record(ordinal);
    },
  });
  const queries = new Queries(world.machine.state, reader, { page: async () => [] }, realSystem);
  const filter = { jobId: "job", toMs: NOON + 60 * SECOND };
  const answer = await queries.answer({ kind: "executions", filter, limit: 5 });
  assert.ok(answer.kind === "executions" && answer.page.items.length === 5);
  assert.ok(asked < 30, `${asked} records of the chain were read`);
});
