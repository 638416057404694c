// Owns: reading the ids of all jobs that ended, slowly: after a start, and when too many of those that are known are gone
// (jobs/endedids.ts).
// (E1) It takes a twentieth of the time: nothing waits for it, new jobs only cost more until it is done.

import { hashText } from "../base/checksum.ts";
import { coldKeys } from "../jobs/cold.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import type { ColdPages } from "./queries.ts";

const PREFIX = coldKeys.ended("");
const END = `${PREFIX.slice(0, -1)}0`;
const PAGE_ROWS = 1_024;
const REST = 20;

export class EndedReader {
  private readonly system: System;
  private readonly state: State;
  private readonly cold: ColdPages;
  private readonly failed: (error: unknown) => void;
  private after = PREFIX;
  private timer: Timer | undefined;
  private reading: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(system: System, state: State, cold: ColdPages, failed: (error: unknown) => void) {
    this.system = system;
    this.state = state;
    this.cold = cold;
    this.failed = failed;
  }

  start(): void {
    this.wait(limits.endedReadStepMs);
  }

  private wait(forMs: number): void {
    this.timer = this.system.after(forMs, () => {
      this.reading = this.step().catch((error: unknown) => {
        if (!this.stopped) this.failed(error);
      });
    });
  }

  private async step(): Promise<void> {
    const { endedIds, endedJobs } = this.state;
    if (!endedIds.isReading) {
      if (!endedIds.isWorthReading(endedJobs)) return this.wait(limits.endedReadCheckMs);
      endedIds.beginReading();
      this.after = PREFIX;
    }
    const beganMs = this.system.monotonicMs();
    const rows = await this.cold.page({ gt: this.after, lt: END, limit: PAGE_ROWS });
    if (this.stopped) return;
    for (const [key] of rows) endedIds.read(hashText(key.slice(PREFIX.length)));
    const last = rows.at(-1);
    if (last === undefined) endedIds.finishReading();
    else this.after = last[0];
    this.wait(Math.max(limits.endedReadStepMs, REST * (this.system.monotonicMs() - beganMs)));
  }

  /** Resolves when nothing is being read any more. */
  stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    return this.reading;
  }
}
