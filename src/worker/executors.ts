// Owns: which executors a node has, put together from its configuration. Every node needs the same plugins, or placement by tags.

import path from "node:path";
import type { System } from "../system.ts";
import type { Executor, Logger } from "./executor.ts";
import type { Handler, PluginRow } from "./plugin.ts";
import { PawlError } from "../base/errors.ts";
import { httpExecutor } from "./http.ts";
import { Journal } from "./journal.ts";
import { noopExecutor } from "./noop.ts";
import { unprocessable } from "./payload.ts";
import { handlerExecutor, loadPlugins } from "./plugin.ts";
import { shellExecutor } from "./shell.ts";

export type ExecutorOptions = {
  readonly system: System;
  /** Ranges beyond public addresses that http jobs may reach. */
  readonly httpAllow: readonly string[];
  readonly shellEnabled: boolean;
  /** The node's own folder, for the journal of running commands. */
  readonly dataDir: string;
  readonly plugins: readonly PluginRow[];
  /** What the plugins' paths are relative to. */
  readonly baseDir: string;
  /** Handlers of an embedding process, by job_type. */
  readonly handlers?: Readonly<Record<string, Handler>> | undefined;
  readonly logger: Logger;
};

/**
 * The executors by job_type. Kills first what an earlier process of this node left running, also when shell jobs are no
 * longer enabled (H6h). Throws PawlError("config") for a plugin that cannot be used or a type that is defined twice.
 */
export async function buildExecutors(options: ExecutorOptions): Promise<Map<string, Executor>> {
  const { system, shellEnabled, logger } = options;
  const journal = new Journal(path.join(options.dataDir, "shell"));
  const killed = journal.killLeftovers();
  if (killed.length > 0) logger.warn({ executionIds: killed }, "commands left behind by an earlier process of this node were killed");
  const handlers = Object.entries(options.handlers ?? {}).map(([type, run]) => handlerExecutor(type, run));
  const all = [
    noopExecutor(system),
    httpExecutor({ system, allowAddresses: options.httpAllow }),
    shellEnabled ? shellExecutor({ system, journal: requireGroups(journal) }) : disabledShell,
    ...(await loadPlugins(options.plugins, options.baseDir)),
    ...handlers,
  ];
  const executors = new Map<string, Executor>();
  for (const executor of all) {
    if (executors.has(executor.type)) {
      const text = `job_type "${executor.type}" is defined twice: give the plugin or handler another type`;
      throw new PawlError("config", text, { field: "plugins" });
    }
    executors.set(executor.type, executor);
  }
  return executors;
}

function requireGroups(journal: Journal): Journal {
  if (process.platform !== "win32") return journal;
  const text = "shell.enabled: shell jobs need POSIX process groups, which Windows does not have";
  throw new PawlError("config", text, { field: "shell.enabled" });
}

/** Says what to do instead of pretending not to know the type. */
const disabledShell: Executor = { type: "shell", validate: refuseShell, run: refuseShell };

function refuseShell(): never {
  throw unprocessable("job_type", "shell jobs are off: set shell.enabled = true in the configuration of every node that may run them");
}
