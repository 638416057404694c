// Owns: durations as people type them: 500ms, 10s, 1h30m, 2d, or ISO 8601.

import { PawlError } from "../base/errors.ts";
import { parseDuration } from "../base/time.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of "1h30m" or "PT90M"; `what` names the option in the refusal. */
export function typedDuration(text: string, what: string): number {
  if (/^[Pp]/.test(text)) return parseDuration(text.toUpperCase(), what);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) {
    throw new PawlError("invalid", `${what}: expected a duration like 10s, 1h30m or PT90M, got ${JSON.stringify(text)}`);
  }
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) totalMs += Number(amount) * (UNITS[unit ?? ""] ?? 0);
  return Math.round(totalMs);
}

/** "PT2S" of "2s", as the API takes it. */
export function isoOfTyped(text: string, what: string): string {
  return `PT${typedDuration(text, what) / 1000}S`;
}
