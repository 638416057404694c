// Owns: what a node's process costs, read from /proc: processor time by role of the thread, and resident memory. Elsewhere than on
// Linux there is no such figure.
// (U1) A thread is known by its name: the main thread is the face, "pawl-core" the core, libuv's pool is storage (LevelDB's reads,
//      writes and its compaction thread, which inherits the name), everything else is V8's (garbage collection, compilation).

import { readFileSync, readdirSync } from "node:fs";

export const roles = ["core", "face", "storage", "v8"] as const;
export type Role = (typeof roles)[number];
/** Seconds of processor time since the process began. */
export type Cpu = Readonly<Record<Role, number>>;

/** Linux counts processor time in hundredths of a second for every program, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

function roleOf(name: string, isMain: boolean): Role {
  if (isMain) return "face";
  if (name === "pawl-core") return "core";
  return name === "libuv-worker" ? "storage" : "v8";
}

/** Processor time of a process by role (U1); undefined where /proc does not tell. */
export function cpuOf(pid: number): Cpu | undefined {
  if (process.platform !== "linux") return undefined;
  const seconds = { core: 0, face: 0, storage: 0, v8: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = fileOf(`/proc/${pid}/task/${thread}/stat`);
    if (stat === undefined) continue;
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const role = roleOf(name, thread === String(pid));
    seconds[role] += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }
  return seconds;
}

/** A thread or process may end between the listing and the reading. */
function fileOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return undefined;
    throw error;
  }
}

/** `fileMib` is backed by files (code, mapped tables), which the system may drop when others need the room; the rest is not. */
export type Memory = { readonly residentMib: number; readonly anonymousMib: number; readonly sharedMib: number; readonly fileMib: number };

/** Resident memory of a process; undefined where /proc does not tell, or when the process is gone. */
export function memoryOf(pid: number): Memory | undefined {
  const status = process.platform === "linux" ? fileOf(`/proc/${pid}/status`) : undefined;
  if (status === undefined) return undefined;
  const mib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) / 1024;
  return { residentMib: mib("VmRSS"), anonymousMib: mib("RssAnon"), sharedMib: mib("RssShmem"), fileMib: mib("RssFile") };
}
