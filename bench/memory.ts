// Owns: the memory that a node needs for many schedules: one real node, each schedule submitted through its HTTP API.

import { setTimeout as wait } from "node:timers/promises";
import { BenchCluster } from "./cluster.ts";
import { memoryOf } from "./cpu.ts";
import { type Figure, rounded } from "./figure.ts";
import { createJobs } from "./load.ts";

const CLIENTS = 256;
const PAYLOAD = { url: `http://127.0.0.1/${"x".repeat(270)}` };

/** A yearly time of New York, one of 1,440, with a payload of 300 bytes of JSON; hardly ever due while this runs. */
function yearly(at: number): unknown {
  const cron = `${at % 60} ${Math.floor(at / 60) % 24} 1 1 *`;
  return { job_id: `job-${at}`, job_type: "http", schedule: { cron, timezone: "America/New_York" }, payload: PAYLOAD };
}

/** "full" holds a million schedules and reads memory twelve seconds after the last, when checkpoints have gone by. */
export async function benchMemory(scale: "smoke" | "full"): Promise<Figure[]> {
  const [count, settleMs] = scale === "full" ? [1_000_000, 12_000] : [500, 0];
  const cluster = await BenchCluster.start({ nodes: 1 });
  try {
    const pid = cluster.nodes[0]?.pid ?? 0;
    const before = memoryOf(pid);
    const { perSecond, p99Ms } = await createJobs(cluster, cluster.nodes, count, CLIENTS, yearly);
    await wait(settleMs);
    const after = memoryOf(pid);
    const name = `${count.toLocaleString("en")} schedules, one node`;
    const figures: Figure[] = [
      { figure: `creates committed, ${name}`, value: Math.round(perSecond), unit: "commands/s" },
      { figure: `creates, p99, ${name}`, value: rounded(p99Ms), unit: "ms" },
    ];
    if (!before || !after) return figures;
    const growth = Math.max(0, after.anonymousMib - before.anonymousMib) * 2 ** 20;
    return [
      ...figures,
      { figure: `resident, ${name}`, value: rounded(after.residentMib), unit: "MiB", aim: "<= 400" },
      { figure: `resident, of it anonymous, ${name}`, value: rounded(after.anonymousMib), unit: "MiB" },
      { figure: "resident before the first of them", value: rounded(before.residentMib), unit: "MiB" },
      { figure: `growth of anonymous memory, ${name}`, value: Math.round(growth / count), unit: "bytes/schedule" },
    ];
  } finally {
    await cluster.stop();
  }
}
