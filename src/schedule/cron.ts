// Owns: from a cron expression and a zone to instants: what becomes of local times that a change of the clocks skips or repeats.
// matcher.ts finds local times, zone.ts knows the offsets, expression.ts reads the text.
//
// Rules, at each change of a zone's offset (summer time, half-hour changes, a whole day that a zone skips: all the same to it)
//  C1 Elapsed expressions (E2 in expression.ts): every instant whose local time matches. Skipped times do not exist, repeated times
//     fire in both passes, whatever the policies say.
//  C2 Fixed expressions, gap "run_at_gap_end": if any skipped local time matches, one run at the first instant after the gap, and
//     still one if that instant matches too. Gap "skip": none.
//  C3 Fixed expressions, repeated local times: only the first pass, only the second, or both, as `overlap` says.
//
// Invariants
//  C4 An answer is strictly after the question, a whole second, and at most scheduleHorizonYears later; undefined means none.
//  C5 The answer to one question also answers every later question before that answer, so that the many jobs that share a schedule
//     and are due together cost one search. These two numbers are the only state.

import { limits } from "../limits.ts";
import { DAY_SECONDS } from "./civil.ts";
import { NEVER } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";
import type { GapPolicy, OverlapPolicy, Schedule } from "./spec.ts";
import type { Zone } from "./zone.ts";

/** 1900-01-01 and 9900-01-01: before the one nothing is due, from the other on nothing is searched. */
const EARLIEST_SECOND = -2_208_988_800;
const LATEST_SECOND = 250_249_132_800;
const HORIZON_SECONDS = limits.scheduleHorizonYears * 366 * DAY_SECONDS;
/** More than the sum of the largest offsets ever used to either side of UTC, so that no local time comes back after it. */
const FAR_SECONDS = 3 * DAY_SECONDS;

export class CronSchedule implements Schedule {
  private readonly matcher: Matcher;
  private readonly zone: Zone;
  private readonly runsAtGapEnd: boolean;
  private readonly overlap: OverlapPolicy;
  private askedMs = 0;
  private answerMs = 0;

  /** One matcher serves all zones. `elapsed`: of the fields that it was made of. */
  constructor(matcher: Matcher, elapsed: boolean, zone: Zone, gap: GapPolicy, overlap: OverlapPolicy) {
    this.matcher = matcher;
    this.zone = zone;
    this.runsAtGapEnd = !elapsed && gap === "run_at_gap_end";
    this.overlap = elapsed ? "both" : overlap;
  }

  nextAfter(afterMs: number): number | undefined {
    if (afterMs >= this.askedMs && afterMs < this.answerMs) return this.answerMs;
    const second = this.firstFrom(Math.floor(afterMs / 1000) + 1);
    if (second === NEVER) return undefined;
    this.askedMs = afterMs;
    this.answerMs = second * 1000;
    return this.answerMs;
  }

  /** The first due UTC second at or after `second`, or NEVER. Goes through the periods of the zone; in each, local time is linear. */
  private firstFrom(second: number): number {
    let from = Math.max(second, EARLIEST_SECOND);
    const limit = Math.min(from + HORIZON_SECONDS, LATEST_SECOND);
    while (from <= limit) {
      const { start, until, offset, shiftAtStart, shiftAtEnd } = this.zone.periodAt(from);
      if (from === start && shiftAtStart > 0 && this.runsAtGapEnd) {
        const gapEnd = start + offset;
        if (this.matcher.firstFrom(gapEnd - shiftAtStart) < gapEnd) return start;
      }
      let local = from + offset;
      let localEnd = until + offset;
      if (shiftAtStart < 0 && this.overlap === "first") local = Math.max(local, start + offset - shiftAtStart);
      if (shiftAtEnd < 0 && this.overlap === "second") localEnd += shiftAtEnd;
      const match = this.matcher.firstFrom(local);
      if (match < localEnd) return match - offset <= limit ? match - offset : NEVER;
      if (match === NEVER) return NEVER;
      // Once no local time before `from` can come back, nothing is due until the clocks are near the match.
      from = until - from < FAR_SECONDS ? until : Math.max(until, match - FAR_SECONDS);
    }
    return NEVER;
  }
}
