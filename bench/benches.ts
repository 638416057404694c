// Owns: the list of benchmarks. Each measures either "full", as docs/benchmarks.md reports it, or "smoke", a moment that shows that
// the measurement itself works.

import { benchCommands } from "./commands.ts";
import { benchCommits } from "./commits.ts";
import { benchExecutions, benchLateness } from "./executions.ts";
import type { Figure } from "./figure.ts";
import { benchMemory } from "./memory.ts";
import { benchRecovery } from "./recovery.ts";
import { benchSchedule } from "./schedule.ts";
import { benchStart } from "./start.ts";
import { benchWheel } from "./wheel.ts";

export type Bench = {
  readonly name: string;
  readonly about: string;
  readonly run: (scale: "smoke" | "full") => Promise<Figure[]>;
};

export const benches: readonly Bench[] = [
  { name: "wheel", about: "the timing wheel beside a binary heap", run: benchWheel },
  { name: "schedule", about: "the next due time beside cron-parser", run: benchSchedule },
  { name: "start", about: "a node's start and its idle memory", run: benchStart },
  { name: "commands", about: "single durable creates through the HTTP API", run: benchCommands },
  { name: "commits", about: "commands of three cores alone, without the HTTP API", run: benchCommits },
  { name: "lateness", about: "due time to start of the handler", run: benchLateness },
  { name: "executions", about: "recurring no-op jobs, completed and in the log", run: benchExecutions },
  { name: "memory", about: "a million schedules on one node", run: benchMemory },
  { name: "recovery", about: "a restart and a join with a million schedules", run: benchRecovery },
];
