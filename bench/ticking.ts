// Owns: a load that needs no client while it runs: recurring jobs of one second with a no-op handler and even due times.

import { setTimeout as wait } from "node:timers/promises";
import type { BenchCluster, BenchNode } from "./cluster.ts";
import { createJobs } from "./load.ts";
import { watch } from "./window.ts";
import type { Window } from "./window.ts";

const ANCHOR_MS = Date.UTC(2026, 0, 1);
const CLIENTS = 64;
const WARM_UP_S = 5;

/** The n-th job's due times lie n times 617 milliseconds beyond the anchor's: even over the second, in no order. */
function everySecond(at: number): unknown {
  const anchor = new Date(ANCHOR_MS + ((at * 617) % 1000)).toISOString();
  return { job_id: `tick-${at}`, job_type: "noop", schedule: { every: "PT1S", anchor } };
}

export class Ticking {
  readonly cluster: BenchCluster;
  readonly nodes: readonly BenchNode[];
  private jobs = 0;

  constructor(cluster: BenchCluster, nodes: readonly BenchNode[]) {
    this.cluster = cluster;
    this.nodes = nodes;
  }

  /** Adds jobs up to `perSecond` of them, lets the cluster settle and watches it. */
  async at(perSecond: number, seconds: number): Promise<Window> {
    const from = this.jobs;
    await createJobs(this.cluster, this.nodes, perSecond - from, CLIENTS, (at) => everySecond(from + at));
    this.jobs = perSecond;
    await wait(Math.min(WARM_UP_S, seconds) * 1000);
    return watch(this.cluster, this.nodes, seconds);
  }
}
