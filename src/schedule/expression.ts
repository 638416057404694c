// Owns: the text of a cron expression: what is accepted, and why not. cron-parser reads the fields; this file checks what cron-parser
// lets pass (a wrong number of fields, steps larger than their range, H, which would mean a random value) and names the field at
// fault. What the fields mean in time is the business of matcher.ts and cron.ts.
//
// Syntax: [second] minute hour day-of-month month day-of-week, or one alias of ALIASES. A field is a list of `*`, numbers, ranges
// and steps; months and weekdays have names of three letters; weekday 7 is Sunday; `?` is `*`. In day-of-month `L` is the last day;
// in day-of-week `5L` is the last Friday and `5#2` the second. Seconds are 0 when absent.
//
// Invariants
//  E1 A day field is unrestricted only if it is exactly `*` or `?`. When both day fields are restricted, one match is enough (OR).
//  E2 An expression follows elapsed time if an item of its minute or hour field is `*`, `?` or has a step (`*/5`, `10-40/10`, `5/15`).
//     Numbers, lists and ranges without a step (`0,30`, `1-5`) are fixed times of the day. Seconds decide nothing.

import { CronExpressionParser } from "cron-parser";
import { messageOf, PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";

/** The values of each field, in no particular order. Weekdays: 0 = Sunday .. 6; nthWeek 0 = every week; months 1..12. */
export type CronFields = {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly dates: readonly number[];
  readonly lastDate: boolean;
  readonly anyDate: boolean;
  readonly months: readonly number[];
  readonly weekdays: readonly number[];
  readonly lastWeekdays: readonly number[];
  readonly nthWeek: number;
  readonly anyWeekday: boolean;
  /** E2 */
  readonly elapsed: boolean;
};

const FIELD = "schedule.cron";
const NAMES = ["second", "minute", "hour", "day-of-month", "month", "day-of-week"];
const LOWEST = [0, 0, 0, 1, 1, 0];
const HIGHEST = [59, 59, 23, 31, 12, 7];
const NAME = /jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat/gi;
const WORDS = ["", "", "", "", "janfebmaraprmayjunjulaugsepoctnovdec", "sunmontuewedthufrisat"];

const ALIASES: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
  ["@minutely", "* * * * *"],
  ["@secondly", "* * * * * *"],
  ["@weekdays", "0 0 * * 1-5"],
  ["@weekends", "0 0 * * 0,6"],
]);

export function refused(reason: string, code: "invalid" | "unprocessable" = "invalid"): PawlError {
  return new PawlError(code, `${FIELD}: ${reason}`, { field: FIELD });
}

/** The expression with single spaces and no others around it, so that equal schedules share one computation. */
export function normalised(text: string): string {
  if (text.length > limits.cronMaxChars) throw refused(`is ${text.length} characters long; at most ${limits.cronMaxChars} are allowed`);
  const expression = text.trim().replace(/\s+/g, " ");
  if (expression === "") throw refused("is empty; write 5 or 6 fields such as 0 9 * * 1-5");
  return expression.startsWith("@") ? expression.replace(/^@\w+/, (alias) => alias.toLowerCase()) : expression;
}

/** The fields of a normalised expression. Throws PawlError "invalid" with the reason, "unprocessable" if no date can match. */
export function parseFields(expression: string): CronFields {
  const raw = rawFields(expression);
  const read = readFields(raw);
  raw.forEach(refuseWideStep);
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = read;
  return {
    seconds: numbers(second.values),
    minutes: numbers(minute.values),
    hours: numbers(hour.values),
    dates: numbers(dayOfMonth.values),
    lastDate: dayOfMonth.hasLastChar,
    anyDate: dayOfMonth.isWildcard,
    months: numbers(month.values),
    weekdays: numbers(dayOfWeek.values).map((day) => day % 7),
    lastWeekdays: dayOfWeek.values.filter((day) => typeof day === "string").map((day) => Number.parseInt(day, 10) % 7),
    nthWeek: dayOfWeek.nthDay,
    anyWeekday: dayOfWeek.isWildcard,
    elapsed: /[*?/]/.test(`${raw[1]} ${raw[2]}`),
  };
}

function numbers(values: readonly (number | string)[]): number[] {
  return values.filter((value) => typeof value === "number");
}

function rawFields(expression: string): string[] {
  const fields = (ALIASES.get(expression) ?? expression).split(" ");
  if (expression.startsWith("@") && !ALIASES.has(expression)) {
    throw refused(`${JSON.stringify(expression)} is no alias; use one of ${[...ALIASES.keys()].join(", ")} or @every <duration>`);
  }
  if (fields.length < 5 || fields.length > 6) {
    throw refused(`has ${fields.length} ${fields.length === 1 ? "field" : "fields"}; write 5 (minute first) or 6 (second first)`);
  }
  if (fields.length === 5) fields.unshift("0");
  fields.forEach((field, index) => {
    if (field.replace(NAME, "").includes("H")) throw refused(`${named(field, index)} has an H, which is not supported; write a number`);
  });
  return fields;
}

function readFields(raw: readonly string[]): ReturnType<typeof parse>["fields"] {
  try {
    return parse(raw).fields;
  } catch (error) {
    const never = `never fires: no month given has the day-of-month ${JSON.stringify(raw[3])} (${messageOf(error)})`;
    throw blamed(raw) ?? refused(never, "unprocessable");
  }
}

function parse(raw: readonly string[]) {
  return CronExpressionParser.parse(raw.join(" "), { currentDate: 0, tz: "UTC" });
}

/** The field that is wrong on its own, found by reading each of them alone. */
function blamed(raw: readonly string[]): PawlError | undefined {
  for (const [index, field] of raw.entries()) {
    try {
      parse(NAMES.map((_, at) => (at === index ? field : "*")));
    } catch (error) {
      return refused(`${named(field, index)} is not valid: ${messageOf(error)}`);
    }
  }
  return undefined;
}

function named(field: string, index: number): string {
  return `the ${NAMES[index]} field ${JSON.stringify(field)}`;
}

/** A step that is larger than its range is a mistake: it would match the range's first value only. */
function refuseWideStep(field: string, index: number): void {
  for (const item of field.split(",")) {
    const [range, step] = item.split("/");
    if (step === undefined || range === undefined) continue;
    const [from, to] = range === "*" || range === "?" ? [LOWEST[index]!, index === 5 ? 6 : HIGHEST[index]!] : boundsOf(range, index);
    if (Number(step) > to - from + 1) throw refused(`${named(field, index)} has the step ${step}, larger than its range ${from}-${to}`);
  }
}

function boundsOf(range: string, index: number): [number, number] {
  const [from, to] = range.split("-").map((text) => valueOf(text, index));
  return [from!, to ?? HIGHEST[index]!];
}

function valueOf(text: string, index: number): number {
  return /^\d+$/.test(text) ? Number(text) : LOWEST[index]! + WORDS[index]!.indexOf(text.toLowerCase()) / 3;
}
