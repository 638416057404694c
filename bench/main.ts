// Owns: `npm run bench`: which benchmarks there are, in which order, and how their figures are shown.
//   node bin/run.mjs bench [--json] [--smoke] [--only name]...

import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benches } from "./benches.ts";
import type { Figure } from "./figure.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean" }, smoke: { type: "boolean" }, only: { type: "string", multiple: true } },
});
const chosen = values.only ?? benches.map((bench) => bench.name);
const unknown = chosen.find((name) => !benches.some((bench) => bench.name === name));
if (unknown !== undefined) {
  process.stderr.write(`no benchmark is called ${unknown}; there are ${benches.map((bench) => bench.name).join(", ")}\n`);
  process.exit(2);
}

function show({ figure, value, unit, aim }: Figure, width: number): string {
  if (values.json) return JSON.stringify({ figure, value, unit, aim });
  const shown = value.toLocaleString("en", { maximumFractionDigits: 3 }).padStart(14);
  return `  ${figure.padEnd(width)} ${shown} ${unit}${aim === undefined ? "" : `   (aim: ${aim})`}`;
}

function say(line: string): void {
  if (!values.json) process.stdout.write(`${line}\n`);
}

const gib = (totalmem() / 2 ** 30).toFixed(0);
say(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${gib} GiB, Node ${process.version}`);
for (const bench of benches) {
  if (!chosen.includes(bench.name)) continue;
  const figures = await bench.run(values.smoke ? "smoke" : "full");
  const load = loadavg().map((each) => each.toFixed(2)).join(" ");
  say(`\n${bench.name}: ${bench.about} (load average after it: ${load})`);
  const width = Math.max(...figures.map(({ figure }) => figure.length));
  for (const figure of figures) process.stdout.write(`${show(figure, width)}\n`);
}
