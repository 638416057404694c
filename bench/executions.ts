// Owns: how many executions a cluster gets through, how late they start and what each costs, under the load of ticking.ts. Nothing
// else is asked of the cluster while it is measured.

import { BenchCluster } from "./cluster.ts";
import { type Figure, progress, rounded } from "./figure.ts";
import { Ticking } from "./ticking.ts";
import type { Window } from "./window.ts";

/** A step counts as reached when this share of what was due in it was completed, and 95 of 100 started within a second. */
const REACHED = 0.98;
const LATENESS_MAX_S = 1;

type Plan = { readonly nodes: 1 | 3; readonly steps: readonly number[]; readonly seconds: number };

const fullSteps = [5_000, 10_000, 25_000, 50_000, 75_000, 100_000];

async function withCluster<T>(nodes: 1 | 3, run: (ticking: Ticking) => Promise<T>): Promise<T> {
  const cluster = await BenchCluster.start({ nodes });
  try {
    return await run(new Ticking(cluster, await cluster.leaderFirst()));
  } finally {
    await cluster.stop();
  }
}

function reached(window: Window, perSecond: number): boolean {
  return window.completedPerSecond >= REACHED * perSecond && window.lateness.at(0.95) <= LATENESS_MAX_S;
}

/** Steps up until one is not reached. */
async function climb({ nodes, steps, seconds }: Plan): Promise<Figure[]> {
  return withCluster(nodes, async (ticking) => {
    const figures: Figure[] = [];
    let best: Window | undefined;
    for (const step of steps) {
      const window = await ticking.at(step, seconds);
      const shown = stepFigures(nodes, step, window);
      progress(shown);
      figures.push(...shown);
      if (!reached(window, step)) break;
      best = window;
    }
    return [...figures, ...bestFigures(nodes, best)];
  });
}

function on(nodes: number): string {
  return nodes === 1 ? "one node" : "three nodes";
}

function stepFigures(nodes: number, step: number, window: Window): Figure[] {
  const name = `executions, ${on(nodes)}, ${step.toLocaleString("en")} due/s`;
  const total = window.cpuUs && [...window.cpuUs.values()].reduce((sum, each) => sum + each, 0);
  return [
    { figure: `${name}: completed`, value: Math.round(window.completedPerSecond), unit: "executions/s" },
    { figure: `${name}: lateness p95`, value: rounded(window.lateness.at(0.95) * 1000), unit: "ms" },
    ...(window.otherEndings > 0 ? [{ figure: `${name}: skipped, missed or failed`, value: window.otherEndings, unit: "executions" }] : []),
    ...(total === undefined ? [] : [{ figure: `${name}: processor time, all nodes`, value: rounded(total), unit: "us/execution" }]),
    ...(window.cores === undefined ? [] : [{ figure: `${name}: processors in use`, value: rounded(window.cores), unit: "cores" }]),
  ];
}

function bestFigures(nodes: number, best: Window | undefined): Figure[] {
  const name = `executions, ${on(nodes)}, highest step reached`;
  const aim = nodes === 3 ? { aim: ">= 25000 on 2 cores, lateness p95 <= 1000 ms" } : {};
  const value = best ? Math.round(best.completedPerSecond) : 0;
  const cpu = [...(best?.cpuUs ?? [])].map(([role, us]) => ({ figure: `${name}: ${role}`, value: rounded(us), unit: "us/execution" }));
  return [{ figure: name, value, unit: "executions/s", ...aim }, ...cpu];
}

/** "full" climbs until a step is missed; "smoke" shows on one node in a few seconds that the measurement works. */
export async function benchExecutions(scale: "smoke" | "full"): Promise<Figure[]> {
  if (scale === "smoke") return climb({ nodes: 1, steps: [50], seconds: 1 });
  const three = await climb({ nodes: 3, steps: fullSteps, seconds: 20 });
  return [...three, ...(await climb({ nodes: 1, steps: fullSteps, seconds: 20 }))];
}

/** Lateness at a modest rate, beside the log writes of the same span. */
export async function benchLateness(scale: "smoke" | "full"): Promise<Figure[]> {
  const [perSecond, seconds] = scale === "full" ? [1_000, 30] : [50, 1];
  const window = await withCluster(3, (ticking) => ticking.at(perSecond, seconds));
  const name = `three nodes, ${perSecond.toLocaleString("en")} due/s`;
  const ms = (share: number): number => rounded(window.lateness.at(share) * 1000);
  const writeMs = rounded(window.logWrite.at(0.99) * 1000);
  return [
    { figure: `lateness p50, ${name}`, value: ms(0.5), unit: "ms" },
    { figure: `lateness p95, ${name}`, value: ms(0.95), unit: "ms" },
    { figure: `lateness p99, ${name}`, value: ms(0.99), unit: "ms", aim: `<= ${Math.max(10, rounded(3 * writeMs))}` },
    { figure: `starts measured, ${name}`, value: window.lateness.count, unit: "starts" },
    { figure: `log write p99, ${name}`, value: writeMs, unit: "ms" },
    { figure: `log write, longest, ${name}`, value: rounded(window.longestWriteMs), unit: "ms" },
    ...(window.cores === undefined ? [] : [{ figure: `processors in use, ${name}`, value: rounded(window.cores), unit: "cores" }]),
  ];
}
