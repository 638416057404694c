// Owns: one member of a cluster of cores alone, as a process of bench/commits.ts: the core thread with its disk and links as in a real
// node, no HTTP API and no executors. Told to, it has callers submit changes to its own core, and reports what they saw.

import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { pino } from "pino";
import type { Backend } from "../src/api/backend.ts";
import { jobSpecOf } from "../src/api/parse.ts";
import type { CoreOptions } from "../src/cluster/port.ts";
import { CoreLink } from "../src/corelink.ts";
import { realSystem } from "../src/system.ts";

export type Order = { readonly clients: number; readonly count: number };
export type Told =
  | { readonly kind: "standing"; readonly leader: string | undefined }
  | { readonly kind: "done"; readonly seconds: number; readonly p50Ms: number; readonly p99Ms: number };

const options = JSON.parse(process.argv[2] as string) as CoreOptions;
const core = new Worker(new URL(join("..", "src", "core.ts"), import.meta.url), { workerData: options, name: "pawl-core" });
const logger = pino({ level: "silent" });
const link = new CoreLink(core, realSystem, logger);
const { node: self, cluster: clusterName, version } = options;
const backend = link.backend({ executors: new Map(), self, clusterName, version, faceMetrics: async () => "" });
const known = { jobTypes: () => ["noop"], validatePayload: () => undefined };
const spec = jobSpecOf({ job_type: "noop", schedule_time: "2040-01-01T00:00:00Z" }, known, Date.now());
let submitted = 0;

async function load(to: Backend, { clients, count }: Order): Promise<Told> {
  const tookMs = new Float64Array(count);
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const sinceMs = performance.now();
      await to.change({ kind: "create", jobId: `job-${process.pid}-${submitted++}`, spec }, { principal: "bench", route: "submit" });
      tookMs[at] = performance.now() - sinceMs;
    }
  };
  const sinceMs = performance.now();
  await Promise.all(Array.from({ length: clients }, caller));
  const seconds = (performance.now() - sinceMs) / 1000;
  tookMs.sort();
  const at = (share: number): number => tookMs[Math.min(count - 1, Math.floor(share * count))] as number;
  return { kind: "done", seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function leaderNow(): Promise<string | undefined> {
  const { answer } = await backend.query({ kind: "cluster" }, "stale");
  return answer.kind === "cluster" && backend.health().ready ? (answer.cluster.leaderId ?? undefined) : undefined;
}

process.on("message", (order: Order | "standing?") => {
  const told = order === "standing?" ? leaderNow().then((leader): Told => ({ kind: "standing", leader })) : load(backend, order);
  void told.then((each) => process.send?.(each));
});
process.on("disconnect", () => process.exit());
await link.opened;
process.send?.("open");
