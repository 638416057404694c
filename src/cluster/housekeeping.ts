// Owns: what a leader proposes on its own about the state as a whole, now and then: marks at which the replicas' states are compared. The
// members are looked after by steward.ts, what is due by the planner; what a proposal does is decided by apply. Made and dropped with the
// leadership.
// (K1) Its times are those of this leadership's monotonic clock: a wrong wall clock makes nothing come early (H13).

import type { Command } from "../jobs/command.ts";
import type { Pace } from "./pace.ts";

export type HousekeepingParts = {
  readonly pace: Pace;
};

export class Housekeeping {
  private readonly parts: HousekeepingParts;
  private readonly propose: (command: Command) => void;
  private markDueMs: number;
  private marks = 0;

  constructor(parts: HousekeepingParts, propose: (command: Command) => void, nowMs: number) {
    this.parts = parts;
    this.propose = propose;
    this.markDueMs = nowMs + parts.pace.firstMarkMs;
  }

  /** Called in every turn of a leader. */
  tick(nowMs: number): void {
    if (nowMs < this.markDueMs) return;
    this.markDueMs = nowMs + this.parts.pace.markMs;
    this.propose({ kind: "mark", number: ++this.marks });
  }
}
