// Owns: the list of benchmarks. Each measures either "full", as docs/benchmarks.md reports it, or "smoke", a moment that shows that
// the measurement itself works. Beside each lies a text of the same name that says what is measured and what is not.

import { benchBurst } from "./burst.ts";
import { benchCommits } from "./commits.ts";
import type { BenchOptions, Figure, Scale } from "./figure.ts";
import { benchHistory } from "./history.ts";
import { benchListing } from "./listing.ts";
import { benchLoop } from "./loop.ts";
import { benchRecovery } from "./recovery.ts";
import { benchRestart } from "./restart.ts";
import { benchScale } from "./scale.ts";
import { benchSchedule } from "./schedule.ts";
import { benchStart } from "./start.ts";
import { benchSubmit } from "./submit.ts";
import { benchPeak, benchQuiet, benchSustained } from "./sustained.ts";
import { benchWheel } from "./wheel.ts";

export type Bench = {
  readonly name: string;
  readonly about: string;
  /** One that is run for each of these, and kept apart as <name>-<nodes>. */
  readonly nodes?: readonly (1 | 3)[];
  readonly run: (scale: Scale, options: BenchOptions) => Promise<Figure[]>;
};

export type BenchRun = Omit<Bench, "nodes"> & { readonly nodes?: 1 | 3 };

export const benches: readonly Bench[] = [
  { name: "scale", about: "ten million schedules", nodes: [1, 3], run: benchScale },
  { name: "sustained", about: "50,000 executions a second for ten minutes", run: benchSustained },
  { name: "peak", about: "100,000 executions a second for a minute", run: benchPeak },
  { name: "quiet", about: "lateness at 1,000 executions a second", run: benchQuiet },
  { name: "burst", about: "a million jobs due in one second", run: benchBurst },
  { name: "submit", about: "2,000 single creates a second from 50 clients", nodes: [1, 3], run: benchSubmit },
  { name: "loop", about: "delays of the core threads", run: benchLoop },
  { name: "recovery", about: "a restart and a join with a million schedules", run: benchRecovery },
  { name: "restart", about: "a start with ten million schedules, part by part", run: benchRestart },
  { name: "commits", about: "commands of three cores alone, without the HTTP API", run: benchCommits },
  { name: "start", about: "a node's start and its idle memory", run: benchStart },
  { name: "wheel", about: "the timing wheel beside a binary heap", run: benchWheel },
  { name: "schedule", about: "the next due time beside cron-parser", run: benchSchedule },
  { name: "history", about: "thirty million ended executions", run: benchHistory },
  { name: "listing", about: "questions to ten million schedules", run: benchListing },
];

/** The runs of a benchmark: one, or one for each number of nodes. */
export function runsOf({ nodes, ...bench }: Bench): BenchRun[] {
  if (nodes === undefined) return [bench];
  return nodes.map((count) => ({ ...bench, name: `${bench.name}-${count}`, nodes: count }));
}
