// Owns: `pawl bench`: what is asked, and how its figures are told. What is made and measured is src/cli/bench/'s.

import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import type { Called } from "../bench/crew.ts";
import { measure } from "../bench/measure.ts";
import type { Listed, Measured } from "../bench/measure.ts";
import { planOf } from "../bench/plan.ts";
import type { BenchFlags, BenchPlan } from "../bench/plan.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { exitCodes } from "../exitcodes.ts";

type BenchOptions = GlobalOptions & BenchFlags;

export function addBench(program: Command, context: Context): void {
  program
    .command("bench")
    .description("load a running cluster with jobs of its own, tell how it bears them, and remove them again")
    .option("--rate <n>", "one-shots submitted a second, one request each", "100")
    .option("--duration <duration>", "for how long", "10s")
    .option("--schedules <n>", "daily schedules that are submitted before and do not fire", "0")
    .option("--payload <bytes>", "size of each job's payload", "0")
    .option("--clients <n>", "requests that may be under way at a time", "50")
    .action((_: unknown, command: Command) => bench(command.optsWithGlobals<BenchOptions>(), context));
}

async function bench(options: BenchOptions, context: Context): Promise<void> {
  const { io, out } = context;
  const plan = planOf(options, io.system.random());
  const client = context.connect(options);
  const said = (what: string): void => void io.stderr.write(`${what}\n`);
  const ending = new AbortController();
  context.onSignal(["SIGINT", "SIGTERM"], () => {
    if (ending.signal.aborted) {
      said(`not removed: what is left of the jobs whose ids begin with ${plan.prefix}-`);
      context.exitNow(exitCodes.refused);
    }
    said("ending; again to leave the jobs there");
    ending.abort();
  });
  said(`ids of the jobs begin with ${plan.prefix}-`);
  const measured = await measure(plan, { client, system: io.system, signal: ending.signal, said });
  const told = figuresOf(plan, measured);
  if (options.json) out.json(told);
  else out.table(["FIGURE", "VALUE"], rowsOf(told));
  const left = Object.values(told.left).reduce((sum, each) => sum + each, 0);
  if (left > 0) {
    const why = `${left} jobs whose ids begin with ${plan.prefix}- could not be removed (${Object.keys(told.left).join(", ")})`;
    throw new PawlError("unavailable", `${why}; pawl job rm removes them`);
  }
}

type Latency = { readonly p50_ms: number; readonly p95_ms: number; readonly p99_ms: number; readonly max_ms: number };
type Counts = Readonly<Record<string, number>>;
type Submitted = { readonly jobs: number; readonly per_second: number; readonly refused: Counts } & Partial<Latency>;

function figuresOf(plan: BenchPlan, { schedules, shots, ended, removed, left }: Measured) {
  const { prefix, perSecond, durationMs, payloadBytes, clients } = plan;
  return {
    prefix,
    asked: { rate: perSecond, duration_ms: durationMs, payload_bytes: payloadBytes, clients },
    ...(schedules === undefined ? {} : { schedules: listedOf(schedules) }),
    submitted: submittedOf(shots),
    executions: { completed: ended.completed, others: ended.others },
    lateness: latencyOf(ended.latenessMs),
    removed,
    left: Object.fromEntries(left),
  };
}

function listedOf({ submitted, refused, tookMs }: Listed): object {
  return { jobs: submitted, per_second: perSecondOf(submitted, tookMs), refused };
}

function submittedOf({ latencyMs, refused, tookMs }: Called): Submitted {
  const { length } = latencyMs;
  return { jobs: length, per_second: perSecondOf(length, tookMs), refused: Object.fromEntries(refused), ...latencyOf(latencyMs) };
}

function perSecondOf(count: number, tookMs: number): number {
  return tookMs > 0 ? tenths((count * 1000) / tookMs) : 0;
}

/** Empty where there is nothing to tell of. */
function latencyOf(valuesMs: readonly number[]): Partial<Latency> {
  if (valuesMs.length === 0) return {};
  const sorted = Float64Array.from(valuesMs).sort();
  const at = (share: number): number => tenths(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number);
  return { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), max_ms: at(1) };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/** "submitted p99" and "12.5 ms" of { submitted: { p99_ms: 12.5 } }; what is nested deeper is a count by name. */
function rowsOf(told: Readonly<Record<string, unknown>>): (readonly [string, string])[] {
  return Object.entries(told).flatMap(([name, value]): (readonly [string, string])[] => {
    if (typeof value !== "object" || value === null) return [row(name, value)];
    return rowsOf(value as Readonly<Record<string, unknown>>).map(([inner, shown]) => [`${name} ${inner}`, shown]);
  });
}

function row(name: string, value: unknown): readonly [string, string] {
  const [, words = name, unit = ""] = /^(.*?)_?(ms|bytes|per_second)?$/.exec(name) ?? [];
  const shown = typeof value === "number" ? value.toLocaleString("en") : String(value);
  if (unit === "per_second") return ["rate", `${shown} a second`];
  return [words.replaceAll("_", " "), unit === "" ? shown : `${shown} ${unit}`];
}
