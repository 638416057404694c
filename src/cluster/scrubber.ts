// Owns: when a running node reads again what it has stored, and that it does so for as long as it runs. What a round reads and compares
// is src/storage/scrub.ts.
// (W1) A step reads a bounded number of bytes, and the next one comes a while later: a round takes hours, and delays nothing. The first
//      round of a process is quicker: a start has not looked at cold rows and history, and what is damaged there should be known soon.
//      It takes a twentieth of the time at most, so that it is slower on a node that has much to do.
// (W2) Damage ends the node as if it had been found at a start. So does a disk that cannot be read.
// (W3) Before a database is closed the step under way is waited for, and there is no next one.

import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import type { Pace } from "./pace.ts";

/** Rounds over one store: reads about so many bytes more, and says whether that was the end of a round. */
export interface Scrub {
  step(maxBytes: number): boolean | Promise<boolean>;
}

/** Of the first round: so many times as long as a step took is waited before the next. */
const FIRST_ROUND_REST = 19;

type ScrubPace = Pick<Pace, "scrubFirstStepMs" | "scrubStepMs" | "scrubRestMs">;

export class Scrubber {
  /** Over all stores, without damage. */
  rounds = 0;
  private readonly system: System;
  private readonly pace: ScrubPace;
  private readonly scrubs: readonly Scrub[];
  private readonly failed: (error: unknown) => void;
  private at = 0;
  private timer: Timer | undefined;
  private reading: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(system: System, pace: ScrubPace, scrubs: readonly Scrub[], failed: (error: unknown) => void) {
    this.system = system;
    this.pace = pace;
    this.scrubs = scrubs;
    this.failed = failed;
  }

  start(): void {
    this.wait(this.pace.scrubFirstStepMs);
  }

  private wait(forMs: number): void {
    this.timer = this.system.after(forMs, () => {
      this.reading = this.step().catch((error: unknown) => {
        if (!this.stopped) this.failed(error);
      });
    });
  }

  private async step(): Promise<void> {
    const beganMs = this.system.monotonicMs();
    const isEnd = await (this.scrubs[this.at] as Scrub).step(limits.scrubStepBytes);
    if (this.stopped) return;
    if (isEnd) this.at = (this.at + 1) % this.scrubs.length;
    const isRound = isEnd && this.at === 0;
    if (isRound) this.rounds++;
    const { scrubFirstStepMs, scrubStepMs, scrubRestMs } = this.pace;
    const tookMs = this.system.monotonicMs() - beganMs;
    const stepMs = this.rounds === 0 ? Math.min(scrubStepMs, Math.max(scrubFirstStepMs, FIRST_ROUND_REST * tookMs)) : scrubStepMs;
    this.wait(isRound ? scrubRestMs : stepMs);
  }

  /** Resolves when nothing is being read any more. */
  stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    return this.reading;
  }
}
