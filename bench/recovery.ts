// Owns: what a cluster with many schedules needs to get over a fault: how long a node that was killed takes to be back, and what a node
// that joins and is sent the whole state costs the callers of the others meanwhile.
// (R1) The callers' latency is measured twice with the same load, before and while the state is sent; their ratio is the figure.

import { setTimeout as wait } from "node:timers/promises";
import { ask, askUntil } from "./asking.ts";
import type { Question } from "./asking.ts";
import { load } from "./bulkload.ts";
import { BenchCluster } from "./cluster.ts";
import { freePorts } from "./ports.ts";
import type { BenchNode } from "./cluster.ts";
import { type BenchOptions, type Figure, rounded, type Scale } from "./figure.ts";

const CALLERS = 4;
const CALL_EVERY_MS = 10;
const CAUGHT_UP_MAX_MS = 300_000;

/** Single creates from a few callers. */
const create: Question = { method: "POST", path: "/jobs", body: '{"job_type":"noop","schedule_time":"2040-01-01T00:00:00Z"}' };

/** A fourth node joins; resolves with how long it took until it was a voter like the others. */
async function joins(cluster: BenchCluster, leader: BenchNode): Promise<number> {
  const [peer, api] = (await freePorts(2)) as [number, number];
  const sinceMs = performance.now();
  const member = { id: "bench-4", peer: `127.0.0.1:${peer}`, api: `http://127.0.0.1:${api}`, role: "voter" };
  await ask(cluster, leader, "/cluster/members", "POST", member);
  await cluster.join("bench-4", [peer, api]);
  while (performance.now() - sinceMs < CAUGHT_UP_MAX_MS) {
    const { members } = await ask<{ members: { id: string; role: string }[] }>(cluster, leader, "/cluster");
    if (members.some(({ id, role }) => id === "bench-4" && role !== "learner")) return performance.now() - sinceMs;
    await wait(50);
  }
  throw new Error(`bench-4 has not caught up after ${CAUGHT_UP_MAX_MS} ms`);
}

/** "full" holds a million schedules, more than the log that is kept; "smoke" so few that the log alone brings the new node up to date. */
export async function benchRecovery(scale: Scale, { jobs = 1_000_000 }: BenchOptions): Promise<Figure[]> {
  const [count, calmMs] = scale === "full" ? [jobs, 15_000] : [200, 200];
  const cluster = await BenchCluster.start({ nodes: 3 });
  try {
    const nodes = await cluster.leaderFirst();
    const [leader, follower] = nodes as [BenchNode, BenchNode];
    await load(cluster, nodes, { kind: "distant", count });
    if (scale === "full") await wait(12_000);
    const back = await cluster.restart(follower);
    const calm = await askUntil(cluster, leader, CALLERS, CALL_EVERY_MS, () => create, wait(calmMs));
    const joining = joins(cluster, leader);
    const busy = await askUntil(cluster, leader, CALLERS, CALL_EVERY_MS, () => create, joining);
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
