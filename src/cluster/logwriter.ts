// Owns: the writes of the log, one at a time, and the watch over their disk: how long the one in flight has been under way, and what a
// node does that waits too long. A disk that hangs does not slow heartbeats: a leader would go on leading without being able to commit.
// (K1) The wait counts only while the loop runs: after a pause the completion of the write may just not have been read yet.

import { PawlError } from "../base/errors.ts";
import type { Histogram } from "../base/histogram.ts";
import { limits } from "../limits.ts";
import type { LogWrite } from "../raft/types.ts";

export interface LogDisk {
  write(write: LogWrite, done: (error?: Error) => void): void;
}

export class LogWriter {
  readonly stats = { writes: 0, lastMs: 0 };
  private readonly disk: LogDisk;
  private readonly monotonicMs: () => number;
  private readonly took: Histogram;
  private sinceMs: number | undefined;
  private whenIdle: (() => void) | undefined;

  constructor(disk: LogDisk, monotonicMs: () => number, took: Histogram) {
    this.disk = disk;
    this.took = took;
    this.monotonicMs = monotonicMs;
  }

  /** `done` is called when the write is durable, or with the PawlError that must end this node. */
  write(write: LogWrite, done: (error?: PawlError) => void): void {
    this.sinceMs = this.monotonicMs();
    this.disk.write(write, (error) => {
      if (error) return done(new PawlError("io", `the log could not be written: ${error.message}`, { outcome: "unknown", cause: error }));
      this.stats.writes++;
      this.stats.lastMs = this.monotonicMs() - (this.sinceMs ?? 0);
      this.sinceMs = undefined;
      this.took.add(this.stats.lastMs);
      done();
      this.whenIdle?.();
    });
  }

  get isBusy(): boolean {
    return this.sinceMs !== undefined;
  }

  /** Resolves when no write is in flight; none may be begun any more. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.sinceMs === undefined) resolve();
      else this.whenIdle = resolve;
    });
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
