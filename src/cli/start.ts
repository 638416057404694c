// Owns: `pawl start`: settings, the admin token that is made at need, and the life of the node's process from the outside.
// The node itself is src/node.ts.
// (P1) Nothing is created before all settings have been accepted; with --check nothing is created at all.
// (P2) The first SIGTERM or SIGINT stops in order and ends with 0; the second ends the process at once.
// (P3) A child of `pawl dev` stops when its parent's end of standard input closes, however the parent ended.

import type { Command } from "commander";
import { limits } from "../limits.ts";
import { loadConfig } from "../config.ts";
import { makeAdminToken } from "../config/admin-token.ts";
import { allKeys } from "../config/keys.ts";
import { flagOf, variableOf } from "../config/place.ts";
import { exitCodes, nodeExitCodeOf } from "./exitcodes.ts";
import type { ExitCode } from "./exitcodes.ts";
import type { Context } from "./context.ts";

/** What `pawl start` needs of a node; src/node.ts has it. */
export type Node = {
  stop(): Promise<void>;
  readonly apiAddress: string;
  /** Settles only when the node cannot go on, with the reason. */
  readonly failed: Promise<unknown>;
};

type StartOptions = Readonly<Record<string, string | boolean | undefined>>;

export function addStart(program: Command, context: Context): void {
  const command = program
    .command("start")
    .description("run a node")
    .option("--config <file>", "TOML file of settings, see cluster.example.toml")
    .option("--check", "check the settings and end; nothing is touched");
  for (const key of allKeys) {
    const value = key.kind === "boolean" ? "[true|false]" : "<value>";
    command.option(`${flagOf(key.path)} ${value}`, `${key.describe} (${variableOf(key.path)})`);
  }
  command.option("--data-dir <value>", `the same as ${flagOf("node.data_dir")}`);
  command.option("--join [true|false]", `the same as ${flagOf("cluster.join")}: join a cluster that runs, with a new data directory`);
  command.action(async (options: StartOptions) => {
    context.exit(await start(options, context));
  });
}

async function start(options: StartOptions, context: Context): Promise<ExitCode> {
  const file = typeof options["config"] === "string" ? options["config"] : undefined;
  const config = loadConfig({ file, flags: flagsOf(options), env: context.io.env });
  if (options["check"] === true) {
    context.out.line(`ok: node ${config.node.id} of cluster ${config.cluster.name}, ${config.cluster.members.length} member(s)`);
    return exitCodes.ok;
  }
  makeAdminToken(config.auth.adminTokenFile);
  const { startNode } = await import("../node.ts");
  const stops = stopRequests(context);
  const node = await startNode(config, { system: context.io.system }).catch((error: unknown) => failed(error, context));
  if (typeof node === "number") return node;
  // Elsewhere stdout holds the log alone, which says the same.
  if (context.io.stdout.isTTY) context.out.line(`node ${config.node.id}: API at ${node.apiAddress}`);
  return runUntilStopped(node, stops, context);
}

function failed(error: unknown, context: Context): ExitCode {
  context.complain(error);
  return nodeExitCodeOf(error);
}

/** Flags as src/config.ts takes them; a boolean flag without value means true. */
function flagsOf(options: StartOptions): Record<string, string> {
  const flags: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value !== undefined) flags[flag] = String(value);
  }
  return flags;
}

/** Calls `ask` for every request to stop. */
export type StopRequests = (ask: () => void) => void;

/** Requests are counted from the start on, so that one during the start is not lost. */
function stopRequests(context: Context): StopRequests {
  let asked = 0;
  let ask: (() => void) | undefined;
  const note = (): void => {
    asked++;
    if (ask) ask();
    else if (asked > 1) context.exitNow(exitCodes.refused);
  };
  context.onSignal(["SIGTERM", "SIGINT"], note);
  if (context.io.env["PAWL_DEV_CHILD"] === "1") context.onInputEnd(() => asked === 0 && note());
  return (then) => {
    ask = then;
    for (let count = asked; count > 0; count--) then();
  };
}

/**
 * Waits for the node's end: 0 after an orderly stop, else the code of what made it fail (P2), a moment later: callers whose outcome is
 * unknown are to hear that.
 */
export async function runUntilStopped(node: Node, stops: StopRequests, context: Context): Promise<ExitCode> {
  return new Promise<ExitCode>((resolve) => {
    let stopping = false;
    let code: ExitCode = exitCodes.ok;
    const fail = (error: unknown): void => {
      code = failed(error, context);
      context.io.system.after(limits.lastAnswersMs, () => resolve(code));
    };
    node.failed.then(fail, fail);
    stops(() => {
      if (stopping) return context.exitNow(exitCodes.refused);
      stopping = true;
      context.io.system.after(limits.stopMaxMs, () => context.exitNow(exitCodes.refused));
      node.stop().then(() => resolve(code), fail);
    });
  });
}
