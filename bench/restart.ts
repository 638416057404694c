// Owns: what a start costs with many schedules stored, part by part, in wall time and in processor time: of which the latter is the same
// on a machine that others use too.
// (S1) The directory is filled by filled.ts, with as many rows changed since as there are jobs; each start is a process of its own.

import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchOptions, type Figure, known, say, type Scale } from "./figure.ts";
import { fill } from "./filled.ts";
import type { Told } from "./restarter.ts";

const MEMBER = { id: "bench-1", peer: "127.0.0.1:1", api: "http://127.0.0.1:2" };
const UNSAVED_SHARE = 0.003;

/** How bin/pawl sets up a node's process. */
type ProcessSettings = { readonly flags: readonly string[]; readonly environment: Readonly<Record<string, string>> };

function started(dataDir: string): Promise<Told> {
  const { flags, environment } = JSON.parse(readFileSync(new URL("../bin/process.json", import.meta.url), "utf8")) as ProcessSettings;
  const child = fork(fileURLToPath(new URL("restarter.ts", import.meta.url)), [dataDir], {
    execArgv: [...flags],
    env: { ...process.env, ...environment },
  });
  return new Promise((resolve, reject) => {
    child.once("message", (told: Told) => resolve(told));
    child.once("exit", (code) => reject(new Error(`a start ended with ${code} before it had told anything`)));
  });
}

export async function benchRestart(scale: Scale, { jobs = 10_000_000 }: BenchOptions): Promise<Figure[]> {
  const count = scale === "full" ? jobs : 2_000;
  const folder = mkdtempSync(join(tmpdir(), "pawl-restart-"));
  try {
    const dataDir = join(folder, MEMBER.id);
    const change = { fired: count, unsaved: Math.ceil(count * UNSAVED_SHARE), logKeepMib: 128, atMs: Date.now() };
    await fill(dataDir, { cluster: "bench", node: MEMBER.id, members: [MEMBER], jobs: count, ...change, said: say });
    const told = await started(dataDir);
    if (told.jobs !== count) throw new Error(`${told.jobs} jobs are there, ${count} were stored`);
    const { phases } = told;
    const sum = (of: "wallMs" | "cpuMs"): number => phases.reduce((total, phase) => total + phase[of], 0);
    const figures = phases.flatMap(({ name, wallMs, cpuMs, anonymousMib }) => [
      { of: name, figure: "time", value: wallMs, unit: "ms", aim: name.endsWith("votes") ? "<= 5000" : undefined },
      { of: name, figure: "processor time", value: cpuMs, unit: "ms" },
      { of: name, figure: "anonymous memory", value: anonymousMib, unit: "MiB" },
    ]);
    const whole = [
      { of: "all", figure: "time", value: sum("wallMs"), unit: "ms", aim: "<= 10000" },
      { of: "all", figure: "processor time", value: sum("cpuMs"), unit: "ms" },
    ];
    return known([...figures, ...whole]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
