// Hashes of ids of ended jobs beside a plain set: "no" is never said of one that is there, "maybe" seldom of one that is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EndedIds } from "../../src/jobs/endedids.ts";
import { seeded } from "../sim/world.ts";

const MAX = 5_000;

test("beside a set: whatever ends, is forgotten, and is read meanwhile", () => {
  const seed = Date.now() % 2 ** 31;
  const random = seeded(seed);
  const hash = (): number => (random() < 0.3 ? Math.floor(random() * 300) : Math.floor(random() * 2 ** 32));
  let ids = new EndedIds(MAX);
  const rows = new Set<number>();
  let toRead: number[] = [];
  let noes = 0;
  for (let step = 0; step < 60_000; step++) {
    const dice = random();
    if (dice < 0.6) {
      const ended = hash();
      rows.add(ended);
      ids.add(ended);
    } else if (dice < 0.75) rows.delete([...rows.keys()][0] ?? -1);
    else if (dice < 0.752 && !ids.isReading) {
      ids.beginReading();
      toRead = [...rows];
    } else if (dice < 0.85 && ids.isReading) {
      for (const row of toRead.splice(0, 200)) ids.read(row);
      if (toRead.length === 0) ids.finishReading();
    } else if (dice < 0.8502) {
      ids = new EndedIds(MAX);
      if (rows.size > 0) ids.lost();
    }
    if (rows.size > 4_000) rows.clear();
    const asked = hash();
    if (!ids.mayHave(asked)) {
      noes++;
      assert.ok(!rows.has(asked), `seed ${seed}, step ${step}: ${asked} is there`);
    }
  }
  assert.ok(noes > 200, `seed ${seed}: ${noes} were known not to be there`);
});

test("before the rows of an earlier process are read, and with too many of them, every id is looked for", () => {
  const ids = new EndedIds(100);
  assert.equal(ids.mayHave(7), false);
  ids.lost();
  assert.equal(ids.mayHave(7), true);
  assert.equal(ids.isWorthReading(51), false, "more than half of what may be kept");
  assert.equal(ids.isWorthReading(50), true);
  ids.beginReading();
  ids.add(8);
  assert.equal(ids.mayHave(7), true, "not all is read");
  ids.finishReading();
  assert.deepEqual([ids.mayHave(7), ids.mayHave(8)], [false, true]);
  for (let hash = 0; hash <= 100; hash++) ids.add(hash * 7919);
  assert.equal(ids.mayHave(3), true, "there are more than may be kept");
});

test("all rows are read again when most of those that are known are gone", () => {
  const ids = new EndedIds(1_000_000);
  for (let hash = 0; hash < 70_000; hash++) ids.add(hash * 61_681);
  assert.equal(ids.isWorthReading(20_000), false);
  assert.equal(ids.isWorthReading(1_000), true);
  ids.beginReading();
  ids.read(61_681);
  ids.finishReading();
  assert.deepEqual([ids.mayHave(61_681), ids.mayHave(2 * 61_681), ids.isWorthReading(1_000)], [true, false, false]);
});
