// A checkpoint whose disk does not answer while the log's does: it is said, and in the end it ends the node (M4). A whole replica on a
// simulated clock and disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { WALL_START_MS, World } from "../sim/world.ts";

const { checkpointMaxMs, checkpointSlowMs, checkpointHungMs } = limits;

class Alone {
  readonly world = new World(1);
  readonly node: SimNode;
  error: Error | undefined;
  private jobs = 0;

  constructor() {
    const none = (): void => undefined;
    const fatal = (_: SimNode, error: Error): void => void (this.error = error);
    const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role: none, fault: none, paused: none };
    const face = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
    this.node = new SimNode("a", ["a"], this.world, new Network(this.world), face, hooks);
  }

  async pass(byMs: number): Promise<void> {
    const untilMs = this.world.nowMs + byMs;
    while (this.world.nowMs < untilMs && this.error === undefined) {
      this.world.step(untilMs);
      if (this.world.unsettled) await this.world.settle();
    }
  }

  /** Resolves when a new job is committed and applied. */
  async submit(): Promise<void> {
    const replica = this.node.assembled?.replica;
    const jobId = `job-${this.jobs++}`;
    let answer: unknown;
    replica?.submit({ kind: "create", jobId, spec: spec(at(WALL_START_MS + 86_400_000)) }, undefined, 100, (outcome) => (answer = outcome));
    await this.pass(1_000);
    assert.equal((answer as { status?: string }).status, "submitted");
  }

  get checkpoints(): number {
    return this.node.assembled?.checkpointer.stats.checkpoints ?? 0;
  }
}

async function hung(): Promise<Alone> {
  const alone = new Alone();
  await alone.node.start();
  await alone.pass(5_000);
  await alone.submit();
  await alone.pass(2 * checkpointMaxMs);
  assert.ok(alone.checkpoints > 0);
  alone.node.disk.hung = "sync"; // the history's files; the log and the state are written in batches
  await alone.submit();
  await alone.pass(checkpointMaxMs);
  return alone;
}

test("a checkpoint that does not return while the log can be written ends the node, and not before its time", async () => {
  const alone = await hung();
  const before = alone.checkpoints;
  await alone.pass(checkpointSlowMs);
  await alone.submit();
  await alone.pass(checkpointHungMs - checkpointSlowMs - 2 * checkpointMaxMs);
  assert.equal(alone.error, undefined);
  await alone.submit();
  await alone.pass(3 * checkpointMaxMs);
  const error: unknown = alone.error;
  assert.ok(error instanceof PawlError);
  assert.deepEqual([error.code, error.outcome, alone.checkpoints], ["io", "unknown", before]);
  assert.match(error.message, /checkpoint could not be written: it has not returned for 300 s/);
});

test("one that returns in time is one like all others, and a pause of the process does not count", async () => {
  const alone = await hung();
  const before = alone.checkpoints;
  await alone.pass(checkpointSlowMs);
  alone.node.pause(checkpointHungMs);
  await alone.pass(checkpointHungMs + checkpointSlowMs);
  assert.equal(alone.error, undefined);
  alone.node.diskReturns();
  await alone.submit();
  await alone.pass(2 * checkpointMaxMs);
  assert.ok(alone.checkpoints > before);
  assert.equal(alone.error, undefined);
});
