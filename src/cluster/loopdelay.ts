// Owns: how long a thread's loop keeps what is due waiting, looked at by a timer that is due every few milliseconds.
// (D1) A stall delays one timer but would have delayed every one that was due meanwhile: each of them is counted, so that shares are
//      shares of time. A stall that is shorter than the interval may go unseen; a longer one is told too short by at most one interval.
// (D2) After a very long stop, of the machine for instance, what is counted is bounded.

import type { Histogram } from "../base/histogram.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";

/** Enough for a stall of ten minutes. */
const COUNTED_MAX = 60_000;

export class LoopDelay {
  private readonly system: System;
  private readonly delays: Histogram;
  private timer: Timer | undefined;

  constructor(system: System, delays: Histogram) {
    this.system = system;
    this.delays = delays;
  }

  start(): void {
    const dueMs = this.system.monotonicMs() + limits.loopDelaySampleMs;
    this.timer = this.system.after(limits.loopDelaySampleMs, () => {
      this.seen(this.system.monotonicMs() - dueMs);
      this.start();
    });
  }

  private seen(lateMs: number): void {
    let left = lateMs;
    this.delays.add(left);
    for (let i = 1; i < COUNTED_MAX && left > limits.loopDelaySampleMs; i++) this.delays.add((left -= limits.loopDelaySampleMs));
  }

  stop(): void {
    this.timer?.cancel();
  }
}
