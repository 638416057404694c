// Owns: many one-shots that are due within one second, a third of them in each priority: how fast they drain, in which order they start,
// and what memory and loops do meanwhile.
// (B1) The order is that of the fencing tokens: each start has a higher one than any before it. What started while later ones were
//      not due yet could not know of them; from the end of that second on, nothing may start before what has a higher priority,
//      or the same and an earlier due time.

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
/** A start that was decided when the last one had just become due may show a moment later. */
const SETTLED_MS = 50;

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
    const order = await orderOf(cluster, nodes[0] as BenchNode, dueMs + Math.max(1000, lateMs) + SETTLED_MS);
    const took = (drainedMs - dueMs) / 1000;
    return [
      ...known([
        { figure: "jobs due in one second", value: count, unit: "jobs" },
        { figure: "loaded after it was due, longest", value: lateMs, unit: "ms", aim: "<= 0" },
        { figure: "all have completed after", value: took, unit: "s" },
        { figure: "drained", value: count / took, unit: "/s" },
        { figure: "executions with another end", value: window.otherEndings, unit: "executions", aim: "<= 0" },
        { figure: "executions in the history", value: order.executions, unit: "executions", aim: `>= ${count}` },
        { figure: "starts that were compared: all were due", value: order.compared, unit: "starts" },
        { figure: "starts out of order", value: order.overtaken, unit: "starts", aim: "<= 0" },
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

type Order = { readonly executions: number; readonly compared: number; readonly overtaken: number };
type Start = { readonly token: bigint; readonly rank: number };
type Shown = { readonly job_id: string; readonly scheduled_at: string; readonly start_time: string; readonly fencing_token: string };

/** Reads the whole history. A start is overtaken when one of a higher rank (later in the order of B1) has a lower token. */
async function orderOf(cluster: BenchCluster, node: BenchNode, fromMs: number): Promise<Order> {
  const starts: Start[] = [];
  let executions = 0;
  const headers = { authorization: `Bearer ${cluster.token}` };
  for (let path: string | undefined = `/api/v1/executions?limit=${PAGE}`; path !== undefined; ) {
    const response: Response = await fetch(node.api + path, { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    for (const each of (await response.json()) as Shown[]) {
      executions++;
      if (Date.parse(each.start_time) >= fromMs) starts.push({ token: BigInt(each.fencing_token), rank: rankOf(each) });
    }
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  starts.sort((a, b) => (a.token < b.token ? -1 : 1));
  let highest = Number.NEGATIVE_INFINITY;
  let overtaken = 0;
  for (const { rank } of starts) {
    if (rank < highest) overtaken++;
    else highest = rank;
  }
  return { executions, compared: starts.length, overtaken };
}

/** Priority first, then due time within the second. */
function rankOf({ job_id: id, scheduled_at: dueAt }: Shown): number {
  const at = Number(id.slice(id.lastIndexOf("-") + 1));
  return burstPriority(at) * 1000 + (Date.parse(dueAt) % 1000);
}
