// Owns: one worker process of the simulator: it runs the seeds that it is sent, one after the other. A run that fails is repeated with
// its trace, which the seed makes possible, so that runs that do not fail need not pay for one.

import { runSeed } from "./run.ts";
import type { RunOptions, RunResult } from "./run.ts";

export type Order = Omit<RunOptions, "trace"> & { readonly twice: boolean };
export type Outcome = { readonly seed: number; readonly result?: RunResult; readonly failure?: string };

const TRACE_LINES = 60;

export async function carryOut(order: Order): Promise<Outcome> {
  const { seed } = order;
  try {
    Error.stackTraceLimit = 0;
    const result = await runSeed(order);
    if (!order.twice) return { seed, result };
    const { trace } = await runSeed(order);
    return trace === result.trace ? { seed, result } : { seed, failure: `the run differs when it is repeated: ${result.trace}, ${trace}` };
  } catch {
    return { seed, failure: await explain(order) };
  }
}

async function explain(order: Order): Promise<string> {
  Error.stackTraceLimit = 20;
  const lines: string[] = [];
  const trace = (line: string): void => {
    lines.push(line);
    if (lines.length > TRACE_LINES) lines.splice(1, 1);
  };
  try {
    await runSeed({ ...order, trace });
    return "it failed, and did not when it was repeated";
  } catch (error) {
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return [...lines, cause].join("\n");
  }
}

if (process.send) {
  process.on("message", (order: Order) => void carryOut(order).then((outcome) => process.send?.(outcome)));
}
