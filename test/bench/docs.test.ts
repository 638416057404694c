// docs/benchmarks.md is what `npm run bench:docs` makes of the kept figures: it can neither be ahead of them nor behind them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { rendered } from "../../bench/docs.ts";
import { verdict } from "../../bench/figure.ts";
import type { BenchRecord, ComparisonRecord } from "../../bench/record.ts";

test("docs/benchmarks.md is what the kept figures make of it", () => {
  const text = readFileSync(join(import.meta.dirname, "..", "..", "docs", "benchmarks.md"), "utf8");
  assert.equal(text, rendered(), "run `npm run bench:docs`");
});

const made: BenchRecord = {
  bench: "wheel", scale: "full", options: {}, date: "2026-11-21T18:00Z", commit: "abc", loadBefore: 0.5, loadAfter: 1, seconds: 7,
  machine: { processor: "P", cores: 2, memoryGib: 8, system: "Linux 6.1", node: "24.0.0" },
  figures: [
    { figure: "turn", value: 7, unit: "ms", aim: "< 5" },
    { of: "minute 1", figure: "p95", value: 1.25, unit: "ms" },
    { of: "minute 2", figure: "p95", value: 12_345, unit: "ms" },
  ],
};

test("a record is told with its date, commit and load; figures of things alike are a table; what misses its aim is bold", () => {
  const text = rendered((name) => (name === "wheel" ? made : undefined));
  assert.ok(text.includes("*wheel: 2026-11-21, commit abc, 7 s, load average 0.5 before, 1 after.*"));
  assert.ok(text.includes("| turn | **7 ms** | < 5 | missed |"));
  assert.ok(text.includes("| | p95, ms |\n| --- | --- |\n| minute 1 | 1.25 |\n| minute 2 | 12,345 |"), text);
  assert.ok(text.includes("P, 2 cores, 8 GiB, Linux 6.1, Node 24.0.0."));
  assert.ok(text.includes("*Not measured yet: `schedule`.*"));
});

test("figures of other sizes than a benchmark's own are told as such", () => {
  const text = rendered((name) => (name === "wheel" ? { ...made, options: { jobs: 1000 } } : undefined));
  assert.ok(text.includes("*wheel: **with --jobs 1000**; 2026-11-21"));
  assert.ok(rendered((name) => (name === "wheel" ? { ...made, scale: "smoke" } : undefined)).includes("no figure to go by"));
});

test("an aim with a number is met or missed, one without is neither", () => {
  const of = (value: number, aim?: string): string | undefined => verdict({ figure: "f", value, unit: "u", aim });
  assert.deepEqual([of(20, "<= 20"), of(21, "<= 20"), of(20, "< 20"), of(100_000, ">= 100,000, one node"), of(1, "> 1")],
    ["met", "missed", "missed", "met", "missed"]);
  assert.deepEqual([of(1), of(1, "as low as it gets")], [undefined, undefined]);
});

test("the comparison is told as a table with a column for each side, and how many times Pawl is ahead", () => {
  const facts = { versions: "v", durability: "d", bulk: "b", handling: "h", ticking: "t" };
  const bulk = { figure: "bulk", unit: "jobs/s", better: "higher" } as const;
  const figure = (of: string, value: number): ComparisonRecord["figures"][0] => ({ of, value, ...bulk });
  const { figures: _, ...about } = made;
  const sides = ["Pawl", "other"].map((name) => ({ name, ...facts }));
  const figures = [figure("Pawl", 300), figure("other", 100)];
  const text = rendered(() => undefined, { ...about, bench: "peers", own: ["Pawl"], sides, figures });
  assert.ok(text.includes("| | Pawl | other |\n| --- | --- | --- |\n| bulk, jobs/s | 300 | 100 |\n| | | x3.0 |"), text);
  assert.ok(text.includes("- **other**: *versions:* v; *durability:* d"));
});
