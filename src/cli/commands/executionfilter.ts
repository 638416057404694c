// Owns: the options by which commands choose executions, and the filter of the API that they are.

import type { Command } from "commander";
import type { ExecutionFilter, ExecutionStatus } from "../../client/index.ts";

export type ExecutionOptions = { readonly status?: string; readonly type?: string; readonly from?: string; readonly to?: string };

export function addExecutionFilter(command: Command): Command {
  return command
    .option("--status <status>", "only executions of this status")
    .option("--type <type>", "only executions of jobs of this type")
    .option("--from <instant>", "only what was scheduled from then on")
    .option("--to <instant>", "only what was scheduled before then");
}

/** Which words and instants there are is known to the server, which refuses others by name. */
export function executionFilterOf({ status, type, from, to }: ExecutionOptions): ExecutionFilter {
  return {
    ...(status === undefined ? {} : { status: status as ExecutionStatus }),
    ...(type === undefined ? {} : { job_type: type }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}
