// Owns: the processes of `pawl dev`. Each is a real `pawl start` with its own log file. Nothing is started again by itself.
// (V1) No child outlives this process: it holds the write end of each child's standard input and never writes; its close is
//      the child's sign to stop. Children are in sessions of their own, so that Ctrl-C reaches them through here alone.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PawlError } from "../../base/errors.ts";
import { limits } from "../../limits.ts";
import type { System } from "../../system.ts";
import type { DevNode, DevPlan } from "./plan.ts";

export type RunningDevNode = DevNode & {
  readonly pid: number;
  /** How it ended; undefined while it runs. */
  ended: string | undefined;
  readonly gone: Promise<void>;
  kill(signal: NodeJS.Signals): void;
};

const entry = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url));
const LOG_TAIL_LINES = 5;

export function startNodes(plan: DevPlan, env: Readonly<Record<string, string | undefined>>): RunningDevNode[] {
  return plan.nodes.map((node) => startNode(node, env));
}

function startNode(node: DevNode, env: Readonly<Record<string, string | undefined>>): RunningDevNode {
  const log = openSync(node.logFile, "a", 0o600);
  // A setting in this shell is meant for a node of its own, not for all of these.
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("PAWL_")));
  const child = spawn(process.execPath, [entry, "start", "--config", node.configFile], {
    stdio: ["pipe", log, log],
    env: { ...clean, UV_THREADPOOL_SIZE: env["UV_THREADPOOL_SIZE"] ?? "8", PAWL_DEV_CHILD: "1" },
    detached: true,
  });
  closeSync(log);
  return watched(node, child);
}

function watched(node: DevNode, child: ChildProcess): RunningDevNode {
  let markGone: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (markGone = resolve));
  const running: RunningDevNode = { ...node, pid: child.pid ?? 0, ended: undefined, gone, kill: (signal) => void child.kill(signal) };
  const end = (how: string): void => {
    running.ended ??= how;
    markGone();
  };
  child.once("error", (error) => end(error.message));
  child.once("exit", (code, signal) => end(signal === null ? `ended with ${code}` : `killed by ${signal}`));
  child.stdin?.on("error", () => undefined);
  return running;
}

/** Waits until every node says that it is ready; throws PawlError("unavailable") with the end of a log when one does not. */
export async function allReady(nodes: readonly RunningDevNode[], system: System, isStopped: () => boolean): Promise<void> {
  const deadlineMs = system.monotonicMs() + limits.devReadyMs;
  for (const node of nodes) {
    while (!isStopped() && !(await isReady(node))) {
      const dead = nodes.find((each) => each.ended !== undefined);
      if (dead) throw new PawlError("unavailable", `${dead.id} ${dead.ended}: ${logTail(dead)}`);
      if (system.monotonicMs() > deadlineMs) throw new PawlError("unavailable", `${node.id} is not ready yet: ${logTail(node)}`);
      await new Promise<void>((resolve) => system.after(limits.devPollMs, resolve));
    }
  }
}

async function isReady(node: RunningDevNode): Promise<boolean> {
  try {
    const response = await fetch(`${node.api}/readyz`, { signal: AbortSignal.timeout(limits.devStopMs) });
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    // Refused and reset connections are what a node that is starting looks like.
    if (error instanceof TypeError || error instanceof DOMException) return false;
    throw error;
  }
}

function logTail(node: DevNode): string {
  const lines = readFileSync(node.logFile, "utf8").trim().split("\n");
  return `${lines.slice(-LOG_TAIL_LINES).join(" | ") || "it wrote no log"} (${node.logFile})`;
}

/** Asks all to stop in order, and ends at once what has not after a bounded time. */
export async function stopNodes(nodes: readonly RunningDevNode[], system: System): Promise<void> {
  const left = nodes.filter((node) => node.ended === undefined);
  for (const node of left) node.kill("SIGTERM");
  const allGone = Promise.all(left.map((node) => node.gone));
  const late = new Promise<"late">((resolve) => system.after(limits.devStopMs, () => resolve("late")));
  if ((await Promise.race([allGone, late])) === "late") {
    for (const node of left) if (node.ended === undefined) node.kill("SIGKILL");
    await allGone;
  }
}
