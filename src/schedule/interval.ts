// Owns: schedules that repeat at a fixed distance: anchor + k * every, k = 0, 1, 2 ... All arithmetic is exact on whole
// milliseconds: remainders of doubles have no rounding error.

import type { Schedule } from "./schedule.ts";

/** The last instant that a Date can hold. */
export const LATEST_MS = 8_640_000_000_000_000;

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
