// Owns: where processor time goes at a given rate: V8's own profiler in every thread of three nodes, and the functions with the most
// time of their own over the measured span alone, in all threads of all nodes together.
//   node bench/profile.ts [executions per second] [seconds]

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Ticking } from "./ticking.ts";
import { watch } from "./window.ts";
import type { Window } from "./window.ts";

const SHOWN = 30;
/** What V8 tells of a thread that does nothing. */
const IDLE: ReadonlySet<string> = new Set(["(idle)", "(root)"]);

type Frame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };

type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

/** Microseconds of processor time for each completed execution. */
export type Cost = { readonly where: string; readonly us: number };

/** Adds the time between two moments, in microseconds before the profile's end, by function. */
function addCosts(byName: Map<string, number>, profile: Profile, fromUs: number, toUs: number): void {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  let atUs = profile.startTime;
  for (let i = 0; i < profile.samples.length; i++) {
    const took = profile.timeDeltas[i] as number;
    atUs += took;
    if (atUs < profile.endTime - fromUs || atUs > profile.endTime - toUs) continue;
    const name = names.get(profile.samples[i] as number) ?? "?";
    if (!IDLE.has(name)) byName.set(name, (byName.get(name) ?? 0) + took);
  }
}

/** "(program)" is native code without a name: sockets, hrtime, structured clone. */
function nameOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${basename(url)}:${lineNumber + 1}`;
}

/** Runs three nodes under the profiler at a rate. Costs with the largest first. */
export async function profiled(perSecond: number, seconds: number): Promise<{ readonly window: Window; readonly costs: readonly Cost[] }> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-profile-"));
  try {
    const env = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
    const { window, endMs } = await Ticking.with({ nodes: 3, env }, perSecond, seconds * 1000, async ({ cluster, nodes }) => {
      return { window: await watch(cluster, nodes, seconds), endMs: performance.now() };
    });
    const stopUs = (performance.now() - endMs) * 1000;
    const byName = new Map<string, number>();
    for (const file of readdirSync(folder)) {
      addCosts(byName, JSON.parse(readFileSync(join(folder, file), "utf8")) as Profile, stopUs + seconds * 1e6, stopUs);
    }
    const executions = window.completedPerSecond * seconds;
    const costs = [...byName].map(([where, us]) => ({ where, us: us / executions })).toSorted((a, b) => b.us - a.us);
    return { window, costs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { window, costs } = await profiled(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 10));
  const done = Math.round(window.completedPerSecond);
  process.stdout.write(`${done} executions/s, lateness p95 ${window.lateness.at(0.95)} s\n`);
  for (const [role, us] of window.cpuUs ?? []) process.stdout.write(`  ${role.padEnd(20)} ${us.toFixed(1)} us/execution\n`);
  for (const { where, us } of costs.slice(0, SHOWN)) process.stdout.write(`  ${us.toFixed(2).padStart(6)} us  ${where}\n`);
}
