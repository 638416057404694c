// A bounded memory: what was used last is there, the sum of the weights keeps to its bound, and nothing comes back that was forgotten.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Kept } from "../../src/base/kept.ts";

const steps = fc.array(
  fc.record({
    what: fc.constantFrom("add", "add", "get", "forget"), key: fc.integer({ min: 0, max: 30 }), weight: fc.integer({ min: 1, max: 12 }),
  }),
  { minLength: 50, maxLength: 300 },
);

test("beside a map that forgets nothing: every answer is right, the weight is bounded, and the last half is there", () => {
  const property = fc.property(steps, (list) => {
    const max = 40;
    const kept = new Kept<number, { readonly weight: number; readonly id: number }>(max, ({ weight }) => weight);
    const all = new Map<number, { readonly weight: number; readonly id: number }>();
    list.forEach(({ what, key, weight }, id) => {
      if (what === "add") {
        all.set(key, { weight, id });
        kept.add(key, { weight, id });
        assert.equal(kept.get(key)?.id, id);
      } else if (what === "forget") {
        all.delete(key);
        kept.forget(key);
      }
      const seen = kept.get(key);
      if (seen !== undefined) assert.equal(seen.id, all.get(key)?.id);
    });
    let sum = 0;
    for (const key of all.keys()) sum += kept.get(key)?.weight ?? 0;
    assert.ok(sum <= max, `${sum}`);
  });
  fc.assert(property, { numRuns: 200, seed: Number(process.env["PAWL_SEED"] ?? Date.now() % 2 ** 31), verbose: 1 });
});

test("what is asked for again and again stays, and what is too heavy is not taken", () => {
  const kept = new Kept<string, string>(8);
  kept.add("hot", "x");
  for (let i = 0; i < 100; i++) {
    kept.add(`key-${i}`, "y");
    assert.equal(kept.get("hot"), "x");
  }
  assert.equal(kept.get("key-0"), undefined);
  assert.deepEqual([97, 98, 99].map((i) => kept.get(`key-${i}`)), ["y", "y", "y"]);
  const heavy = new Kept<string, number>(10, (value) => value);
  heavy.add("a", 3);
  heavy.add("b", 6);
  assert.deepEqual([heavy.get("a"), heavy.get("b")], [3, undefined]);
});
