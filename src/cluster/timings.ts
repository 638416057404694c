// Owns: how long the steps of a core take, counted for as long as the process lives, whichever replica it is at the time. Each is
// counted where it happens; metrics.ts tells them.

import { Histogram } from "../base/histogram.ts";
import type { System } from "../system.ts";

export class Timings {
  /** A write of the log, from its beginning until it is durable: every one. */
  readonly logWrite = new Histogram(0.1, 10_000);
  /** On the leader: an entry that it proposed, until it is applied here. */
  readonly commit = new Histogram(0.1, 10_000);
  /** An entry that is applied. */
  readonly apply = new Histogram(0.01, 100);
  /** A turn of the replica's loop: the core does nothing else meanwhile. */
  readonly turn = new Histogram(0.1, 1_000);
  /** A checkpoint until it is durable, and the part of it in the one turn that takes it. */
  readonly checkpoint = new Histogram(10, 100_000);
  readonly freeze = new Histogram(0.1, 1_000);
  /** On the leader: a caller's change, until it is in an entry. */
  readonly proposalWait = new Histogram(1, 10_000);
  /** On the leader: what is due, from its due time until it is in an entry. */
  readonly dueWait = new Histogram(1, 10_000);
  /** Telling all this. */
  readonly scrape = new Histogram(0.1, 100);

  get all(): readonly Histogram[] {
    return Object.values(this);
  }
}

/** Runs it and counts how long it took, unless it throws. */
export function timed(histogram: Histogram, system: System, run: () => void): void {
  const fromMs = system.monotonicMs();
  run();
  histogram.add(system.monotonicMs() - fromMs);
}
