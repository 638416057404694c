// Owns: how long the core threads' loops are kept waiting by each of the things that could keep them: a bulk load, a large listing, many
// jobs in one slot of the wheel that cascade and are due at once, the peak rate with its checkpoints. A day that is dropped from the
// history is bench/history.ts's, a day of the wheel with its cascades bench/wheel.ts's, ten million schedules are bench/scale.ts's.

import { setTimeout as wait } from "node:timers/promises";
import { load } from "./bulkload.ts";
import { BenchCluster } from "./cluster.ts";
import type { BenchNode } from "./cluster.ts";
import { type BenchOptions, type Figure, figuresOf, known, progress, type Scale } from "./figure.ts";
import { during, loopFigures } from "./window.ts";

const PAGE = 1000;

type Phase = { readonly name: string; readonly run: () => Promise<unknown> };

/** `jobs` are the schedules of the load and the listing; a tenth of them cascades; `rate` is the peak. */
export async function benchLoop(scale: Scale, { jobs = 1_000_000, rate = 100_000 }: BenchOptions): Promise<Figure[]> {
  const [count, perSecond, seconds] = scale === "full" ? [jobs, rate, 30] : [300, 50, 1];
  const cluster = await BenchCluster.start({ nodes: 3 });
  try {
    const nodes = await cluster.leaderFirst();
    const cascading = Math.ceil(count / 10);
    const marginMs = scale === "full" ? 5_000 + cascading / 10 : 1_500;
    const phases: readonly Phase[] = [
      { name: `bulk load of ${shown(count)} jobs`, run: () => load(cluster, nodes, { kind: "mix", count }) },
      { name: `listing of ${shown(count)} jobs, ${PAGE} a page`, run: () => listed(cluster, nodes[0] as BenchNode) },
      { name: `${shown(cascading)} jobs due in one second, loaded before`, run: () => cascade(cluster, nodes, cascading, marginMs) },
      { name: `${shown(perSecond)} executions/s, checkpoints among them`, run: () => peak(cluster, nodes, perSecond, seconds) },
    ];
    const figures: Figure[] = [];
    for (const { name, run } of phases) {
      const { window } = await during(cluster, nodes, run);
      const phase = [...known([{ figure: "took", value: window.seconds, unit: "s" }]), ...loopFigures(window)];
      progress(figuresOf(name, phase));
      figures.push(...figuresOf(name, phase));
    }
    return figures;
  } finally {
    await cluster.stop();
  }
}

function shown(count: number): string {
  return count.toLocaleString("en");
}

async function listed(cluster: BenchCluster, node: BenchNode): Promise<void> {
  const headers = { authorization: `Bearer ${cluster.token}` };
  for (let path: string | undefined = `/api/v1/jobs?limit=${PAGE}`; path !== undefined; ) {
    const response: Response = await fetch(node.api + path, { headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
}

async function cascade(cluster: BenchCluster, nodes: readonly BenchNode[], count: number, marginMs: number): Promise<void> {
  const dueMs = Math.ceil((Date.now() + marginMs) / 1000) * 1000;
  await load(cluster, nodes, { kind: "burst", count, atMs: dueMs });
  await wait(Math.max(0, dueMs + 2_000 - Date.now()));
}

async function peak(cluster: BenchCluster, nodes: readonly BenchNode[], perSecond: number, seconds: number): Promise<void> {
  await load(cluster, nodes, { kind: "ticks", count: perSecond });
  await wait(seconds * 1000);
}
