// Every benchmark runs at its smallest size against the real program, so that none of them falls out of repair, and gives figures
// that can be read. How large the figures are is not judged here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { benches, runsOf } from "../../bench/benches.ts";
import { overtaken } from "../../bench/burst.ts";
import { nameOf } from "../../bench/figure.ts";
import { percentiles } from "../../bench/scrape.ts";
import { Exposition } from "../../src/base/exposition.ts";
import { Histogram } from "../../src/base/histogram.ts";

describe("each benchmark runs in small", () => {
  // Of one that is run with several numbers of nodes the last run has all that the others have.
  for (const { name, nodes, run } of benches.flatMap((bench) => runsOf(bench).slice(-1))) {
    test(name, { timeout: 240_000 }, async () => {
      const figures = await run("smoke", nodes === undefined ? {} : { nodes });
      assert.ok(figures.length > 0, "it gives figures");
      for (const { figure, value, unit } of figures) {
        assert.ok(figure !== "" && unit !== "", "a figure has a name and a unit");
        assert.ok(Number.isFinite(value) && value >= 0, `${figure} is ${value}`);
      }
      const names = figures.map(nameOf);
      assert.deepEqual(names, [...new Set(names)], "no two figures share a name");
    });
  }
});

function scraped(lateness: Histogram): Map<string, number> {
  const { text } = new Exposition().durations("start_lateness", "", lateness);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

describe("lateness as the benchmarks read it", () => {
  test("percentiles of two scrapes see only what lies between them", () => {
    const lateness = new Histogram(1, 100_000);
    for (let i = 0; i < 1000; i++) lateness.add(5_000);
    const before = scraped(lateness);
    for (let ms = 1; ms <= 100; ms++) lateness.add(ms);
    const found = percentiles([{ before, after: scraped(lateness) }], "pawl_start_lateness_seconds");
    assert.equal(found.count, 100);
    for (const [share, seconds] of [[0.01, 0.001], [0.05, 0.005], [0.5, 0.05], [0.95, 0.095], [1, 0.1]] as const) {
      const value = found.at(share);
      assert.ok(value >= seconds && value <= seconds * 1.15, `the share ${share} is at ${value}`);
    }
  });

  test("an early start counts as on time, one beyond the last bound as beyond it", () => {
    const lateness = new Histogram(1, 100_000);
    lateness.add(-3);
    lateness.add(0.7);
    lateness.add(60_000);
    lateness.add(1e9);
    const values = scraped(lateness);
    const below = (bound: string): number | undefined => values.get(`pawl_start_lateness_seconds_bucket{le="${bound}"}`);
    assert.deepEqual([below("0.001"), below("63"), below("+Inf")], [2, 3, 4]);
    assert.equal(values.get("pawl_start_lateness_seconds_count"), 4);
  });
});

test("a start is overtaken only by one that was surely decided when it was due", () => {
  const starts = (...pairs: (readonly [priority: number, dueMs: number])[]): number =>
    overtaken(pairs.map(([priority, dueMs]) => ({ dueMs, rank: priority * 1000 + dueMs })));
  assert.equal(starts([0, 1], [0, 2], [1, 1], [1, 2]), 0, "priority first, then due time");
  assert.equal(starts([1, 5], [0, 6], [1, 7], [0, 8]), 0, "what becomes due later could not be first");
  assert.equal(starts([0, 5], [0, 4]), 1, "an earlier due time of the same priority");
  assert.equal(starts([0, 9], [1, 5], [0, 4], [0, 8]), 2, "a higher priority that was due by then");
  assert.equal(starts([1, 5], [2, 5], [1, 6], [0, 5]), 1, "of what was due by then, the last alone comes late");
});
