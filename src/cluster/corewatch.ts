// Owns: the face's watch over the core thread. The core watches its own writes of the log, but not while a call to a disk hangs
// within it: then its loop stands still, other nodes lead, and this process would neither serve nor end.
// (V1) Asks that were not answered are counted, not time: after a pause of the whole process both threads go on as they were.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";

export class CoreWatch {
  private readonly system: System;
  private readonly ask: () => void;
  private readonly silent: (error: PawlError) => void;
  private timer: Timer | undefined;
  private unanswered = 0;

  constructor(system: System, ask: () => void, silent: (error: PawlError) => void) {
    this.system = system;
    this.ask = ask;
    this.silent = silent;
  }

  start(): void {
    this.stop();
    this.timer = this.system.after(limits.coreAskMs, () => {
      if (this.unanswered >= limits.coreUnansweredMax) return this.silent(standsStill());
      this.unanswered++;
      this.ask();
      this.start();
    });
  }

  answered(): void {
    this.unanswered = 0;
  }

  stop(): void {
    this.timer?.cancel();
  }
}

function standsStill(): PawlError {
  const seconds = Math.round((limits.coreAskMs * limits.coreUnansweredMax) / 1000);
  const message = `the core thread has not answered for ${seconds} s, as when a disk hangs; start again once it answers`;
  return new PawlError("io", message, { outcome: "unknown" });
}
