// Owns: reading a node's metrics as Prometheus would, and what lies between two such readings.

import type { BenchCluster, BenchNode } from "./cluster.ts";

/** Value by name with labels, as written: `pawl_executions_total{status="completed"}`. */
export type Scrape = ReadonlyMap<string, number>;

export async function scrape(cluster: BenchCluster, node: BenchNode): Promise<Scrape> {
  const response = await fetch(`${node.api}/metrics`, { headers: { authorization: `Bearer ${cluster.token}` } });
  if (!response.ok) throw new Error(`metrics of ${node.id}: ${response.status}`);
  const values = new Map<string, number>();
  for (const line of (await response.text()).split("\n")) {
    const space = line.lastIndexOf(" ");
    if (space > 0 && !line.startsWith("#")) values.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return values;
}

/** Growth of a counter between two scrapes; one that is not there counts as 0. */
export function growth(before: Scrape, after: Scrape, name: string): number {
  return (after.get(name) ?? 0) - (before.get(name) ?? 0);
}

export type Pair = { readonly before: Scrape; readonly after: Scrape };

export type Percentiles = { readonly count: number; at(share: number): number };

/** Percentiles of a histogram's observations between scrapes, of one or several nodes together: upper bounds of their buckets. */
export function percentiles(pairs: readonly Pair[], name: string): Percentiles {
  const bounds = new Map<number, number>();
  for (const { before, after } of pairs) {
    for (const key of after.keys()) {
      const bound = key.startsWith(`${name}_bucket{`) ? /le="([^"]+)"/.exec(key)?.[1] : undefined;
      if (bound === undefined) continue;
      const limit = bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound);
      bounds.set(limit, (bounds.get(limit) ?? 0) + growth(before, after, key));
    }
  }
  const sorted = [...bounds].toSorted((a, b) => a[0] - b[0]);
  const count = sorted.at(-1)?.[1] ?? 0;
  return { count, at: (share) => sorted.find(([, below]) => below >= share * count)?.[0] ?? Number.NaN };
}
