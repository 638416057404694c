// Owns: arithmetic of the proleptic Gregorian calendar on plain integers: days since 1970-01-01, months since year 0. It knows no
// time zones (zone.ts does) and no schedules (matcher.ts does). Everything here is exact and free of allocation.

export const DAY_SECONDS = 86_400;

const LENGTHS = Uint8Array.of(31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);
/** Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day is the last of its year. */
const EPOCH_SHIFT_DAYS = 719_468;
const ERA_DAYS = 146_097;

/** Days in a month given as `year * 12 + month - 1`. */
export function monthLength(month: number): number {
  const index = month % 12;
  return index === 1 && isLeap((month - index) / 12) ? 29 : LENGTHS[index]!;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Days since 1970-01-01 of the first of a month given as `year * 12 + month - 1`; year 1 or later. */
export function monthStart(month: number): number {
  const fromMarch = month - 2;
  const year = Math.floor(fromMarch / 12);
  const dayOfYear = Math.floor((153 * (fromMarch - year * 12) + 2) / 5);
  return year * 365 + Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400) + dayOfYear - EPOCH_SHIFT_DAYS;
}

/** `month * 32 + date - 1` of a day since 1970-01-01, the month given as `year * 12 + month - 1`; year 1 or later.
 * The method is the division into 400-year eras of Howard Hinnant's "chrono-compatible low-level date algorithms". */
export function civilOf(day: number): number {
  const shifted = day + EPOCH_SHIFT_DAYS;
  const era = (shifted / ERA_DAYS) | 0;
  const dayOfEra = shifted - era * ERA_DAYS;
  const yearOfEra = ((dayOfEra - ((dayOfEra / 1460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - ((yearOfEra / 100) | 0));
  const fromMarch = ((5 * dayOfYear + 2) / 153) | 0;
  const date = dayOfYear - (((153 * fromMarch + 2) / 5) | 0);
  return ((era * 400 + yearOfEra) * 12 + fromMarch + 2) * 32 + date;
}

/** The year of a day since 1970-01-01. */
export function yearOf(day: number): number {
  return Math.floor((civilOf(day) >> 5) / 12);
}
