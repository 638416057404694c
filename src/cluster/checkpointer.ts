// Owns: when a checkpoint is made. What it holds and in which order it is written is the business of src/storage.
// (M1) A checkpoint is taken at an applied index that this node's own log holds durably (H8d): until then it waits.
// (M2) A failed write ends the node: what is on disk is then unknown.

import { PawlError, assert } from "../base/errors.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import { takeCheckpoint } from "../storage/checkpoint.ts";
import type { StoredMembership } from "../storage/checkpointformat.ts";
import type { HistoryStore } from "../storage/history.ts";
import type { RaftLog } from "../storage/log.ts";
import type { StateStore } from "../storage/state.ts";
import type { System } from "../system.ts";

export class Checkpointer {
  readonly stats = { checkpoints: 0, longestMs: 0, lastMs: 0, freezeMs: 0 };
  private readonly state: State;
  private readonly store: StateStore;
  private readonly history: HistoryStore;
  private readonly log: RaftLog;
  private readonly system: System;
  private readonly failed: (error: Error) => void;
  private readonly membershipAt: (index: number) => StoredMembership;
  private takenIndex: number;
  private takenAtMs: number;
  private busy = false;
  private broken: PawlError | undefined;
  private waiting: (() => void)[] = [];

  /** `membershipAt` is asked for the applied index of this turn. */
  constructor(
    state: State,
    store: StateStore,
    history: HistoryStore,
    log: RaftLog,
    system: System,
    membershipAt: (index: number) => StoredMembership,
    failed: (error: Error) => void,
  ) {
    this.membershipAt = membershipAt;
    this.state = state;
    this.store = store;
    this.history = history;
    this.log = log;
    this.system = system;
    this.failed = failed;
    this.takenIndex = state.appliedIndex;
    this.takenAtMs = system.monotonicMs();
  }

  /** Applied index of the newest finished checkpoint. */
  get index(): number {
    return this.takenIndex;
  }

  nextWakeMs(): number {
    return this.busy || this.state.appliedIndex === this.takenIndex ? Number.POSITIVE_INFINITY : this.takenAtMs + limits.checkpointMaxMs;
  }

  /** Begins a checkpoint when enough has changed or enough time has passed. */
  maybe(nowMs: number): void {
    if (this.busy || this.state.appliedIndex === this.takenIndex) return;
    if (nowMs - this.takenAtMs < limits.checkpointMaxMs && this.changedBytes() < limits.checkpointMaxBytes) return;
    this.begin(nowMs);
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
    const index = state.appliedIndex;
    const appliedTerm = this.log.term(index);
    assert(appliedTerm !== undefined, `the log knows the term of what was applied, ${index}`);
    const membership = this.membershipAt(index);
    const at = { appliedIndex: index, appliedTerm, scalars: state.encodeScalars(), position, membership };
    takeCheckpoint(this.store, this.history, at, (error) => {
      if (error) this.fail(error);
      else this.finished(index, nowMs);
    });
    this.stats.freezeMs = Math.max(this.stats.freezeMs, this.system.monotonicMs() - nowMs);
  }

  private finished(index: number, sinceMs: number): void {
    const nowMs = this.system.monotonicMs();
    this.busy = false;
    this.takenIndex = index;
    this.takenAtMs = nowMs;
    this.stats.checkpoints++;
    this.stats.lastMs = nowMs - sinceMs;
    this.stats.longestMs = Math.max(this.stats.longestMs, this.stats.lastMs);
    this.goOn();
  }

  private fail(cause: Error): void {
    this.broken = new PawlError("io", `a checkpoint could not be written: ${cause.message}`, { outcome: "unknown", cause });
    this.goOn();
    this.failed(this.broken);
  }

  private goOn(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const next of waiting) next();
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
