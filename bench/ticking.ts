// Owns: a load that needs no client while it runs: recurring jobs of one second with a no-op handler and even due times.

import { setTimeout as wait } from "node:timers/promises";
import { load } from "./bulkload.ts";
import { BenchCluster } from "./cluster.ts";
import type { BenchNode, ClusterOptions } from "./cluster.ts";
import { scrape } from "./scrape.ts";

const WARM_UP_MS = 5_000;
/** Jobs fire while the others are being loaded: what is late from then is caught up with, for so long, before anything is counted. */
const CATCH_UP_MAX_MS = 60_000;
const CATCH_UP_STEP_MS = 500;

export class Ticking {
  readonly cluster: BenchCluster;
  /** The leader first. */
  readonly nodes: readonly BenchNode[];

  private constructor(cluster: BenchCluster, nodes: readonly BenchNode[]) {
    this.cluster = cluster;
    this.nodes = nodes;
  }

  /** A cluster with `perSecond` such jobs, which it has run for a while when `run` begins. */
  static async with<T>(options: ClusterOptions, perSecond: number, warmUpMs: number, run: (ticking: Ticking) => Promise<T>): Promise<T> {
    const cluster = await BenchCluster.start(options);
    try {
      const nodes = await cluster.leaderFirst();
      await load(cluster, nodes, { kind: "ticks", count: perSecond });
      await wait(Math.min(WARM_UP_MS, warmUpMs));
      await caughtUp(cluster, nodes[0] as BenchNode, perSecond);
      return await run(new Ticking(cluster, nodes));
    } finally {
      await cluster.stop();
    }
  }
}

/** Resolves when little more is waiting than becomes due within a tenth of a second, or when that takes too long. */
async function caughtUp(cluster: BenchCluster, leader: BenchNode, perSecond: number): Promise<void> {
  for (const endMs = performance.now() + CATCH_UP_MAX_MS; performance.now() < endMs; await wait(CATCH_UP_STEP_MS)) {
    const waiting = (await scrape(cluster, leader)).get("pawl_due_waiting") ?? 0;
    if (waiting <= perSecond / 10) return;
  }
}
