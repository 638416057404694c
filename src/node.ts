// Owns: one whole node: the core thread, and on this thread the face: executors, HTTP API, embedded handlers. Starting and stopping
// in order. What the core decides is in src/cluster; this file only passes on and waits.
// (N1) Nothing is changed before the data directory is held, nothing started before it is claimed, and nothing is left running when
//      start fails.
// (N2) Stopping hands leadership over, lets running work finish for a bounded time while its results still reach the log, then flushes.
// (N3) A node that finds its data damaged while it runs notes it, durably: it may not show again at the next start.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { pino } from "pino";
import type { Logger } from "pino";
import { embeddedTransport } from "./api/embedded.ts";
import { createApi } from "./api/server.ts";
import type { Api } from "./api/server.ts";
import { createClient } from "./client/index.ts";
import type { Client } from "./client/index.ts";
import { PawlError } from "./base/errors.ts";
import { CoreLink } from "./corelink.ts";
import { FaceMetrics } from "./facemetrics.ts";
import type { CoreOptions } from "./cluster/port.ts";
import type { Config } from "./config.ts";
import { readAdminToken } from "./config/admin-token.ts";
import { claimIdentity, makeDataDir } from "./config/identity.ts";
import type { Claim } from "./config/identity.ts";
import { checkStandstill, writeStandstill } from "./config/standstill.ts";
import { checkLimits, limits } from "./limits.ts";
import { loadTls } from "./net/certificates.ts";
import { holdDirectory } from "./storage/hold.ts";
import type { Hold } from "./storage/hold.ts";
import type { System } from "./system.ts";
import { buildExecutors } from "./worker/executors.ts";
import { OutputStore } from "./worker/outputs.ts";
import type { Handler } from "./worker/plugin.ts";
import { Runner } from "./worker/runner.ts";

export type NodeOptions = {
  readonly system: System;
  /** In-process handlers by job_type, for an embedding program. */
  readonly handlers?: Readonly<Record<string, Handler>> | undefined;
  readonly logger?: Logger | undefined;
  /** False when the HTTP API is only spoken to through `client`. */
  readonly listen?: boolean | undefined;
};

export type RunningNode = {
  stop(): Promise<void>;
  /** URL of the API, "" when it does not listen. */
  readonly apiAddress: string;
  /** A client that speaks to this node without a socket. */
  readonly client: Client;
  /** Settles only when the node cannot go on, with the reason. */
  readonly failed: Promise<unknown>;
};

/** Version of this program, from its package. */
export const version = readVersion();

function readVersion(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), "..", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** Starts a node; resolves when its data is open and its API listens. Rejects with a PawlError that says what to do. */
export async function startNode(config: Config, options: NodeOptions): Promise<RunningNode> {
  checkLimits();
  const { dataDir, id } = config.node;
  makeDataDir(dataDir, config.cluster.name, id);
  const hold = await holdDirectory(dataDir);
  try {
    checkStandstill(dataDir);
    return await startHeld(config, options, hold);
  } catch (error) {
    await hold.release();
    throw error;
  }
}

async function startHeld(config: Config, options: NodeOptions, hold: Hold): Promise<RunningNode> {
  const { system } = options;
  const logger = options.logger ?? pino({ level: config.log.level, base: { node: config.node.id } }, pino.destination({ sync: true }));
  const joinAtMs = config.cluster.join ? system.wallMs() : undefined;
  const claim = claimIdentity(config.node.dataDir, config.cluster.name, config.node.id, joinAtMs);
  const outputs = new OutputStore();
  const executors = await buildExecutors({
    system,
    logger,
    handlers: options.handlers,
    httpAllow: config.http.allowAddresses,
    shellEnabled: config.shell.enabled,
    dataDir: config.node.dataDir,
    plugins: config.plugins,
    baseDir: process.cwd(),
  });
  const link = new CoreLink(startCore(coreOptions(config, claim)), system, logger);
  const runner = new Runner({
    executors,
    slots: config.worker.slots,
    shard: 0,
    system,
    outputs,
    logger,
    report: (batch) => link.results(batch),
  });
  link.serve(runner, outputs);
  const metrics = new FaceMetrics(system, runner.lateness, config.node.dataDir);
  try {
    await link.opened;
    metrics.start();
    void link.failed.then((error) => noteDamage(error, config.node.dataDir, system, logger));
    const api = await openApi(config, options, link, executors, metrics, logger);
    const listening = options.listen ?? true;
    const apiAddress = listening ? await api.listen() : "";
    logger.info({ api: apiAddress, incarnation: claim.incarnation }, "node started");
    const client = createClient({
      transport: embeddedTransport(api),
      server: "http://embedded",
      token: readAdminToken(config.auth.adminTokenFile),
    });
    return { apiAddress, client, failed: link.failed, stop: () => stopNode(api, link, runner, metrics, logger).then(() => hold.release()) };
  } catch (error) {
    metrics.stop();
    await link.terminate();
    throw error;
  }
}

const MIB = 1024 * 1024;

/** (N3) */
function noteDamage(error: unknown, dataDir: string, system: System, logger: Logger): void {
  if (!(error instanceof PawlError) || error.code !== "quarantined") return;
  try {
    writeStandstill(dataDir, { atMs: system.wallMs(), reason: error.message, by: "damage" });
  } catch (failure) {
    logger.error({ err: failure }, "it could not be noted that the data are damaged: do not start this node on them again");
  }
}

function coreOptions(config: Config, { incarnation, joined }: Claim): CoreOptions {
  return {
    node: config.node.id,
    incarnation,
    dataDir: config.node.dataDir,
    cluster: config.cluster.name,
    version,
    joining: joined,
    members: config.cluster.members.map(({ id, peer, api }) => ({ id, host: peer.host, port: peer.port, api })),
    listen: config.peer,
    tlsDir: config.tls === undefined ? undefined : dirname(config.tls.ca),
    retentionDays: config.history.retentionDays,
    slots: config.worker.slots,
    tags: config.worker.tags,
    logKeepBytes: config.storage.logKeepMib * MIB,
  };
}

function startCore(workerData: CoreOptions): Worker {
  const name = import.meta.url.endsWith(".ts") ? "./core.ts" : "./core.js";
  return new Worker(new URL(name, import.meta.url), { workerData, name: "pawl-core" });
}

async function openApi(
  config: Config,
  { system }: NodeOptions,
  link: CoreLink,
  executors: Awaited<ReturnType<typeof buildExecutors>>,
  metrics: FaceMetrics,
  logger: Logger,
): Promise<Api> {
  const material = config.tls === undefined ? undefined : loadTls(dirname(config.tls.ca));
  return createApi({
    backend: link.backend({
      executors,
      self: config.node.id,
      clusterName: config.cluster.name,
      version,
      faceMetrics: () => metrics.text(),
    }),
    token: readAdminToken(config.auth.adminTokenFile),
    listen: config.api,
    tls: material,
    system,
    logger,
  });
}

async function stopNode(api: Api, link: CoreLink, runner: Runner, metrics: FaceMetrics, logger: Logger): Promise<void> {
  logger.info("stopping: handing over leadership, letting running work finish");
  link.leave();
  await runner.drain(limits.drainMs);
  await api.close();
  await link.stop();
  metrics.stop();
  logger.info("stopped");
  logger.flush();
}
