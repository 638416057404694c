// Owns: single durable creates at a given rate, as many clients make them: each is sent at its time whatever became of those before, and
// its latency counts from that time, so that a pause costs every request that it delayed. One-shots of a distant year; nothing runs.

import { setTimeout as wait } from "node:timers/promises";
import { Pool } from "undici";
import { latencyOf } from "./asking.ts";
import type { Latency } from "./asking.ts";
import { BenchCluster } from "./cluster.ts";
import type { BenchNode } from "./cluster.ts";
import { cpuOf } from "./cpu.ts";
import { type BenchOptions, type Figure, figuresOf, known, progress, type Scale } from "./figure.ts";

const CLIENTS = 50;
const P99_MAX_MS = 20;
const RATE = 2_000;
const STEP = 1.25;
const RATE_MAX = 50_000;
const BODY = JSON.stringify({ job_type: "noop", schedule_time: "2040-01-01T00:00:00Z" });

type Sent = Latency & { readonly perSecond: number };

class Submitter {
  private readonly token: string;
  private readonly pools: readonly Pool[];
  private failure: unknown;
  private readonly failed = (error: unknown): void => void (this.failure ??= error);

  /** Clients are spread over the nodes; each has a connection of its own. */
  constructor(cluster: BenchCluster, nodes: readonly BenchNode[]) {
    this.token = cluster.token;
    const poolOf = ({ api }: BenchNode): Pool => new Pool(api, { connections: 1, pipelining: 1 });
    this.pools = Array.from({ length: CLIENTS }, (_, at) => poolOf(nodes[at % nodes.length] as BenchNode));
  }

  /** A client whose connection is busy sends as soon as it is free; it waits at its own cost. */
  async at(perSecond: number, seconds: number): Promise<Sent> {
    const count = Math.max(CLIENTS, Math.round(perSecond * seconds));
    const tookMs: number[] = [];
    const answers: Promise<unknown>[] = [];
    this.failure = undefined;
    const sinceMs = performance.now();
    for (let at = 0; at < count; ) {
      const due = Math.min(count, Math.floor(((performance.now() - sinceMs) * perSecond) / 1000) + 1);
      for (; at < due; at++) answers.push(this.submit(at, sinceMs + (at * 1000) / perSecond, tookMs).catch(this.failed));
      await wait(1);
    }
    await Promise.all(answers);
    if (this.failure !== undefined) throw this.failure;
    return { ...latencyOf(tookMs), perSecond: count / ((performance.now() - sinceMs) / 1000) };
  }

  private async submit(at: number, dueMs: number, tookMs: number[]): Promise<void> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const pool = this.pools[at % CLIENTS] as Pool;
    const { statusCode, body } = await pool.request({ path: "/api/v1/jobs", method: "POST", headers, body: BODY });
    const text = await body.text();
    if (statusCode !== 201) throw new Error(`a create was answered ${statusCode} ${text}`);
    tookMs.push(performance.now() - dueMs);
  }

  async close(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.destroy()));
  }
}

export async function benchSubmit(scale: Scale, { nodes: count = 3, rate = RATE }: BenchOptions): Promise<Figure[]> {
  const [first, seconds, stepSeconds] = scale === "full" ? [rate, 20, 6] : [100, 0.5, 0.2];
  const cluster = await BenchCluster.start({ nodes: count });
  const nodes = await cluster.leaderFirst();
  const submitter = new Submitter(cluster, nodes);
  try {
    await submitter.at(first / 2, stepSeconds);
    const before = processorSeconds(nodes);
    const sent = await submitter.at(first, seconds);
    const used = [...processorSeconds(nodes)].map(([where, after]) => [where, after - (before.get(where) ?? 0)] as const);
    const figures = known([
      { figure: "sent", value: first, unit: "/s" },
      { figure: "p50", value: sent.p50Ms, unit: "ms" },
      { figure: "p99", value: sent.p99Ms, unit: "ms", aim: `<= ${P99_MAX_MS}` },
      { figure: "longest", value: sent.maxMs, unit: "ms" },
      ...used.map(([where, each]) => ({ figure: `processor time, ${where}`, value: (each * 1e6) / sent.count, unit: "us/create" })),
    ]);
    progress(figures);
    if (scale === "smoke") return figures;
    return [...figures, ...(await search(submitter, first, stepSeconds, sent.p99Ms <= P99_MAX_MS))];
  } finally {
    await submitter.close();
    await cluster.stop();
  }
}

/** Steps of a quarter from the first rate, up while p99 is kept or down until it is. */
async function search(submitter: Submitter, first: number, seconds: number, isMet: boolean): Promise<Figure[]> {
  const steps: Figure[] = [];
  let best = isMet ? first : 0;
  const factor = isMet ? STEP : 1 / STEP;
  for (let rate = first * factor; rate >= 1 && rate <= RATE_MAX; rate *= factor) {
    const sent = await submitter.at(rate, seconds);
    const step = figuresOf(`${Math.round(rate).toLocaleString("en")}/s`, known([
      { figure: "answered", value: sent.perSecond, unit: "/s" },
      { figure: "p50", value: sent.p50Ms, unit: "ms" },
      { figure: "p99", value: sent.p99Ms, unit: "ms" },
      { figure: "longest", value: sent.maxMs, unit: "ms" },
    ]));
    progress(step);
    steps.push(...step);
    const isKept = sent.p99Ms <= P99_MAX_MS;
    if (isKept) best = rate;
    if (isKept !== isMet) break;
  }
  return [...known([{ figure: `highest rate tried with p99 of at most ${P99_MAX_MS} ms`, value: best, unit: "/s" }]), ...steps];
}

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
