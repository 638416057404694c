// Owns: the room's door: from a job's ScheduleSpec to something that can be asked for its next due time. Pure: no clock is read.
// cron.ts and interval.ts compute; src/api turns JSON into specs and calls parseCron at submission.
//
// Invariants
//  S1 A spec is refused with a PawlError that names the field and the reason, or it compiles and fires at least once within
//     scheduleHorizonYears of REFERENCE_MS. Whether it still fires after a given now is for nextAfter to say.
//  S2 Specs with the same expression, zone and policies share one compiled schedule, and with it the latest answer (C5). Equal cron
//     texts are one spec, the same object: whoever handles many jobs recognises it without comparing texts.

import { PawlError } from "../base/errors.ts";
import { parseDuration } from "../base/time.ts";
import { Kept } from "../base/kept.ts";
import { limits } from "../limits.ts";
import { CronSchedule } from "./cron.ts";
import { normalised, parseFields, refused } from "./expression.ts";
import { EARLIEST_MS, IntervalSchedule, LATEST_MS } from "./interval.ts";
import { Matcher } from "./matcher.ts";
import type { GapPolicy, OverlapPolicy, Schedule, ScheduleSpec } from "./spec.ts";
import { zoneOf } from "./zone.ts";

export type { Schedule, ScheduleSpec } from "./spec.ts";

/** Where the search for a first firing starts when a cron expression is checked: 2026-01-01, so that today's zone rules count. */
const REFERENCE_MS = 1_767_225_600_000;

/** Expressions by themselves: what is most of a schedule's making and of its memory serves all zones. */
const expressions = new Kept<string, { readonly matcher: Matcher; readonly elapsed: boolean }>(limits.expressionsKeptMax);
const compiled = new Kept<string, CronSchedule>(limits.compiledSchedulesMax);
const parsed = new Kept<string, ScheduleSpec>(limits.compiledSchedulesMax);
/** What those are compiled to, found without putting their text together again. */
const compiledOf = new WeakMap<ScheduleSpec, CronSchedule>();

/** Throws PawlError "invalid" (wrong shape) or "unprocessable" (can never fire), with the field as the API names it. */
export function compileSchedule(spec: ScheduleSpec): Schedule {
  if (spec.kind === "cron") return compiledOf.get(spec) ?? compileCron(spec.expression, spec.timezone, spec.gap, spec.overlap);
  if (spec.kind === "every") {
    requireInterval(spec.everyMs, "schedule.every");
    requireInstant(spec.anchorMs, "schedule.anchor");
    return new IntervalSchedule(spec.everyMs, spec.anchorMs);
  }
  const atMs = spec.atMs;
  requireInstant(atMs, "schedule_time");
  return { nextAfter: (afterMs) => (atMs > afterMs ? atMs : undefined) };
}

/**
 * The spec of a cron text, checked as compileSchedule would. `@every <duration>` (ISO 8601 as in PT90S, or Go's form as in 1h30m)
 * becomes an interval anchored at 1970-01-01T00:00Z, so that it needs no clock and `@every PT1H` runs on the hour.
 */
export function parseCron(expression: string, timezone: string, gap: GapPolicy, overlap: OverlapPolicy): ScheduleSpec {
  const key = cronKey(expression, timezone, gap, overlap);
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const text = normalised(expression);
  const every = /^@every(?: (.*))?$/.exec(text);
  const spec: ScheduleSpec =
    every === null
      ? { kind: "cron", expression: text, timezone, gap, overlap }
      : { kind: "every", everyMs: requireInterval(parseEvery(every[1] ?? ""), "schedule.cron"), anchorMs: 0 };
  zoneOf(timezone);
  const schedule = compileSchedule(spec);
  if (schedule instanceof CronSchedule) compiledOf.set(spec, schedule);
  parsed.add(key, spec);
  return spec;
}

/** No expression and no zone that is good has a bar in it. */
function cronKey(expression: string, timezone: string, gap: GapPolicy, overlap: OverlapPolicy): string {
  return `${expression}|${timezone}|${gap}|${overlap}`;
}

/**
 * Counts the due times t with fromMs <= t <= toMs (whole milliseconds), at most `max`; `lastMs` is the last one counted,
 * 0 if there is none. Takes constant time for intervals, one search per due time for cron.
 */
export function countBetween(schedule: Schedule, fromMs: number, toMs: number, max: number): { count: number; lastMs: number } {
  let count = 0;
  let lastMs = 0;
  let next = schedule.nextAfter(fromMs - 1);
  if (schedule instanceof IntervalSchedule && next !== undefined && next <= toMs && max > 0) {
    count = Math.min(max, schedule.countFrom(next, toMs));
    return { count, lastMs: next + (count - 1) * schedule.everyMs };
  }
  while (next !== undefined && next <= toMs && count < max) {
    count += 1;
    lastMs = next;
    next = schedule.nextAfter(next);
  }
  return { count, lastMs };
}

function compileCron(expression: string, timezone: string, gap: GapPolicy, overlap: OverlapPolicy): CronSchedule {
  const key = cronKey(expression, timezone, gap, overlap);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const { matcher, elapsed } = compileExpression(normalised(expression));
  const schedule = new CronSchedule(matcher, elapsed, zoneOf(timezone), gap, overlap);
  if (schedule.nextAfter(REFERENCE_MS) === undefined) {
    throw refused(`${JSON.stringify(expression)} never fires in ${timezone} within ${limits.scheduleHorizonYears} years`, "unprocessable");
  }
  compiled.add(key, schedule);
  return schedule;
}

function compileExpression(text: string): { readonly matcher: Matcher; readonly elapsed: boolean } {
  const known = expressions.get(text);
  if (known !== undefined) return known;
  const fields = parseFields(text);
  const made = { matcher: new Matcher(fields), elapsed: fields.elapsed };
  expressions.add(text, made);
  return made;
}

const GO_DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/;
const GO_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseEvery(text: string): number {
  if (text.startsWith("P")) return parseDuration(text, "schedule.cron");
  if (!GO_DURATION.test(text)) throw refused(`@every needs a duration such as PT90S or 1h30m, got ${JSON.stringify(text)}`);
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) total += Number(amount) * GO_UNITS[unit!]!;
  return Math.round(total);
}

function requireInterval(everyMs: number, field: string): number {
  if (!Number.isInteger(everyMs) || everyMs < limits.everyMinMs || everyMs > limits.everyMaxMs) {
    const range = `${limits.everyMinMs / 1000} second and ${limits.everyMaxMs / 86_400_000} days`;
    throw new PawlError("invalid", `${field}: an interval is between ${range}, got ${everyMs} ms`, { field });
  }
  return everyMs;
}

function requireInstant(atMs: number, field: string): void {
  if (!Number.isInteger(atMs) || atMs < EARLIEST_MS || atMs > LATEST_MS) {
    throw new PawlError("invalid", `${field}: expected whole milliseconds of the years 0000 to 9999, got ${atMs}`, { field });
  }
}
