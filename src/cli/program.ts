// Owns: the tree of commands and what becomes of their failures: one line on stderr (JSON with --json) and the exit code.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { PawlError, messageOf } from "../base/errors.ts";
import { createClient } from "../client/index.ts";
import type { Client } from "../client/index.ts";
import { addBackup } from "./commands/backup.ts";
import { addBench } from "./commands/bench.ts";
import { addCluster } from "./commands/cluster.ts";
import { addExecution } from "./commands/execution.ts";
import { addJob } from "./commands/job.ts";
import { addNode } from "./commands/node.ts";
import { addRecovery } from "./commands/recovery.ts";
import { addResync } from "./commands/resync.ts";
import { addSchedule } from "./commands/schedule.ts";
import { findConnection } from "./connection.ts";
import type { Context, ProcessParts } from "./context.ts";
import { addDev } from "./dev.ts";
import { exitCodeMeanings, exitCodeOf, exitCodes } from "./exitcodes.ts";
import type { ExitCode } from "./exitcodes.ts";
import { output } from "./output.ts";
import type { Io } from "./output.ts";
import { addStart } from "./start.ts";

/** Runs one command line (without program name) and returns its exit code. Never throws. */
export async function run(argv: readonly string[], io: Io, parts: ProcessParts): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok;
  const asJson = isJson(argv);
  const clients: Client[] = [];
  const complain = (error: unknown): void => void io.stderr.write(`${complaint(error, asJson)}\n`);
  const context: Context = {
    ...parts,
    io,
    out: output(io),
    exit: (given) => void (code = given),
    complain,
    connect: (options) => {
      const client = createClient({ ...findConnection(options, io.env), system: io.system });
      clients.push(client);
      return client;
    },
  };
  try {
    await program(context).parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    // Commander has told its own refusals already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    complain(error);
    return exitCodeOf(error);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function isJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}

/** One line, or for a bug the whole stack. */
function complaint(error: unknown, asJson: boolean): string {
  const known = error instanceof PawlError ? error : undefined;
  const message = messageOf(error).replaceAll("\n", " ");
  if (asJson) return JSON.stringify({ error: { code: known?.code ?? "internal", message, ...(known ? { outcome: known.outcome } : {}) } });
  if (!known) return `pawl: bug: ${error instanceof Error ? (error.stack ?? message) : message}`;
  return `pawl: ${message}${known.outcome === "unknown" ? " (the outcome is unknown)" : ""}`;
}

function program(context: Context): Command {
  const root = new Command("pawl")
    .description("a clustered job scheduler")
    .version(version(), "-V, --version")
    .option("--server <urls>", "servers to ask, comma separated (PAWL_SERVER); a running `pawl dev` is found by itself")
    .option("--token-file <file>", "file of the bearer token (PAWL_TOKEN, PAWL_TOKEN_FILE)")
    .option("--ca-file <file>", "certificate authority to trust for https (PAWL_CA_FILE)")
    .option("--json", "answers and errors as JSON")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.io.stdout.write(text),
      writeErr: (text) => context.io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError("(--help shows the usage)")
    .addHelpText("after", `\nExit codes:\n${exitCodeMeanings.map(([code, text]) => `  ${String(code).padEnd(4)}${text}`).join("\n")}`);
  addDev(root, context);
  addStart(root, context);
  addJob(root, context);
  addExecution(root, context);
  addSchedule(root, context);
  addCluster(root, context);
  addNode(root, context);
  addBackup(root, context);
  addBench(root, context);
  addRecovery(root, context);
  addResync(root, context);
  return root;
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const parsed: { version?: unknown } = JSON.parse(text);
  return String(parsed.version);
}
