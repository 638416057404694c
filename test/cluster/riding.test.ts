// Owns: when results leave that wait for the log write in flight.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RidingResults } from "../../src/cluster/riding.ts";
import type { WorkerMessage } from "../../src/dispatch/messages.ts";
import { limits } from "../../src/limits.ts";

const results = (session: number): WorkerMessage => ({ kind: "results", session, items: new Uint8Array(1) });
const held: WorkerMessage = { kind: "held", term: 1, session: 1, held: [] };

test("results wait only for a write that is in flight, and nothing else waits", () => {
  const writer = { isBusy: false };
  const riding = new RidingResults(writer);
  assert.equal(riding.take(results(1), 5), false);
  writer.isBusy = true;
  assert.equal(riding.take(held, 5), false);
  assert.equal(riding.take(results(1), 5), true);
});

test("they leave when the write is done, in order and once", () => {
  const riding = new RidingResults({ isBusy: true });
  riding.written();
  assert.deepEqual(riding.due(5), []);
  riding.take(results(1), 5);
  riding.take(results(2), 6);
  assert.deepEqual(riding.due(6), []);
  riding.written();
  assert.deepEqual(riding.due(6), [results(1), results(2)]);
  assert.deepEqual(riding.due(6), []);
  assert.equal(riding.nextWakeMs, Number.POSITIVE_INFINITY);
});

test("they do not wait for a slow disk: the oldest says how long", () => {
  const riding = new RidingResults({ isBusy: true });
  riding.take(results(1), 5);
  riding.take(results(2), 9);
  const lastMs = 5 + limits.resultRideMaxMs;
  assert.equal(riding.nextWakeMs, lastMs);
  assert.deepEqual(riding.due(lastMs - 1), []);
  assert.deepEqual(riding.due(lastMs), [results(1), results(2)]);
});
