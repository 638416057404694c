// Owns: what a cluster with many schedules needs to get over a fault: how long a node that was killed takes to be back, and what a node
// that joins and is sent the whole state costs the callers of the others meanwhile.
// (R1) The callers' latency is measured twice with the same load, before and while the state is sent; their ratio is the figure.

import { setTimeout as wait } from "node:timers/promises";
import { Pool } from "undici";
import { BenchCluster, freePorts } from "./cluster.ts";
import type { BenchNode } from "./cluster.ts";
import { type Figure, rounded } from "./figure.ts";
import { createJobs } from "./load.ts";

const LOADERS = 256;
const CALLERS = 4;
const CALL_EVERY_MS = 10;
const PAYLOAD = { url: `http://127.0.0.1/${"x".repeat(270)}` };
const CAUGHT_UP_MAX_MS = 300_000;

function yearly(at: number): unknown {
  const cron = `${at % 60} ${Math.floor(at / 60) % 24} 1 1 *`;
  return { job_id: `job-${at}`, job_type: "http", schedule: { cron, timezone: "America/New_York" }, payload: PAYLOAD };
}

type Latency = { readonly p50Ms: number; readonly p99Ms: number; readonly count: number };

/** Single creates from a few callers, each a while after its last answer, until `done` settles. */
async function callersUntil(cluster: BenchCluster, node: BenchNode, done: Promise<unknown>): Promise<Latency> {
  const pool = new Pool(node.api, { connections: CALLERS, pipelining: 1 });
  const headers = { authorization: `Bearer ${cluster.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ job_type: "noop", schedule_time: "2040-01-01T00:00:00Z" });
  const tookMs: number[] = [];
  let over = false;
  const caller = async (): Promise<void> => {
    while (!over) {
      const sinceMs = performance.now();
      const { statusCode, body: answer } = await pool.request({ path: "/api/v1/jobs", method: "POST", headers, body });
      const text = await answer.text();
      if (statusCode !== 201) throw new Error(`a create was answered ${statusCode} ${text}`);
      tookMs.push(performance.now() - sinceMs);
      await wait(CALL_EVERY_MS);
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, caller));
  await Promise.race([done, callers]);
  over = true;
  await callers;
  await pool.destroy();
  tookMs.sort((a, b) => a - b);
  const at = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(share * tookMs.length))] as number;
  return { p50Ms: at(0.5), p99Ms: at(0.99), count: tookMs.length };
}

async function send(cluster: BenchCluster, node: BenchNode, method: "GET" | "POST", path: string, body?: unknown): Promise<unknown> {
  const headers = { authorization: `Bearer ${cluster.token}`, "content-type": "application/json" };
  const response = await fetch(`${node.api}/api/v1${path}`, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A fourth node joins; resolves with how long it took until it was a voter like the others. */
async function joins(cluster: BenchCluster, leader: BenchNode): Promise<number> {
  const [peer, api] = (await freePorts(2)) as [number, number];
  const sinceMs = performance.now();
  const member = { id: "bench-4", peer: `127.0.0.1:${peer}`, api: `http://127.0.0.1:${api}`, role: "voter" };
  await send(cluster, leader, "POST", "/cluster/members", member);
  await cluster.join("bench-4", [peer, api]);
  while (performance.now() - sinceMs < CAUGHT_UP_MAX_MS) {
    const { members } = (await send(cluster, leader, "GET", "/cluster")) as { members: { id: string; role: string }[] };
    if (members.some(({ id, role }) => id === "bench-4" && role !== "learner")) return performance.now() - sinceMs;
    await wait(50);
  }
  throw new Error(`bench-4 has not caught up after ${CAUGHT_UP_MAX_MS} ms`);
}

/** "full" holds a million schedules, more than the log that is kept; "smoke" so few that the log alone brings the new node up to date. */
export async function benchRecovery(scale: "smoke" | "full"): Promise<Figure[]> {
  const [count, calmMs] = scale === "full" ? [1_000_000, 15_000] : [200, 200];
  const cluster = await BenchCluster.start({ nodes: 3 });
  try {
    const nodes = await cluster.leaderFirst();
    const [leader, follower] = nodes as [BenchNode, BenchNode];
    await createJobs(cluster, nodes, count, LOADERS, yearly);
    if (scale === "full") await wait(12_000);
    const back = await cluster.restart(follower);
    const calm = await callersUntil(cluster, leader, wait(calmMs));
    const joining = joins(cluster, leader);
    const busy = await callersUntil(cluster, leader, joining);
    const name = `with ${count.toLocaleString("en")} schedules`;
    return [
      { figure: `a killed follower is ready again, ${name}`, value: Math.round(back.readyMs), unit: "ms" },
      { figure: `creates, p50 / before a node joins, ${name}`, value: rounded(calm.p50Ms), unit: "ms" },
      { figure: `creates, p99 / before a node joins, ${name}`, value: rounded(calm.p99Ms), unit: "ms" },
      { figure: `creates, p50 / while it is sent the state, ${name}`, value: rounded(busy.p50Ms), unit: "ms" },
      { figure: `creates, p99 / while it is sent the state, ${name}`, value: rounded(busy.p99Ms), unit: "ms" },
      { figure: `the same as a ratio, ${name}`, value: rounded(busy.p99Ms / calm.p99Ms), unit: "times", aim: "<= 3" },
      { figure: `a new node is a voter, ${name}`, value: Math.round(await joining), unit: "ms" },
    ];
  } finally {
    await cluster.stop();
  }
}
