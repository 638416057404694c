// Checks: the no-op's payload, its failures and its duration.

import assert from "node:assert/strict";
import { test } from "node:test";
import { noopExecutor } from "../../src/worker/noop.ts";
import { TestSystem, contextOf, settled } from "./fixtures.ts";

test("payloads that are none are refused with the field", () => {
  const noop = noopExecutor(new TestSystem());
  for (const payload of [null, undefined, {}, { duration_ms: 5 }, { fail: true }, { fail: 3 }, { data: ["x"] }]) noop.validate(payload);
  const refused: [unknown, string][] = [
    [{ duration_ms: -1 }, "payload.duration_ms"], [{ duration_ms: "5" }, "payload.duration_ms"],
    [{ duration_ms: 1.5 }, "payload.duration_ms"],
    [{ duration_ms: 1e12 }, "payload.duration_ms"], [{ fail: "yes" }, "payload.fail"], [{ fail: -1 }, "payload.fail"],
    [{ sleep: 1 }, "payload.sleep"], [[], "payload"], ["text", "payload"],
  ];
  for (const [payload, field] of refused) {
    assert.throws(() => noop.validate(payload), { code: "unprocessable", field }, JSON.stringify(payload));
  }
});

test("it fails always, or for as many attempts as asked", async () => {
  const noop = noopExecutor(new TestSystem());
  const failed = { ok: false, error: "noop asked to fail" };
  assert.deepEqual(await noop.run(contextOf({ fail: true }, { attempt: 900 }).context), failed);
  assert.deepEqual(await noop.run(contextOf({ fail: 2 }, { attempt: 2 }).context), failed);
  assert.deepEqual(await noop.run(contextOf({ fail: 2 }, { attempt: 3 }).context), { ok: true });
  assert.deepEqual(await noop.run(contextOf({}).context), { ok: true });
});

test("it lasts as long as asked, and stops when it is told to", async () => {
  const system = new TestSystem();
  const noop = noopExecutor(system);
  const ends: string[] = [];
  const first = contextOf({ duration_ms: 100 });
  const second = contextOf({ duration_ms: 100 });
  void Promise.resolve(noop.run(first.context)).then(({ ok }) => ends.push(`first ${ok}`));
  void Promise.resolve(noop.run(second.context)).then(({ ok }) => ends.push(`second ${ok}`));
  second.controller.abort();
  assert.equal(system.timersCount, 1);
  system.advance(99);
  await settled();
  assert.deepEqual(ends, ["second false"]);
  system.advance(1);
  await settled();
  assert.deepEqual(ends, ["second false", "first true"]);
  assert.equal(system.timersCount, 0);
});
