// Owns: the offsets of IANA time zones, as periods of constant offset. Intl is asked for nothing but zone data, one calendar year
// at a time and only for years that are looked at; after that, local time is addition. What a gap or an overlap means for a
// schedule is the business of cron.ts. All numbers are seconds; UTC seconds since 1970 unless called local.
//
// Invariants
//  Z1 The periods of a year cover it without holes: each begins where the one before ends; within a period the offset is constant.
//  Z2 A period ends at each change of offset and at each end of a UTC year; at the latter both shifts are usually 0.
//  Z3 Two changes within one step of the search would be missed if they cancel out. The closest such pair in the tz database since
//     1970 frames a month of Ramadan, so that the step of ten days leaves room.
//  Z4 Zones are kept by lower-case name, and Intl accepts only names it knows: the map of zones is bounded by the tz database.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { DAY_SECONDS, monthStart, yearOf } from "./civil.ts";

/** A stretch of constant offset [start, until). `shiftAtStart` is its offset minus the one before: positive after a gap, negative
 * after an overlap; `shiftAtEnd` is the offset that follows minus its own. */
export type Period = {
  readonly start: number;
  readonly until: number;
  readonly offset: number;
  readonly shiftAtStart: number;
  readonly shiftAtEnd: number;
};

const STEP_SECONDS = 10 * DAY_SECONDS;
const FIELD = "schedule.timezone";

/** The only names of three letters that the tz database has. ICU knows others, some with meanings nobody expects (AST is Alaska). */
const SHORT_NAMES = "cet eet est gmt hst met mst prc roc rok uct utc wet".split(" ");

const zones = new Map<string, Zone>();

/** The zone of an IANA name, in any case. Throws PawlError "invalid" for anything else, offsets and abbreviations included. */
export function zoneOf(name: string): Zone {
  const key = name.toLowerCase();
  const known = zones.get(key);
  if (known !== undefined) return known;
  refuseUnknown(name, key);
  const zone = new Zone(name);
  zones.set(key, zone);
  return zone;
}

function refuseUnknown(name: string, key: string): void {
  const shown = JSON.stringify(name.slice(0, 64));
  const ask = `${FIELD}: name an IANA time zone such as Europe/Berlin or UTC`;
  if (/^[+-]/.test(name)) {
    throw new PawlError("invalid", `${ask}; ${shown} is an offset, which says nothing about summer time`, { field: FIELD });
  }
  const abbreviated = (/^[a-z]{3}$/.test(key) && !SHORT_NAMES.includes(key)) || key.startsWith("systemv/");
  if (abbreviated || !/^[a-z][a-z0-9_+/-]{0,63}$/.test(key) || !isKnown(name)) {
    throw new PawlError("invalid", `${ask}; ${shown} is unknown`, { field: FIELD });
  }
}

function isKnown(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

export class Zone {
  readonly name: string;
  private readonly years = new Map<number, readonly Period[]>();
  private last: Period = { start: 0, until: 0, offset: 0, shiftAtStart: 0, shiftAtEnd: 0 };

  constructor(name: string) {
    this.name = name;
  }

  /** The period that contains a UTC second of the years 1900 to 9999. */
  periodAt(second: number): Period {
    const last = this.last;
    if (second >= last.start && second < last.until) return last;
    for (const period of this.periodsOf(yearOf(Math.floor(second / DAY_SECONDS)))) {
      this.last = period;
      if (second < period.until) break;
    }
    return this.last;
  }

  private periodsOf(year: number): readonly Period[] {
    const known = this.years.get(year);
    if (known !== undefined) return known;
    if (this.years.size >= limits.zoneYearsMax) this.years.clear();
    const periods = findPeriods(offsetReader(this.name), monthStart(year * 12) * DAY_SECONDS, monthStart(year * 12 + 12) * DAY_SECONDS);
    this.years.set(year, periods);
    return periods;
  }
}

/** Walks [start, end) in steps, and halves each step over which the offset changed until the second of the change is found. */
function findPeriods(offsetAt: (second: number) => number, start: number, end: number): Period[] {
  const periods: Period[] = [];
  let offset = offsetAt(start);
  let shiftAtStart = offset - offsetAt(start - 1);
  let from = start;
  let same = start;
  while (same < end) {
    let changed = Math.min(same + STEP_SECONDS, end);
    const seen = offsetAt(changed);
    if (seen !== offset) {
      while (changed - same > 1) {
        const middle = Math.floor((same + changed) / 2);
        if (offsetAt(middle) === offset) same = middle;
        else changed = middle;
      }
    }
    same = changed;
    const shiftAtEnd = seen === offset ? 0 : offsetAt(changed) - offset;
    if (shiftAtEnd === 0 && changed < end) continue;
    periods.push({ start: from, until: changed, offset, shiftAtStart, shiftAtEnd });
    offset += shiftAtEnd;
    shiftAtStart = shiftAtEnd;
    from = changed;
  }
  return periods;
}

/** A function from a UTC second to the zone's offset. The formatter dies with it: hundreds of zones would keep megabytes alive. */
function offsetReader(name: string): (second: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: name,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (second) => {
    const [month, day, year, hour, minute, sec] = format.format(second * 1000).split(/[/, :]+/, 6).map(Number);
    return (monthStart(year! * 12 + month! - 1) + day! - 1) * DAY_SECONDS + hour! * 3600 + minute! * 60 + sec! - second;
  };
}
