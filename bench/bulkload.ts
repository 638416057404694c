// Owns: loading many jobs into a cluster through the bulk route, as fast as it takes them. Lines are made and sent by a thread of their own
// (bench/bulkloader.ts), so that the watching side is not slowed.

import { Worker } from "node:worker_threads";
import type { Order, Told } from "./bulkloader.ts";
import type { BenchCluster, BenchNode } from "./cluster.ts";
import { quantile, say } from "./figure.ts";
import type { Kind } from "./mix.ts";

const LINES_PER_REQUEST = 20_000;
const PARALLEL = 2;
const TOLD_EVERY_LINES = 1_000_000;

export type Loading = {
  readonly kind: Kind;
  readonly count: number;
  /** Number of the first one. */
  readonly from?: number;
  readonly atMs?: number;
};

export type Loaded = {
  readonly perSecond: number;
  readonly seconds: number;
  /** Of whole requests, at most 20,000 lines each. */
  readonly requestP50Ms: number;
  readonly requestMaxMs: number;
  /** How often a request broke off and was sent on from its cursor. */
  readonly resumed: number;
};

/** Resolves when all of them are durable. `nodes` are those that are asked. */
export async function load(cluster: BenchCluster, nodes: readonly BenchNode[], loading: Loading): Promise<Loaded> {
  const { kind, count, from = 0, atMs = Date.now() } = loading;
  const linesPerRequest = Math.min(LINES_PER_REQUEST, Math.ceil(count / (nodes.length * PARALLEL)));
  const servers = nodes.map(({ api }) => api);
  const order: Order = { servers, token: cluster.token, kind, from, to: from + count, atMs, parallel: PARALLEL, linesPerRequest };
  const tookMs: number[] = [];
  const breaks: string[] = [];
  let lines = 0;
  const sinceMs = performance.now();
  const worker = new Worker(new URL("bulkloader.ts", import.meta.url), { workerData: order });
  await new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
    worker.on("message", (told: Told) => {
      const before = lines;
      tookMs.push(told.tookMs);
      lines += told.lines;
      breaks.push(...told.breaks);
      if (Math.floor(lines / TOLD_EVERY_LINES) > Math.floor(before / TOLD_EVERY_LINES)) say(`${lines.toLocaleString("en")} jobs loaded`);
    });
  });
  if (lines !== count) throw new Error(`${lines} of ${count} jobs were loaded`);
  if (breaks.length > 0) say(`requests broke off: ${breaks.join(", ")}`);
  const seconds = (performance.now() - sinceMs) / 1000;
  const resumed = breaks.length;
  return { perSecond: count / seconds, seconds, requestP50Ms: quantile(tookMs, 0.5), requestMaxMs: Math.max(...tookMs), resumed };
}
