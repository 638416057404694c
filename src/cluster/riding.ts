// Owns: results of this node that wait for the log write in flight, to leave together with its acknowledgement: at a busy leader each
// message is a wake of its loop. What a result is, and that it is sent again until it is applied, is src/worker/session.ts's.
// (D1) They wait for limits.resultRideMaxMs at most, and for no second write.

import { limits } from "../limits.ts";
import type { WorkerMessage } from "../dispatch/messages.ts";
import type { LogWriter } from "./logwriter.ts";

export class RidingResults {
  private readonly writer: Pick<LogWriter, "isBusy">;
  private waiting: WorkerMessage[] = [];
  private untilMs = Number.POSITIVE_INFINITY;

  constructor(writer: Pick<LogWriter, "isBusy">) {
    this.writer = writer;
  }

  /** When they leave at the latest. */
  get nextWakeMs(): number {
    return this.untilMs;
  }

  /** Whether the message is taken here. */
  take(message: WorkerMessage, nowMs: number): boolean {
    if (message.kind !== "results" || !this.writer.isBusy) return false;
    this.waiting.push(message);
    this.untilMs = Math.min(this.untilMs, nowMs + limits.resultRideMaxMs);
    return true;
  }

  /** The write is done: they leave with what it allows. */
  written(): void {
    if (this.waiting.length > 0) this.untilMs = Number.NEGATIVE_INFINITY;
  }

  /** Those that may leave now. */
  due(nowMs: number): readonly WorkerMessage[] {
    if (nowMs < this.untilMs) return [];
    const { waiting } = this;
    this.waiting = [];
    this.untilMs = Number.POSITIVE_INFINITY;
    return waiting;
  }
}
