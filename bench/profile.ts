// Owns: where processor time goes at a given rate: V8's own profiler in every thread of three nodes, and the functions with the most
// time of their own in the leader's core thread, a follower's core thread and a face, over the measured span alone.
//   node bench/profile.ts [executions per second] [seconds]

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { BenchCluster } from "./cluster.ts";
import { Ticking } from "./ticking.ts";

const SHOWN = 16;

type Frame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };

type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

type Cost = { readonly where: string; readonly share: number };

/** Shares of the time between two moments, in microseconds before the profile's end, by function; the idle time is one of them. */
function costs(profile: Profile, fromUs: number, toUs: number): Cost[] {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const byName = new Map<string, number>();
  let atUs = profile.startTime;
  let total = 0;
  for (let i = 0; i < profile.samples.length; i++) {
    const took = profile.timeDeltas[i] as number;
    atUs += took;
    if (atUs < profile.endTime - fromUs || atUs > profile.endTime - toUs) continue;
    const name = names.get(profile.samples[i] as number) ?? "?";
    byName.set(name, (byName.get(name) ?? 0) + took);
    total += took;
  }
  return [...byName].map(([where, us]) => ({ where, share: us / total })).toSorted((a, b) => b.share - a.share);
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${basename(url)}:${lineNumber + 1}`;
}

const perSecond = Number(process.argv[2] ?? 10_000);
const seconds = Number(process.argv[3] ?? 10);
const folder = mkdtempSync(join(tmpdir(), "pawl-profile-"));
const cluster = await BenchCluster.start({ nodes: 3, env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` } });
const nodes = await cluster.leaderFirst();
const window = await new Ticking(cluster, nodes).at(perSecond, seconds);
const endMs = performance.now();
await cluster.stop();
const stopUs = (performance.now() - endMs) * 1000;
const done = Math.round(window.completedPerSecond);
process.stdout.write(`${done} executions/s, ${window.lateness.count / seconds} starts/s, lateness p95 ${window.lateness.at(0.95)} s\n`);
for (const [role, us] of window.cpuUs ?? []) process.stdout.write(`  ${role.padEnd(20)} ${us.toFixed(1)} us/execution\n`);
for (const file of readdirSync(folder)) {
  const pid = Number(file.split(".")[3]);
  const at = nodes.findIndex((node) => node.pid === pid);
  if (at < 0 || at > 1) continue;
  const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as Profile;
  process.stdout.write(`\n${at === 0 ? "leader" : "a follower"}, thread ${file.split(".")[4]}\n`);
  for (const { where, share } of costs(profile, stopUs + seconds * 1e6, stopUs).slice(0, SHOWN)) {
    process.stdout.write(`  ${(100 * share).toFixed(1).padStart(5)} %  ${where}\n`);
  }
}
rmSync(folder, { recursive: true, force: true });
