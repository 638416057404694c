// Owns: the memory that a node's core needs for many schedules. A million submissions over HTTP would take many minutes, so that the
// core is fed directly; memorycore.ts is the process that is measured.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Memory } from "./cpu.ts";
import { type Figure, rounded } from "./figure.ts";

type Measured = { readonly before: Memory | undefined; readonly after: Memory | undefined; readonly tookMs: number; readonly refusals: number };

const program = fileURLToPath(new URL("memorycore.ts", import.meta.url));

async function measured(count: number, settleMs: number): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  try {
    const child = spawn(process.execPath, [program, String(count), folder, String(settleMs)], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, UV_THREADPOOL_SIZE: "8" },
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0) throw new Error(`the measured process ended with ${String(code)}`);
    return JSON.parse(Buffer.concat(chunks).toString()) as Measured;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** "full" holds a million schedules and reads memory twelve seconds after the last, when checkpoints have gone by. */
export async function benchMemory(scale: "smoke" | "full"): Promise<Figure[]> {
  const [count, settleMs] = scale === "full" ? [1_000_000, 12_000] : [5_000, 0];
  const { before, after, tookMs, refusals } = await measured(count, settleMs);
  const name = `${count.toLocaleString("en")} schedules, one node's core`;
  const figures: Figure[] = [{ figure: `creates committed, ${name}`, value: Math.round((count * 1000) / tookMs), unit: "commands/s" }];
  if (refusals > 0) figures.push({ figure: `creates refused meanwhile and submitted again, ${name}`, value: refusals, unit: "commands" });
  if (!before || !after) return figures;
  return [
    ...figures,
    { figure: `resident, ${name}`, value: rounded(after.residentMib), unit: "MiB", aim: "<= 400" },
    { figure: `resident, of it anonymous, ${name}`, value: rounded(after.anonymousMib), unit: "MiB" },
    { figure: "resident before the first of them", value: rounded(before.residentMib), unit: "MiB" },
    {
      figure: `growth of anonymous memory, ${name}`, unit: "bytes/schedule",
      value: Math.round(((after.anonymousMib - before.anonymousMib) * 2 ** 20) / count),
    },
  ];
}
