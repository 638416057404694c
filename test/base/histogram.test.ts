// Durations that are counted in buckets, beside a model that keeps every one of them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Exposition } from "../../src/base/exposition.ts";
import { boundsMs, Histogram } from "../../src/base/histogram.ts";
import { families } from "../support/exposition.ts";

const PARTS_OF_A_MINUTE = 6;

/** All durations, as they came, by the part of a minute in which they came. */
class Model {
  private readonly parts: number[][] = [[]];

  add(ms: number): void {
    this.parts.at(-1)?.push(Math.max(0, ms));
  }

  turn(): void {
    this.parts.push([]);
  }

  get all(): number[] {
    return this.parts.flat().sort((a, b) => a - b);
  }

  /** Within whole parts of a minute; what came before them may be seen for one part more. */
  longestOf(parts: number): number {
    return Math.max(0, ...this.parts.slice(-parts).flat());
  }
}

const durations = fc.oneof(
  fc.double({ min: -5, max: 5, noNaN: true }),
  fc.double({ min: 0, max: 2e6, noNaN: true }),
  fc.constantFrom(...boundsMs),
  fc.constantFrom(...[...boundsMs].map((bound) => bound * (1 + Number.EPSILON))),
  fc.integer({ min: 0, max: 100_000 }),
);
const turns = fc.constant("turn" as const);
const steps = fc.array(fc.oneof({ weight: 9, arbitrary: durations }, { weight: 1, arbitrary: turns }), { maxLength: 300, size: "max" });

test("each duration is in the bucket of the lowest bound that is not below it; sums and quantiles are those of a model", () => {
  fc.assert(
    fc.property(steps, (list) => {
      const histogram = new Histogram(1, 10);
      const model = new Model();
      for (const each of list) {
        if (each === "turn") {
          histogram.turn();
          model.turn();
        } else {
          histogram.add(each);
          model.add(each);
        }
      }
      const { all } = model;
      const bounds = [...boundsMs, Number.POSITIVE_INFINITY];
      const within = bounds.map((bound, at) => all.filter((ms) => ms <= bound && ms > (bounds[at - 1] ?? -1)).length);
      assert.deepEqual([...histogram.counts], within);
      assert.equal(histogram.count, all.length);
      assert.equal(histogram.longestMs, all.at(-1) ?? 0);
      assert.ok(Math.abs(histogram.sumMs - all.reduce((sum, ms) => sum + ms, 0)) <= 1e-9 * histogram.sumMs);
      assert.ok(histogram.recentMs >= model.longestOf(PARTS_OF_A_MINUTE), "no long one of the last minute is missed");
      assert.ok(histogram.recentMs <= model.longestOf(PARTS_OF_A_MINUTE + 1), "an older one is forgotten");
      for (const share of [0.01, 0.5, 0.95, 0.99, 1]) {
        const exact = all[Math.max(0, Math.ceil(share * all.length) - 1)] ?? 0;
        const told = histogram.quantileMs(share);
        assert.ok(told >= exact && (told <= Math.max(0.001, exact * 1.15) || exact > 1e6), `the share ${share} is ${exact}, told ${told}`);
      }
    }),
    { numRuns: 200 },
  );
});

describe("durations by the table", () => {
  const table = [
    { name: "nothing", of: [], count: 0, p50: 0, longest: 0 },
    { name: "what came too early is on time", of: [-7, -1], count: 2, p50: 0, longest: 0 },
    { name: "a round limit is a bound", of: [10, 10.0001], count: 2, p50: 10, longest: 10.0001 },
    { name: "the longest is exact", of: [1, 1, 1, 1234.5], count: 4, p50: 1, longest: 1234.5 },
    { name: "longer than all bounds", of: [2e6], count: 1, p50: 2e6, longest: 2e6 },
  ];
  for (const { name, of, count, p50, longest } of table) {
    test(name, () => {
      const histogram = new Histogram(1, 100);
      for (const ms of of) histogram.add(ms);
      assert.deepEqual([histogram.count, histogram.quantileMs(0.5), histogram.longestMs], [count, p50, longest]);
    });
  }

  test("many of the same are counted as one by one", () => {
    const [once, often] = [new Histogram(1, 100), new Histogram(1, 100)];
    once.add(7, 1000);
    for (let i = 0; i < 1000; i++) often.add(7);
    assert.deepEqual(once, often);
  });
});

test("it is told between its bounds, and what lies outside of them is counted", () => {
  const histogram = new Histogram(1, 2);
  for (const ms of [0.5, 1, 1.3, 50]) histogram.add(ms);
  histogram.turn();
  assert.equal(
    new Exposition().durations("x", "About x.", histogram).text,
    `# HELP pawl_x_seconds About x.
# TYPE pawl_x_seconds histogram
pawl_x_seconds_bucket{le="0.001"} 2
pawl_x_seconds_bucket{le="0.00112"} 2
pawl_x_seconds_bucket{le="0.00125"} 2
pawl_x_seconds_bucket{le="0.0014"} 3
pawl_x_seconds_bucket{le="0.0016"} 3
pawl_x_seconds_bucket{le="0.0018"} 3
pawl_x_seconds_bucket{le="0.002"} 3
pawl_x_seconds_bucket{le="+Inf"} 4
pawl_x_seconds_sum 0.0528
pawl_x_seconds_count 4
# HELP pawl_longest_x_seconds The longest of pawl_x_seconds.
# TYPE pawl_longest_x_seconds gauge
pawl_longest_x_seconds{window="process"} 0.05
pawl_longest_x_seconds{window="minute"} 0.05
`,
  );
});

test("gauges, counters and labels are read as they were written", () => {
  const out = new Exposition()
    .gauge("pawl_a", "About a.", -1.5e-9)
    .gauge("pawl_b_bytes", "Not known yet.", Number.POSITIVE_INFINITY)
    .counter("pawl_c_total", "About c.", 2 ** 53)
    .labelled("pawl_d", "gauge", "About d.", "kind", [["x", 1], ["y", 2]]);
  const read = families(out.text);
  assert.deepEqual([...read.keys()], ["pawl_a", "pawl_b_bytes", "pawl_c_total", "pawl_d"]);
  assert.equal(read.get("pawl_a")?.samples.get("pawl_a"), -1.5e-9);
  assert.equal(read.get("pawl_b_bytes")?.samples.get("pawl_b_bytes"), Number.POSITIVE_INFINITY);
  assert.equal(read.get("pawl_c_total")?.samples.get("pawl_c_total"), 2 ** 53);
  assert.deepEqual([...(read.get("pawl_d")?.samples ?? [])], [['pawl_d{kind="x"}', 1], ['pawl_d{kind="y"}', 2]]);
});
