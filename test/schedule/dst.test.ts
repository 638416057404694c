// Golden tables: what becomes of local times that a change of the clocks skips or repeats. The instants were worked out by hand
// from the zones' published rules; oracle.test.ts covers the breadth.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GapPolicy, OverlapPolicy } from "../../src/schedule/spec.ts";
import { compileSchedule } from "../../src/schedule/schedule.ts";

type Policy = { readonly gap?: GapPolicy; readonly overlap?: OverlapPolicy };
/** expression, window in UTC, due instants in UTC, policies */
type Row = readonly [expression: string, from: string, until: string, due: string, policy?: Policy];

function dueBetween(timezone: string, [expression, from, until, , policy]: Row): string {
  const spec = { kind: "cron", expression, timezone, gap: policy?.gap ?? "run_at_gap_end", overlap: policy?.overlap ?? "first" } as const;
  const schedule = compileSchedule(spec);
  const due: string[] = [];
  for (let next = schedule.nextAfter(Date.parse(`${from}Z`) - 1); next !== undefined && next < Date.parse(`${until}Z`); ) {
    due.push(new Date(next).toISOString().slice(0, next % 60_000 === 0 ? 16 : 19));
    next = schedule.nextAfter(next);
  }
  return due.join(" ");
}

function table(timezone: string, rows: readonly Row[]): void {
  describe(timezone, () => {
    for (const row of rows) {
      test(`${row[0]} from ${row[1]} ${JSON.stringify(row[4] ?? {})}`, () => {
        const utc = row[3].replace(/\s+/g, " ");
        assert.equal(dueBetween(timezone, row), utc);
      });
    }
  });
}

const [SPRING, SPRING_END] = ["2026-03-29T00:00", "2026-03-29T03:00"];
const [AUTUMN, AUTUMN_END] = ["2026-10-24T23:30", "2026-10-25T02:30"];

// 02:00 -> 03:00 at 2026-03-29T01:00Z; 03:00 -> 02:00 at 2026-10-25T01:00Z.
table("Europe/Berlin", [
  ["30 2 * * *", SPRING, SPRING_END, "2026-03-29T01:00"],
  ["30 2 * * *", SPRING, SPRING_END, "", { gap: "skip" }],
  ["0,15,30,45 2 * * *", SPRING, SPRING_END, "2026-03-29T01:00"],
  ["0 2,3 * * *", SPRING, SPRING_END, "2026-03-29T01:00"],
  ["0 2,3 * * *", SPRING, SPRING_END, "2026-03-29T01:00", { gap: "skip" }],
  ["30 1-3 * * *", SPRING, SPRING_END, "2026-03-29T00:30 2026-03-29T01:00 2026-03-29T01:30"],
  ["30 2 29 3 *", SPRING, SPRING_END, "2026-03-29T01:00"],
  ["30 2 30 3 *", SPRING, SPRING_END, ""],
  ["*/10 30 2 * * *", SPRING, SPRING_END, "2026-03-29T01:00"],
  ["*/20 2 * * *", SPRING, SPRING_END, ""],
  ["30 * * * *", SPRING, SPRING_END, "2026-03-29T00:30 2026-03-29T01:30 2026-03-29T02:30"],
  ["0 */2 * * *", SPRING, SPRING_END, "2026-03-29T02:00"],
  ["30 2-4/2 * * *", SPRING, SPRING_END, "2026-03-29T02:30"],
  ["30 ? * * *", SPRING, SPRING_END, "2026-03-29T00:30 2026-03-29T01:30 2026-03-29T02:30"],
  ["30 2 * * *", AUTUMN, AUTUMN_END, "2026-10-25T00:30"],
  ["30 2 * * *", AUTUMN, AUTUMN_END, "2026-10-25T01:30", { overlap: "second" }],
  ["30 2 * * *", AUTUMN, AUTUMN_END, "2026-10-25T00:30 2026-10-25T01:30", { overlap: "both" }],
  ["0 2,3 * * *", AUTUMN, AUTUMN_END, "2026-10-25T00:00 2026-10-25T02:00"],
  ["0 2,3 * * *", AUTUMN, AUTUMN_END, "2026-10-25T01:00 2026-10-25T02:00", { overlap: "second" }],
  ["20,40 30 2 * * *", AUTUMN, AUTUMN_END, "2026-10-25T00:30:20 2026-10-25T00:30:40"],
  ["*/30 2 * * *", AUTUMN, AUTUMN_END, "2026-10-25T00:00 2026-10-25T00:30 2026-10-25T01:00 2026-10-25T01:30"],
  ["30 */2 * * *", AUTUMN, AUTUMN_END, "2026-10-25T00:30 2026-10-25T01:30", { overlap: "first" }],
]);

// 02:00 -> 03:00 at 2026-03-08T07:00Z; 02:00 -> 01:00 at 2026-11-01T06:00Z.
table("America/New_York", [
  ["30 2 * * *", "2026-03-07T12:00", "2026-03-09T12:00", "2026-03-08T07:00 2026-03-09T06:30"],
  ["30 1 * * *", "2026-11-01T00:00", "2026-11-02T12:00", "2026-11-01T05:30 2026-11-02T06:30"],
  ["30 1 * * *", "2026-11-01T00:00", "2026-11-02T12:00", "2026-11-01T06:30 2026-11-02T06:30", { overlap: "second" }],
  ["0 1 1 11 *", "2026-11-01T00:00", "2026-11-02T12:00", "2026-11-01T05:00 2026-11-01T06:00", { overlap: "both" }],
]);

// Half an hour: 02:00 -> 02:30 at 2026-10-03T15:30Z; 02:00 -> 01:30 at 2026-04-04T15:00Z.
table("Australia/Lord_Howe", [
  ["15 2 * * *", "2026-10-03T12:00", "2026-10-04T18:00", "2026-10-03T15:30 2026-10-04T15:15"],
  ["15 2 * * *", "2026-10-03T12:00", "2026-10-04T18:00", "2026-10-04T15:15", { gap: "skip" }],
  ["45 1 * * *", "2026-04-04T12:00", "2026-04-05T18:00", "2026-04-04T14:45 2026-04-05T15:15"],
  ["45 1 * * *", "2026-04-04T12:00", "2026-04-05T18:00", "2026-04-04T15:15 2026-04-05T15:15", { overlap: "second" }],
  ["15,45 1 * * *", "2026-04-04T12:00", "2026-04-04T18:00", "2026-04-04T14:15 2026-04-04T14:45 2026-04-04T15:15", { overlap: "both" }],
]);

// 2011-12-30 did not exist: the 29th ended at 2011-12-30T10:00Z and the 31st began.
table("Pacific/Apia", [
  ["0 12 * * *", "2011-12-29T12:00", "2011-12-31T12:00", "2011-12-29T22:00 2011-12-30T10:00 2011-12-30T22:00"],
  ["0 12 * * *", "2011-12-29T12:00", "2011-12-31T12:00", "2011-12-29T22:00 2011-12-30T22:00", { gap: "skip" }],
  ["0 6,12,18 30 12 *", "2011-12-29T00:00", "2012-01-02T00:00", "2011-12-30T10:00"],
  ["0 */12 30 12 *", "2011-12-29T00:00", "2012-01-02T00:00", ""],
]);

// Winter time in Ramadan: 03:00 -> 02:00 at 2026-02-15T02:00Z, 02:00 -> 03:00 at 2026-03-22T02:00Z.
table("Africa/Casablanca", [
  ["30 2 * * *", "2026-02-14T12:00", "2026-02-16T12:00", "2026-02-15T01:30 2026-02-16T02:30"],
  ["30 2 * * *", "2026-02-14T12:00", "2026-02-16T12:00", "2026-02-15T02:30 2026-02-16T02:30", { overlap: "second" }],
  ["30 2 * * *", "2026-03-21T12:00", "2026-03-23T12:00", "2026-03-22T02:00 2026-03-23T01:30"],
]);

// Summer is standard time and winter the exception in the data: 01:00 -> 02:00 at 2026-03-29T01:00Z, back at 2026-10-25T01:00Z.
table("Europe/Dublin", [
  ["30 1 * * *", "2026-03-28T12:00", "2026-03-30T12:00", "2026-03-29T01:00 2026-03-30T00:30"],
  ["30 1 * * *", "2026-10-24T12:00", "2026-10-26T12:00", "2026-10-25T00:30 2026-10-26T01:30"],
]);

// Midnight did not exist: 00:00 -> 01:00 at 2018-11-04T03:00Z; 00:00 -> 23:00 of the day before at 2018-02-18T02:00Z. None since 2019.
table("America/Sao_Paulo", [
  ["0 0 * * *", "2018-11-03T12:00", "2018-11-05T12:00", "2018-11-04T03:00 2018-11-05T02:00"],
  ["30 23 * * *", "2018-02-17T12:00", "2018-02-19T12:00", "2018-02-18T01:30 2018-02-19T02:30"],
  ["30 23 17 2 *", "2018-02-17T12:00", "2018-02-19T12:00", "2018-02-18T01:30 2018-02-18T02:30", { overlap: "both" }],
  ["0 0 * * *", "2026-11-01T12:00", "2026-11-03T12:00", "2026-11-02T03:00 2026-11-03T03:00"],
]);

// Two hours: 01:00 -> 03:00 at 2026-03-29T01:00Z, 03:00 -> 01:00 at 2026-10-25T01:00Z.
table("Antarctica/Troll", [
  ["30 1,2 * * *", "2026-03-28T12:00", "2026-03-29T12:00", "2026-03-29T01:00"],
  ["30 1,2 * * *", "2026-10-24T12:00", "2026-10-25T12:00", "2026-10-24T23:30 2026-10-25T00:30"],
  ["30 1,2 * * *", "2026-10-24T12:00", "2026-10-25T12:00", "2026-10-25T01:30 2026-10-25T02:30", { overlap: "second" }],
]);

// A change of standard time at the end of a year: UTC-10 became UTC+14 by leaving out 1994-12-31.
table("Pacific/Kiritimati", [
  ["0 12 * * *", "1994-12-30T00:00", "1995-01-01T00:00", "1994-12-30T22:00 1994-12-31T10:00 1994-12-31T22:00"],
]);

// Half an hour, once: 23:30 -> 24:00 at 2018-05-04T15:00Z.
table("Asia/Pyongyang", [["45 23 * * *", "2018-05-04T00:00", "2018-05-06T00:00", "2018-05-04T15:00 2018-05-05T14:45"]]);

// Changes in the very second in which a UTC year begins: a station is founded, and UTC gives way to local time.
table("Antarctica/Casey", [["0 5 * * *", "1968-12-31T00:00", "1969-01-01T22:00", "1968-12-31T05:00 1969-01-01T00:00 1969-01-01T21:00"]]);
table("America/Inuvik", [
  ["0 20 * * *", "1952-12-31T12:00", "1953-01-02T12:00", "1952-12-31T20:00 1953-01-02T04:00"],
  ["0 20 * * *", "1952-12-31T12:00", "1953-01-02T12:00", "1953-01-01T04:00 1953-01-02T04:00", { overlap: "second" }],
]);

table("UTC", [["30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", "2026-03-29T02:30 2026-03-30T02:30"]]);
