// Owns: what a run leaves in docs/benchmarks/<name>.json: the figures, and what they must be read with: machine, versions, commit, date,
// load of the machine before and after, duration and sizes. bench/docs.ts makes docs/benchmarks.md of them.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchOptions, Figure, Scale } from "./figure.ts";
import type { Facts } from "./peers/side.ts";
import type { Figure as Compared } from "./peers/works.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Name of the one record that is not a benchmark's. */
export const COMPARISON = "peers";

export type Machine = {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly node: string;
};

export type BenchRecord = {
  readonly bench: string;
  readonly scale: Scale;
  /** Sizes that the command line asked for instead of the benchmark's own. */
  readonly options: BenchOptions;
  readonly date: string;
  /** The commit that was measured; with "+" when files differed from it. */
  readonly commit: string;
  readonly machine: Machine;
  /** Of the minute before the run and of the minute at its end, ours included. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  /** Share of the processors' time during the run that the host gave to others, in percent; where the system tells. */
  readonly stolen?: number | undefined;
  readonly seconds: number;
  readonly figures: readonly Figure[];
};

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${/^\d+\.\d+/.exec(release())?.[0] ?? release()}`,
    node: process.version.slice(1),
  };
}

export function loadNow(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

export type Ticks = { readonly stolen: number; readonly all: number };

/** Since the start of the machine; undefined elsewhere than on Linux. */
export function ticksNow(): Ticks | undefined {
  if (!existsSync("/proc/stat")) return undefined;
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  // user nice system idle iowait irq softirq steal; guests are part of user.
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number);
  return { stolen: ticks[7] ?? 0, all: ticks.reduce((sum, each) => sum + each, 0) };
}

/** In percent, to a tenth. */
export function stolenSince(before: Ticks | undefined): number | undefined {
  const now = ticksNow();
  if (before === undefined || now === undefined || now.all === before.all) return undefined;
  return Math.round((1000 * (now.stolen - before.stolen)) / (now.all - before.all)) / 10;
}

function commit(): string {
  const git = (...args: string[]): string => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  try {
    return git("rev-parse", "--short=9", "HEAD") + (git("status", "--porcelain", "--", "src") === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

/** Of the comparison with other schedulers: what each side is, and figures of which each says what is better. */
export type ComparisonRecord = Omit<BenchRecord, "figures"> & {
  /** Names of Pawl's own sides. */
  readonly own: readonly string[];
  readonly sides: readonly Facts[];
  readonly figures: readonly Compared[];
};

export type Run = Pick<BenchRecord, "bench" | "scale" | "options" | "loadBefore" | "stolen" | "seconds" | "figures">;

function fileOf(bench: string): string {
  return join(root, "docs", "benchmarks", `${bench}.json`);
}

export type ComparisonRun = Omit<Run, "figures"> & Pick<ComparisonRecord, "own" | "sides" | "figures">;

/** One figure a line, so that what a later run changes can be seen. */
export function writeRecord(run: Run | ComparisonRun): string {
  const { figures, ...about } = run;
  const date = `${new Date().toISOString().slice(0, 16)}Z`;
  const head = { ...about, loadAfter: loadNow(), date, commit: commit(), machine: thisMachine() };
  const lines = figures.map((each) => `    ${JSON.stringify(each)}`).join(",\n");
  const text = `${JSON.stringify(head, undefined, 2).slice(0, -2)},\n  "figures": [\n${lines}\n  ]\n}\n`;
  const file = fileOf(run.bench);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Undefined when none was kept. */
export function readRecord(bench: string): BenchRecord | undefined {
  const file = fileOf(bench);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as BenchRecord) : undefined;
}

/** The comparison that was kept; undefined when none was. */
export function readComparison(): ComparisonRecord | undefined {
  const file = fileOf(COMPARISON);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ComparisonRecord) : undefined;
}
