// Owns: a load that needs no client while it runs: recurring jobs of one second with a no-op handler and even due times.

import { setTimeout as wait } from "node:timers/promises";
import { load } from "./bulkload.ts";
import { BenchCluster } from "./cluster.ts";
import type { BenchNode, ClusterOptions } from "./cluster.ts";

const WARM_UP_MS = 5_000;

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
      return await run(new Ticking(cluster, nodes));
    } finally {
      await cluster.stop();
    }
  }
}
