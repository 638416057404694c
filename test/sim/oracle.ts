// Owns: what must have become of every due time (I1): an account of each job's due times by its schedule versions, kept apart from the
// code under test. It computes due times by plain arithmetic and demands of each record that it is just the next one, and of each
// change that no due time before it is left without a record.

import { specOf } from "../../src/jobs/definition.ts";
import type { Definition } from "../../src/jobs/definition.ts";
import { findDefinition } from "../../src/jobs/definitionrows.ts";
import type { StoredEvent } from "../../src/jobs/eventlog.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import type { ScheduleSpec } from "../../src/jobs/spec.ts";
import type { State } from "../../src/jobs/state.ts";

export class Violation extends Error {}

export function demand(condition: boolean, rule: string, text: string): void {
  if (!condition) throw new Violation(`${rule}: ${text}`);
}

type Account = {
  readonly id: string;
  schedule: ScheduleSpec;
  nextMs: number;
  lastMs: number;
  paused: boolean;
  gone: boolean;
  records: number;
};

/** First due time strictly after `afterMs`; 0 for none. Simulated cron expressions are "every n seconds" only. */
export function dueAfter(schedule: ScheduleSpec, afterMs: number): number {
  if (schedule.kind === "at") return schedule.atMs > afterMs ? schedule.atMs : 0;
  if (schedule.kind === "every") {
    const { everyMs, anchorMs } = schedule;
    return anchorMs > afterMs ? anchorMs : anchorMs + (Math.floor((afterMs - anchorMs) / everyMs) + 1) * everyMs;
  }
  const seconds = Number(/^\*\/(\d+) /.exec(schedule.expression)?.[1]);
  const stepMs = seconds * 1000;
  return (Math.floor(afterMs / stepMs) + 1) * stepMs;
}

export class Oracle {
  private readonly accounts = new Map<string, Account>();
  private readonly state: State;
  occurrences = 0;

  constructor(state: State) {
    this.state = state;
  }

  /** One event of a just applied entry, in order. `record` is the history record that belongs to a missed or skipped event. */
  event(event: StoredEvent, record: () => HistoryRow, isTrigger: (sequence: number) => boolean): void {
    const key = `${event.job}:${event.generation}`;
    switch (event.type) {
      case "job.submitted":
        return this.submitted(key, event);
      case "job.updated":
      case "job.paused":
      case "job.resumed":
        return this.changed(key, event);
      case "job.cancelled":
        this.settled(key, event.atMs);
        this.of(key).gone = true;
        return;
      case "execution.queued":
        if (!isTrigger(event.sequence)) this.occurred(key, event.scheduledAtMs);
        return;
      case "execution.missed":
      case "execution.skipped":
        return this.unrun(key, record());
    }
  }

  private of(key: string): Account {
    const account = this.accounts.get(key);
    demand(account !== undefined, "I1", `an event names job ${key}, which was never submitted`);
    return account as Account;
  }

  private submitted(key: string, event: StoredEvent): void {
    const { id, schedule, paused } = this.definition(event.job);
    const nextMs = paused ? 0 : schedule.kind === "at" ? schedule.atMs : dueAfter(schedule, event.atMs);
    this.accounts.set(key, { id, schedule, nextMs, lastMs: 0, paused, gone: false, records: 0 });
  }

  private definition(job: number): { id: string; schedule: ScheduleSpec; paused: boolean } {
    const definition = findDefinition(this.state, job, this.state.jobs.revision[job] as number);
    demand(definition !== undefined, "H12", `job ${job} has no definition`);
    const spec = specOf(definition as Definition);
    return { id: (definition as Definition).jobId, schedule: spec.schedule, paused: spec.paused };
  }

  /** No due time that has passed may be left when a job is changed (H1f). */
  private settled(key: string, atMs: number): void {
    const { nextMs, id } = this.of(key);
    demand(nextMs === 0 || nextMs > atMs, "H1f", `job ${id} was changed at ${atMs} while its due time ${nextMs} had no record`);
  }

  private changed(key: string, event: StoredEvent): void {
    this.settled(key, event.atMs);
    const account = this.of(key);
    // A one-shot that has fired may leave with this change, and its number may be another job's at the end of the entry.
    const left = !this.state.jobs.pool.has(event.job) || this.state.jobs.generation[event.job] !== event.generation;
    if (left) {
      account.nextMs = 0;
      return;
    }
    const { schedule, paused } = this.definition(event.job);
    const moved = JSON.stringify(schedule) !== JSON.stringify(account.schedule);
    const resumed = account.paused && !paused;
    account.schedule = schedule;
    account.paused = paused;
    if (paused) account.nextMs = 0;
    else if (moved || resumed)
      account.nextMs =
        schedule.kind === "at" ? dueAfter(schedule, account.lastMs) : dueAfter(schedule, Math.max(event.atMs, account.lastMs));
  }

  private occurred(key: string, atMs: number): void {
    const account = this.of(key);
    demand(!account.gone, "I1", `job ${account.id} fired ${atMs} after it was deleted`);
    demand(account.nextMs === atMs, "I1", `job ${account.id} has a record for ${atMs}, due was ${account.nextMs}`);
    account.lastMs = atMs;
    account.records++;
    this.occurrences++;
    account.nextMs = dueAfter(account.schedule, atMs);
  }

  private unrun(key: string, record: HistoryRow): void {
    for (let atMs = record.scheduledAtMs, count = 1; ; count++) {
      this.occurred(key, atMs);
      if (count === record.rangeCount) {
        demand(atMs === record.rangeToMs, "H9", `range of ${count} ends at ${atMs}, its record says ${record.rangeToMs}`);
        return;
      }
      atMs = this.of(key).nextMs;
    }
  }

  /** At the end: every due time up to `untilMs` has its record. */
  finished(untilMs: number): void {
    for (const { id, nextMs, gone } of this.accounts.values()) {
      demand(gone || nextMs === 0 || nextMs > untilMs, "I1", `job ${id}: due time ${nextMs} has no record at ${untilMs}`);
    }
  }
}
