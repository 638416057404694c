// Owns: sums over many runs, and how they are told.

import type { RunResult } from "./run.ts";

export class Totals {
  seeds = 0;
  private readonly sums: Record<string, number> = { simulatedMs: 0, entries: 0, starts: 0, occurrences: 0, changes: 0, reads: 0 };
  private readonly faults = new Map<string, number>();

  add(result: RunResult): void {
    this.seeds++;
    for (const [what, count] of Object.entries(result)) {
      if (typeof count === "number" && what in this.sums) this.sums[what] = (this.sums[what] as number) + count;
    }
    for (const [what, count] of Object.entries(result.faults)) this.faults.set(what, (this.faults.get(what) ?? 0) + count);
  }

  sum(what: string): number {
    return this.sums[what] ?? 0;
  }

  count(fault: string): number {
    return this.faults.get(fault) ?? 0;
  }

  /** `tookMs` by the clock of this machine, on so many workers at once. */
  text(tookMs: number, workers: number): string {
    const { simulatedMs = 0, ...counts } = this.sums;
    const hours = simulatedMs / 3_600_000;
    const perHour = tookMs / 3_600_000;
    const faults = [...this.faults].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `${count} ${what}`);
    return [
      `${this.seeds} seeds, ${hours.toFixed(2)} simulated hours in ${(tookMs / 1000).toFixed(1)} s on ${workers} workers: ` +
        `${((simulatedMs / 1000 / tookMs) * 1000).toFixed(0)} times real time, ${(hours / perHour).toFixed(0)} simulated hours an hour`,
      `checked: ${Object.entries(counts).map(([what, count]) => `${count} ${what}`).join(", ")}`,
      `faults: ${faults.join(", ")}`,
    ].join("\n");
  }
}
