// Owns: how many changes a cluster commits, each submitted by a request of its own and answered when it is on disk at a majority, and
// how long a caller waits for one. One-shot jobs of a distant year without payload; nothing runs meanwhile.

import { BenchCluster } from "./cluster.ts";
import type { BenchNode } from "./cluster.ts";
import { cpuOf } from "./cpu.ts";
import { type Figure, rounded } from "./figure.ts";
import { createJobs } from "./load.ts";

const FAR = "2040-01-01T00:00:00Z";

/** By role over all nodes, and of this process, which is the load. */
function processorSeconds(nodes: readonly BenchNode[]): ReadonlyMap<string, number> {
  const used = new Map<string, number>();
  for (const node of nodes) {
    for (const [role, seconds] of Object.entries(cpuOf(node.pid) ?? {})) {
      const where = `nodes' ${role}`;
      used.set(where, (used.get(where) ?? 0) + seconds);
    }
  }
  const { user, system } = process.cpuUsage();
  return used.set("the load itself", (user + system) / 1e6);
}

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
      const before = processorSeconds(nodes);
      const count = Math.max(20, Math.round(warm.perSecond * seconds));
      const full = await create(count);
      const name = `creates, three nodes, ${clients.toLocaleString("en")} concurrent`;
      figures.push({ figure: `${name}: committed`, value: Math.round(full.perSecond), unit: "commands/s" });
      figures.push({ figure: `${name}: p50`, value: rounded(full.p50Ms), unit: "ms" });
      figures.push({ figure: `${name}: p99`, value: rounded(full.p99Ms), unit: "ms" });
      for (const [where, used] of processorSeconds(nodes)) {
        const us = ((used - (before.get(where) ?? 0)) * 1e6) / count;
        if (clients === steps.at(-1)) figures.push({ figure: `${name}: processor time, ${where}`, value: rounded(us), unit: "us/command" });
      }
    }
    return figures;
  } finally {
    await cluster.stop();
  }
}
