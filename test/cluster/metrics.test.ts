// What a core tells of itself: its text can be read, and each thing that is told moves when what it tells of happens. A whole replica on a
// simulated clock and disk.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Histogram } from "../../src/base/histogram.ts";
import { LoopDelay } from "../../src/cluster/loopdelay.ts";
import { coreMetrics } from "../../src/cluster/metrics.ts";
import type { Timings } from "../../src/cluster/timings.ts";
import type { JobSpec } from "../../src/jobs/spec.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";
import { at, spec } from "../jobs/machine.ts";
import { WALL_START_MS } from "../sim/world.ts";
import { Alone } from "../support/alone.ts";
import { families } from "../support/exposition.ts";

const DAY = 86_400_000;
const later = spec(at(WALL_START_MS + DAY));

async function submit(alone: Alone, jobId: string, made: JobSpec): Promise<void> {
  let answer: unknown;
  alone.core.replica.submit({ kind: "create", jobId, spec: made }, undefined, 100, (outcome) => (answer = outcome));
  await alone.pass(1_000);
  assert.equal((answer as { status?: string }).status, "submitted");
}

function valueOf({ core }: Alone, sample: string): number {
  for (const { samples } of families(coreMetrics(core)).values()) if (samples.has(sample)) return samples.get(sample) as number;
  return assert.fail(`${sample} is not told`);
}

describe("a duration is counted when its event happens, once for each", () => {
  const table: readonly { readonly what: keyof Timings; readonly event: (alone: Alone) => Promise<number> }[] = [
    {
      what: "logWrite",
      event: async (alone) => {
        const { stats } = alone.core.replica.writer;
        const before = stats.writes;
        await submit(alone, "job", later);
        return stats.writes - before;
      },
    },
    { what: "proposalWait", event: (alone) => submit(alone, "job", later).then(() => 1) },
    { what: "commit", event: entriesOf },
    { what: "apply", event: entriesOf },
    { what: "dueWait", event: (alone) => submit(alone, "job", spec(at(WALL_START_MS + alone.world.nowMs + 300))).then(() => 1) },
    { what: "checkpoint", event: checkpointsOf },
    { what: "freeze", event: checkpointsOf },
    {
      what: "turn",
      event: async (alone) => {
        const { stats } = alone.core.replica;
        const before = stats.turns;
        await alone.pass(1_000);
        return stats.turns - before;
      },
    },
  ];
  for (const { what, event } of table) {
    test(what, async () => {
      const alone = await Alone.leading();
      const histogram = alone.core.timings[what] as Histogram;
      const before = histogram.count;
      const happened = await event(alone);
      assert.ok(happened > 0, "it happened");
      assert.equal(histogram.count - before, happened);
    });
  }

  async function entriesOf(alone: Alone): Promise<number> {
    const { state } = alone.core.replica;
    const before = state.appliedIndex;
    await submit(alone, "job", later);
    return state.appliedIndex - before;
  }

  async function checkpointsOf(alone: Alone): Promise<number> {
    const { stats } = alone.core.checkpointer;
    const before = stats.checkpoints;
    await submit(alone, "job", later);
    await alone.pass(limits.checkpointMaxMs);
    return stats.checkpoints - before;
  }
});

test("a write of the log takes as long as its disk takes", async () => {
  const alone = await Alone.leading();
  alone.node.disk.writeMs = 700;
  await submit(alone, "job", later);
  const { logWrite, commit } = alone.core.timings;
  assert.ok(logWrite.longestMs >= 350 && logWrite.longestMs < 1_500, `${logWrite.longestMs}`);
  assert.ok(commit.longestMs >= logWrite.longestMs, "an entry is committed after it is written");
});

test("the text can be read, and says what the core is", async () => {
  const alone = await Alone.leading();
  await submit(alone, "once", spec(at(WALL_START_MS + alone.world.nowMs + 300)));
  await submit(alone, "later", later);
  const { state } = alone.core.replica;
  const names = ["pawl_leader", "pawl_jobs", 'pawl_executions_total{status="completed"}', "pawl_executions_running"];
  assert.deepEqual(names.map((name) => valueOf(alone, name)), [1, 1, 1, 0]);
  assert.equal(valueOf(alone, "pawl_applied_index"), state.appliedIndex);
  assert.equal(valueOf(alone, "pawl_entries_applied_total"), state.appliedIndex);
  assert.equal(valueOf(alone, "pawl_log_write_seconds_count"), alone.core.replica.writer.stats.writes);
  assert.ok(coreMetrics(alone.core).split("\n").length < 1_000, "a scrape has so many lines");
});

describe("delays of a loop", () => {
  const sampleMs = limits.loopDelaySampleMs;
  assert.equal(sampleMs, 40, "what the table is made for");
  const table = [
    { name: "none", delayMs: 0, counted: [0] },
    { name: "a timer that is early is on time", delayMs: -1, counted: [0] },
    { name: "shorter than the interval", delayMs: sampleMs - 1, counted: [sampleMs - 1] },
    { name: "every timer that would have been due counts", delayMs: 140, counted: [140, 100, 60, 20] },
  ];
  for (const { name, delayMs, counted } of table) {
    test(name, () => {
      const loop = new Loop();
      loop.tick(delayMs);
      const expected = new Histogram(1, 1_000);
      for (const ms of counted) expected.add(ms);
      assert.deepEqual(loop.delays, expected);
    });
  }

  test("a stop of a day is counted in bounded time, its length in full", () => {
    const loop = new Loop();
    loop.tick(DAY);
    assert.ok(loop.delays.count < 100_000);
    assert.equal(loop.delays.longestMs, DAY);
  });

  test("after a stop no timer is armed", () => {
    const loop = new Loop();
    loop.delay.stop();
    assert.equal(loop.next, undefined);
  });

  class Loop {
    readonly delays = new Histogram(1, 1_000);
    next: { readonly atMs: number; readonly run: () => void } | undefined;
    readonly delay: LoopDelay;
    private nowMs = 5;

    constructor() {
      const after = (delayMs: number, run: () => void): { cancel(): void } => {
        this.next = { atMs: this.nowMs + delayMs, run };
        return { cancel: () => (this.next = undefined) };
      };
      this.delay = new LoopDelay({ ...realSystem, monotonicMs: () => this.nowMs, after }, this.delays);
      this.delay.start();
    }

    tick(lateMs: number): void {
      const { atMs, run } = this.next as NonNullable<typeof this.next>;
      this.nowMs = atMs + lateMs;
      run();
    }
  }
});
