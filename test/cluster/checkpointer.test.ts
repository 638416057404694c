// When checkpoints are taken. A whole replica on a simulated clock and disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { WALL_START_MS } from "../sim/world.ts";
import { Alone } from "../support/alone.ts";

test("the times between checkpoints differ, none is longer than the bound (M5)", async () => {
  const alone = await Alone.leading();
  const { stats } = alone.core.checkpointer;
  const gapsMs: number[] = [];
  for (let jobs = 0, count = stats.checkpoints, sinceMs = 0; gapsMs.length < 24; jobs++) {
    const change = { kind: "create", jobId: `job-${jobs}`, spec: spec(at(WALL_START_MS + 86_400_000)) } as const;
    alone.core.replica.submit(change, undefined, 100, () => undefined);
    await alone.pass(100);
    if (stats.checkpoints === count) continue;
    if (sinceMs > 0) gapsMs.push(alone.world.nowMs - sinceMs);
    sinceMs = alone.world.nowMs;
    count = stats.checkpoints;
  }
  const [least, most] = [Math.min(...gapsMs), Math.max(...gapsMs)];
  assert.ok(most <= limits.checkpointMaxMs + 1_000 && least >= limits.checkpointMaxMs / 2, `${least} to ${most} ms`);
  assert.ok(most - least > limits.checkpointMaxMs / 5, `all between ${least} and ${most} ms`);
});
