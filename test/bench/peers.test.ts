// The comparison with peers at its smallest size, so that it does not fall out of repair: Pawl always, each peer where it is installed. How
// large the figures are is not judged here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Comparison, sidesHere } from "../../bench/peers/compare.ts";
import { advantage, tableText } from "../../bench/peers/table.ts";
import { latenessOf } from "../../bench/peers/tally.ts";
import { smokeSizes, works } from "../../bench/peers/works.ts";
import type { Figure } from "../../bench/peers/works.ts";

const { sides, missing } = sidesHere();

describe("each side does every work in small", () => {
  // Three nodes of Pawl differ from one by a number; they are measured in full only.
  for (const side of sides.filter(({ facts }) => facts.name !== "pawl, three nodes")) {
    test(side.facts.name, { timeout: 280_000 }, async (context) => {
      for (const sentence of missing) context.diagnostic(sentence);
      const comparison = new Comparison(smokeSizes);
      const all = (await Promise.all(Object.keys(works).map((work) => comparison.run(side, work)))).flat();
      for (const { of, figure, value, unit } of all) {
        assert.equal(of, side.facts.name);
        assert.ok(Number.isFinite(value) && value >= 0, `${figure} is ${value} ${unit}`);
      }
      const names = all.map(({ figure }) => figure);
      assert.deepEqual(names, [...new Set(names)], "no two figures share a name");
      for (const work of ["1", "2", "3", "4", "5"]) assert.ok(names.some((each) => each.startsWith(work)), `work ${work} has figures`);
    });
  }
});

describe("what is told of it", () => {
  const rate = (of: string, value: number): Figure => ({ of, figure: "rate", value, unit: "jobs/s", better: "higher" });
  const lateness = (of: string, value: number): Figure => ({ of, figure: "lateness", value, unit: "ms", better: "lower" });

  test("ahead is above 1, whether more is better or less", () => {
    assert.equal(advantage(rate("pawl", 300), rate("peer", 100)), 3);
    assert.equal(advantage(lateness("pawl", 300), lateness("peer", 100)), 1 / 3);
  });

  test("each peer's value has Pawl's advantages below it, in the order of Pawl's sides", () => {
    const figures = [rate("one", 300), rate("three", 50), rate("peer", 100), lateness("one", 5), lateness("peer", 1_000)];
    const lines = tableText(figures, ["one", "three", "peer"], ["one", "three"]).split("\n").map((line) => line.trim().split(/ {2,}/));
    assert.deepEqual(lines, [
      ["one", "three", "peer"], ["rate, jobs/s", "300", "50", "100"], ["x3.0 x0.50"], ["lateness, ms", "5", "-", "1,000"], ["x200"], [""],
    ]);
  });

  test("percentiles of lateness", () => {
    const some = Array.from({ length: 100 }, (_, at) => 100 - at);
    assert.deepEqual(latenessOf(some), { p50Ms: 51, p95Ms: 96, maxMs: 100 });
    assert.deepEqual(latenessOf([7]), { p50Ms: 7, p95Ms: 7, maxMs: 7 });
  });
});
