// Owns: the simulator's command line: `npm run sim -- --seed-start B --seeds N [--storm SECONDS] [--nodes N]`, `--seed S` replays one.
// Exits with 1 at the first violation, after printing the command that replays it.

import { parseArgs } from "node:util";
import { runSeed } from "./run.ts";

const { values } = parseArgs({
  options: {
    "seed-start": { type: "string", default: "1" },
    seeds: { type: "string", default: "100" },
    seed: { type: "string" },
    storm: { type: "string", default: "20" },
    nodes: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});

const first = Number(values.seed ?? values["seed-start"]);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const trace = values.trace || values.seed !== undefined ? (line: string): void => console.log(line) : undefined;
const startedMs = performance.now();
const sum = { simulatedMs: 0, entries: 0, starts: 0, occurrences: 0, changes: 0 };

for (let seed = first; seed < first + count; seed++) {
  try {
    const result = await runSeed({
      seed,
      stormMs: Number(values.storm) * 1000,
      ...(values.nodes === undefined ? {} : { nodes: Number(values.nodes) }),
      ...(trace ? { trace } : {}),
    });
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key];
    if (count === 1) console.log(JSON.stringify(result));
  } catch (error) {
    console.error(error);
    console.error(`seed ${seed} failed; replay: npm run sim -- --seed ${seed} --storm ${values.storm}`);
    process.exit(1);
  }
}
const seconds = (performance.now() - startedMs) / 1000;
const simulatedSeconds = Math.round(sum.simulatedMs / 1000);
console.log(
  `${count} seeds, ${simulatedSeconds} simulated seconds in ${seconds.toFixed(1)} s (${Math.round(simulatedSeconds / seconds)}x): ` +
    `${sum.entries} entries, ${sum.starts} starts, ${sum.occurrences} occurrences, ${sum.changes} changes; no violation`,
);
