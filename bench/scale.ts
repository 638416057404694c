// Owns: a cluster with ten million schedules: how fast they are loaded, what memory a node needs while they fire, how fast it answers
// meanwhile, and how soon it is back after a kill of one node, of all nodes, of the leader.
// (C1) Beside the mix a hundred jobs tick every second, so that there is a due job at every moment at which the leader may die.

import { setTimeout as wait } from "node:timers/promises";
import { askUntil } from "./asking.ts";
import type { Latency, Question } from "./asking.ts";
import { load } from "./bulkload.ts";
import { BenchCluster } from "./cluster.ts";
import type { BenchNode } from "./cluster.ts";
import { type BenchOptions, type Figure, figuresOf, known, progress, quantile, type Scale } from "./figure.ts";
import { killToFirstDue } from "./firstdue.ts";
import { during, latenessMs, loopFigures } from "./window.ts";
import type { Window } from "./window.ts";

const TICKS = 100;
const ASK_PAUSE_MS = 20;
const MINUTE_MS = 60_000;

type Plan = { readonly jobs: number; readonly nodes: 1 | 3; readonly fireMs: number; readonly settleMs: number; readonly kills: number };

export async function benchScale(scale: Scale, { jobs = 10_000_000, nodes = 3 }: BenchOptions): Promise<Figure[]> {
  const plan: Plan = scale === "full"
    ? { jobs, nodes, fireMs: MINUTE_MS, settleMs: 10_000, kills: nodes === 3 ? 5 : 0 }
    : { jobs: 500, nodes, fireMs: 500, settleMs: 0, kills: nodes === 3 ? 1 : 0 };
  const cluster = await BenchCluster.start({ nodes });
  try {
    const figures: Figure[] = [{ figure: "schedules", value: plan.jobs, unit: "jobs" }];
    const add = (more: readonly Figure[]): void => {
      progress(more);
      figures.push(...more);
    };
    add(await loaded(cluster, plan));
    await wait(plan.settleMs);
    add(await firing(cluster, plan));
    add(await killed(cluster, plan));
    return figures;
  } finally {
    await cluster.stop();
  }
}

async function loaded(cluster: BenchCluster, { jobs, nodes }: Plan): Promise<Figure[]> {
  const asked = await cluster.leaderFirst();
  await load(cluster, asked, { kind: "ticks", count: TICKS });
  const { result, window } = await during(cluster, asked, () => load(cluster, asked, { kind: "mix", count: jobs }));
  return [
    ...known([
      { figure: "loaded", value: result.perSecond, unit: "/s", aim: nodes === 1 ? ">= 100000" : ">= 40000" },
      { figure: "requests that broke off and were sent on", value: result.resumed, unit: "requests" },
    ]),
    ...phaseFigures("while loading", window),
  ];
}

/** Reads of three kinds, one caller each with a pause after each answer. */
async function firing(cluster: BenchCluster, { jobs, fireMs }: Plan): Promise<Figure[]> {
  const nodes = await cluster.leaderFirst();
  const over = wait(fireMs);
  const [leader] = nodes as [BenchNode];
  const askAll = (next: (at: number) => Question): Promise<Latency> => askUntil(cluster, leader, 1, ASK_PAUSE_MS, next, over);
  const minute = (at: number): string => {
    const fromMs = Date.now() + ((at * 7) % 1440) * MINUTE_MS;
    return `${new Date(fromMs).toISOString()}/${new Date(fromMs + MINUTE_MS).toISOString()}`;
  };
  const { result: [list, filter, get], window } = await during(cluster, nodes, () =>
    Promise.all([
      askAll(() => ({ method: "GET", path: "/jobs?limit=100" })),
      askAll((at) => ({ method: "GET", path: `/jobs?limit=100&job_type=work&start_time=${minute(at)}` })),
      askAll((at) => ({ method: "GET", path: `/jobs/job-${(at * 7919) % jobs}` })),
    ]),
  );
  const reads = (what: string, { p50Ms, p99Ms }: Latency): Figure[] => figuresOf(`${what} while firing`, known([
    { figure: "p50", value: p50Ms, unit: "ms" },
    { figure: "p99", value: p99Ms, unit: "ms", aim: "<= 50" },
  ]));
  return [
    ...known([
      { figure: "executions while firing", value: window.completedPerSecond, unit: "/s" },
      { figure: "lateness p95 while firing", value: latenessMs(window, 0.95), unit: "ms" },
    ]),
    ...phaseFigures("while firing", window),
    ...reads("list of 100 jobs", list),
    ...reads("filter by type and minute", filter),
    ...reads("get", get),
  ];
}

function phaseFigures(of: string, window: Window): Figure[] {
  return figuresOf(of, [
    ...known([
      { figure: "RssAnon and RssShmem of a node", value: window.memory.ownMib, unit: "MiB", aim: "<= 1536" },
      { figure: "file-mapped", value: window.memory.fileMib, unit: "MiB" },
      { figure: "V8 heap", value: window.heapMib, unit: "MiB", aim: "<= 512" },
    ]),
    ...loopFigures(window),
  ]);
}

/** A kill of one node, of the leader again and again, of all nodes at once. */
async function killed(cluster: BenchCluster, { nodes, kills }: Plan): Promise<Figure[]> {
  const last = (await cluster.leaderFirst()).at(-1) as BenchNode;
  const back = await cluster.restart(last);
  const name = nodes === 1 ? "the node is killed" : "a follower is killed";
  const figures = known([
    { figure: `${name}: votes again`, value: back.votingMs, unit: "ms", aim: "<= 5000" },
    { figure: `${name}: ready again, able to lead`, value: back.readyMs, unit: "ms", aim: "<= 10000" },
  ]);
  if (kills > 0) figures.push(...firstDueFigures(await leaderKills(cluster, kills)));
  if (nodes === 1) return figures;
  const all = cluster.nodes;
  await Promise.all(all.map((node) => cluster.kill(node)));
  const again = await Promise.all(all.map((node) => cluster.startAgain(node)));
  const slowestMs = Math.max(...again.map(({ readyMs }) => readyMs));
  figures.push(...known([{ figure: "all nodes are killed at once: all ready again", value: slowestMs, unit: "ms", aim: "<= 20000" }]));
  return figures;
}

async function leaderKills(cluster: BenchCluster, kills: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const [leader, survivor] = (await cluster.leaderFirst()) as [BenchNode, BenchNode];
    tookMs.push(await killToFirstDue(cluster, leader, survivor));
    await cluster.startAgain(leader);
  }
  return tookMs;
}

function firstDueFigures(tookMs: number[]): Figure[] {
  return known([
    { figure: "the leader is killed: times", value: tookMs.length, unit: "kills" },
    { figure: "the leader is killed: first job due later starts, p50", value: quantile(tookMs, 0.5), unit: "ms" },
    { figure: "the leader is killed: first job due later starts, p99", value: quantile(tookMs, 0.99), unit: "ms", aim: "<= 3000" },
    { figure: "the leader is killed: first job due later starts, longest", value: quantile(tookMs, 1), unit: "ms" },
  ]);
}
