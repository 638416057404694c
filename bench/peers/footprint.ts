// Owns: what a side needs to keep its jobs, read from /proc and the file system: memory of its server processes, and space on disk.

import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./side.ts";

export type Footprint = {
  /** Anonymous and shared memory; what several processes share is counted once. Undefined elsewhere than on Linux. */
  readonly memoryBytes: number | undefined;
  readonly diskBytes: number;
};

export function footprintOf({ pids, folders }: Place): Footprint {
  if (process.platform !== "linux") return { memoryBytes: undefined, diskBytes: sum(folders.map(allocated)) };
  const memories = pids.map(ownMemory);
  const mapped = sum(memories.map(({ sharedBytes }) => sharedBytes));
  const memoryBytes = sum(memories.map(({ anonymousBytes }) => anonymousBytes)) + Math.max(mapped, segments(pids));
  return { memoryBytes, diskBytes: sum(folders.map(allocated)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** What segments of System V that these processes have made hold in memory, also what no living process maps. */
function segments(pids: readonly number[]): number {
  const [names = [], ...rows] = readFileSync("/proc/sysvipc/shm", "utf8").trim().split("\n").map((line) => line.trim().split(/\s+/));
  const [maker, resident] = [names.indexOf("cpid"), names.indexOf("rss")];
  return sum(rows.filter((row) => pids.includes(Number(row[maker]))).map((row) => Number(row[resident])));
}

type Memory = { readonly anonymousBytes: number; readonly sharedBytes: number };

/** A page that n processes map counts as an n-th in each, so that sums are true. */
function ownMemory(pid: number): Memory {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const bytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0) * 1024;
    return { anonymousBytes: bytes("Pss_Anon"), sharedBytes: bytes("Pss_Shmem") };
  } catch (error) {
    // A process of PostgreSQL may have ended since it was listed.
    if (isGone(error)) return { anonymousBytes: 0, sharedBytes: 0 };
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
