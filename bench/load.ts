// Owns: load on a cluster through its HTTP API: many connections that stay open, each with one request in flight, spread over the nodes.
// (D1) What is counted is a 201: an answer that says the change is on disk at a majority. Any other answer ends the benchmark.

import { Pool } from "undici";
import type { BenchCluster, BenchNode } from "./cluster.ts";

export type Created = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

/**
 * Submits `count` jobs from `clients` at a time, spread over `nodes` in their order. `bodyOf` gives the body of the n-th.
 * Rates are over the whole of it; percentiles are of single requests as the client sees them.
 */
export async function createJobs(
  cluster: BenchCluster, nodes: readonly BenchNode[], count: number, clients: number, bodyOf: (at: number) => unknown,
): Promise<Created> {
  const pools = nodes.map((node) => new Pool(node.api, { connections: Math.ceil(clients / nodes.length), pipelining: 1 }));
  const headers = { authorization: `Bearer ${cluster.token}`, "content-type": "application/json" };
  const tookMs = new Float64Array(count);
  let next = 0;
  const client = async (pool: Pool): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const sinceMs = performance.now();
      const { statusCode, body } = await pool.request({ path: "/api/v1/jobs", method: "POST", headers, body: JSON.stringify(bodyOf(at)) });
      const answer = await body.text();
      if (statusCode !== 201) throw new Error(`submitting job ${at}: ${statusCode} ${answer}`);
      tookMs[at] = performance.now() - sinceMs;
    }
  };
  const sinceMs = performance.now();
  try {
    await Promise.all(Array.from({ length: clients }, (_, at) => client(pools[at % pools.length] as Pool)));
  } finally {
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
  const seconds = (performance.now() - sinceMs) / 1000;
  tookMs.sort();
  const at = (share: number): number => tookMs[Math.min(count - 1, Math.floor(share * count))] as number;
  return { perSecond: count / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}
