// Owns: what comes of a state by being carried into another cluster, told before a node runs on it.
// (K3) It is not guessed: the entries that begin the cluster are applied to the state in memory, and what they did is counted.

import { applyEntry } from "../jobs/apply.ts";
import { endings } from "../jobs/history.ts";
import type { HistoryRow, HistorySink } from "../jobs/history.ts";
import type { State } from "../jobs/state.ts";
import { isUnsure } from "../jobs/unsure.ts";
import type { Entry } from "../raft/types.ts";

export type Outlook = {
  readonly jobs: number;
  /** Jobs with due times that an earlier life may have run, and the first of these times; undefined for none. */
  readonly unsureJobs: number;
  readonly unsureFromMs: number | undefined;
  /** Live executions: how many go on, and how the others end. */
  readonly goOn: number;
  readonly unknown: number;
  readonly cancelled: number;
  /** All tokens will be above this counter. */
  readonly tokenCounter: number;
};

const NOTHING = new Uint8Array(0);

/** Counts how executions end; nothing is stored. */
export class Tally implements HistorySink {
  readonly counts = new Map<string, number>();

  append({ ending, sequence }: HistoryRow): void {
    const name = endings[ending] as string;
    if (sequence !== 0) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  dropBefore(): void {
    // Nothing is kept.
  }
}

export function applyAll(state: State, entries: readonly Entry[]): void {
  for (const { index, kind, data } of entries) applyEntry(state, index, kind === "command" ? data : NOTHING);
}

/** (K3) */
export function outlookOf(state: State, entries: readonly Entry[]): Outlook {
  const tally = new Tally();
  state.historySink = tally;
  applyAll(state, entries);
  const { jobs, live } = state;
  let unsureJobs = 0;
  let unsureFromMs: number | undefined;
  for (let job = jobs.pool.nextUsed(0); job !== 0; job = jobs.pool.nextUsed(job)) {
    if (!isUnsure(state, job)) continue;
    unsureJobs++;
    unsureFromMs = Math.min(unsureFromMs ?? Number.POSITIVE_INFINITY, jobs.dueAtMs[job] as number);
  }
  const ended = (name: (typeof endings)[number]): number => tally.counts.get(name) ?? 0;
  const counts = { jobs: jobs.pool.count, unsureJobs, goOn: live.pool.count, unknown: ended("unknown"), cancelled: ended("cancelled") };
  return { ...counts, unsureFromMs, tokenCounter: state.tokenCounter };
}
