// Owns: `pawl schedule`: when an expression fires, computed here (next) or by a server (preview).

import { Option } from "commander";
import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import { formatInstant, parseInstant } from "../../base/time.ts";
import type { GapPolicy, OverlapPolicy } from "../../jobs/spec.ts";
import { limits } from "../../limits.ts";
import { compileSchedule, parseCron } from "../../schedule/schedule.ts";
import type { Context, GlobalOptions } from "../context.ts";

type NextOptions = GlobalOptions & {
  readonly tz: string;
  readonly after?: string;
  readonly count: string;
  readonly dstGap: GapPolicy;
  readonly dstOverlap: OverlapPolicy;
};

export function addSchedule(program: Command, context: Context): void {
  const schedule = program.command("schedule").description("when a cron expression fires");
  withOptions(schedule.command("next").argument("<expression>"))
    .description("compute the next instants on this machine, without a server")
    .action((expression: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<NextOptions>();
      show(nextInstants(expression, options, context.io.system.wallMs()), options, context);
    });
  withOptions(schedule.command("preview").argument("<expression>"))
    .description("ask a server for the next instants")
    .action(async (expression: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<NextOptions>();
      show(await previewed(expression, options, context), options, context);
    });
}

function withOptions(command: Command): Command {
  const gap = new Option("--dst-gap <policy>", "local times that a change of clocks skips");
  const overlap = new Option("--dst-overlap <policy>", "local times that happen twice");
  return command
    .option("--tz <zone>", "IANA time zone", "UTC")
    .option("--after <instant>", "start strictly after this instant; now when absent")
    .option("--count <n>", "how many instants", "5")
    .addOption(gap.choices(["run_at_gap_end", "skip"]).default("run_at_gap_end"))
    .addOption(overlap.choices(["first", "second", "both"]).default("first"));
}

/** UTC instants strictly after --after, else after `nowMs`; fewer than --count when the schedule ends. */
export function nextInstants(expression: string, options: NextOptions, nowMs: number): string[] {
  const schedule = compileSchedule(parseCron(expression, options.tz, options.dstGap, options.dstOverlap));
  let atMs: number | undefined = options.after === undefined ? nowMs : parseInstant(options.after, "--after");
  const instants: string[] = [];
  for (let left = countOf(options.count); left > 0; left--) {
    atMs = schedule.nextAfter(atMs);
    if (atMs === undefined) break;
    instants.push(formatInstant(atMs));
  }
  return instants;
}

async function previewed(expression: string, options: NextOptions, context: Context): Promise<readonly string[]> {
  const [result] = await context.connect(options).schedules.preview([{
    cron: expression,
    timezone: options.tz,
    dst: { gap: options.dstGap, overlap: options.dstOverlap },
    count: countOf(options.count),
    ...(options.after === undefined ? {} : { after: options.after }),
  }]);
  if (result && "next" in result) return result.next;
  throw new PawlError("invalid", result?.error.detail ?? "the server answered nothing");
}

function countOf(text: string): number {
  const count = Number(text);
  if (/^\d{1,6}$/.test(text) && count >= 1 && count <= limits.previewCountMax) return count;
  throw new PawlError("invalid", `--count: expected 1 to ${limits.previewCountMax}, got ${JSON.stringify(text)}`);
}

function show(instants: readonly string[], options: GlobalOptions, { out }: Context): void {
  if (options.json) out.json(instants);
  else instants.forEach((instant) => out.line(instant));
}
