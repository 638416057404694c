// Owns: one start of what a data directory holds, as a process of bench/restart.ts: the parts of it that src/cluster/assemble.ts puts
// together, without links and elections. Says how long each took, and how much memory it held then.

import { applyEntry } from "../src/jobs/apply.ts";
import { limits } from "../src/limits.ts";
import { findStored } from "../src/cluster/stored.ts";
import { HistoryStore } from "../src/storage/history.ts";
import { LevelDisk } from "../src/storage/leveldisk.ts";
import { memoryOf } from "./cpu.ts";

export type Phase = { readonly name: string; readonly wallMs: number; readonly cpuMs: number; readonly anonymousMib: number | undefined };
export type Told = { readonly phases: readonly Phase[]; readonly jobs: number };

const phases: Phase[] = [];
let wallMs = performance.now();
let cpu = process.cpuUsage();

function passed(name: string): void {
  const used = process.cpuUsage(cpu);
  const anonymousMib = memoryOf(process.pid)?.anonymousMib;
  phases.push({ name, wallMs: performance.now() - wallMs, cpuMs: (used.user + used.system) / 1000, anonymousMib });
  wallMs = performance.now();
  cpu = process.cpuUsage();
}

const soon = (run: () => void): void => void setImmediate(run);
const disk = new LevelDisk(process.argv[2] as string, soon);
const found = await findStored(disk, { jobsMax: limits.jobsMax, liveMax: limits.liveExecutionsMax }, soon);
passed("log read and checkpoint found: votes");
const { state, log, close } = await found.load((marks) => {
  passed("rows laid");
  return HistoryStore.open(disk.files, 0, marks);
});
passed("rows checked, indexes and wheel rebuilt");
while (state.appliedIndex < log.hardState.commit) {
  const entries = log.entries(state.appliedIndex + 1, log.hardState.commit, limits.appendMaxBytes);
  for (const { index, kind, data } of entries) applyEntry(state, index, kind === "command" ? data : new Uint8Array(0));
}
passed("end of the log applied: can lead");
const told: Told = { phases, jobs: state.jobs.pool.count };
await close();
await disk.close();
process.send?.(told);
process.disconnect?.();
