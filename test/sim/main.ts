// Owns: the simulator's command line:
//   npm run sim -- --seed-start B --seeds N [--workers W] [--storm SECONDS] [--nodes N] [--faults A,B] [--replay-check]
//   npm run sim -- --minutes M ...     as many seeds as fit
//   npm run sim -- --seed S ...        one seed, with its whole trace
// Exits with 1 at the first violation, after printing what happened last and the command that replays it.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runAll } from "./pool.ts";
import { runSeed } from "./run.ts";
import { Totals } from "./totals.ts";
import type { Order } from "./worker.ts";

const { values } = parseArgs({
  options: {
    "seed-start": { type: "string", default: "1" },
    seeds: { type: "string" },
    minutes: { type: "string" },
    workers: { type: "string" },
    seed: { type: "string" },
    storm: { type: "string", default: "20" },
    nodes: { type: "string" },
    faults: { type: "string" },
    "replay-check": { type: "boolean", default: false },
  },
});

const { nodes, faults } = values;
const shape = {
  stormMs: Number(values.storm) * 1000,
  ...(nodes === undefined ? {} : { nodes: Number(nodes) }),
  ...(faults === undefined ? {} : { faults: faults.split(",") }),
};
const shapeText = `${nodes === undefined ? "" : ` --nodes ${nodes}`}${faults === undefined ? "" : ` --faults "${faults}"`}`;
const startedMs = performance.now();

async function one(seed: number): Promise<number> {
  const totals = new Totals();
  totals.add(await runSeed({ seed, ...shape, trace: (line) => console.log(line) }));
  console.log(totals.text(performance.now() - startedMs, 1));
  return 0;
}

/** As many seeds as are asked for, or as fit into the time. */
async function many(): Promise<number> {
  const workers = Number(values.workers ?? availableParallelism());
  const first = Number(values["seed-start"]);
  const count = Number(values.seeds ?? 100);
  let seed = first;
  const isOver = (): boolean =>
    values.minutes === undefined ? seed >= first + count : performance.now() - startedMs > Number(values.minutes) * 60_000;
  const next = (): Order | undefined => (isOver() ? undefined : { seed: seed++, ...shape, twice: values["replay-check"] });
  const { totals, failure } = await runAll(workers, next);
  if (failure) {
    console.error(failure.text);
    console.error(`seed ${failure.seed} failed; replay: npm run sim -- --seed ${failure.seed} --storm ${values.storm}${shapeText}`);
  }
  console.log(totals.text(performance.now() - startedMs, workers));
  console.log(failure ? "a violation" : "no violation");
  return failure ? 1 : 0;
}

process.exitCode = values.seed === undefined ? await many() : await one(Number(values.seed));
