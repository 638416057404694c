// Owns: a node inside a program: settings from an object instead of a file, in-process handlers, a client without a socket. The node is
// the same as that of `pawl start`; single by default, or a member of a cluster.

import { resolve } from "node:path";
import { pino } from "pino";
import { PawlError } from "./base/errors.ts";
import type { Client } from "./client/index.ts";
import { loadConfig } from "./config.ts";
import type { Config } from "./config.ts";
import { makeAdminToken } from "./config/admin-token.ts";
import { startNode } from "./node.ts";
import { realSystem } from "./system.ts";
import type { Handler } from "./worker/plugin.ts";

export type EmbedOptions = {
  /** Where the node keeps its data; made if absent. */
  readonly dataDir: string;
  /** A TOML file as for `pawl start`, when the node is a member of a cluster or needs more settings. */
  readonly configFile?: string | undefined;
  /** Name of this node; "embedded" by default. */
  readonly id?: string | undefined;
  /** Name of the cluster; "embedded" by default. */
  readonly cluster?: string | undefined;
  /** Code to run by job_type. */
  readonly handlers?: Readonly<Record<string, Handler>> | undefined;
  /** Attempts that run here at a time. */
  readonly slots?: number | undefined;
  /** "host:port" to serve the HTTP API too; by default only `client` reaches the node. */
  readonly listen?: string | undefined;
  /** trace, debug, info, warn, error, fatal or silent; "silent" by default. */
  readonly logLevel?: string | undefined;
};

export type EmbeddedNode = {
  /** Speaks to this node without a socket. */
  readonly client: Client;
  /** URL of the HTTP API, "" when it does not listen. */
  readonly apiAddress: string;
  /** Settles only when the node cannot go on, with the reason. */
  readonly failed: Promise<unknown>;
  /** Lets running work finish for a bounded time, flushes and ends. */
  stop(): Promise<void>;
};

/** Starts a node in this process; resolves when it is ready for changes. Rejects with a PawlError that says what to do. */
export async function createNode(options: EmbedOptions): Promise<EmbeddedNode> {
  const dataDir = resolve(options.dataDir);
  const config = configOf(options, dataDir);
  makeAdminToken(config.auth.adminTokenFile);
  const logger = pino({ level: config.log.level, base: { node: config.node.id } }, pino.destination({ fd: 2, sync: true }));
  const listens = options.listen !== undefined || options.configFile !== undefined;
  const node = await startNode(config, { system: realSystem, handlers: options.handlers, listen: listens, logger });
  await ready(node.client, node.failed);
  return node;
}

function configOf(options: EmbedOptions, dataDir: string): Config {
  const flags: Record<string, string | undefined> = { "node-data-dir": dataDir, "log-level": options.logLevel ?? "silent" };
  if (options.id !== undefined || options.configFile === undefined) flags["node-id"] = options.id ?? "embedded";
  if (options.cluster !== undefined || options.configFile === undefined) flags["cluster-name"] = options.cluster ?? "embedded";
  if (options.slots !== undefined) flags["worker-slots"] = String(options.slots);
  if (options.listen !== undefined) flags["api-listen"] = options.listen;
  const config = loadConfig({ file: options.configFile, flags, env: {} });
  // A single node links with nobody: any free port of loopback will do, which a setting could not say.
  return options.configFile === undefined ? { ...config, peer: { host: "127.0.0.1", port: 0 } } : config;
}

/** A linearizable read is answered once there is a leader; a node that fails first says why. */
async function ready(client: Client, failed: Promise<unknown>): Promise<void> {
  const failure = failed.then((reason) => {
    throw reason instanceof Error ? reason : new PawlError("unavailable", String(reason));
  });
  for (;;) {
    try {
      await Promise.race([client.cluster.status(), failure]);
      return;
    } catch (error) {
      const waits = error instanceof PawlError && (error.code === "no_quorum" || error.code === "unavailable");
      if (!waits) throw error;
    }
  }
}
