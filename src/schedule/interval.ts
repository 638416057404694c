// Owns: schedules that repeat at a fixed distance: anchor + k * every, k = 0, 1, 2 ... All arithmetic is exact on whole
// milliseconds: the remainder of two doubles has no rounding error, a quotient would.

import type { Schedule } from "./spec.ts";

/** The instants that texts can name, the years 0000 to 9999. Differences of any two are exact. */
export const EARLIEST_MS = -62_167_219_200_000;
export const LATEST_MS = 253_402_300_799_999;

export class IntervalSchedule implements Schedule {
  readonly everyMs: number;
  readonly anchorMs: number;

  constructor(everyMs: number, anchorMs: number) {
    this.everyMs = everyMs;
    this.anchorMs = anchorMs;
  }

  nextAfter(afterMs: number): number | undefined {
    if (afterMs < this.anchorMs) return this.anchorMs;
    const next = afterMs - ((afterMs - this.anchorMs) % this.everyMs) + this.everyMs;
    return next <= LATEST_MS ? next : undefined;
  }

  /** How many of the schedule's instants lie in [firstMs, toMs], given that firstMs is one of them. */
  countFrom(firstMs: number, toMs: number): number {
    const span = toMs - firstMs;
    return (span - (span % this.everyMs)) / this.everyMs + 1;
  }
}
