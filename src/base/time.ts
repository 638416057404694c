// Owns: instants and durations as texts. Inside Pawl an instant is milliseconds since 1970 UTC, a duration is milliseconds.

import { Duration } from "luxon";
import { PawlError } from "./errors.ts";

/** The usual durations, in whole numbers; Luxon, which reads the others, takes ten times as long. */
const PLAIN_DURATION = /^P(?=[\dT])(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/;
const SHORTEST_MONTH_DAYS = 28;
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds of an RFC 3339 instant with offset; sub-millisecond digits are cut. Leap seconds (:60) are refused. */
export function parseInstant(value: string, field: string): number {
  const match = RFC3339.exec(value);
  const at = match ? Date.parse(value.replace(" ", "T").toUpperCase()) : Number.NaN;
  const day = match ? Number(match[3]) : 0;
  const real = match !== null && (day <= SHORTEST_MONTH_DAYS || day <= daysInMonth(Number(match[1]), Number(match[2])));
  if (Number.isNaN(at) || !real) {
    throw new PawlError("invalid", `${field}: expected an RFC 3339 instant like 2026-11-21T09:30:00Z, got ${JSON.stringify(value)}`, {
      field,
    });
  }
  return at;
}

function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** UTC with milliseconds, as every answer shows it. */
export function formatInstant(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** Milliseconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds. Months and years have no fixed length: refused. */
export function parseDuration(value: string, field: string): number {
  const plain = PLAIN_DURATION.exec(value);
  if (plain !== null) {
    const [, days = 0, hours = 0, minutes = 0, seconds = 0] = plain;
    return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  }
  const duration = Duration.fromISO(value);
  const fixed = duration.isValid && !/^[-+]?P(?:[^T]*[YM])/.test(value);
  const ms = fixed ? duration.toMillis() : Number.NaN;
  if (!Number.isFinite(ms) || ms < 0) {
    throw new PawlError("invalid", `${field}: expected an ISO 8601 duration like PT30S or P1D, got ${JSON.stringify(value)}`, { field });
  }
  return Math.round(ms);
}

export function formatDuration(ms: number): string {
  return ms % 1000 === 0 && ms < 60_000 ? `PT${ms / 1000}S` : (Duration.fromMillis(ms).rescale().toISO() ?? `PT${ms / 1000}S`);
}
