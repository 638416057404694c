// Owns: running the command of a "shell" job in a process group of its own. Which groups an earlier process left behind is the
// business of journal.ts; how much of the output is kept, of outputs.ts.
// (S1) Parameters reach a command as arguments and environment only, never by putting texts together: an argv runs without a shell.
// (S2) The command starts only when its group is in the journal. Until then a small gate holds its place; when this process dies
//      first, the gate sees the end of its pipe and exits, and the command never runs (H6h).
// (S3) The group ends with the attempt: TERM at the abort, KILL after limits.killGraceMs, and KILL for what is left when the leader ends.
// (S4) The environment is what is declared here and in the payload; of this process's own only PATH gets into it.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import os from "node:os";
import type { System } from "../system.ts";
import type { Executor, RunContext, RunOutcome } from "./executor.ts";
import type { Journal } from "./journal.ts";
import { messageOf } from "../base/errors.ts";
import { formatInstant } from "../base/time.ts";
import { limits } from "../limits.ts";
import { failedWith, succeeded } from "./executor.ts";
import { killGroup } from "./journal.ts";
import { payloadFields, recordOf, textOf, unprocessable } from "./payload.ts";

export type ShellOptions = { readonly system: System; readonly journal: Journal };

type Command = { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>>; readonly cwd: string };

/** Waits for one line on descriptor 3, closes it and becomes the command: same process, same start time (S2). */
const GATE = 'read -r go <&3 || exit 125; exec 3<&-; exec "$@"';
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function shellExecutor(options: ShellOptions): Executor {
  const groups = new Set<number>();
  return {
    type: "shell",
    validate: (payload) => void parseCommand(payload),
    run: (context) => runCommand(options, groups, parseCommand(context.payload), context),
    close() {
      for (const group of groups) if (killGroup(group, "SIGKILL")) options.journal.remove(group);
    },
  };
}

function parseCommand(payload: unknown): Command {
  const { argv, command, env = {}, cwd = os.tmpdir() } = payloadFields(payload, ["argv", "command", "env", "cwd"]);
  if ((argv === undefined) === (command === undefined)) throw unprocessable("payload.argv", "give either argv or command");
  return {
    argv: command === undefined ? parseArgv(argv) : ["/bin/sh", "-c", plainText(command, "payload.command")],
    env: parseEnvironment(env),
    cwd: plainText(cwd, "payload.cwd"),
  };
}

function parseArgv(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > limits.argvMax) {
    throw unprocessable("payload.argv", `expected a list of 1 to ${limits.argvMax} texts`);
  }
  const argv = value.map((part: unknown, at) => plainText(part, `payload.argv.${at}`));
  if (argv[0] === "" || argv[0]?.startsWith("-")) throw unprocessable("payload.argv.0", "is not the name of a program");
  return argv;
}

function parseEnvironment(value: unknown): Record<string, string> {
  const entries = Object.entries(recordOf(value, "payload.env"));
  if (entries.length > limits.environmentMax) throw unprocessable("payload.env", `at most ${limits.environmentMax} are allowed`);
  return Object.fromEntries(entries.map(([name, content]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw unprocessable("payload.env", `${JSON.stringify(name)} is not a variable's name`);
    if (name.startsWith("PAWL_")) throw unprocessable(`payload.env.${name}`, "names that begin with PAWL_ are set by Pawl");
    return [name, plainText(content, `payload.env.${name}`)];
  }));
}

function plainText(value: unknown, field: string): string {
  const text = textOf(value, field);
  if (text.includes("\0")) throw unprocessable(field, "holds a NUL character");
  return text;
}

function environmentOf(command: Command, context: RunContext): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? DEFAULT_PATH,
    LANG: "C.UTF-8",
    ...command.env,
    PAWL_EXECUTION_ID: context.executionId,
    PAWL_FENCING_TOKEN: context.token,
    PAWL_ATTEMPT: String(context.attempt),
    PAWL_JOB_ID: context.jobId,
    PAWL_SCHEDULED_AT: formatInstant(context.scheduledAtMs),
  };
}

function runCommand(options: ShellOptions, groups: Set<number>, command: Command, context: RunContext): Promise<RunOutcome> {
  const { system, journal } = options;
  const child = spawn("/bin/sh", ["-c", GATE, "sh", ...command.argv], {
    cwd: command.cwd, env: environmentOf(command, context), detached: true, stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  return new Promise((resolve) => {
    const group = child.pid;
    child.once("error", (error) => resolve(failedWith(spawnError(error, command))));
    if (group === undefined) return;
    groups.add(group);
    child.stdout?.on("data", (data: Uint8Array) => context.output.write("stdout", data));
    child.stderr?.on("data", (data: Uint8Array) => context.output.write("stderr", data));
    const stop = stopper(system, group, context.signal);
    let ended: RunOutcome | undefined;
    child.once("exit", (code, signal) => {
      ended ??= code === 0 ? succeeded : failedWith(code === null ? `killed by ${signal}` : `exit code ${code}`);
      stop.cancel();
      killGroup(group, "SIGKILL"); // (S3)
      groups.delete(group);
      journal.remove(group);
      // What left the group may hold the pipes open; it is not waited for beyond the grace.
      const grace = system.after(limits.killGraceMs, () => closePipes(child));
      child.once("close", () => {
        grace.cancel();
        resolve(ended ?? succeeded);
      });
    });
    const refused = openGate(child, journal, group, context.executionId);
    if (refused !== undefined) ended = failedWith(refused);
  });
}

/** Notes the group, then lets the command run (S2). Returns why it may not. */
function openGate(child: ChildProcess, journal: Journal, group: number, executionId: string): string | undefined {
  try {
    journal.add(group, executionId);
  } catch (error) {
    killGroup(group, "SIGKILL");
    return `the journal of running commands cannot be written: ${messageOf(error)}`;
  }
  const gate = child.stdio[3];
  // A gate that was killed first cannot be written to; its exit says so.
  gate?.on("error", () => undefined);
  if (gate && "end" in gate) gate.end("go\n");
  return undefined;
}

/** TERM when the signal aborts, KILL after the grace (S3). */
function stopper(system: System, group: number, signal: AbortSignal): { cancel(): void } {
  let timer: { cancel(): void } | undefined;
  const stop = (): void => {
    killGroup(group, "SIGTERM");
    timer = system.after(limits.killGraceMs, () => void killGroup(group, "SIGKILL"));
  };
  signal.addEventListener("abort", stop, { once: true });
  return {
    cancel() {
      signal.removeEventListener("abort", stop);
      timer?.cancel();
    },
  };
}

function closePipes(child: ChildProcess): void {
  for (const pipe of child.stdio) pipe?.destroy();
}

/** Node names the program when it is the folder that is missing. */
function spawnError(error: NodeJS.ErrnoException, command: Command): string {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return `cannot start in ${command.cwd}: no such folder`;
  return `cannot start: ${error.message}`;
}
