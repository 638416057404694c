// Owns: how many commands three cores commit, and how long a caller waits for one: the real core threads with their disks and links, each
// in a process of its own; callers are in the leader's process and speak to its core as the HTTP API does. One change for each call.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CoreOptions } from "../src/cluster/port.ts";
import { freePorts } from "./ports.ts";
import type { Order, Told } from "./committer.ts";
import { cpuOf } from "./cpu.ts";
import { type Figure, rounded } from "./figure.ts";

const IDS = ["c-1", "c-2", "c-3"];
const READY_MAX_MS = 30_000;

function answerOf(child: ChildProcess, message: Order | "standing?"): Promise<Told> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error("a core has ended"));
    child.once("exit", ended);
    child.once("message", (told: Told) => {
      child.off("exit", ended);
      resolve(told);
    });
    child.send(message);
  });
}

async function started(folder: string): Promise<ChildProcess[]> {
  const ports = await freePorts(IDS.length);
  const members = IDS.map((id, at) => ({ id, host: "127.0.0.1", port: ports[at] as number, api: "127.0.0.1:1" }));
  return Promise.all(
    members.map(async ({ id, host, port }) => {
      const dataDir = join(folder, id);
      mkdirSync(dataDir, { mode: 0o700 });
      const own = { node: id, incarnation: 1, dataDir, cluster: "bench", version: "bench", joining: false, logKeepBytes: 2 ** 27 };
      const options: CoreOptions = { ...own, members, listen: { host, port }, tlsDir: undefined, retentionDays: 30, slots: 1, tags: [] };
      const child = fork(fileURLToPath(new URL("committer.ts", import.meta.url)), [JSON.stringify(options)], { stdio: "inherit" });
      await new Promise((resolve, reject) => {
        child.once("message", resolve);
        child.once("exit", () => reject(new Error(`${id} did not start`)));
      });
      return child;
    }),
  );
}

async function leaderOf(children: readonly ChildProcess[]): Promise<ChildProcess> {
  const sinceMs = performance.now();
  while (performance.now() - sinceMs < READY_MAX_MS) {
    const told = await answerOf(children[0] as ChildProcess, "standing?");
    const at = told.kind === "standing" && told.leader !== undefined ? IDS.indexOf(told.leader) : -1;
    if (at >= 0) return children[at] as ChildProcess;
    await wait(20);
  }
  throw new Error("no core leads");
}

function processorUs(children: readonly ChildProcess[]): number {
  return children.reduce((sum, { pid = 0 }) => sum + Object.values(cpuOf(pid) ?? {}).reduce((a, b) => a + b, 0) * 1e6, 0);
}

export async function benchCommits(scale: "smoke" | "full"): Promise<Figure[]> {
  const [steps, seconds] = scale === "full" ? [[1, 10, 100, 1000], 8] : [[10], 0.2];
  const folder = mkdtempSync(join(tmpdir(), "pawl-commits-"));
  const children = await started(folder);
  try {
    const leader = await leaderOf(children);
    const figures: Figure[] = [];
    for (const clients of steps) {
      const load = async (count: number): Promise<Extract<Told, { kind: "done" }>> => {
        const told = await answerOf(leader, { clients, count });
        if (told.kind !== "done") throw new Error("the load was not carried out");
        return told;
      };
      const warm = scale === "full" ? Math.max(1000, clients * 20) : 20;
      const perSecond = warm / (await load(warm)).seconds;
      const count = Math.max(20, Math.round(perSecond * seconds));
      const beforeUs = processorUs(children);
      const done = await load(count);
      const name = `commands, three cores, ${clients.toLocaleString("en")} callers`;
      const aims = clients === 1000 ? [">= 20,000", "<= 20"] : [];
      figures.push({ figure: `${name}: committed`, value: Math.round(count / done.seconds), unit: "commands/s", aim: aims[0] });
      figures.push({ figure: `${name}: p50`, value: rounded(done.p50Ms), unit: "ms" });
      figures.push({ figure: `${name}: p99`, value: rounded(done.p99Ms), unit: "ms", aim: aims[1] });
      figures.push({ figure: `${name}: processor time`, value: rounded((processorUs(children) - beforeUs) / count), unit: "us/command" });
    }
    return figures;
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
