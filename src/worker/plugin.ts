// Owns: executors that users write: modules named in the configuration, and handlers of a process that embeds Pawl. They run on the
// face's thread, never on the core's; what they throw fails their attempt only.
// (U1) What user code gets is a plain object of its own; what it returns is ignored, unless it throws or rejects.

import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Executor, RunContext, RunOutcome } from "./executor.ts";
import { PawlError, messageOf } from "../base/errors.ts";
import { failedWith, succeeded } from "./executor.ts";
import { unprocessable } from "./payload.ts";

/** Lines that a handler writes; they are kept as the attempt's output, each with its level. */
export type HandlerLogger = {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};

/** What a plugin or handler is given for one attempt. */
export type HandlerContext = {
  readonly payload: unknown;
  readonly executionId: string;
  readonly jobId: string;
  /** Fencing token, decimal: whoever stores something by it refuses lower ones. Compare as BigInt. */
  readonly token: string;
  /** From 1. */
  readonly attempt: number;
  /** Milliseconds since 1970 UTC. */
  readonly scheduledAtMs: number;
  /** Aborts at the timeout or a cancellation. Code that goes on is no longer waited for. */
  readonly signal: AbortSignal;
  readonly logger: HandlerLogger;
};

export type Handler = (context: HandlerContext) => unknown;

export type Plugin = {
  /** The job_type that it runs. */
  readonly type: string;
  /** Throws when a payload can never be run; the text is shown to whoever submits the job. */
  readonly validate?: ((payload: unknown) => void) | undefined;
  /** Returns or resolves when the work is done, throws or rejects when it failed. */
  readonly run: Handler;
};

/** Marks a plugin for the compiler: `export default definePlugin({ type, validate, run })`. */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin;
}

/** A handler of an embedding process as an executor. */
export function handlerExecutor(type: string, run: Handler): Executor {
  return pluginExecutor({ type, run });
}

export function pluginExecutor(plugin: Plugin): Executor {
  const validate = (payload: unknown): void => {
    try {
      plugin.validate?.(payload);
    } catch (error) {
      throw unprocessable("payload", `${plugin.type} refuses it: ${messageOf(error)}`);
    }
  };
  return {
    type: plugin.type,
    validate,
    async run(context): Promise<RunOutcome> {
      try {
        validate(context.payload);
        await plugin.run(handlerContext(context));
        return succeeded;
      } catch (error) {
        return failedWith(messageOf(error));
      }
    },
  };
}

function handlerContext(context: RunContext): HandlerContext {
  const { payload, executionId, jobId, token, attempt, scheduledAtMs, signal, output } = context;
  const line = (level: string) => (message: string): void => output.write("log", `${level} ${message}\n`);
  const logger = { info: line("info"), warn: line("warn"), error: line("error") };
  return { payload, executionId, jobId, token, attempt, scheduledAtMs, signal, logger };
}

/** One plugin of the configuration: its job_type, and a path or package. */
export type PluginRow = { readonly type: string; readonly module: string };

/** Loads the modules of the configuration; paths are relative to `baseDir`, other names are packages. */
export async function loadPlugins(rows: readonly PluginRow[], baseDir: string): Promise<Executor[]> {
  return Promise.all(rows.map(({ type, module }) => loadPlugin(type, module, baseDir)));
}

async function loadPlugin(type: string, module: string, baseDir: string): Promise<Executor> {
  const isPath = module.startsWith(".") || path.isAbsolute(module);
  const found = await importModule(isPath ? pathToFileURL(path.resolve(baseDir, module)).href : module, `plugin "${type}" (${module})`);
  const exported = Object.values(found);
  const plugin = exported.filter(isPlugin).find((each) => each.type === type);
  if (plugin !== undefined) return pluginExecutor(plugin);
  const others = exported.filter(isPlugin).map((each) => `"${each.type}"`);
  const reason = others.length > 0 ? `it defines ${others.join(", ")}` : "it defines none";
  throw new PawlError(
    "config",
    `plugin "${type}" (${module}): the module must export definePlugin({ type: "${type}", run(context) {...} }), but ${reason}`,
    { field: "plugins" },
  );
}

async function importModule(name: string, what: string): Promise<Record<string, unknown>> {
  try {
    return (await import(name)) as Record<string, unknown>;
  } catch (error) {
    throw new PawlError("config", `${what} cannot be loaded: ${messageOf(error)}`, { field: "plugins", cause: error });
  }
}

function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== "object" || value === null) return false;
  const { type, run, validate } = value as Partial<Record<keyof Plugin, unknown>>;
  return typeof type === "string" && typeof run === "function" && (validate === undefined || typeof validate === "function");
}
