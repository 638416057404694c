// Attempts in columns behave as they would in a Map: random calls, both asked after each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FinishedAttempts, RunningAttempts } from "../../src/worker/attempttable.ts";
import { generator } from "../raft/cluster.ts";

test("what is put is found until it is removed, among thousands", () => {
  const random = generator(7);
  const table = new FinishedAttempts();
  const known = new Map<number, readonly [token: number, outcome: number, startAtMs: number, endAtMs: number, error: string]>();
  for (let round = 0; round < 40_000; round++) {
    const grows = round % 20_000 < 12_000;
    const sequence = Math.floor(random() * 4_000) + (random() < 0.1 ? 2 ** 40 : 0);
    if (random() < (grows ? 0.7 : 0.2)) {
      const row = [round, round % 5, round * 2, round * 3, random() < 0.1 ? `error ${round}` : ""] as const;
      known.set(sequence, row);
      table.finish(sequence, ...row);
    } else {
      const row = table.find(sequence);
      assert.equal(row >= 0, known.delete(sequence));
      if (row >= 0) table.remove(row);
    }
    assert.equal(table.count, known.size);
    if (round % 500 === 0) assert.deepEqual(contentOf(table), known);
  }
});

/** By way of the index; every row must be where it says. */
function contentOf(table: FinishedAttempts): Map<number, readonly [number, number, number, number, string]> {
  const content = new Map<number, readonly [number, number, number, number, string]>();
  for (let row = 0; row < table.count; row++) {
    const sequence = table.sequence[row] as number;
    assert.equal(table.find(sequence), row);
    const [token, outcome] = [table.token[row] as number, table.outcome[row] as number];
    content.set(sequence, [token, outcome, table.startAtMs[row] as number, table.endAtMs[row] as number, table.error(row)]);
  }
  return content;
}

test("the last row moves with all that it holds to the place of one that is removed", () => {
  const table = new RunningAttempts();
  for (const sequence of [1, 2, 3]) table.void[table.put(sequence, 10 * sequence)] = sequence === 3 ? 1 : 0;
  table.remove(table.find(1));
  const row = table.find(3);
  assert.deepEqual([row, table.token[row], table.void[row], table.count], [0, 30, 1, 2]);
  assert.equal(table.find(1), -1);
});

test("a newer token takes the place of an older one", () => {
  const table = new RunningAttempts();
  const row = table.put(5, 1);
  assert.equal(table.put(5, 2), row);
  assert.deepEqual([table.count, table.token[row]], [1, 2]);
});
