// Owns: what a side needs to keep its jobs, read from /proc and the file system: memory of its server processes, and space on disk.

import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./side.ts";

export type Footprint = {
  /** Anonymous and shared memory; what several processes share is counted once. Undefined where /proc does not tell. */
  readonly memoryBytes: number | undefined;
  readonly diskBytes: number;
};

export function footprintOf({ pids, folders }: Place): Footprint {
  const memories = pids.map(memoryOf);
  const isKnown = memories.every((each) => each !== undefined);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return { memoryBytes: isKnown ? sum(memories) : undefined, diskBytes: sum(folders.map(allocated)) };
}

/** A process's share of the pages that it maps: a page that n processes map counts as an n-th, so that sums are true. */
function memoryOf(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0);
    return (kib("Pss_Anon") + kib("Pss_Shmem")) * 1024;
  } catch (error) {
    // A process of PostgreSQL may have ended since it was listed.
    if (isGone(error)) return 0;
    throw error;
  }
}

/** Blocks that the files below a folder take. */
function allocated(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    try {
      bytes += entry.isDirectory() ? allocated(path) : lstatSync(path).blocks * 512;
    } catch (error) {
      // Servers remove files while they run.
      if (!isGone(error)) throw error;
    }
  }
  return bytes;
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");
}
