// Owns: how many changes a cluster commits, each submitted by a request of its own and answered when it is on disk at a majority, and
// how long a caller waits for one. One-shot jobs of a distant year without payload; nothing runs meanwhile.

import { BenchCluster } from "./cluster.ts";
import { type Figure, rounded } from "./figure.ts";
import { createJobs } from "./load.ts";

const FAR = "2040-01-01T00:00:00Z";

/** Each step is measured on the cluster of the one before, after a shorter run that warms both sides up. */
export async function benchCommands(scale: "smoke" | "full"): Promise<Figure[]> {
  const seconds = scale === "full" ? 10 : 0.3;
  const steps = scale === "full" ? [1, 10, 100, 1000] : [1, 10];
  const cluster = await BenchCluster.start({ nodes: 3 });
  try {
    const nodes = await cluster.leaderFirst();
    const figures: Figure[] = [];
    for (const clients of steps) {
      const create = (count: number): ReturnType<typeof createJobs> =>
        createJobs(cluster, nodes, count, clients, () => ({ job_type: "noop", schedule_time: FAR }));
      const warm = await create(Math.max(20, clients * 4));
      const full = await create(Math.max(20, Math.round(warm.perSecond * seconds)));
      const name = `creates, three nodes, ${clients.toLocaleString("en")} concurrent`;
      figures.push({ figure: `${name}: committed`, value: Math.round(full.perSecond), unit: "commands/s" });
      figures.push({ figure: `${name}: p50`, value: rounded(full.p50Ms), unit: "ms" });
      figures.push({ figure: `${name}: p99`, value: rounded(full.p99Ms), unit: "ms" });
    }
    return figures;
  } finally {
    await cluster.stop();
  }
}
