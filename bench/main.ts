// Owns: `npm run bench`: which benchmarks are run, in which order and size, and how their figures are shown and kept.
//   node bin/run.mjs bench [--json] [--smoke] [--record] [--only name]... [--nodes 1|3] [--jobs n] [--rate n] [--minutes n]

import { parseArgs } from "node:util";
import { benches, runsOf } from "./benches.ts";
import type { BenchRun } from "./benches.ts";
import { type Figure, nameOf, verdict } from "./figure.ts";
import { loadNow, stolenSince, thisMachine, ticksNow, writeRecord } from "./record.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" }, smoke: { type: "boolean" }, record: { type: "boolean" }, only: { type: "string", multiple: true },
    nodes: { type: "string" }, jobs: { type: "string" }, rate: { type: "string" }, minutes: { type: "string" },
  },
});

function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

function positive(name: "jobs" | "rate" | "minutes"): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text.replaceAll("_", ""));
  return value > 0 ? value : refuse(`--${name}: expected a number above 0, got ${text}`);
}

const unknown = values.only?.find((name) => !benches.some((bench) => bench.name === name));
if (unknown !== undefined) refuse(`no benchmark is called ${unknown}; there are ${benches.map((bench) => bench.name).join(", ")}`);
if (values.nodes !== undefined && values.nodes !== "1" && values.nodes !== "3") refuse("--nodes: expected 1 or 3");
const options = { jobs: positive("jobs"), rate: positive("rate"), minutes: positive("minutes") };
const scale = values.smoke ? "smoke" : "full";

function show(each: Figure, width: number): string {
  const { of, figure, value, unit, aim } = each;
  if (values.json) return JSON.stringify({ of, figure, value, unit, aim });
  const shown = value.toLocaleString("en", { maximumFractionDigits: 3 }).padStart(14);
  const judged = verdict(each);
  const aimed = aim === undefined ? "" : `   (aim: ${aim}${judged === undefined ? "" : `; ${judged}`})`;
  return `  ${nameOf(each).padEnd(width)} ${shown} ${unit}${aimed}`;
}

function tell(line: string): void {
  if (!values.json) process.stdout.write(`${line}\n`);
}

async function measure({ name, about, nodes, run }: BenchRun): Promise<void> {
  const loadBefore = loadNow();
  const ticks = ticksNow();
  const sinceMs = performance.now();
  const figures = await run(scale, { ...options, ...(nodes === undefined ? {} : { nodes }) });
  const seconds = Math.round((performance.now() - sinceMs) / 1000);
  const stolen = stolenSince(ticks);
  const taken = stolen === undefined ? "" : `; ${stolen} % of the processors taken away by the host`;
  tell(`\n${name}: ${about} (${seconds} s; load average before it ${loadBefore}, after it ${loadNow()}${taken})`);
  const width = Math.max(...figures.map((each) => nameOf(each).length));
  for (const figure of figures) process.stdout.write(`${show(figure, width)}\n`);
  if (values.record) tell(`kept in ${writeRecord({ bench: name, scale, options, loadBefore, stolen, seconds, figures })}`);
}

const { processor, cores, memoryGib, node } = thisMachine();
tell(`${processor}, ${cores} cores, ${memoryGib} GiB, Node ${node}`);
for (const bench of benches) {
  if (values.only !== undefined && !values.only.includes(bench.name)) continue;
  for (const each of runsOf(bench)) {
    if (each.nodes === undefined || values.nodes === undefined || each.nodes === Number(values.nodes)) await measure(each);
  }
}
if (values.record) tell("`npm run bench:docs` writes docs/benchmarks.md anew");
