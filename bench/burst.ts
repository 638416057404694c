// Owns: many one-shots that are due within one second, a third of them in each priority: how fast they drain, in which order they start,
// and what memory and loops do meanwhile.
// (B1) The order is that of the fencing tokens: each start has a higher one than any before it. The leader's time is not known outside, but
//      it is not behind the latest due time of what it has started. What was due by then and has a higher priority, or the same and an
//      earlier due time, was overtaken if it starts later.

import { setTimeout as wait } from "node:timers/promises";
import { load } from "./bulkload.ts";
import { BenchCluster } from "./cluster.ts";
import type { BenchNode } from "./cluster.ts";
import { type BenchOptions, type Figure, known, say, type Scale } from "./figure.ts";
import { burstPriority } from "./mix.ts";
import { scrape } from "./scrape.ts";
import { memoryFigures } from "./sustained.ts";
import { during, latenessMs, loopFigures } from "./window.ts";

const LOADED_PER_SECOND_MIN = 20_000;
const DRAINED_MAX_MS = 300_000;
const LOOK_EVERY_MS = 100;
const PAGE = 1000;
const SECOND_MS = 1000;

export async function benchBurst(scale: Scale, { jobs = 1_000_000 }: BenchOptions): Promise<Figure[]> {
  const count = scale === "full" ? jobs : 500;
  const cluster = await BenchCluster.start({ nodes: 3 });
  try {
    const nodes = await cluster.leaderFirst();
    const marginMs = scale === "full" ? 5_000 + (count / LOADED_PER_SECOND_MIN) * 1000 : 1_500;
    const dueMs = Math.ceil((Date.now() + marginMs) / 1000) * 1000;
    await load(cluster, nodes, { kind: "burst", count, atMs: dueMs });
    const lateMs = Math.max(0, Date.now() - dueMs);
    say(lateMs === 0 ? `all are due in ${dueMs - Date.now()} ms` : `the last was loaded ${lateMs} ms late`);
    await wait(Math.max(0, dueMs - 200 - Date.now()));
    const { result: drainedMs, window } = await during(cluster, nodes, () => drained(cluster, nodes[0] as BenchNode, count));
    const order = await orderOf(cluster, nodes[0] as BenchNode);
    const took = (drainedMs - dueMs) / 1000;
    return [
      ...known([
        { figure: "jobs due in one second", value: count, unit: "jobs" },
        { figure: "loaded after it was due, longest", value: lateMs, unit: "ms", aim: "<= 0" },
        { figure: "all have completed after", value: took, unit: "s" },
        { figure: "drained", value: count / took, unit: "/s" },
        { figure: "executions with another end", value: window.otherEndings, unit: "executions", aim: "<= 0" },
        { figure: "executions in the history", value: order.executions, unit: "executions", aim: `>= ${count}` },
        { figure: "starts that were overtaken", value: order.overtaken, unit: "starts", aim: "<= 0" },
        { figure: "elections", value: window.elections, unit: "terms" },
        { figure: "lateness p50", value: latenessMs(window, 0.5), unit: "ms" },
        { figure: "lateness, largest", value: latenessMs(window, 1), unit: "ms" },
        { figure: "log write, longest", value: window.longestWriteMs, unit: "ms" },
      ]),
      ...loopFigures(window),
      ...memoryFigures(window),
    ];
  } finally {
    await cluster.stop();
  }
}

/** The wall time at which `count` have completed. */
async function drained(cluster: BenchCluster, leader: BenchNode, count: number): Promise<number> {
  const sinceMs = performance.now();
  for (;;) {
    const completed = (await scrape(cluster, leader)).get('pawl_executions_total{status="completed"}') ?? 0;
    if (completed >= count) return Date.now();
    if (performance.now() - sinceMs > DRAINED_MAX_MS) throw new Error(`${completed} of ${count} have completed`);
    await wait(LOOK_EVERY_MS);
  }
}

type Order = { readonly executions: number; readonly overtaken: number };
type Start = { readonly token: bigint; readonly dueMs: number; readonly rank: number };
type Shown = { readonly job_id: string; readonly scheduled_at: string; readonly fencing_token: string };

/** Reads the whole history. */
async function orderOf(cluster: BenchCluster, node: BenchNode): Promise<Order> {
  const starts: Start[] = [];
  const headers = { authorization: `Bearer ${cluster.token}` };
  for (let path: string | undefined = `/api/v1/executions?limit=${PAGE}`; path !== undefined; ) {
    const response: Response = await fetch(node.api + path, { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    for (const each of (await response.json()) as Shown[]) starts.push(startOf(each));
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  starts.sort((a, b) => (a.token < b.token ? -1 : 1));
  return { executions: starts.length, overtaken: overtaken(starts) };
}

/** Its rank is its place in the order of what is due at once: priority first, then due time. */
function startOf({ job_id: id, scheduled_at: dueAt, fencing_token: token }: Shown): Start {
  const dueMs = Date.parse(dueAt) % SECOND_MS;
  const priority = burstPriority(Number(id.slice(id.lastIndexOf("-") + 1)));
  return { token: BigInt(token), dueMs, rank: priority * SECOND_MS + dueMs };
}

/** How many of the starts, in the order of their tokens, were overtaken (B1). */
export function overtaken(starts: readonly Pick<Start, "dueMs" | "rank">[]): number {
  // By millisecond: the highest rank that was started since the leader's time was surely there.
  const highest = new Int16Array(SECOND_MS).fill(-1);
  let surelyMs = 0;
  let count = 0;
  for (const { dueMs, rank } of starts) {
    if ((highest[dueMs] as number) > rank) count++;
    surelyMs = Math.max(surelyMs, dueMs);
    for (let ms = 0; ms <= surelyMs; ms++) if ((highest[ms] as number) < rank) highest[ms] = rank;
  }
  return count;
}
