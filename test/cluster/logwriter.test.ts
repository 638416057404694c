// What a write of the log that does not return leads to, and when.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "../../src/base/histogram.ts";
import { LogWriter } from "../../src/cluster/logwriter.ts";
import { limits } from "../../src/limits.ts";

const { diskStallStepDownMs: stepDownMs, diskStallExitMs: exitMs } = limits;

class Disk {
  nowMs = 100;
  done: ((error?: Error) => void) | undefined;
  readonly ended: unknown[] = [];
  readonly took = new Histogram(1, 100_000);
  readonly writer = new LogWriter({ write: (_write, done) => (this.done = done) }, () => this.nowMs, this.took);

  write(): void {
    const hardState = { term: 1, vote: "", commit: 0 };
    this.writer.write({ number: 1, truncateFrom: undefined, entries: [], hardState }, (error) => void this.ended.push(error));
  }
}

test("a write in flight wakes the loop by itself: first to step down, then to end the process", () => {
  const disk = new Disk();
  const { writer } = disk;
  assert.equal(writer.nextWakeMs(true), Number.POSITIVE_INFINITY);
  assert.equal(writer.isStalled(1e9), false, "no write is under way");
  disk.write();
  assert.deepEqual([writer.nextWakeMs(true), writer.nextWakeMs(false)], [101 + stepDownMs, 101 + exitMs]);
  assert.equal(writer.isStalled(100 + stepDownMs), false);
  assert.equal(writer.isStalled(writer.nextWakeMs(true)), true);
  assert.throws(() => writer.isStalled(writer.nextWakeMs(false)), /a log write has not returned for 10 s/);
  disk.nowMs = 150;
  disk.done?.();
  assert.deepEqual([writer.stats, disk.ended], [{ writes: 1, lastMs: 50 }, [undefined]]);
  assert.equal(writer.isStalled(1e9), false);
});

test("a pause of the whole process says nothing about its disk (K1)", () => {
  const disk = new Disk();
  disk.write();
  const { writer } = disk;
  writer.paused(exitMs + 5_000, 200 + exitMs + 5_000);
  assert.equal(writer.isStalled(200 + exitMs + 5_000), false);
  assert.equal(writer.isStalled(200 + exitMs + 5_000 + stepDownMs), true, "after it, time counts again");
});

test("a write that fails is an unknown outcome that ends the node, and nothing counts as idle after it", async () => {
  const disk = new Disk();
  disk.write();
  let idle = false;
  void disk.writer.idle().then(() => (idle = true));
  disk.done?.(new Error("EIO"));
  await Promise.resolve();
  const [error] = disk.ended as [{ code: string; outcome: string }];
  assert.deepEqual([error.code, error.outcome, idle], ["io", "unknown", false]);
});

test("who waits for the writer is told when the write in flight is done", async () => {
  const disk = new Disk();
  await disk.writer.idle();
  disk.write();
  const order: string[] = [];
  const idle = disk.writer.idle().then(() => order.push("idle"));
  await Promise.resolve();
  order.push("done");
  disk.done?.();
  await idle;
  assert.deepEqual(order, ["done", "idle"]);
});
