// A checkpoint whose disk does not answer while the log's does: it is said, and in the end it ends the node (M4). A whole replica on a
// simulated clock and disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { WALL_START_MS } from "../sim/world.ts";
import { Alone } from "../support/alone.ts";

const { checkpointMaxMs, checkpointSlowMs, checkpointHungMs } = limits;

let jobs = 0;

/** Resolves when a new job is committed and applied. */
async function submit(alone: Alone): Promise<void> {
  let answer: unknown;
  const made = spec(at(WALL_START_MS + 86_400_000));
  const change = { kind: "create", jobId: `job-${jobs++}`, spec: made } as const;
  alone.node.assembled?.replica.submit(change, undefined, 100, (outcome) => (answer = outcome));
  await alone.pass(1_000);
  assert.equal((answer as { status?: string }).status, "submitted");
}

function checkpointsOf({ node }: Alone): number {
  return node.assembled?.checkpointer.stats.checkpoints ?? 0;
}

async function hung(): Promise<Alone> {
  const alone = await Alone.leading();
  await submit(alone);
  await alone.pass(2 * checkpointMaxMs);
  assert.ok(checkpointsOf(alone) > 0);
  alone.node.disk.hung = "sync"; // the history's files; the log and the state are written in batches
  await submit(alone);
  await alone.pass(checkpointMaxMs);
  return alone;
}

test("a checkpoint that does not return while the log can be written ends the node, and not before its time", async () => {
  const alone = await hung();
  const before = checkpointsOf(alone);
  await alone.pass(checkpointSlowMs);
  await submit(alone);
  await alone.pass(checkpointHungMs - checkpointSlowMs - 2 * checkpointMaxMs);
  assert.equal(alone.error, undefined);
  await submit(alone);
  await alone.pass(3 * checkpointMaxMs);
  const error: unknown = alone.error;
  assert.ok(error instanceof PawlError);
  assert.deepEqual([error.code, error.outcome, checkpointsOf(alone)], ["io", "unknown", before]);
  assert.match(error.message, /checkpoint could not be written: it has not returned for 300 s/);
});

test("one that returns in time is one like all others, and a pause of the process does not count", async () => {
  const alone = await hung();
  const before = checkpointsOf(alone);
  await alone.pass(checkpointSlowMs);
  alone.node.pause(checkpointHungMs);
  await alone.pass(checkpointHungMs + checkpointSlowMs);
  assert.equal(alone.error, undefined);
  alone.node.diskReturns();
  await submit(alone);
  await alone.pass(2 * checkpointMaxMs);
  assert.ok(checkpointsOf(alone) > before);
  assert.equal(alone.error, undefined);
});
