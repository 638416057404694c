// Owns: when a failed attempt is tried again. Computed once, by the leader, and written into the log.

import type { RetrySpec } from "../jobs/spec.ts";

/** Instant of the next attempt after `tries` counted ones, 0 when there is none left. `chance` in [0, 1) varies it by +-jitter. */
export function retryAt(retry: RetrySpec, tries: number, nowMs: number, chance: number): number {
  if (tries >= retry.maxAttempts) return 0;
  const factor = retry.backoff === "exponential" ? retry.multiplier ** (tries - 1) : 1;
  const delayMs = retry.initialMs === 0 ? 0 : Math.min(retry.maxMs, retry.initialMs * factor);
  return Math.round(nowMs + delayMs * (1 + retry.jitter * (2 * chance - 1)));
}
