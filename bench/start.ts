// Owns: how long a node takes to be ready, with nothing stored, and what it holds in memory when it has nothing to do.

import { setTimeout as wait } from "node:timers/promises";
import { BenchCluster } from "./cluster.ts";
import { memoryOf } from "./cpu.ts";
import { type Figure, rounded } from "./figure.ts";

type Idle = { readonly readyMs: number; readonly residentMib: number | undefined; readonly anonymousMib: number | undefined };

async function once(nodes: 1 | 3, idleMs: number): Promise<Idle> {
  const cluster = await BenchCluster.start({ nodes, slots: 100 });
  try {
    if (idleMs > 0) await wait(idleMs);
    const memories = cluster.nodes.map((node) => memoryOf(node.pid));
    const highest = (values: readonly (number | undefined)[]): number | undefined => {
      const known = values.filter((value) => value !== undefined);
      return known.length === 0 ? undefined : Math.max(...known);
    };
    return {
      readyMs: Math.max(...cluster.nodes.map((node) => node.readyMs)),
      residentMib: highest(memories.map((memory) => memory?.residentMib)),
      anonymousMib: highest(memories.map((memory) => memory?.anonymousMib)),
    };
  } finally {
    await cluster.stop();
  }
}

/** Starts are repeated and the median is taken; memory is that of the largest node of the last start, after ten idle seconds. */
export async function benchStart(scale: "smoke" | "full"): Promise<Figure[]> {
  const [rounds, idleMs] = scale === "full" ? [5, 10_000] : [1, 0];
  const figures: Figure[] = [];
  for (const nodes of scale === "full" ? ([1, 3] as const) : ([1] as const)) {
    const runs: Idle[] = [];
    for (let round = 1; round <= rounds; round++) runs.push(await once(nodes, round === rounds ? idleMs : 0));
    const readyMs = runs.map((run) => run.readyMs).toSorted((a, b) => a - b)[Math.floor(rounds / 2)] as number;
    const last = runs.at(-1) as Idle;
    const name = nodes === 1 ? "one node" : "three nodes at once";
    figures.push({ figure: `start to ready, ${name}`, value: Math.round(readyMs), unit: "ms" });
    for (const [what, mib] of [["resident", last.residentMib], ["anonymous", last.anonymousMib]] as const) {
      if (mib !== undefined) figures.push({ figure: `idle node, ${what}, ${name}`, value: rounded(mib), unit: "MiB" });
    }
  }
  return figures;
}
