// Owns: what a cluster does within a span of time, from two readings of every node's metrics and processor time.

import { setTimeout as wait } from "node:timers/promises";
import type { BenchCluster, BenchNode } from "./cluster.ts";
import { cpuOf, roles } from "./cpu.ts";
import type { Cpu, Role } from "./cpu.ts";
import { growth, percentiles, scrape } from "./scrape.ts";
import type { Pair, Percentiles, Scrape } from "./scrape.ts";

export type Window = {
  readonly completedPerSecond: number;
  /** Executions that ended in any other way. */
  readonly otherEndings: number;
  readonly lateness: Percentiles;
  readonly logWrite: Percentiles;
  readonly longestWriteMs: number;
  /** Processor microseconds per completed execution. Leader's and followers' threads by role; undefined where /proc does not tell. */
  readonly cpuUs: ReadonlyMap<string, number> | undefined;
  /** Processors in use by all nodes together. */
  readonly cores: number | undefined;
};

type Reading = { readonly atMs: number; readonly scrapes: readonly Scrape[]; readonly cpu: readonly (Cpu | undefined)[] };

async function readAll(cluster: BenchCluster, nodes: readonly BenchNode[]): Promise<Reading> {
  const scrapes = await Promise.all(nodes.map((node) => scrape(cluster, node)));
  return { atMs: performance.now(), scrapes, cpu: nodes.map((node) => cpuOf(node.pid)) };
}

/** Watches `seconds` of a cluster's life. `nodes` has the leader first. */
export async function watch(cluster: BenchCluster, nodes: readonly BenchNode[], seconds: number): Promise<Window> {
  const before = await readAll(cluster, nodes);
  await wait(seconds * 1000);
  const after = await readAll(cluster, nodes);
  const pairs = after.scrapes.map((scraped, at): Pair => ({ before: before.scrapes[at] as Scrape, after: scraped }));
  const leader = pairs[0] as Pair;
  const ended = (status: string): number => growth(leader.before, leader.after, `pawl_executions_total{status="${status}"}`);
  const completed = ended("completed");
  const tookS = (after.atMs - before.atMs) / 1000;
  const others = ["failed", "cancelled", "missed", "skipped", "unknown"].map(ended);
  const cpu = cpuBetween(before, after);
  return {
    completedPerSecond: completed / tookS,
    otherEndings: others.reduce((sum, each) => sum + each, 0),
    lateness: percentiles(pairs, "pawl_start_lateness_seconds"),
    logWrite: percentiles(pairs, "pawl_log_write_seconds"),
    longestWriteMs: Math.max(...after.scrapes.map((each) => each.get("pawl_log_write_seconds_max") ?? 0)) * 1000,
    cpuUs: cpu && new Map([...cpu].map(([name, secondsUsed]) => [name, (secondsUsed * 1e6) / completed])),
    cores: cpu && [...cpu.values()].reduce((sum, each) => sum + each, 0) / tookS,
  };
}

/** Seconds by "leader core", "followers core", "leader face" ...; followers are added up. */
function cpuBetween(before: Reading, after: Reading): Map<string, number> | undefined {
  const used = new Map<string, number>();
  for (let at = 0; at < after.cpu.length; at++) {
    const [from, to] = [before.cpu[at], after.cpu[at]];
    if (from === undefined || to === undefined) return undefined;
    for (const role of roles) {
      const name = `${at === 0 ? "leader" : "followers"} ${role satisfies Role}`;
      used.set(name, (used.get(name) ?? 0) + to[role] - from[role]);
    }
  }
  return used;
}
