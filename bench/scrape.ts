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

/** Percentiles of a histogram's observations between scrapes, of several nodes together: upper bounds of their buckets, NaN of none. */
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
  const at = (share: number): number => sorted.find(([, below]) => below >= share * count)?.[0] ?? Number.NaN;
  return { count, at: (share) => (count === 0 ? Number.NaN : at(share)) };
}

/**
 * The longest observation between scrapes, in milliseconds; NaN of none. A node's longest of all is known exactly, so it is that one if it
 * came between them, else the upper bound of the highest bucket.
 */
export function longestMs(pairs: readonly Pair[], what: string): number {
  const name = `pawl_longest_${what}_seconds{window="process"}`;
  const ofNode = (pair: Pair): number => {
    const longest = pair.after.get(name) ?? 0;
    return longest > (pair.before.get(name) ?? 0) ? longest : percentiles([pair], `pawl_${what}_seconds`).at(1);
  };
  const known = pairs.map(ofNode).filter((each) => !Number.isNaN(each));
  return known.length === 0 ? Number.NaN : 1000 * Math.max(...known);
}
