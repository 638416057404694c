// Owns: the watch over the log's disk: how long the write in flight has been under way, and what a node does that waits too long. A
// disk that hangs does not slow heartbeats: a leader would go on leading without being able to commit.
// (K1) The wait counts only while the loop runs: after a pause the completion of the write may just not have been read yet.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";

export class DiskWatch {
  private sinceMs: number | undefined;
  /** How long the last write took. */
  lastMs = 0;

  began(nowMs: number): void {
    this.sinceMs = nowMs;
  }

  done(nowMs: number): void {
    this.lastMs = nowMs - (this.sinceMs ?? nowMs);
    this.sinceMs = undefined;
  }

  /** The loop stood still for so long (K1). */
  paused(gapMs: number, nowMs: number): void {
    if (this.sinceMs !== undefined) this.sinceMs = Math.min(nowMs, this.sinceMs + gapMs);
  }

  /** Whether a leader must step down. Throws PawlError("io") when the process must end. */
  isStalled(nowMs: number): boolean {
    if (this.sinceMs === undefined) return false;
    const stalledMs = nowMs - this.sinceMs;
    if (stalledMs > limits.diskStallExitMs) throw new PawlError("io", `a log write has not returned for ${Math.round(stalledMs / 1000)} s`);
    return stalledMs > limits.diskStallStepDownMs;
  }

  /** When to look next, though no input comes. */
  nextWakeMs(leads: boolean): number {
    if (this.sinceMs === undefined) return Number.POSITIVE_INFINITY;
    return this.sinceMs + (leads ? limits.diskStallStepDownMs : limits.diskStallExitMs) + 1;
  }
}
