// Owns: `pawl dev`: a cluster on this machine, a few jobs, and what fires where. Its parts are in src/cli/dev/.
// (W1) However it ends, no process and no temporary folder is left: SIGKILL excepted, where the children end by themselves (V1).

import { rmSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { PawlError } from "../base/errors.ts";
import { createClient } from "../client/index.ts";
import type { Client, NewJob } from "../client/index.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";
import type { Context } from "./context.ts";
import { planDev } from "./dev/plan.ts";
import type { DevOptions, DevPlan } from "./dev/plan.ts";
import { allReady, startNodes, stopNodes } from "./dev/nodes.ts";
import type { RunningDevNode } from "./dev/nodes.ts";
import { sampleJobs } from "./dev/samples.ts";
import { aborted, show } from "./dev/show.ts";
import { removeDevNote, writeDevNote } from "./devfile.ts";
import { exitCodeOf, exitCodes } from "./exitcodes.ts";
import type { ExitCode } from "./exitcodes.ts";

export function addDev(program: Command, context: Context): void {
  program
    .command("dev")
    .description("run a cluster of three nodes on this machine, with sample jobs, until Ctrl-C")
    .option("--nodes <n>", "how many nodes", whole("--nodes", 1, limits.devNodesMax), 3)
    .option("--port <port>", "API port of the first node; the others take the next ones", whole("--port", 1, 65_535 - limits.devNodesMax))
    .option("--data-dir <folder>", "keep the data here; else it is removed at the end")
    .option("--shell", "let shell jobs run", false)
    .action(async (options: DevOptions) => context.exit(await dev(options, context)));
}

function whole(what: string, low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,5}$/.test(text) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`${what} is a number from ${low} to ${high}.`);
  };
}

async function dev(options: DevOptions, context: Context): Promise<ExitCode> {
  const { io } = context;
  const ending = new AbortController();
  let nodes: readonly RunningDevNode[] = [];
  context.onSignal(["SIGINT", "SIGTERM", "SIGHUP"], () => {
    if (ending.signal.aborted) for (const node of nodes) node.kill("SIGKILL");
    ending.abort();
  });
  const plan = await planDev(options);
  try {
    context.out.line(`starting ${plan.nodes.length} nodes in ${plan.folder}`);
    nodes = startNodes(plan, io.env);
    await allReady(nodes, io.system, () => ending.signal.aborted);
    if (!ending.signal.aborted) await live(plan, nodes, context, ending.signal);
    return exitCodes.ok;
  } catch (error) {
    // What breaks off because the end was asked for is no failure.
    if (!ending.signal.aborted) throw error;
    return exitCodes.ok;
  } finally {
    removeDevNote(io.env, process.pid);
    await stopNodes(nodes, io.system);
    if (plan.isTemporary) rmSync(plan.folder, { recursive: true, force: true });
  }
}

/** From the moment that all nodes are ready until the end is asked for. */
async function live(plan: DevPlan, nodes: readonly RunningDevNode[], context: Context, signal: AbortSignal): Promise<void> {
  const { io, out } = context;
  const servers = plan.nodes.map((node) => node.api);
  writeDevNote(io.env, { pid: process.pid, servers, tokenFile: plan.tokenFile });
  for (const server of servers) out.line(server);
  out.line(`token: ${plan.tokenFile}`);
  const client = createClient({ servers, token: plan.token });
  const allGone = Promise.all(nodes.map((node) => node.gone)).then(() => {
    if (!signal.aborted) throw new PawlError("unavailable", `all nodes have ended; the last said: ${nodes.at(-1)?.ended ?? ""}`);
  });
  const shown = Promise.all([show({ plan, nodes, client, context, signal }), submitSamples(client, io.system, signal)]);
  await Promise.race([shown, allGone, aborted(signal)]);
}

/** Submits each sample, if need be again and again until there is a leader. A folder that was kept has them already. */
export async function submitSamples(client: Pick<Client, "jobs">, system: System, signal: AbortSignal): Promise<void> {
  const deadlineMs = system.monotonicMs() + limits.devReadyMs;
  const left = sampleJobs(system.wallMs());
  while (left.length > 0 && !signal.aborted) {
    try {
      await client.jobs.submit(left[0] as NewJob);
      left.shift();
    } catch (error) {
      const code = error instanceof PawlError ? error.code : undefined;
      if (code === "exists") left.shift();
      else if (exitCodeOf(error) !== exitCodes.unavailable && exitCodeOf(error) !== exitCodes.unknown) throw error;
      else if (system.monotonicMs() > deadlineMs) throw error;
      else await new Promise<void>((resolve) => system.after(limits.devPollMs, resolve));
    }
  }
}
