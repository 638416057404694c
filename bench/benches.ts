// Owns: the list of benchmarks. Each measures either "full", as docs/benchmarks.md reports it, or "smoke", a moment that shows that
// the measurement itself works. Beside each lies a text of the same name that says what is measured and what is not.

import { benchCommands } from "./commands.ts";
import { benchCommits } from "./commits.ts";
import { benchExecutions, benchLateness } from "./executions.ts";
import type { BenchOptions, Figure, Scale } from "./figure.ts";
import { benchMemory } from "./memory.ts";
import { benchListing } from "./listing.ts";
import { benchRecovery } from "./recovery.ts";
import { benchSchedule } from "./schedule.ts";
import { benchStart } from "./start.ts";
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
  { name: "wheel", about: "the timing wheel beside a binary heap", run: benchWheel },
  { name: "schedule", about: "the next due time beside cron-parser", run: benchSchedule },
  { name: "listing", about: "questions to ten million schedules", run: benchListing },
  { name: "start", about: "a node's start and its idle memory", run: benchStart },
  { name: "commands", about: "single durable creates through the HTTP API", run: benchCommands },
  { name: "commits", about: "commands of three cores alone, without the HTTP API", run: benchCommits },
  { name: "lateness", about: "due time to start of the handler", run: benchLateness },
  { name: "executions", about: "recurring no-op jobs, completed and in the log", run: benchExecutions },
  { name: "memory", about: "a million schedules on one node", run: benchMemory },
  { name: "recovery", about: "a restart and a join with a million schedules", run: benchRecovery },
];

/** The runs of a benchmark: one, or one for each number of nodes. */
export function runsOf({ nodes, ...bench }: Bench): BenchRun[] {
  if (nodes === undefined) return [bench];
  return nodes.map((count) => ({ ...bench, name: `${bench.name}-${count}`, nodes: count }));
}
