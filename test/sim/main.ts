// Owns: the simulator's command line:
//   npm run sim -- --seed-start B --seeds N [--workers W] [--storm SECONDS] [--nodes N] [--replay-check]
//   npm run sim -- --minutes M ...     as many seeds as fit
//   npm run sim -- --seed S ...        one seed, with its whole trace
// Exits with 1 at the first violation, after printing what happened last and the command that replays it.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runSeed } from "./run.ts";
import { Totals } from "./totals.ts";
import type { Order, Outcome } from "./worker.ts";

const { values } = parseArgs({
  options: {
    "seed-start": { type: "string", default: "1" },
    seeds: { type: "string" },
    minutes: { type: "string" },
    workers: { type: "string" },
    seed: { type: "string" },
    storm: { type: "string", default: "20" },
    nodes: { type: "string" },
    "replay-check": { type: "boolean", default: false },
  },
});

const shape = { stormMs: Number(values.storm) * 1000, ...(values.nodes === undefined ? {} : { nodes: Number(values.nodes) }) };
const nodesText = values.nodes === undefined ? "" : ` --nodes ${values.nodes}`;
const startedMs = performance.now();

async function one(seed: number): Promise<number> {
  const totals = new Totals();
  totals.add(await runSeed({ seed, ...shape, trace: (line) => console.log(line) }));
  console.log(totals.text(performance.now() - startedMs, 1));
  return 0;
}

/** Hands out seeds to workers until there are none left, time is over, or one has failed. */
class Pool {
  private readonly totals = new Totals();
  private readonly workers: ChildProcess[] = [];
  private readonly count: number;
  private readonly end: (code: number) => void;
  private next = Number(values["seed-start"]);
  private busy = 0;
  private hasFailed = false;

  constructor(count: number, end: (code: number) => void) {
    this.count = count;
    this.end = end;
    for (let i = 0; i < count; i++) {
      const worker = fork(join(import.meta.dirname, "worker.ts"));
      this.workers.push(worker);
      worker.on("message", (outcome: Outcome) => this.done(worker, outcome));
      worker.on("exit", (code) => this.failed(-1, `a worker ended with ${code}`));
      this.give(worker);
    }
  }

  private get isOver(): boolean {
    if (values.minutes !== undefined) return performance.now() - startedMs > Number(values.minutes) * 60_000;
    return this.next >= Number(values["seed-start"]) + Number(values.seeds ?? 100);
  }

  private give(worker: ChildProcess): void {
    if (this.hasFailed) return;
    if (this.isOver) {
      if (this.busy === 0) this.finish(0);
      return;
    }
    this.busy++;
    const order: Order = { seed: this.next++, ...shape, twice: values["replay-check"] };
    worker.send(order);
  }

  private done(worker: ChildProcess, { seed, result, failure }: Outcome): void {
    this.busy--;
    if (failure !== undefined) return this.failed(seed, failure);
    if (result) this.totals.add(result);
    this.give(worker);
  }

  private failed(seed: number, failure: string): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    console.error(failure);
    console.error(`seed ${seed} failed; replay: npm run sim -- --seed ${seed} --storm ${values.storm}${nodesText}`);
    this.finish(1);
  }

  private finish(code: number): void {
    this.hasFailed = true;
    for (const worker of this.workers) worker.kill();
    console.log(this.totals.text(performance.now() - startedMs, this.count));
    console.log(code === 0 ? "no violation" : "a violation");
    this.end(code);
  }
}

function many(): Promise<number> {
  const count = Number(values.workers ?? availableParallelism());
  return new Promise((resolve) => void new Pool(count, resolve));
}

process.exitCode = values.seed === undefined ? await many() : await one(Number(values.seed));
