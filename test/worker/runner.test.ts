// Checks: the runner's invariants R1-R6, with executors that end when the test says so and a clock that the test moves.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "../../src/limits.ts";
import { noopExecutor } from "../../src/worker/noop.ts";
import { HandMade, TestSystem, rowsOf, runnerWith, settled, startBatch, stopBatch } from "./fixtures.ts";

const hand = (sequence: number, token: number, timeoutMs = 60_000) => ({ sequence, token, timeoutMs, type: "hand", details: {} });
const brief = ({ sequence, token, outcome }: { sequence: number; token: number; outcome: string }) => `${sequence}/${token} ${outcome}`;

test("no-ops without payload complete within the call and leave as one batch of exact columns (R6)", () => {
  const { runner, batches, system } = runnerWith([noopExecutor(new TestSystem())]);
  runner.start(startBatch([1, 2, 3].map((n) => ({ sequence: n, token: 10 + n }))));
  runner.start(startBatch([{ sequence: 4, token: 14 }]));
  assert.equal(system.timersCount, 0);
  assert.equal(batches.length, 0);
  system.turn();
  assert.equal(batches.length, 1);
  const [batch] = batches;
  assert.ok(batch);
  assert.deepEqual(rowsOf(batch).map(brief), ["1/11 completed", "2/12 completed", "3/13 completed", "4/14 completed"]);
  assert.equal(batch.sequences.buffer.byteLength, 4 * 8);
  assert.equal(batch.errors, undefined);
  assert.ok(rowsOf(batch).every(({ startAtMs, endAtMs }) => startAtMs === system.wallMs() && endAtMs === startAtMs));
});

test("a batch of results that is full leaves at once", () => {
  const { runner, batches, rows } = runnerWith([noopExecutor(new TestSystem())]);
  const starts = Array.from({ length: limits.entryItemsMax + 1 }, (_, n) => ({ sequence: n, token: n + 1 }));
  runner.start(startBatch(starts));
  assert.deepEqual(batches.map(({ count }) => count), [limits.entryItemsMax]);
  assert.equal(rows().length, starts.length);
});

test("the context names the attempt, and its end is reported with times and error", async () => {
  const executor = new HandMade();
  const { runner, system, rows } = runnerWith([executor]);
  const details = { payload: { a: 1 }, jobId: "j", deliverOnce: true };
  runner.start(startBatch([{ sequence: 5, token: 7, attempt: 3, type: "hand", details }, hand(6, 8)]));
  const { signal, output, logger, ...seen } = executor.contexts[0] ?? assert.fail("not started");
  assert.deepEqual(seen, {
    executionId: "x-5", jobId: "j", attempt: 3, token: String(7 * 64 + 3), tokenCounter: 7, scheduledAtMs: 1_800_000_000_000,
    payload: { a: 1 }, timeoutMs: 60_000, deliverOnce: true,
  });
  assert.deepEqual(runner.held(), [{ sequence: 5, token: 7 }, { sequence: 6, token: 8 }]);
  system.advance(20);
  await executor.end(0, { ok: false, error: "ä".repeat(limits.errorTextMaxBytes) });
  await executor.fail(1, new Error("thrown"));
  const [failed, thrown] = rows();
  assert.equal(failed?.outcome, "failed");
  assert.equal(failed?.error, "ä".repeat(limits.errorTextMaxBytes / 2));
  assert.equal(failed?.endAtMs, (failed?.startAtMs ?? 0) + 20);
  assert.deepEqual([thrown?.outcome, thrown?.error], ["failed", "thrown"]);
  assert.equal(system.timersCount, 0);
});

test("nothing starts after the batch's not-after, looked at for every single start (R3, H6d)", () => {
  const executor = new HandMade();
  const blocking = { type: "blocking", validate: () => undefined, run: () => (system.now += 100, { ok: true } as const) };
  const { runner, system, rows } = runnerWith([executor, blocking, noopExecutor(new TestSystem())]);
  runner.start(startBatch([{ sequence: 1, token: 1 }], system.now - 1));
  const starts = [{ sequence: 2, token: 2, type: "blocking", details: {} }, hand(3, 3), { sequence: 4, token: 4 }];
  runner.start(startBatch(starts, system.now));
  assert.deepEqual(rows().map(brief), ["1/1 not_started", "2/2 completed", "3/3 not_started", "4/4 not_started"]);
  assert.equal(executor.contexts.length, 0);
  assert.deepEqual(rows()[0]?.startAtMs, 0);
});

test("a stop that comes before its start prevents it, and is then forgotten (R3, H6i)", () => {
  const executor = new HandMade();
  const { runner, rows } = runnerWith([executor, noopExecutor(new TestSystem())]);
  runner.stop(stopBatch(1, 11));
  runner.stop(stopBatch(2, 12, "void"));
  runner.start(startBatch([hand(1, 11), { sequence: 2, token: 12 }, hand(3, 13)]));
  assert.deepEqual(rows().map(brief), ["1/11 not_started", "2/12 not_started"]);
  assert.deepEqual(runner.held(), [{ sequence: 3, token: 13 }]);
  runner.stop(stopBatch(2, 12));
  runner.start(startBatch([hand(2, 14)]));
  assert.deepEqual(runner.held().length, 2);
});

test("a repeated start is ignored, whether it is held, has ended or stands twice in a batch (R1, R2, H6c)", async () => {
  const executor = new HandMade();
  const { runner, rows } = runnerWith([executor, noopExecutor(new TestSystem())]);
  const batch = startBatch([hand(1, 5), { sequence: 2, token: 4 }, { sequence: 2, token: 4 }, { sequence: 3, token: 6 }]);
  runner.start(batch);
  runner.start(batch);
  await executor.end(0);
  runner.start(batch);
  assert.equal(executor.contexts.length, 1);
  assert.deepEqual(rows().map(brief), ["2/4 completed", "3/6 completed", "1/5 completed"]);
});

test("a newer token aborts and reports the older attempt before it starts (R4)", async () => {
  const executor = new HandMade();
  const { runner, rows } = runnerWith([executor, noopExecutor(new TestSystem())]);
  runner.start(startBatch([hand(1, 5)]));
  runner.start(startBatch([hand(1, 6)]));
  assert.equal(executor.contexts[0]?.signal.aborted, true);
  assert.deepEqual(runner.held(), [{ sequence: 1, token: 6 }]);
  await executor.end(0);
  assert.deepEqual(rows().map(brief), ["1/5 cancelled"]);
  runner.start(startBatch([{ sequence: 1, token: 7 }]));
  await executor.end(1);
  assert.deepEqual(rows().map(brief), ["1/5 cancelled", "1/6 cancelled", "1/7 completed"]);
});

test("user code that ignores its timeout is reported after the grace, and its late result is dropped (R1, H7c)", async () => {
  const executor = new HandMade();
  const { runner, system, rows } = runnerWith([executor]);
  runner.start(startBatch([hand(1, 1, 250), hand(2, 2, 250), hand(3, 3, 250)]));
  system.advance(249);
  assert.equal(executor.contexts[0]?.signal.aborted, false);
  system.advance(1);
  assert.equal(executor.contexts[0]?.signal.aborted, true);
  await executor.end(0, { ok: false, error: "stopped" });
  await executor.end(1, { ok: true });
  assert.deepEqual(rows().map(brief), ["1/1 timeout", "2/2 timeout"]);
  system.advance(limits.killGraceMs - 1);
  assert.equal(rows().length, 2);
  system.advance(1);
  assert.equal(brief(rows()[2] ?? assert.fail("not reported")), "3/3 timeout");
  assert.deepEqual(rows().map(({ error }) => error), Array(3).fill("timed out after 250 ms"));
  await executor.end(2);
  assert.equal(rows().length, 3);
  assert.equal(system.timersCount, 0);
});

test("a timer that fires early, because it was cut, does not end an attempt", () => {
  const executor = new HandMade();
  const { runner, system } = runnerWith([executor]);
  const after = system.after.bind(system);
  system.after = (delayMs, run) => after(Math.min(delayMs, 1_000), run);
  runner.start(startBatch([hand(1, 1, 2_500)]));
  system.advance(2_499);
  assert.equal(executor.contexts[0]?.signal.aborted, false);
  system.advance(1);
  assert.equal(executor.contexts[0]?.signal.aborted, true);
});

test("a cancelled attempt ends as cancelled, unless it was done before it noticed", async () => {
  const executor = new HandMade();
  const { runner, rows, system } = runnerWith([executor]);
  runner.start(startBatch([hand(1, 1), hand(2, 2), hand(3, 3), hand(4, 4)]));
  for (const n of [1, 2, 3]) runner.stop(stopBatch(n, n));
  runner.stop(stopBatch(4, 3));
  await executor.end(0, { ok: false, error: "aborted" });
  await executor.end(1, { ok: true });
  system.advance(limits.killGraceMs);
  assert.deepEqual(rows().map(brief), ["1/1 cancelled", "2/2 completed", "3/3 cancelled"]);
  assert.deepEqual(runner.held(), [{ sequence: 4, token: 4 }]);
});

test("an unknown type fails with what to do, a throwing executor fails its attempt only", () => {
  const throwing = { type: "throwing", validate: () => undefined, run: () => { throw new Error("at once"); } };
  const { runner, rows } = runnerWith([throwing]);
  runner.start(startBatch([{ ...hand(1, 1), type: "mail" }, { ...hand(2, 2), type: "throwing" }]));
  assert.deepEqual(rows().map(brief), ["1/1 failed", "2/2 failed"]);
  assert.match(rows()[0]?.error ?? "", /no executor for job_type "mail" on this node: add its plugin/);
  assert.equal(rows()[1]?.error, "at once");
});

test("without the pinned definition nothing is started (H12)", () => {
  const executor = new HandMade();
  const { runner, rows } = runnerWith([executor]);
  runner.start(startBatch([{ sequence: 1, token: 1, type: "hand" }]));
  assert.deepEqual([rows().map(brief), executor.contexts.length], [["1/1 not_started"], 0]);
});

test("code that never ends fills its places and no more is started", () => {
  const executor = new HandMade();
  const { runner, rows, system } = runnerWith([executor], 2);
  runner.start(startBatch([hand(1, 1, 10), hand(2, 2, 10)]));
  system.advance(10 + limits.killGraceMs);
  runner.start(startBatch([hand(3, 3), hand(4, 4), hand(5, 5)]));
  assert.deepEqual(rows().map(brief), ["1/1 timeout", "2/2 timeout", "5/5 not_started"]);
});

test("held reports what is pending first: no token is neither held nor reported (R5)", async () => {
  const executor = new HandMade();
  const { runner, batches } = runnerWith([executor]);
  runner.start(startBatch([hand(1, 1), hand(2, 2)]));
  await executor.end(0);
  assert.equal(batches.length, 0);
  assert.deepEqual(runner.held(), [{ sequence: 2, token: 2 }]);
  assert.deepEqual(batches.flatMap(rowsOf).map(brief), ["1/1 completed"]);
  assert.equal(batches[0]?.tokens.buffer.byteLength, 8);
});

test("draining starts nothing, and ends with the last attempt or the time", async () => {
  const executor = new HandMade();
  const { runner, rows, system } = runnerWith([executor]);
  runner.start(startBatch([hand(1, 1), hand(2, 2)]));
  let drained = 0;
  void runner.drain(1_000).then(() => drained++);
  runner.start(startBatch([hand(3, 3)]));
  await executor.end(0);
  assert.deepEqual([drained, ...rows().map(brief)], [0, "3/3 not_started", "1/1 completed"]);
  await executor.end(1);
  assert.equal(drained, 1);
  const other = runnerWith([new HandMade()]);
  other.runner.start(startBatch([hand(1, 1)]));
  void other.runner.drain(1_000).then(() => drained++);
  other.system.advance(1_000);
  await settled();
  assert.deepEqual([drained, other.runner.held().length, system.timersCount], [2, 1, 0]);
});

test("closing aborts what runs, reports nothing of it and closes the executors", async () => {
  const executor = new HandMade();
  let closed = 0;
  const { runner, rows, system } = runnerWith([Object.assign(executor, { close: () => closed++ })]);
  runner.start(startBatch([hand(1, 1)]));
  runner.close();
  await executor.end(0);
  assert.deepEqual([executor.contexts[0]?.signal.aborted, closed, rows(), runner.held(), system.timersCount], [true, 1, [], [], 0]);
});

test("over random orders of starts, stops, ends and time every token taken is reported once (R1, R2)", async () => {
  const step = fc.tuple(fc.constantFrom("start", "again", "stop", "end", "time"), fc.nat(7), fc.nat(400));
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const executor = new HandMade();
    const { runner, rows, system } = runnerWith([executor, noopExecutor(new TestSystem())], 50);
    let token = 0;
    const batches: ReturnType<typeof startBatch>[] = [];
    for (const [kind, sequence, number] of steps) {
      if (kind === "start") {
        token++;
        const start = number % 3 === 0 ? { sequence, token } : hand(sequence, token, number);
        batches.push(startBatch([start], system.now + (number % 5) - 1));
        runner.start(batches.at(-1) ?? assert.fail());
      } else if (kind === "again" && batches.length > 0) runner.start(batches[number % batches.length] ?? assert.fail());
      else if (kind === "stop") runner.stop(stopBatch(sequence, token + (number % 3) - 1));
      else if (kind === "end" && executor.contexts.length > 0) await executor.end(number % executor.contexts.length);
      else system.advance(number);
    }
    system.advance(400 + limits.killGraceMs);
    await settled();
    assert.deepEqual(rows().map((row) => row.token).sort((a, b) => a - b), Array.from({ length: token }, (_, n) => n + 1));
    assert.deepEqual(runner.held(), []);
  }), { seed: 20261121, numRuns: 200 });
});

test("the hot path stays cheap: a no-op costs microseconds at most", () => {
  const { runner, batches, system } = runnerWith([noopExecutor(new TestSystem())]);
  const rounds = 50;
  const starts = Array.from({ length: 4096 }, (_, n) => ({ sequence: n, token: n }));
  const made = Array.from({ length: rounds }, (_, round) => (
    startBatch(starts.map(({ sequence, token }) => ({ sequence, token: token + round * 4096 })))
  ));
  const before = process.cpuUsage();
  for (const batch of made) {
    runner.start(batch);
    system.turn();
  }
  const spent = process.cpuUsage(before);
  const microsEach = (spent.user + spent.system) / (rounds * 4096);
  assert.equal(batches.reduce((sum, { count }) => sum + count, 0), rounds * 4096);
  // The aim is 1; the bound only catches a path that makes objects, timers or promises.
  assert.ok(microsEach < 5, `${microsEach} microseconds each`);
  process.stdout.write(`# no-op: ${microsEach.toFixed(3)} microseconds each\n`);
});
