// Owns: the first local time that matches a set of cron fields, by civil arithmetic alone. It knows no zones, no instants and no
// text: expression.ts makes the fields, cron.ts turns local times into instants.
//
// Invariants
//  M1 Nothing is allocated after construction; a search visits at most scheduleHorizonYears * 12 months and then gives up.
//  M2 Days are found a month at a time: bit d of a mask stands for day d + 1. Times of day are found by three table lookups.

import { limits } from "../limits.ts";
import { civilOf, DAY_SECONDS, monthLength } from "./civil.ts";
import type { CronFields } from "./expression.ts";

/** What `firstFrom` answers when nothing matches within the horizon. Later than every local time. */
export const NEVER = Number.POSITIVE_INFINITY;

const HORIZON_MONTHS = limits.scheduleHorizonYears * 12;
const NONE = 255;

export class Matcher {
  private readonly nextHour: Uint8Array;
  private readonly nextMinute: Uint8Array;
  private readonly nextSecond: Uint8Array;
  private readonly firstInHour: number;
  private readonly firstInDay: number;
  private readonly months: number;
  private readonly dates: number;
  private readonly lastDate: boolean;
  private readonly anyDate: boolean;
  private readonly weekdays: number;
  private readonly lastWeekdays: number;
  private readonly weeks: number;
  private readonly anyWeekday: boolean;

  constructor(fields: CronFields) {
    this.nextHour = nextTable(fields.hours, 24);
    this.nextMinute = nextTable(fields.minutes, 60);
    this.nextSecond = nextTable(fields.seconds, 60);
    this.firstInHour = this.nextMinute[0]! * 60 + this.nextSecond[0]!;
    this.firstInDay = this.nextHour[0]! * 3600 + this.firstInHour;
    this.months = bits(fields.months, 1);
    this.dates = bits(fields.dates, 1);
    this.lastDate = fields.lastDate;
    this.anyDate = fields.anyDate;
    this.weekdays = bits(fields.weekdays, 0);
    this.lastWeekdays = bits(fields.lastWeekdays, 0);
    this.weeks = fields.nthWeek === 0 ? -1 : 0x7f << (7 * (fields.nthWeek - 1));
    this.anyWeekday = fields.anyWeekday;
  }

  /** The first matching local second at or after `second` (local seconds since 1970-01-01T00:00, year 1 or later), or NEVER. */
  firstFrom(second: number): number {
    const day = Math.floor(second / DAY_SECONDS);
    const civil = civilOf(day);
    const date = civil & 31;
    let month = civil >> 5;
    let start = day - date;
    let mask = this.daysOf(month, start) & (-1 << date);
    if ((mask >>> date) & 1) {
      const time = this.timeFrom(second - day * DAY_SECONDS);
      if (time >= 0) return day * DAY_SECONDS + time;
      mask &= ~(1 << date);
    }
    const lastMonth = month + HORIZON_MONTHS;
    while (mask === 0) {
      if (month === lastMonth) return NEVER;
      start += monthLength(month);
      month += 1;
      mask = this.daysOf(month, start);
    }
    return (start + 31 - Math.clz32(mask & -mask)) * DAY_SECONDS + this.firstInDay;
  }

  /** The first matching second of a day at or after `second`, or -1. */
  private timeFrom(second: number): number {
    const hour = (second / 3600) | 0;
    const inHour = second - hour * 3600;
    const minute = (inHour / 60) | 0;
    let nextHour = this.nextHour[hour]!;
    if (nextHour === hour) {
      let nextMinute = this.nextMinute[minute]!;
      if (nextMinute === minute) {
        const nextSecond = this.nextSecond[inHour - minute * 60]!;
        if (nextSecond !== NONE) return hour * 3600 + minute * 60 + nextSecond;
        nextMinute = this.nextMinute[minute + 1]!;
      }
      if (nextMinute !== NONE) return hour * 3600 + nextMinute * 60 + this.nextSecond[0]!;
      nextHour = this.nextHour[hour + 1]!;
    }
    return nextHour === NONE ? -1 : nextHour * 3600 + this.firstInHour;
  }

  /** The matching days of a month that starts at day `start`. Dates and weekdays, when both are given, are alternatives (OR). */
  private daysOf(month: number, start: number): number {
    if (((this.months >>> (month % 12)) & 1) === 0) return 0;
    const length = monthLength(month);
    const all = 0x7fff_ffff >>> (31 - length);
    if (this.anyWeekday) {
      return this.anyDate ? all : this.datesOf(length) & all;
    }
    // 1970-01-01 was a Thursday; the multiple of 7 keeps days before it positive.
    const weekday = (start + 700_004) % 7;
    let days = everyWeek(this.weekdays, weekday) & this.weeks;
    if (this.lastWeekdays !== 0) days |= everyWeek(this.lastWeekdays, weekday) & (0x7f << (length - 7));
    return (this.anyDate ? days : days | this.datesOf(length)) & all;
  }

  private datesOf(length: number): number {
    return this.lastDate ? this.dates | (1 << (length - 1)) : this.dates;
  }
}

/** Weekdays (bit 0 = Sunday) laid out over a month whose first day has the weekday given. */
function everyWeek(weekdays: number, first: number): number {
  const week = ((weekdays >>> first) | (weekdays << (7 - first))) & 0x7f;
  return week | (week << 7) | (week << 14) | (week << 21) | (week << 28);
}

/** table[i] = the smallest value >= i, NONE if there is none; one longer than the range, so that i + 1 can be asked. */
function nextTable(values: readonly number[], size: number): Uint8Array {
  const table = new Uint8Array(size + 1).fill(NONE);
  for (let at = size - 1; at >= 0; at--) table[at] = values.includes(at) ? at : table[at + 1]!;
  return table;
}

function bits(values: readonly number[], lowest: number): number {
  return values.reduce((mask, value) => mask | (1 << (value - lowest)), 0);
}
