// Owns: the cost of one next due time, ours and cron-parser's measured in turn in the same run. Each call asks after the answer
// before it, so that the kept answer of a schedule never serves; parsing and compiling are not counted, for neither side.

import { CronExpressionParser } from "cron-parser";
import { compileSchedule, parseCron } from "../src/schedule/schedule.ts";
import { type Figure, rate } from "./figure.ts";

const START_MS = Date.UTC(2026, 0, 1);
/** Both sides walk the same years over and over. */
const UNTIL_MS = Date.UTC(2029, 0, 1);
const ROUNDS = 3;

const CASES = [
  { name: "business hours New York", expression: "*/15 9-17 * * 1-5", timezone: "America/New_York", aim: ">= 100" },
  { name: "every second UTC", expression: "* * * * * *", timezone: "UTC" },
  { name: "daily Berlin", expression: "30 2 * * *", timezone: "Europe/Berlin" },
  { name: "last Friday Berlin", expression: "0 9 * * 5L", timezone: "Europe/Berlin" },
] as const;

export async function benchSchedule(scale: "smoke" | "full"): Promise<Figure[]> {
  const ms = scale === "smoke" ? 40 : 700;
  const figures: Figure[] = [];
  for (const { name, expression, timezone, ...rest } of CASES) {
    const ours = walker(expression, timezone);
    const theirs = theirWalker(expression, timezone);
    rate(ours, ms / 4);
    rate(theirs, ms / 4);
    const pairs = Array.from({ length: ROUNDS }, () => [rate(ours, ms), rate(theirs, ms)] as const);
    const [our, their] = pairs.toSorted((left, right) => left[0] / left[1] - right[0] / right[1])[Math.floor(ROUNDS / 2)]!;
    figures.push({ figure: `cron next, ${name}`, value: Math.round(1e9 / our), unit: "ns" });
    figures.push({ figure: `cron next vs cron-parser, ${name}`, value: Math.round(our / their), unit: "x", ...rest });
  }
  return figures;
}

function walker(expression: string, timezone: string): () => number {
  const schedule = compileSchedule(parseCron(expression, timezone, "run_at_gap_end", "first"));
  let at = START_MS;
  return () => {
    for (let call = 0; call < 1000; call++) {
      at = schedule.nextAfter(at) ?? START_MS;
      if (at > UNTIL_MS) at = START_MS;
    }
    return 1000;
  };
}

function theirWalker(expression: string, timezone: string): () => number {
  const theirs = CronExpressionParser.parse(expression, { tz: timezone, currentDate: new Date(START_MS) });
  return () => {
    for (let call = 0; call < 20; call++) {
      if (theirs.next().getTime() > UNTIL_MS) theirs.reset(new Date(START_MS));
    }
    return 20;
  };
}
