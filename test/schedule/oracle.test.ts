// Next due times against the scan of oracle.ts: every change of the clocks of 2015 to 2030 in many zones, windows around it and
// elsewhere, random expressions and policies. PAWL_SEED replays another run.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { GapPolicy, OverlapPolicy } from "../../src/schedule/spec.ts";
import { PawlError } from "../../src/base/errors.ts";
import { compileSchedule, type Schedule } from "../../src/schedule/schedule.ts";
import { changesOf, clockOf, dueIn, scan, type Scan } from "./oracle.ts";
import { expression, pick, type Random, seeded } from "./random.ts";

const SEED = Number(process.env["PAWL_SEED"] ?? 20_261_121);
const FROM = Date.UTC(2015, 0, 1) / 1000;
const UNTIL = Date.UTC(2031, 0, 1) / 1000;
const HOUR = 3600;

const ZONES = [
  ..."Europe/Berlin Europe/London Europe/Dublin Europe/Istanbul Europe/Volgograd Africa/Casablanca Africa/El_Aaiun".split(" "),
  ..."Africa/Cairo America/New_York America/Los_Angeles America/St_Johns America/Sao_Paulo America/Santiago".split(" "),
  ..."America/Havana America/Nuuk America/Caracas Australia/Lord_Howe Australia/Adelaide Pacific/Apia".split(" "),
  ..."Pacific/Chatham Pacific/Norfolk Pacific/Easter Asia/Tehran Asia/Kolkata Asia/Amman Asia/Beirut Asia/Gaza".split(" "),
  ..."Asia/Pyongyang Antarctica/Troll Antarctica/Casey Etc/GMT+5 UTC".split(" "),
];
const GAPS: readonly GapPolicy[] = ["run_at_gap_end", "skip"];
const OVERLAPS: readonly OverlapPolicy[] = ["first", "second", "both"];

function listed(schedule: Schedule, from: number, until: number): number[] {
  const due: number[] = [];
  for (let next = schedule.nextAfter(from * 1000 - 1); next !== undefined && next < until * 1000; next = schedule.nextAfter(next)) {
    due.push(next / 1000);
  }
  return due;
}

function neverFires(error: unknown): undefined {
  assert.ok(error instanceof PawlError && error.code === "unprocessable", String(error));
}

function compare(random: Random, zone: string, seen: Scan, margin: number, seconds: boolean): void {
  const text = expression(random, seconds);
  const [gap, overlap] = [pick(random, GAPS), pick(random, OVERLAPS)];
  const from = seen.from + margin;
  const until = seen.from + seen.walls.length * seen.step - margin;
  const expected = dueIn(text, seen, gap, overlap).filter((second) => second >= from && second < until);
  let schedule: Schedule | undefined;
  try {
    schedule = compileSchedule({ kind: "cron", expression: text, timezone: zone, gap, overlap });
  } catch (error) {
    schedule = neverFires(error);
  }
  const actual = schedule === undefined ? [] : listed(schedule, from, until);
  const shown = (list: readonly number[]): string[] => list.map((second) => new Date(second * 1000).toISOString());
  assert.deepEqual(shown(actual), shown(expected), `"${text}" in ${zone}, gap ${gap}, overlap ${overlap}, seed ${SEED}`);
}

test("due minutes equal a minute-by-minute scan around every clock change and elsewhere", (t) => {
  t.diagnostic(`PAWL_SEED=${SEED}`);
  const random = seeded(SEED);
  let windows = 0;
  for (const zone of ZONES) {
    const clock = clockOf(zone);
    const centres = changesOf(clock, FROM, UNTIL);
    for (let extra = 0; extra < 3; extra++) centres.push(FROM + random((UNTIL - FROM) / 60) * 60);
    for (const centre of centres) {
      const seen = scan(clock, centre - 29 * HOUR, centre + 29 * HOUR, 60);
      for (let round = 0; round < 12; round++) compare(random, zone, seen, 3 * HOUR, false);
      windows += 1;
    }
  }
  assert.ok(windows > 500, `only ${windows} windows`);
  t.diagnostic(`${windows} windows`);
});

test("due seconds equal a second-by-second scan close to clock changes", () => {
  const random = seeded(SEED + 1);
  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo"]) {
    const clock = clockOf(zone);
    const changes = changesOf(clock, FROM, UNTIL);
    for (let window = 0; window < 6; window++) {
      const centre = pick(random, changes);
      const seen = scan(clock, centre - 2.5 * HOUR, centre + 2.5 * HOUR, 1);
      for (let round = 0; round < 8; round++) compare(random, zone, seen, 1.25 * HOUR, true);
    }
  }
});
