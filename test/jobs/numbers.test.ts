// Numbers: which are given, which are found, and that a replica with another past gives the same ones (H2).

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { NumberIndex } from "../../src/jobs/numberindex.ts";
import { NumberPool } from "../../src/jobs/numberpool.ts";
import { at, HOUR, Machine, NOON, smallCapacity, spec } from "./machine.ts";

test("H2a: the pool gives the lowest free number, at every size around its words", () => {
  for (const capacity of [1, 31, 32, 33, 1023, 1024, 1025, 33_000]) {
    const pool = new NumberPool(capacity);
    for (let number = 1; number <= capacity; number++) assert.equal(pool.take(), number);
    assert.equal(pool.take(), 0);
    for (const number of [capacity, Math.ceil(capacity / 2)]) if (pool.has(number)) pool.free(number);
    assert.equal(pool.take(), Math.ceil(capacity / 2));
  }
});

test("the pool is a sorted set: take, add, free and walk agree with a model", () => {
  const step = fc.record({ what: fc.constantFrom("take", "free", "add"), number: fc.integer({ min: 1, max: 70 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const pool = new NumberPool(70);
      const model = new Set<number>();
      for (const { what, number } of steps) {
        if (what === "take") {
          const lowest = [...Array(70).keys()].map((i) => i + 1).find((free) => !model.has(free)) ?? 0;
          assert.equal(pool.take(), lowest);
          if (lowest !== 0) model.add(lowest);
        } else if (what === "free" && model.delete(number)) pool.free(number);
        else if (what === "add" && !model.has(number)) pool.add(number), model.add(number);
      }
      const walked: number[] = [];
      for (let at = pool.nextUsed(0); at !== 0; at = pool.nextUsed(at)) walked.push(at);
      assert.deepEqual(walked, [...model].sort((a, b) => a - b));
      assert.equal(pool.count, model.size);
    }),
    { seed: 11, numRuns: 200 },
  );
});

test("numbers that are added together are found and removed as those added one by one", () => {
  const hashes = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(hashes, fc.nat(40), fc.nat(40), (given, from, to) => {
      const index = new NumberIndex(40, Uint32Array.from([0, ...given]));
      const numbers = Uint32Array.from(given, (_, at) => at + 1);
      const [start, end] = [Math.min(from, to), Math.max(from, to)];
      for (const number of [...numbers.subarray(0, start), ...numbers.subarray(end)]) index.add(number);
      index.addAll(numbers.subarray(start, end));
      for (const gone of numbers) {
        for (const number of numbers) {
          const found = index.find(given[number - 1] as number, (each) => each === number);
          assert.equal(found, number < gone ? 0 : number);
        }
        index.remove(gone);
      }
    }),
    { seed: 12, numRuns: 200 },
  );
});

test("a restart rebuilds a table of several parts as it was: ids, wheel, free numbers, schedules in use", () => {
  const count = 9_000;
  const machine = new Machine({ jobsMax: count + 100, liveMax: 10 });
  for (let job = 1; job <= count; job++) machine.create(`job-${job}`, spec(at(NOON + job), { hasPayload: job % 7 === 0 }), NOON + job);
  for (let job = 5; job <= count; job += 613) {
    machine.one({ kind: "cancel", key: undefined, ref: machine.ref(`job-${job}`), jobId: `job-${job}`, cancelRunning: false });
  }
  const again = machine.restarted();
  assert.ok(isDeepStrictEqual(again.image(), machine.image()), "rows, wheel, cold rows, scalars");
  assert.deepEqual([again.job("job-1"), again.job("job-4096"), again.job("job-4097"), again.job("job-5")], [1, 4096, 4097, 0]);
  assert.equal(again.state.classes.size, 2);
  assert.equal(again.state.jobs.pool.take(), 5);
});

test("the index finds every number under its hash, whatever was added and removed and however hashes collide", () => {
  const step = fc.record({ add: fc.boolean(), number: fc.integer({ min: 1, max: 20 }), hash: fc.integer({ min: 0, max: 40 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const hashes = new Uint32Array(21);
      const index = new NumberIndex(20, hashes);
      const model = new Map<number, number>();
      for (const { add, number, hash } of steps) {
        if (add && !model.has(number)) {
          hashes[number] = hash;
          index.add(number);
          model.set(number, hash);
        } else if (!add && model.delete(number)) index.remove(number);
        for (const [known, under] of model) assert.equal(index.find(under, (found) => found === known), known);
        for (let gone = 1; gone <= 20; gone++) {
          if (!model.has(gone)) assert.equal(index.find(hashes[gone] as number, (found) => found === gone), 0);
        }
      }
    }),
    { seed: 12, numRuns: 200 },
  );
});

test("H2c: a replica with room for another number of rows takes no part in the cluster, and loads nothing of it", () => {
  const { state } = new Machine();
  for (const capacity of [{ ...smallCapacity, jobsMax: 50 }, { ...smallCapacity, liveMax: 200 }]) {
    const other = new Machine(capacity);
    const bootstrap = { kind: "bootstrap", clusterId: "c", idSpace: "s", shard: 0, ...smallCapacity } as const;
    assert.throws(() => other.entry([bootstrap]), /capacity differs/);
    assert.throws(() => new Machine(capacity).state.restoreScalars(state.encodeScalars(), 0), /capacity differs/);
  }
});

test("H2c: the job beyond the capacity is refused by a rule of the state, and a freed number is room again", () => {
  const machine = new Machine({ jobsMax: 1, liveMax: 1 });
  assert.equal(machine.create("a", spec(at(NOON + HOUR)), NOON + HOUR).kind, "done");
  const beyond = machine.create("b", spec(at(NOON + HOUR)), NOON + HOUR);
  assert.equal(beyond.kind === "refused" && beyond.code, "capacity");
  machine.one({ kind: "cancel", key: undefined, ref: machine.ref("a"), jobId: "a", cancelRunning: false });
  assert.equal(machine.create("b", spec(at(NOON + HOUR)), NOON + HOUR).kind, "done");
});
