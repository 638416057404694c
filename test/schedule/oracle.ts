// Owns: an independent answer to "when is this due": a scan of real instants, one after the other, each turned into local time by
// Intl and compared with the fields. It shares no code with src/schedule, knows nothing of periods, and is slow.

import type { GapPolicy, OverlapPolicy } from "../../src/schedule/spec.ts";

/** The local time at each of a row of equidistant instants. All in seconds; `walls` are local seconds read as if they were UTC. */
export type Scan = {
  readonly from: number;
  readonly step: number;
  readonly walls: readonly number[];
  readonly order: ReadonlyMap<number, readonly number[]>;
};

export function clockOf(zone: string): (second: number) => number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return (second) => Date.parse(`${format.format(second * 1000).replace(" ", "T")}Z`) / 1000;
}

export function scan(clock: (second: number) => number, from: number, until: number, step: number): Scan {
  const walls: number[] = [];
  const order = new Map<number, number[]>();
  for (let second = from; second < until; second += step) {
    const wall = clock(second);
    const seen = order.get(wall);
    if (seen === undefined) order.set(wall, [walls.length]);
    else seen.push(walls.length);
    walls.push(wall);
  }
  return { from, step, walls, order };
}

/** The instants (in seconds) of a zone's clock changes: probed every six hours, then narrowed down to the minute. */
export function changesOf(clock: (second: number) => number, from: number, until: number): number[] {
  const found: number[] = [];
  const probe = 6 * 3600;
  for (let second = from; second < until; second += probe) {
    if (clock(second + probe) - clock(second) === probe) continue;
    for (let minute = second; minute < second + probe; minute += 60) {
      if (clock(minute + 60) - clock(minute) !== 60) found.push(minute + 60);
    }
  }
  return found;
}

type Item = { readonly values: ReadonlySet<number>; readonly last: boolean };
type Day = { readonly free: boolean; readonly test: (date: Date) => boolean };

/** Due seconds among the scanned instants; the first one only serves as a predecessor. */
export function dueIn(expression: string, seen: Scan, gap: GapPolicy, overlap: OverlapPolicy): number[] {
  const matches = predicate(expression);
  const raw = expression.split(" ").slice(-5);
  const elapsed = [raw[0]!, raw[1]!].some((field) => field.includes("*") || field.includes("/"));
  const due: number[] = [];
  for (let at = 1; at < seen.walls.length; at++) {
    const wall = seen.walls[at]!;
    const passes = seen.order.get(wall)!;
    let hit = matches(wall);
    if (hit && !elapsed && passes.length > 1) {
      hit = overlap === "both" || passes[overlap === "first" ? 0 : passes.length - 1] === at;
    }
    if (!elapsed && gap === "run_at_gap_end") {
      for (let skipped = seen.walls[at - 1]! + seen.step; skipped < wall && !hit; skipped += seen.step) hit = matches(skipped);
    }
    if (hit) due.push(seen.from + at * seen.step);
  }
  return due;
}

function predicate(expression: string): (wall: number) => boolean {
  const fields = expression.split(" ");
  if (fields.length === 5) fields.unshift("0");
  const [second, minute, hour, , month] = fields.map((field, index) => itemOf(field, index));
  const [date, weekday] = [dateOf(fields[3]!), weekdayOf(fields[5]!)];
  return (wall) => {
    const at = new Date(wall * 1000);
    if (!minute!.values.has(at.getUTCMinutes()) || !hour!.values.has(at.getUTCHours())) return false;
    if (!second!.values.has(at.getUTCSeconds()) || !month!.values.has(at.getUTCMonth() + 1)) return false;
    if (date.free || weekday.free) return date.test(at) && weekday.test(at);
    return date.test(at) || weekday.test(at);
  };
}

const RANGES = [[0, 59], [0, 59], [0, 23], [1, 31], [1, 12], [0, 6]] as const;

function itemOf(field: string, index: number): Item {
  const values = new Set<number>();
  let last = false;
  for (const item of field.split(",")) {
    const [range, step] = item.split("/");
    if (range === "L") last = true;
    const [low, high] = range === "*" ? RANGES[index]! : range!.split("-").map(Number);
    const end = high ?? (step === undefined ? low! : RANGES[index]![1]);
    for (let value = low!; value <= end; value += Number(step ?? 1)) values.add(index === 5 ? value % 7 : value);
  }
  return { values, last };
}

function dateOf(field: string): Day {
  const { values, last } = itemOf(field, 3);
  return { free: field === "*", test: (date) => values.has(date.getUTCDate()) || (last && shifted(date, 1).getUTCDate() === 1) };
}

function weekdayOf(field: string): Day {
  const nth = /^(\d)#(\d)$/.exec(field);
  if (nth !== null) {
    return { free: false, test: (date) => date.getUTCDay() === Number(nth[1]) % 7 && Math.ceil(date.getUTCDate() / 7) === Number(nth[2]) };
  }
  const final = /^(\d)L$/.exec(field);
  if (final !== null) {
    const inMonth = (date: Date): boolean => shifted(date, 7).getUTCMonth() === date.getUTCMonth();
    return { free: false, test: (date) => date.getUTCDay() === Number(final[1]) % 7 && !inMonth(date) };
  }
  const { values } = itemOf(field, 5);
  return { free: field === "*", test: (date) => values.has(date.getUTCDay()) };
}

function shifted(date: Date, days: number): Date {
  return new Date(date.getTime() + days * 86_400_000);
}
