// How large entries may be, by what those before have cost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryCost } from "../../src/cluster/entrycost.ts";
import { limits } from "../../src/limits.ts";

/** Entries as large as they may be, on a machine on which an item and a byte cost so much. */
function settled(cost: EntryCost, itemMs: number, byteMs: number, entries = 64): EntryCost {
  for (let i = 0; i < entries; i++) {
    const items = itemMs > 0 ? cost.items : 0;
    const bytes = byteMs > 0 ? cost.changeBytes : 0;
    cost.applied(items, bytes, items * itemMs + bytes * byteMs);
  }
  return cost;
}

test("both begin at their most and never exceed it, however fast entries are applied", () => {
  const cost = new EntryCost();
  assert.deepEqual([cost.items, cost.changeBytes], [limits.entryItemsMax, limits.entryChangesMaxBytes]);
  settled(cost, 1e-9, 1e-12);
  assert.deepEqual([cost.items, cost.changeBytes], [limits.entryItemsMax, limits.entryChangesMaxBytes]);
});

test("an entry of dear items comes to take about what it may; changes are not blamed for it", () => {
  const cost = settled(new EntryCost(), 0.03, 0);
  assert.ok(Math.abs(cost.items * 0.03 - limits.entryApplyMs) < limits.entryApplyMs / 10, `${cost.items} items`);
  assert.equal(cost.changeBytes, limits.entryChangesMaxBytes);
});

test("an entry of dear changes comes to take about what it may; items are not blamed for it", () => {
  const cost = settled(new EntryCost(), 0, 1e-4);
  assert.ok(Math.abs(cost.changeBytes * 1e-4 - 2 * limits.entryApplyMs) < limits.entryApplyMs / 10, `${cost.changeBytes} bytes`);
  assert.equal(cost.items, limits.entryItemsMax);
});

test("neither falls below its least, and both come back", () => {
  const cost = settled(new EntryCost(), 10, 1);
  assert.ok(cost.items >= limits.entryItemsMin && cost.changeBytes >= limits.entryChangesMinBytes);
  settled(cost, 1e-4, 1e-7, 200);
  assert.deepEqual([cost.items, cost.changeBytes], [limits.entryItemsMax, limits.entryChangesMaxBytes]);
});

test("one pause does not halve the next entry, and small entries say nothing", () => {
  const cost = new EntryCost();
  cost.applied(limits.entryItemsMax, 0, 10_000);
  assert.ok(cost.items > limits.entryItemsMax / 2);
  const before = cost.items;
  for (let i = 0; i < 100; i++) cost.applied(1, 100, 50);
  assert.equal(cost.items, before);
});
