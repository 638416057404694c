// Owns: the one timer of a replica's loop: when the next turn is due though no input comes. When that is, replica.ts says.
// (A1) A late timer first lets waiting input in: a node that slept must not campaign against a leader whose heartbeats it has not read.
// (A2) A real timer counts from when its loop last looked at the clock, and may come milliseconds early: that is not worth a turn.

import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";

export class WakeTimer {
  private readonly system: System;
  private readonly wake: () => void;
  private timer: Timer | undefined;
  private atMs = Number.POSITIVE_INFINITY;

  constructor(system: System, wake: () => void) {
    this.system = system;
    this.wake = wake;
  }

  /** Replaces the time that was set before. */
  set(wantedMs: number, nowMs: number): void {
    const atMs = Math.max(nowMs + 1, wantedMs);
    if (this.timer && Math.abs(this.atMs - atMs) < 0.5) return;
    this.cancel();
    this.atMs = atMs;
    this.arm(nowMs);
  }

  private arm(nowMs: number): void {
    this.timer = this.system.after(this.atMs - nowMs, () => this.due());
  }

  private due(): void {
    this.timer = undefined;
    const nowMs = this.system.monotonicMs();
    if (this.atMs - nowMs >= 0.5) return this.arm(nowMs);
    const late = nowMs - this.atMs > 1.5 * limits.heartbeatMs;
    if (late) this.system.soon(this.wake);
    else this.wake();
  }

  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }
}
