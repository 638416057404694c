// Owns: requests that benchmarks make while a cluster is watched: one at a time for an answer, or a few callers that go on asking, each a
// while after its last answer, for what it takes them.

import { setTimeout as wait } from "node:timers/promises";
import { Pool } from "undici";
import type { BenchCluster, BenchNode } from "./cluster.ts";
import { quantile } from "./figure.ts";

export type Latency = { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number; readonly count: number };

export function latencyOf(tookMs: number[]): Latency {
  return { p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99), maxMs: quantile(tookMs, 1), count: tookMs.length };
}

/** The JSON of a successful answer. */
export async function ask<T>(cluster: BenchCluster, node: BenchNode, path: string, method = "GET", body?: unknown): Promise<T> {
  const headers = { authorization: `Bearer ${cluster.token}`, "content-type": "application/json" };
  const response = await fetch(`${node.api}/api/v1${path}`, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

export type Question = { readonly method: "GET" | "POST"; readonly path: string; readonly body?: string };

/** `callers` ask in turn what `next` gives, `pauseMs` after each answer, until `done` settles. A refusal ends the benchmark. */
export async function askUntil(
  cluster: BenchCluster, node: BenchNode, callers: number, pauseMs: number, next: (at: number) => Question, done: Promise<unknown>,
): Promise<Latency> {
  const pool = new Pool(node.api, { connections: callers, pipelining: 1 });
  const headers = { authorization: `Bearer ${cluster.token}`, "content-type": "application/json" };
  const tookMs: number[] = [];
  let asked = 0;
  let over = false;
  const caller = async (): Promise<void> => {
    while (!over) {
      const { method, path, body = null } = next(asked++);
      const sinceMs = performance.now();
      const answer = await pool.request({ path: `/api/v1${path}`, method, headers, body });
      const text = await answer.body.text();
      if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
      tookMs.push(performance.now() - sinceMs);
      await wait(pauseMs);
    }
  };
  try {
    const all = Promise.all(Array.from({ length: callers }, caller));
    await Promise.race([done, all]);
    over = true;
    await all;
  } finally {
    over = true;
    await pool.destroy();
  }
  return latencyOf(tookMs);
}
