// What is accepted at submission, and what is refused with which field and reason.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { compileSchedule, parseCron } from "../../src/schedule/schedule.ts";

function refusal(expression: string, timezone = "UTC"): PawlError {
  try {
    parseCron(expression, timezone, "skip", "first");
  } catch (error) {
    assert.ok(error instanceof PawlError, String(error));
    return error;
  }
  return assert.fail(`accepted ${JSON.stringify(expression)} in ${JSON.stringify(timezone)}`);
}

const INVALID: readonly (readonly [expression: string, reason: RegExp])[] = [
  ["", /is empty/],
  ["  \t ", /is empty/],
  ["*", /has 1 field;/],
  ["* * * *", /has 4 fields; write 5/],
  ["* * * * * * *", /has 7 fields/],
  [`${"* ".repeat(200)}*`, /401 characters long; at most 256/],
  ["*/70 * * * *", /minute field "\*\/70" has the step 70, larger than its range 0-59/],
  ["5/56 * * * *", /step 56, larger than its range 5-59/],
  ["1-30/31 * * * *", /step 31, larger than its range 1-30/],
  ["0 ?/25 * * *", /hour field .* step 25, larger than its range 0-23/],
  ["0 0 * JAN-MAR/4 *", /step 4, larger than its range 1-3/],
  ["0 0 * * */8", /step 8, larger than its range 0-6/],
  ["0 0 * * MON-FRI/6", /step 6, larger than its range 1-5/],
  ["*/0 * * * *", /minute field "\*\/0" is not valid/],
  ["*/x * * * *", /minute field "\*\/x" is not valid/],
  ["60 * * * *", /minute field "60" is not valid/],
  ["-1 * * * *", /minute field "-1" is not valid/],
  ["0 24 * * *", /hour field "24" is not valid/],
  ["0 5-1 * * *", /hour field "5-1" is not valid/],
  ["60 0 0 * * *", /second field "60" is not valid/],
  ["0 0 0 * *", /day-of-month field "0" is not valid/],
  ["0 0 32 * *", /day-of-month field "32" is not valid/],
  ["0 0 15W * *", /day-of-month field "15W" is not valid/],
  ["0 0 L-3 * *", /day-of-month field "L-3" is not valid/],
  ["0 0 * 13 *", /month field "13" is not valid/],
  ["0 0 * JANUARY *", /month field "JANUARY" is not valid/],
  ["0 0 * * 8", /day-of-week field "8" is not valid/],
  ["0 0 * * L", /day-of-week field "L" is not valid/],
  ["0 0 * * 5#6", /day-of-week field "5#6" is not valid/],
  ["0 0 * * FOO", /day-of-week field "FOO" is not valid/],
  ["1,,2 * * * *", /minute field "1,,2" is not valid/],
  ["1,1 * * * *", /minute field "1,1" is not valid/],
  ["one * * * *", /minute field "one" is not valid/],
  ["H * * * *", /minute field "H" has an H/],
  ["0 H(0-3) * * *", /hour field "H\(0-3\)" has an H/],
  ["0 0 * * SUNH", /day-of-week field "SUNH" has an H/],
  ["@reboot", /"@reboot" is no alias; use one of @yearly/],
  ["@daily @hourly", /is no alias/],
  ["@every", /@every needs a duration/],
  ["@every fortnight", /@every needs a duration/],
  ["@every 5", /@every needs a duration/],
  ["@every 1h -5m", /@every needs a duration/],
  ["@every P1M", /expected an ISO 8601 duration/],
  ["@every 999ms", /an interval is between 1 second and/],
  ["@every 0s", /an interval is between 1 second and/],
  ["@every PT0S", /an interval is between 1 second and/],
  ["@every P100000W", /an interval is between 1 second and/],
];

const NEVER: readonly (readonly [expression: string, timezone?: string])[] = [
  ["0 0 31 4 *"],
  ["0 0 30,31 2 *"],
  ["0 0 31 2,4,6,9,11 *"],
  // The second Sunday of March has no such time since 2007.
  ["30 2 * 3 0#2", "America/New_York"],
  ["*/20 2 * 3 SUN#2", "America/New_York"],
];

describe("refused with the field and the reason", () => {
  for (const [expression, reason] of INVALID) {
    test(JSON.stringify(expression.slice(0, 40)), () => {
      const { code, field, message } = refusal(expression);
      assert.deepEqual({ code, field }, { code: "invalid", field: "schedule.cron" });
      assert.match(message, reason);
    });
  }
  for (const [expression, timezone] of NEVER) {
    test(`${expression} never fires`, () => {
      const { code, field, message } = refusal(expression, timezone);
      assert.deepEqual({ code, field }, { code: "unprocessable", field: "schedule.cron" });
      assert.match(message, /never fires/);
    });
  }
  const unknown = ["", "Mars/Phobos", "UTC+3", "GMT+5", "AST", "IST", "SystemV/EST5", "Europe/Berlin ", "a".repeat(9999)];
  for (const zone of [...unknown, "+05:30", "-03:00"]) {
    test(`the zone ${JSON.stringify(zone.slice(0, 20))}`, () => {
      for (const expression of ["0 9 * * *", "@every 1h"]) {
        const { code, field, message } = refusal(expression, zone);
        assert.deepEqual({ code, field }, { code: "invalid", field: "schedule.timezone" });
        assert.ok(message.includes(/^[+-]/.test(zone) ? "is an offset" : "name an IANA time zone"), message);
        assert.ok(message.length < 200, "a hostile name is cut");
      }
    });
  }
});

describe("accepted", () => {
  const AFTER = Date.parse("2026-11-21T12:34:56.789Z"); // a Saturday
  const rows: readonly (readonly [expression: string, next: string])[] = [
    ["@yearly", "2027-01-01T00:00:00"],
    ["@annually", "2027-01-01T00:00:00"],
    ["@monthly", "2026-12-01T00:00:00"],
    ["@weekly", "2026-11-22T00:00:00"],
    ["@daily", "2026-11-22T00:00:00"],
    ["@midnight", "2026-11-22T00:00:00"],
    [" @Daily ", "2026-11-22T00:00:00"],
    ["@weekdays", "2026-11-23T00:00:00"],
    ["@weekends", "2026-11-22T00:00:00"],
    ["@hourly", "2026-11-21T13:00:00"],
    ["@minutely", "2026-11-21T12:35:00"],
    ["@secondly", "2026-11-21T12:34:57"],
    ["*/5 * * * * *", "2026-11-21T12:35:00"],
    ["0  9\t* * mon-FRI", "2026-11-23T09:00:00"],
    ["0 0 ? jan 7", "2027-01-03T00:00:00"],
    ["0 0 L * ?", "2026-11-30T00:00:00"],
    ["0 0 L 2 *", "2027-02-28T00:00:00"],
    ["0 0 1,L * *", "2026-11-30T00:00:00"],
    ["0 0 * * 5L", "2026-11-27T00:00:00"],
    ["0 0 * * 7L", "2026-11-29T00:00:00"],
    ["0 0 * * 1,5L", "2026-11-23T00:00:00"],
    ["0 0 * * TUE#2", "2026-12-08T00:00:00"],
    ["0 0 * * 1#5", "2026-11-30T00:00:00"],
    ["0 0 29 2 *", "2028-02-29T00:00:00"],
    ["0 0 25 * 1", "2026-11-23T00:00:00"],
    ["0 0 30 2 1", "2027-02-01T00:00:00"],
    ["0 0 1 * 1-7", "2026-11-22T00:00:00"],
    ["0 0 * * */7", "2026-11-22T00:00:00"],
    ["*/60 * * * *", "2026-11-21T13:00:00"],
    ["0 0 * 2 1#5", "2044-02-29T00:00:00"],
  ];
  for (const [expression, next] of rows) {
    test(expression, () => {
      const due = compileSchedule(parseCron(expression, "UTC", "skip", "first")).nextAfter(AFTER);
      assert.equal(due === undefined ? "none" : new Date(due).toISOString().slice(0, 19), next);
    });
  }

  test("an expression is stored with single spaces and its zone as written", () => {
    const spec = parseCron(" 0   9 * *\tMON ", "Asia/Kolkata", "skip", "both");
    assert.deepEqual(spec, { kind: "cron", expression: "0 9 * * MON", timezone: "Asia/Kolkata", gap: "skip", overlap: "both" });
  });

  test("@every is an interval anchored at 1970", () => {
    const durations = { PT90S: 90_000, P1DT1S: 86_401_000, "1h30m": 5_400_000, "1.5h": 5_400_000, "2m500ms": 120_500, "90s": 90_000 };
    for (const [text, everyMs] of Object.entries(durations)) {
      assert.deepEqual(parseCron(`@every ${text}`, "UTC", "skip", "first"), { kind: "every", everyMs, anchorMs: 0 });
    }
  });

  test("zones of three letters that are in the tz database", () => {
    for (const zone of "UTC utc Etc/UTC GMT CET PRC Etc/GMT+5 EST5EDT america/new_york America/Argentina/Salta".split(" ")) {
      assert.equal(parseCron("0 9 * * *", zone, "skip", "first").kind, "cron");
    }
  });

  test("the longest expression that the bound allows", () => {
    const list = Array.from({ length: 60 }, (_, minute) => minute).join(",");
    assert.ok(`${list} * * * *`.length <= limits.cronMaxChars);
    assert.equal(parseCron(`${list} * * * *`, "UTC", "skip", "first").kind, "cron");
  });
});
