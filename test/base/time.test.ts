// Durations as texts: the short way for the usual ones reads them as Luxon does.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Duration } from "luxon";
import { parseDuration } from "../../src/base/time.ts";
import { PawlError } from "../../src/base/errors.ts";

function read(text: string): number | "refused" {
  try {
    return parseDuration(text, "timeout");
  } catch (error) {
    assert.ok(error instanceof PawlError && error.field === "timeout");
    return "refused";
  }
}

const part = (unit: string) => fc.constantFrom("", `0${unit}`, `7${unit}`, `0059${unit}`, `123456${unit}`, `1.5${unit}`);

test("a duration of days, hours, minutes and seconds is what Luxon says, and so is what is none", () => {
  const anyText = fc.tuple(part("D"), fc.constantFrom("", "T"), part("H"), part("M"), part("S")).map((parts) => `P${parts.join("")}`);
  fc.assert(fc.property(anyText, (text) => {
    const duration = Duration.fromISO(text);
    const hasMonths = /^P[^T]*M/.test(text);
    assert.equal(read(text), duration.isValid && !hasMonths ? Math.round(duration.toMillis()) : "refused", text);
  }), { numRuns: 2_000 });
});
