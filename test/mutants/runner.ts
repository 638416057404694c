// Owns: whether a copy of the code is found out: by a test file or by the simulator.
// (R1) Only a test that fails, or a seed, kills. Code that cannot be loaded is no mutant but a mistake in the list.
// (R2) One failing test is enough: what the file still does after it is waited for only a little, so that it can clear up.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { realSystem } from "../../src/system.ts";
import type { Timer } from "../../src/system.ts";
import type { Killer } from "./mutant.ts";

export type Verdict = { readonly outcome: "killed" | "alive" | "broken"; readonly by: string };

const TEST_TIMEOUT_MS = 30_000;
const CLEARING_UP_MS = 5_000;
const OUTPUT_KEPT = 100_000;
const FAILED_TEST = /^ *not ok \d+ - (.*)\n/m;

const running = new Set<ChildProcess>();

export function judge(copy: string, killer: Killer): Promise<Verdict> {
  return typeof killer === "number" ? simulate(copy, killer) : play(copy, killer);
}

/** Ends everything that runs, for a run that breaks off. */
export function endAll(): void {
  for (const child of running) end(child);
}

async function play(copy: string, file: string): Promise<Verdict> {
  const options = ["--test", "--test-reporter=tap", `--test-timeout=${TEST_TIMEOUT_MS}`];
  const { code, output } = await run(copy, [...options, join(copy, file)], FAILED_TEST);
  if (code === 0) return { outcome: "alive", by: file };
  const failed = FAILED_TEST.exec(output)?.[1] ?? file;
  if (failed.endsWith(file)) return { outcome: "broken", by: `${file}: ${reason(output)}` };
  return { outcome: "killed", by: `${file}: ${failed.replaceAll("\\", "")}` };
}

async function simulate(copy: string, seeds: number): Promise<Verdict> {
  const args = [join(copy, "test", "sim", "main.ts"), "--seeds", String(seeds), "--workers", "1"];
  const { code, output } = await run(copy, args, /seed \d+ failed/);
  if (code === 0) return { outcome: "alive", by: `${seeds} seeds` };
  const seed = /seed (\d+) failed/.exec(output)?.[1];
  if (seed === undefined) return { outcome: "broken", by: reason(output) };
  return { outcome: "killed", by: `seed ${seed}: ${reason(output)}` };
}

function reason(output: string): string {
  return (/^.*?(?:Violation|Error|error)\b[^:\n]*: *["']?([^\n]*)/m.exec(output)?.[1] ?? output.trim().split("\n")[0] ?? "").slice(0, 90);
}

/** The code is that of the process; null when it was ended because `found` is in its output (R2). */
function run(copy: string, args: readonly string[], found: RegExp): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: copy, stdio: ["ignore", "pipe", "pipe"], detached: true });
    running.add(child);
    let output = "";
    let clearing: Timer | undefined;
    const take = (data: Buffer): void => {
      if (output.length < OUTPUT_KEPT) output += data.toString();
      if (clearing === undefined && found.test(output)) clearing = realSystem.after(CLEARING_UP_MS, () => end(child));
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("close", (code) => {
      clearing?.cancel();
      running.delete(child);
      resolve({ code, output });
    });
  });
}

/** The whole group: a test file is a process of its own below that of the test runner. */
function end(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGKILL");
}
