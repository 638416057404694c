// Owns: what handlers note: how many were called and how late each was.

import type { Lateness, Seen } from "./side.ts";

export type Noted = { readonly latenessMs: readonly number[] };

export class Tally {
  private latenessMs: number[] = [];

  note(dueAtMs: number): void {
    this.latenessMs.push(Math.max(0, Date.now() - dueAtMs));
  }

  /** What was noted since the last call. */
  take(): Noted {
    const { latenessMs } = this;
    this.latenessMs = [];
    return { latenessMs };
  }
}

export function latenessOf(latenessMs: readonly number[]): Lateness {
  const sorted = Float64Array.from(latenessMs).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}

export function seenOf(noted: readonly Noted[]): Seen {
  const latenessMs = noted.flatMap((each) => each.latenessMs);
  return { handled: latenessMs.length, lateness: latenessOf(latenessMs) };
}
