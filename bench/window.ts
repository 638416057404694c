// Owns: what a cluster does within a span of time, from two readings of every node's metrics and processor time, and its memory meanwhile.

import { setTimeout as wait } from "node:timers/promises";
import type { BenchCluster, BenchNode } from "./cluster.ts";
import { cpuOf, roles } from "./cpu.ts";
import type { Cpu, Role } from "./cpu.ts";
import { type Figure, known } from "./figure.ts";
import { MemoryWatch } from "./memorywatch.ts";
import type { Peak } from "./memorywatch.ts";
import { growth, longestMs, percentiles, scrape } from "./scrape.ts";
import type { Pair, Percentiles, Scrape } from "./scrape.ts";

export type Window = {
  readonly seconds: number;
  readonly completedPerSecond: number;
  /** Executions that ended in any other way. */
  readonly otherEndings: number;
  /** Terms that began: none while the leader stays. */
  readonly elections: number;
  readonly lateness: Percentiles;
  readonly logWrite: Percentiles;
  readonly longestWriteMs: number;
  readonly longestCheckpointMs: number;
  /** Delays of the core threads' loops, all nodes together. */
  readonly coreLoop: Percentiles;
  readonly longestLoopMs: number;
  /** Processor microseconds per completed execution. Leader's and followers' threads by role; undefined where /proc does not tell. */
  readonly cpuUs: ReadonlyMap<string, number> | undefined;
  /** Processors in use by all nodes together. */
  readonly cores: number | undefined;
  readonly memory: Peak;
  /** V8's heaps of the node that has the most, at the end: all threads together. */
  readonly heapMib: number;
};

type Reading = { readonly atMs: number; readonly scrapes: readonly Scrape[]; readonly cpu: readonly (Cpu | undefined)[] };

async function readAll(cluster: BenchCluster, nodes: readonly BenchNode[]): Promise<Reading> {
  const scrapes = await Promise.all(nodes.map((node) => scrape(cluster, node)));
  return { atMs: performance.now(), scrapes, cpu: nodes.map((node) => cpuOf(node.pid)) };
}

/** Watches `seconds` of a cluster's life. `nodes` has the leader first. */
export async function watch(cluster: BenchCluster, nodes: readonly BenchNode[], seconds: number): Promise<Window> {
  return (await during(cluster, nodes, () => wait(seconds * 1000))).window;
}

/** Watches a cluster for as long as `run` takes. `nodes` has the leader first. */
export async function during<T>(
  cluster: BenchCluster, nodes: readonly BenchNode[], run: () => Promise<T>,
): Promise<{ readonly result: T; readonly window: Window }> {
  const memory = new MemoryWatch(nodes);
  try {
    const before = await readAll(cluster, nodes);
    const result = await run();
    const after = await readAll(cluster, nodes);
    return { result, window: windowOf(before, after, memory.stop()) };
  } finally {
    memory.stop();
  }
}

function windowOf(before: Reading, after: Reading, memory: Peak): Window {
  const pairs = after.scrapes.map((scraped, at): Pair => ({ before: before.scrapes[at] as Scrape, after: scraped }));
  const leader = pairs[0] as Pair;
  const ended = (status: string): number => growth(leader.before, leader.after, `pawl_executions_total{status="${status}"}`);
  const completed = ended("completed");
  const seconds = (after.atMs - before.atMs) / 1000;
  const others = ["failed", "cancelled", "missed", "skipped", "unknown"].map(ended);
  const cpu = cpuBetween(before, after);
  return {
    seconds,
    completedPerSecond: completed / seconds,
    otherEndings: others.reduce((sum, each) => sum + each, 0),
    elections: Math.max(...pairs.map((pair) => growth(pair.before, pair.after, "pawl_term"))),
    lateness: percentiles(pairs, "pawl_start_lateness_seconds"),
    logWrite: percentiles(pairs, "pawl_log_write_seconds"),
    longestWriteMs: longestMs(pairs, "log_write"),
    longestCheckpointMs: longestMs(pairs, "checkpoint"),
    coreLoop: percentiles(pairs, "pawl_core_loop_delay_seconds"),
    longestLoopMs: longestMs(pairs, "core_loop_delay"),
    cpuUs: cpu && new Map([...cpu].map(([name, secondsUsed]) => [name, (secondsUsed * 1e6) / completed])),
    cores: cpu && [...cpu.values()].reduce((sum, each) => sum + each, 0) / seconds,
    memory,
    heapMib: Math.max(...after.scrapes.map(heapOf)),
  };
}

/** What V8 has taken for the heaps of core and face. */
function heapOf(scraped: Scrape): number {
  const bytes = (name: string): number => scraped.get(name) ?? 0;
  return (bytes("pawl_face_heap_bytes") + bytes("pawl_core_heap_bytes")) / 2 ** 20;
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

/** All roles together. */
export function totalUs({ cpuUs }: Window): number | undefined {
  return cpuUs && [...cpuUs.values()].reduce((sum, each) => sum + each, 0);
}

const LOOP_P99_AIM_MS = 20;
const LOOP_MAX_AIM_MS = 200;

export function loopFigures({ coreLoop, longestLoopMs }: Window): Figure[] {
  return known([
    { figure: "core loop delay p99", value: Math.min(coreLoop.at(0.99) * 1000, longestLoopMs), unit: "ms", aim: `<= ${LOOP_P99_AIM_MS}` },
    { figure: "core loop delay, longest", value: longestLoopMs, unit: "ms", aim: `<= ${LOOP_MAX_AIM_MS}` },
  ]);
}

/** Lateness in milliseconds at a share of the starts; an upper bound. */
export function latenessMs({ lateness }: Window, share: number): number {
  return lateness.at(share) * 1000;
}
