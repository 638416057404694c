// Owns: what the face adds to a scrape: its thread, how late executions start here, and what concerns the whole process: processor time,
// memory by kind, open files, bytes on disk. All of it is read when somebody asks, on this thread: the core has no part in it.
// (F1) Files are looked at one after the other, so that the log's writes find a free thread of libuv's pool.

import { readFileSync, readdirSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Exposition } from "./base/exposition.ts";
import type { Histogram } from "./base/histogram.ts";
import type { System } from "./system.ts";
import { ThreadMetrics } from "./threadmetrics.ts";

/** Folders of the data directory by what is stored there. */
const stores = { log: /^log$/, state: /^state-/, history: /^history$/ } as const;

export class FaceMetrics {
  private readonly thread: ThreadMetrics;
  private readonly lateness: Histogram;
  private readonly dataDir: string;
  private readonly startedAtMs: number;
  private sizes: Promise<ReadonlyMap<string, number>> | undefined;

  constructor(system: System, lateness: Histogram, dataDir: string) {
    this.thread = new ThreadMetrics("face", system, [lateness]);
    this.lateness = lateness;
    this.dataDir = dataDir;
    this.startedAtMs = system.wallMs();
  }

  start(): void {
    this.thread.start();
  }

  stop(): void {
    this.thread.stop();
  }

  async text(): Promise<string> {
    const sizes = await this.stored();
    const about = "Due time to the call of the executor, of first attempts on this node.";
    const out = new Exposition().durations("start_lateness", about, this.lateness);
    const { user, system } = process.cpuUsage();
    out
      .counter("pawl_process_cpu_seconds_total", "Processor time of the process, all threads.", (user + system) / 1e6)
      .gauge("pawl_process_start_time_seconds", "When the node was started, in seconds since 1970.", this.startedAtMs / 1000)
      .gauge("pawl_process_resident_memory_bytes", "Resident memory.", process.memoryUsage.rss());
    this.linux(out);
    out.labelled("pawl_stored_bytes", "gauge", "Bytes of files in the data directory.", "store", [...sizes]);
    return out.text + this.thread.text();
  }

  /** What only Linux tells: memory by kind, and open files. */
  private linux(out: Exposition): void {
    if (process.platform !== "linux") return;
    const status = readFileSync("/proc/self/status", "utf8");
    const kinds = (["anon", "file", "shmem"] as const).map((kind) => [kind, residentBytes(status, kind)] as const);
    out
      .labelled("pawl_resident_bytes", "gauge", "Resident memory by kind: file is mapped and can be dropped.", "kind", kinds)
      .gauge("pawl_process_open_fds", "Open files and sockets.", readdirSync("/proc/self/fd").length);
  }

  /** Scrapes at the same time share one look at the files. */
  private stored(): Promise<ReadonlyMap<string, number>> {
    this.sizes ??= bytesOf(this.dataDir).finally(() => (this.sizes = undefined));
    return this.sizes;
  }
}

function residentBytes(status: string, kind: "anon" | "file" | "shmem"): number {
  const name = { anon: "RssAnon", file: "RssFile", shmem: "RssShmem" }[kind];
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? Number.NaN) * 1024;
}

async function bytesOf(dataDir: string): Promise<ReadonlyMap<string, number>> {
  const names = await readdir(dataDir);
  const sizes = new Map<string, number>();
  for (const [store, pattern] of Object.entries(stores)) {
    let bytes = 0;
    for (const name of names) if (pattern.test(name)) bytes += await bytesBelow(join(dataDir, name));
    sizes.set(store, bytes);
  }
  return sizes;
}

/** (F1) What is gone by the time it is looked at counts as nothing. */
async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}
