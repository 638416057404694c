// Owns: what a cluster does with recurring jobs at a given rate: `sustained` for minutes, with a row for each so that ageing is seen,
// `peak` for one minute at twice the rate, `quiet` where nothing has to wait. Nothing else is asked of the cluster meanwhile.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type BenchOptions, type Figure, figuresOf, known, progress, type Scale } from "./figure.ts";
import { profiled } from "./profile.ts";
import { Ticking } from "./ticking.ts";
import { during, latenessMs, loopFigures, totalUs, watch } from "./window.ts";
import type { Window } from "./window.ts";

const MINUTE_S = 60;
const COSTS_SHOWN = 5;

type Plan = { readonly nodes: 1 | 3; readonly perSecond: number; readonly seconds: number };

/** What was asked for, else the benchmark's own; `smoke` is the smallest at which something can be counted, on one node. */
function planOf(scale: Scale, { rate, minutes }: BenchOptions, own: Omit<Plan, "nodes">): Plan {
  if (scale === "smoke") return { nodes: 1, perSecond: 100, seconds: 1 };
  return { nodes: 3, perSecond: rate ?? own.perSecond, seconds: minutes === undefined ? own.seconds : minutes * MINUTE_S };
}

/** Three nodes at 50,000 executions a second for ten minutes. */
export async function benchSustained(scale: Scale, options: BenchOptions): Promise<Figure[]> {
  const plan = planOf(scale, options, { perSecond: 50_000, seconds: 600 });
  const { result: minutes, window } = await Ticking.with({ nodes: plan.nodes }, plan.perSecond, plan.seconds * 1000, (ticking) =>
    during(ticking.cluster, ticking.nodes, () => byMinutes(ticking, plan.seconds)),
  );
  const costs = await costFigures(plan, scale === "full" ? 15 : 1);
  return [
    ...rateFigures(plan, window),
    ...latenessFigures(window, { p95: "<= 100" }),
    ...known([
      { figure: "processor time, all nodes", value: totalUs(window), unit: "us/execution", aim: "<= 30" },
      { figure: "log write, longest", value: window.longestWriteMs, unit: "ms" },
      { figure: "checkpoint, longest", value: window.longestCheckpointMs, unit: "ms" },
    ]),
    ...loopFigures(window),
    ...memoryFigures(window),
    ...roleFigures(window),
    ...minutes,
    ...costs,
  ];
}

/** Three nodes at 100,000 executions a second for a minute. */
export async function benchPeak(scale: Scale, options: BenchOptions): Promise<Figure[]> {
  const plan = planOf(scale, options, { perSecond: 100_000, seconds: MINUTE_S });
  const window = await windowAt(plan);
  return [
    ...rateFigures(plan, window),
    ...latenessFigures(window, { p95: "<= 1000" }),
    ...known([{ figure: "processor time, all nodes", value: totalUs(window), unit: "us/execution" }]),
    ...loopFigures(window),
    ...memoryFigures(window),
    ...roleFigures(window),
  ];
}

/** Three nodes at 1,000 executions a second for half a minute, beside the log writes of the same span. */
export async function benchQuiet(scale: Scale, options: BenchOptions): Promise<Figure[]> {
  const plan = planOf(scale, options, { perSecond: 1_000, seconds: MINUTE_S / 2 });
  const window = await windowAt(plan);
  const writeMs = window.logWrite.at(0.99) * 1000;
  return [
    ...rateFigures(plan, window),
    ...latenessFigures(window, { p99: `<= ${Math.max(10, Math.round(3 * writeMs * 10) / 10 || 0)}, 10 or 3 times the log write's p99` }),
    ...known([
      { figure: "log write p99", value: writeMs, unit: "ms" },
      { figure: "log write, longest", value: window.longestWriteMs, unit: "ms" },
    ]),
  ];
}

function windowAt({ nodes: count, perSecond, seconds }: Plan): Promise<Window> {
  return Ticking.with({ nodes: count }, perSecond, seconds * 1000, ({ cluster, nodes }) => watch(cluster, nodes, seconds));
}

async function byMinutes({ cluster, nodes }: Ticking, seconds: number): Promise<Figure[]> {
  const minutes: Figure[] = [];
  for (let minute = 1, left = seconds; left > 0; minute++, left -= MINUTE_S) {
    const window = await watch(cluster, nodes, Math.min(left, MINUTE_S));
    const disk = Math.max(...nodes.map((node) => bytesIn(cluster.dataDir(node)))) / 2 ** 20;
    const figures = figuresOf(`minute ${minute}`, known([
      { figure: "completed", value: window.completedPerSecond, unit: "/s" },
      { figure: "processor time", value: totalUs(window), unit: "us" },
      { figure: "lateness p95", value: latenessMs(window, 0.95), unit: "ms" },
      { figure: "own memory", value: window.memory.ownMib, unit: "MiB" },
      { figure: "file-mapped", value: window.memory.fileMib, unit: "MiB" },
      { figure: "disk of a node", value: disk, unit: "MiB" },
    ]));
    progress(figures);
    minutes.push(...figures);
  }
  return minutes;
}

/** Bytes of all files below a folder; one that goes meanwhile counts as none. */
function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

function rateFigures({ perSecond, seconds }: Plan, window: Window): Figure[] {
  return known([
    { figure: "due", value: perSecond, unit: "/s" },
    { figure: "for", value: seconds, unit: "s" },
    { figure: "completed", value: window.completedPerSecond, unit: "/s", aim: `>= ${Math.floor(0.98 * perSecond)}` },
    { figure: "skipped, missed, failed or unknown", value: window.otherEndings, unit: "executions" },
    { figure: "elections", value: window.elections, unit: "terms" },
  ]);
}

function latenessFigures(window: Window, aims: { readonly p95?: string; readonly p99?: string }): Figure[] {
  return known([
    { figure: "lateness p50", value: latenessMs(window, 0.5), unit: "ms" },
    { figure: "lateness p95", value: latenessMs(window, 0.95), unit: "ms", aim: aims.p95 },
    { figure: "lateness p99", value: latenessMs(window, 0.99), unit: "ms", aim: aims.p99 },
    { figure: "lateness, largest", value: latenessMs(window, 1), unit: "ms" },
  ]);
}

export function memoryFigures({ memory, heapMib, cores }: Window): Figure[] {
  return known([
    { figure: "memory of a node, RssAnon and RssShmem, highest", value: memory.ownMib, unit: "MiB" },
    { figure: "memory of a node, file-mapped, highest", value: memory.fileMib, unit: "MiB" },
    { figure: "V8 heap of a node", value: heapMib, unit: "MiB" },
    { figure: "processors in use by all nodes", value: cores, unit: "cores" },
  ]);
}

/** A row for the leader and one for both followers, a column for each role of threads. */
function roleFigures({ cpuUs }: Window): Figure[] {
  return known([...(cpuUs ?? [])].map(([name, us]) => {
    const [of, figure] = name.split(" ") as [string, string];
    return { of: of === "followers" ? "both followers" : of, figure, value: us, unit: "us/execution" };
  }));
}

/** Costs of a short run of the same rate under V8's profiler, which costs some itself. */
async function costFigures({ perSecond }: Plan, seconds: number): Promise<Figure[]> {
  const { costs } = await profiled(perSecond, seconds);
  const cost = { figure: "own time", unit: "us/execution" };
  return known(costs.slice(0, COSTS_SHOWN).map(({ where, us }) => ({ of: where, ...cost, value: us })));
}
