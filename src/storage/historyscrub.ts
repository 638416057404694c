// Owns: rounds over the history of a running node: every frame of every file is read and checked, so that damage is known before somebody
// asks for what is in it. How fast, and what becomes of a node with damage, is the caller's.
// (B1) How long the files are is in memory since they were opened: what was cut off or lost since then is noticed too.

import type { FrameAt, HistoryStore } from "./history.ts";

export class HistoryScrub {
  rounds = 0;
  private readonly history: Pick<HistoryStore, "checkNext">;
  private at: FrameAt | undefined;

  constructor(history: Pick<HistoryStore, "checkNext">) {
    this.history = history;
  }

  /** Reads about `maxBytes` more. True when that was the end of a round. Throws PawlError("quarantined") at the first damage. */
  step(maxBytes: number): boolean {
    for (let bytes = 0; bytes < maxBytes; ) {
      const next = this.history.checkNext(this.at);
      this.at = next;
      if (next === undefined) {
        this.rounds++;
        return true;
      }
      bytes += next.length;
    }
    return false;
  }
}
