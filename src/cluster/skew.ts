// Owns: how far the wall clocks of a cluster are apart, and when that is said. What it means for the leader's time is the business of
// clock.ts. Beats tell the clocks, so a slow link makes one look late: only what lasts counts.

import { limits } from "../limits.ts";

/** How far each clock is ahead of the median of all; of an even number, of the middle of the two in the middle. */
export function offsetsOf(walls: ReadonlyMap<string, number>): Map<string, number> {
  const sorted = [...walls.values()].sort((a, b) => a - b);
  const upper = sorted.length >> 1;
  const median = ((sorted[upper] ?? 0) + (sorted[(sorted.length - 1) >> 1] ?? 0)) / 2;
  return new Map([...walls].map(([id, wallMs]) => [id, wallMs - median]));
}

export class SkewAlarm {
  private readonly alarm: (message: string) => void;
  private readonly since = new Map<string, { readonly atMs: number; told: boolean }>();

  constructor(alarm: (message: string) => void) {
    this.alarm = alarm;
  }

  /** Says once of each clock that it is off, when it has been for a while. */
  look(offsets: ReadonlyMap<string, number>, nowMs: number): void {
    for (const [id, offsetMs] of offsets) {
      if (Math.abs(offsetMs) < limits.clockSkewAlarmMs) {
        this.since.delete(id);
        continue;
      }
      const off = this.since.get(id) ?? { atMs: nowMs, told: false };
      this.since.set(id, off);
      if (off.told || nowMs - off.atMs < limits.clockDistrustMs) continue;
      off.told = true;
      const by = `${Math.abs(Math.round(offsetMs))} ms ${offsetMs > 0 ? "ahead of" : "behind"}`;
      this.alarm(`the wall clock of node ${id} is ${by} the others': jobs may be late or early by that when it leads`);
    }
  }
}
