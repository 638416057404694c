// Owns: when a checkpoint is made, and how far the log is dropped behind it. What a checkpoint holds and in which order it is written is
// the business of src/storage.
// (M1) A checkpoint is taken at an applied index that this node's own log holds durably (H8d): until then it waits.
// (M2) A failed write ends the node: what is on disk is then unknown.
// (M3) The log keeps a tail for who is away for a moment; a leader's also what the slowest follower lacks that it hears, up to a bound:
//      beyond it that one gets a snapshot.
// (M4) A checkpoint that does not return is said, and in the end ends the node: meanwhile what changes is kept in memory beside it, and
//      the log cannot be dropped. As in logwriter.ts the wait counts only while the loop runs.
// (M5) Replicas do not take theirs together: what one is due after is drawn anew for each. All have the same changes, and would else
//      have the same pause; while one has it alone, the others are a majority that has none.

import { PawlError, assert } from "../base/errors.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import { takeCheckpoint } from "../storage/checkpoint.ts";
import type { StoredMembership } from "../storage/checkpointformat.ts";
import type { HistoryStore } from "../storage/history.ts";
import type { LogPosition, RaftLog } from "../storage/log.ts";
import type { StateStore } from "../storage/state.ts";
import type { System } from "../system.ts";
import type { Timings } from "./timings.ts";

/** How much of the log is kept behind a checkpoint: a tail always, more only for a slow follower, and never more than this. */
export type LogBounds = { readonly keepBytes: number; readonly maxBytes: number };

/** What is asked of the consensus core. */
type Consensus = {
  /** The members at the applied index of this turn. */
  membershipAt(index: number): StoredMembership;
  /** Infinity unless this node leads. */
  slowestHealthyMatch(): number;
};

const SPREAD = 0.5;

type Hearer = { fatal(error: Error): void; alarm(message: string): void };

export class Checkpointer {
  readonly stats = { checkpoints: 0 };
  private readonly state: State;
  private readonly store: StateStore;
  private readonly history: HistoryStore;
  private readonly log: RaftLog;
  private readonly bounds: LogBounds;
  private readonly system: System;
  private readonly hearer: Hearer;
  private readonly consensus: Consensus;
  private readonly timings: Timings;
  private takenIndex: number;
  private takenAtMs: number;
  /** Of the bounds in time and bytes, for the next one (M5). */
  private share: number;
  private busy = false;
  /** Of the checkpoint under way: when it began, and whether it was said that it takes long (M4). */
  private busySinceMs = 0;
  private saidSlow = false;
  private broken: PawlError | undefined;
  private waiting: (() => void)[] = [];

  constructor(
    state: State,
    store: StateStore,
    history: HistoryStore,
    log: RaftLog,
    bounds: LogBounds,
    system: System,
    consensus: Consensus,
    hearer: Hearer,
    timings: Timings,
  ) {
    this.timings = timings;
    this.consensus = consensus;
    this.state = state;
    this.store = store;
    this.history = history;
    this.log = log;
    this.bounds = bounds;
    this.system = system;
    this.hearer = hearer;
    this.takenIndex = state.appliedIndex;
    this.takenAtMs = system.monotonicMs();
    this.share = shareOf(system);
  }

  /** Applied index of the newest finished checkpoint. */
  get index(): number {
    return this.takenIndex;
  }

  nextWakeMs(): number {
    if (this.busy) return this.busySinceMs + (this.saidSlow ? limits.checkpointHungMs : limits.checkpointSlowMs) + 1;
    return this.state.appliedIndex === this.takenIndex ? Number.POSITIVE_INFINITY : this.dueAtMs;
  }

  /** The loop stood still for so long (M4). */
  paused(gapMs: number, nowMs: number): void {
    if (this.busy) this.busySinceMs = Math.min(nowMs, this.busySinceMs + gapMs);
  }

  /** Begins a checkpoint when enough has changed or enough time has passed. */
  maybe(nowMs: number): void {
    if (this.busy) return this.watch(nowMs);
    if (this.state.appliedIndex === this.takenIndex) return;
    if (nowMs < this.dueAtMs && this.changedBytes() < this.share * limits.checkpointMaxBytes) return;
    this.begin(nowMs);
  }

  private get dueAtMs(): number {
    return this.takenAtMs + this.share * limits.checkpointMaxMs;
  }

  /** (M4) */
  private watch(nowMs: number): void {
    const sinceMs = nowMs - this.busySinceMs;
    if (this.broken || sinceMs <= limits.checkpointSlowMs) return;
    const wait = `has not returned for ${Math.round(sinceMs / 1000)} s`;
    if (sinceMs > limits.checkpointHungMs) return this.fail(new Error(`it ${wait}`));
    if (this.saidSlow) return;
    this.saidSlow = true;
    this.hearer.alarm(`a checkpoint ${wait}: its disk is slow or hangs; after ${limits.checkpointHungMs / 1000} s this node ends`);
  }

  private changedBytes(): number {
    const { jobs, live, cold } = { jobs: this.state.jobs.rows, live: this.state.live.rows, cold: this.store.cold };
    return jobs.changedRows() * jobs.rowBytes + live.changedRows() * live.rowBytes + cold.changedBytes;
  }

  private begin(nowMs: number): void {
    const position = this.log.position();
    const { state } = this;
    if (position.index < state.appliedIndex) return;
    this.busy = true;
    this.busySinceMs = nowMs;
    this.saidSlow = false;
    const index = state.appliedIndex;
    const appliedTerm = this.log.term(index);
    assert(appliedTerm !== undefined, `the log knows the term of what was applied, ${index}`);
    const membership = this.consensus.membershipAt(index);
    const at = { appliedIndex: index, appliedTerm, scalars: state.encodeScalars(), position, membership };
    const fromMs = this.system.monotonicMs();
    takeCheckpoint(this.store, this.history, at, (error) => {
      if (this.broken) return;
      if (error) this.fail(error);
      else this.finished(index, position, fromMs);
    });
    this.timings.freeze.add(this.system.monotonicMs() - fromMs);
  }

  private finished(index: number, position: LogPosition, sinceMs: number): void {
    const nowMs = this.system.monotonicMs();
    this.busy = false;
    this.takenIndex = index;
    this.takenAtMs = nowMs;
    this.share = shareOf(this.system);
    this.stats.checkpoints++;
    this.timings.checkpoint.add(nowMs - sinceMs);
    this.compact(index, position.number);
    this.goOn();
  }

  /** (M3) */
  private compact(index: number, witnessedWrite: number): void {
    const { log } = this;
    const wanted = log.bytes > this.bounds.maxBytes ? index : Math.min(index, this.consensus.slowestHealthyMatch());
    log.compact(wanted, witnessedWrite, this.bounds.keepBytes);
  }

  private fail(cause: Error): void {
    this.broken = new PawlError("io", `a checkpoint could not be written: ${cause.message}`, { outcome: "unknown", cause });
    this.goOn();
    this.hearer.fatal(this.broken);
  }

  private goOn(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const next of waiting) next();
  }

  /** Resolves when no checkpoint is being written; where one failed, the node has heard of it. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.busy && !this.broken) this.waiting.push(resolve);
      else resolve();
    });
  }

  /** Resolves when what is applied now is in a checkpoint, also one of later. Rejects when one could not be written (M2). */
  reached(): Promise<void> {
    const index = this.state.appliedIndex;
    return new Promise((resolve, reject) => {
      const next = (): void => {
        if (this.broken) return reject(this.broken);
        if (this.takenIndex >= index) return resolve();
        if (!this.busy) this.begin(this.system.monotonicMs());
        if (this.busy) this.waiting.push(next);
        else this.system.after(limits.heartbeatMs, next);
      };
      next();
    });
  }

  /**
   * Before an orderly end: resolves when nothing is in flight and, where the log allows it, all that was applied is in a checkpoint.
   * Rejects when a checkpoint could not be written (M2).
   */
  settle(): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = (): void => {
        if (this.broken) return reject(this.broken);
        if (this.busy) return void this.waiting.push(next);
        if (this.state.appliedIndex === this.takenIndex || this.log.position().index < this.state.appliedIndex) return resolve();
        this.waiting.push(next);
        this.begin(this.system.monotonicMs());
      };
      next();
    });
  }
}

/** (M5) */
function shareOf(system: System): number {
  return 1 - SPREAD * system.random();
}
