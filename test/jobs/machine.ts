// Owns: a state machine under test: the real State and wheel over cold rows in a map and history in an array, with short ways to write
// entries and to read what became of them. Time is the clock of the entries that the test writes.

import assert from "node:assert/strict";
import { ByteWriter } from "../../src/base/bytes.ts";
import { allAtOnce } from "../../src/base/parts.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import type { Replies } from "../../src/jobs/apply.ts";
import { findJob } from "../../src/jobs/applychanges.ts";
import type { ColdRows } from "../../src/jobs/cold.ts";
import { coldKeys } from "../../src/jobs/cold.ts";
import { beginEntry, encodeCommand } from "../../src/jobs/command.ts";
import type { Command, DefinitionFields, HeldAttempt, JobRef, KeyUse } from "../../src/jobs/command.ts";
import { classText, scheduleText } from "../../src/jobs/definition.ts";
import { specBytes } from "../../src/jobs/specform.ts";
import { endings } from "../../src/jobs/history.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import { PlanWriter, ResultWriter, resultOutcome } from "../../src/jobs/items.ts";
import { liveStateNames } from "../../src/jobs/livetable.ts";
import type { Reply } from "../../src/jobs/reply.ts";
import type { ClassSpec, JobSpec, ScheduleSpec } from "../../src/jobs/spec.ts";
import { ignoring, lane, State, timerMemory } from "../../src/jobs/state.ts";
import type { Capacity } from "../../src/jobs/state.ts";
import { utf8Text } from "../../src/base/bytes.ts";
import { Wheel } from "../../src/wheel/wheel.ts";

/** 2026-11-21T12:00:00Z: noon of the tests. */
export const NOON = Date.UTC(2026, 10, 21, 12);
export const SECOND = 1_000;
export const HOUR = 3_600_000;

export const everySecond: ScheduleSpec = { kind: "every", everyMs: SECOND, anchorMs: 0 };
export const hourly: ScheduleSpec = { kind: "cron", expression: "0 * * * *", timezone: "UTC", gap: "run_at_gap_end", overlap: "first" };
export const daily: ScheduleSpec = { kind: "cron", expression: "0 12 * * *", timezone: "UTC", gap: "run_at_gap_end", overlap: "first" };
export const at = (atMs: number): ScheduleSpec => ({ kind: "at", atMs });

export const plainClass: ClassSpec = {
  jobType: "noop",
  priority: "medium",
  overlap: "allow",
  misfire: { policy: "fire_once", withinMs: 60_000, max: 100 },
  retry: { maxAttempts: 3, backoff: "fixed", initialMs: SECOND, maxMs: SECOND, multiplier: 1, jitter: 0 },
  timeoutMs: 60_000,
  delivery: "at_least_once",
  placement: { tags: [], mode: "any" },
  hasPayload: false,
};

export function spec(schedule: ScheduleSpec, part: Partial<ClassSpec> = {}, rest: Partial<JobSpec> = {}): JobSpec {
  const plain = { payload: null, namespace: "default", description: "", labels: {}, paused: false };
  return { schedule, class: { ...plainClass, ...part }, ...plain, ...rest };
}

export function fieldsOf(of: JobSpec): DefinitionFields {
  return {
    specJson: specBytes(of),
    scheduleText: scheduleText(of.schedule),
    classText: classText(of.class),
    oneShot: of.schedule.kind === "at",
    paused: of.paused,
  };
}

export class MapRows implements ColdRows {
  readonly rows: Map<string, Uint8Array>;

  constructor(rows: Iterable<[string, Uint8Array]> = []) {
    this.rows = new Map(rows);
  }

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }

  put(key: string, value: Uint8Array): void {
    this.rows.set(key, value);
  }

  add(key: string, value: Uint8Array): void {
    assert.ok(!this.rows.has(key), `${key} is added, but is there`);
    this.put(key, value);
  }

  del(key: string): void {
    this.rows.delete(key);
  }

  /** Keys with this beginning, in order. */
  under(prefix: string): string[] {
    return [...this.rows.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}

export type Record = HistoryRow & { readonly how: (typeof endings)[number] };
export type UpOptions = {
  readonly incarnation?: number;
  readonly slots?: number;
  readonly tags?: readonly string[];
  readonly held?: readonly HeldAttempt[];
};
type Watched = { readonly what: string; readonly sequence: number; readonly token: number; readonly session: number };

export const smallCapacity: Capacity = { jobsMax: 100, liveMax: 100 };

export class Machine {
  readonly state: State;
  readonly wheel: Wheel;
  readonly cold: MapRows;
  readonly history: Record[] = [];
  /** What apply told the node's memory, newest last. */
  readonly watched: Watched[] = [];
  clockMs = NOON;
  /** First day whose history is kept, as apply told the store. */
  historyFrom = 0;

  constructor(capacity: Capacity = smallCapacity, cold = new MapRows()) {
    const memory = timerMemory(capacity);
    this.wheel = new Wheel(memory.items, memory.dueAtMs, memory.lanes, lane.count, 0);
    this.cold = cold;
    this.state = new State(capacity, memory, this.wheel, cold);
    const howOf = (row: HistoryRow): Record["how"] => endings[row.ending] as Record["how"];
    this.state.historySink = {
      append: (row) => void this.history.push({ ...row, how: howOf(row) }),
      dropBefore: (day) => void (this.historyFrom = day),
    };
    this.state.watcher = {
      ...ignoring,
      started: (slot, session) =>
        this.watch("started", this.state.live.sequence[slot] as number, this.state.live.token[slot] as number, session),
      stopped: (sequence, token, session, reason) => this.watch(reason, sequence, token, session),
      settled: (sequence, token) => this.watch("settled", sequence, token, 0),
    };
  }

  private watch(what: string, sequence: number, token: number, session: number): void {
    this.watched.push({ what, sequence, token, session });
  }

  // Entries.

  entry(commands: readonly Command[], elapsedMs = 0): Replies {
    return applyEntry(this.state, this.state.appliedIndex + 1, entryOf(commands, this.clockMs, elapsedMs));
  }

  one(command: Command): Reply {
    const reply = this.entry([command])[0];
    if (!reply) throw new Error(`${command.kind} is not answered`);
    return reply;
  }

  create(jobId: string, of: JobSpec, nextDueMs: number, key?: KeyUse): Reply {
    return this.one({ kind: "create", key, jobId, nextDueMs, ...fieldsOf(of) });
  }

  /** A node's session; `slots` 10 unless told. */
  up(node: string, options: UpOptions = {}): number {
    const { incarnation = 1, slots = 10, tags = [], held = [] } = options;
    this.entry([{ kind: "nodeUp", node, incarnation, slots, tags, held }]);
    return this.state.nodes.find(node)?.session ?? 0;
  }

  plan(write: (writer: PlanWriter) => void): void {
    this.entry([{ kind: "plan", items: planOf(write) }]);
  }

  /** The job's due time becomes an execution. */
  fire(jobId: string, nextDueMs: number, session = 0): void {
    this.plan((writer) => this.writeDue(writer, jobId, nextDueMs, session));
  }

  writeDue(writer: PlanWriter, jobId: string, nextDueMs: number, session = 0): void {
    const job = this.job(jobId);
    const { jobs } = this.state;
    writer.due(job, jobs.generation[job] as number, jobs.revision[job] as number, jobs.dueAtMs[job] as number, nextDueMs, session);
  }

  start(slot: number, session: number): void {
    const { live } = this.state;
    this.plan((writer) => writer.start(slot, live.sequence[slot] as number, live.attempt[slot] as number, session));
  }

  result(slot: number, outcome: keyof typeof resultOutcome, retryAtMs = 0, error = ""): void {
    const { live } = this.state;
    this.resultOf(live.sequence[slot] as number, live.token[slot] as number, outcome, retryAtMs, error);
  }

  /** Of what runs in these rows, packed for an entry. */
  resultsOf(slots: readonly number[], outcome: keyof typeof resultOutcome): Uint8Array {
    const { live } = this.state;
    const writer = new ResultWriter();
    const add = (sequence: number, token: number): void =>
      writer.add(sequence, token, resultOutcome[outcome], this.clockMs, this.clockMs, 0, "");
    for (const slot of slots) add(live.sequence[slot] as number, live.token[slot] as number);
    return writer.take();
  }

  resultOf(sequence: number, token: number, outcome: keyof typeof resultOutcome, retryAtMs = 0, error = ""): void {
    const writer = new ResultWriter();
    const ranMs = outcome === "notStarted" ? 0 : this.clockMs;
    writer.add(sequence, token, resultOutcome[outcome], ranMs, ranMs, retryAtMs, error);
    this.entry([{ kind: "results", items: writer.take() }]);
  }

  // What is there.

  job(jobId: string): number {
    return findJob(this.state, jobId);
  }

  ref(jobId: string): JobRef {
    const job = this.job(jobId);
    return { job, generation: this.state.jobs.generation[job] as number, revision: this.state.jobs.revision[job] as number };
  }

  /** Live rows of a job, oldest execution first. */
  liveOf(jobId: string): number[] {
    const slots: number[] = [];
    const { jobs, live } = this.state;
    for (let slot = jobs.liveHead[this.job(jobId)] as number; slot !== 0; slot = live.nextOfJob[slot] as number) slots.unshift(slot);
    return slots;
  }

  /** The only live row of a job. */
  only(jobId: string): number {
    const slots = this.liveOf(jobId);
    if (slots.length !== 1) throw new Error(`${jobId} has ${slots.length} live executions`);
    return slots[0] as number;
  }

  stateOf(slot: number): (typeof liveStateNames)[number] {
    return liveStateNames[this.state.live.state[slot] as number] as (typeof liveStateNames)[number];
  }

  running(node: string): number {
    return this.state.nodes.find(node)?.running ?? -1;
  }

  // Restart.

  /** The replica that a restart would make: from a checkpoint of this one, with nothing of its memory. */
  restarted(): Machine {
    const other = new Machine(this.state.capacity, new MapRows(this.cold.rows));
    const { state } = this;
    for (const table of ["jobs", "live"] as const) {
      const from = state[table].rows;
      const to = other.state[table].rows;
      for (let page = 0; page * from.pageRows < from.rowCount(); page++) to.restorePage(page, from.copyPage(page));
    }
    other.state.restoreScalars(state.encodeScalars(), state.appliedIndex);
    for (const [prefix, table] of [
      [coldKeys.schedules, other.state.schedules],
      [coldKeys.classes, other.state.classes],
    ] as const) {
      for (const key of this.cold.under(prefix)) {
        table.restore(Number.parseInt(key.slice(prefix.length), 16), utf8Text(this.cold.get(key) as Uint8Array));
      }
    }
    while (other.wheel.advance(state.clockMs));
    allAtOnce(other.state.checkRows());
    allAtOnce(other.state.rebuild());
    while (other.wheel.advance(state.clockMs));
    other.clockMs = this.clockMs;
    return other;
  }

  /** All that must be equal on every replica. */
  image(): unknown {
    const { state } = this;
    const rows = ["jobs", "live"].map((name) => {
      const table = name === "jobs" ? state.jobs : state.live;
      const used: Uint8Array[] = [];
      for (let row = 1; row <= table.rows.capacity; row++) used.push(table.rows.copyRows(Uint32Array.of(row)));
      return used;
    });
    const lists = Array.from({ length: state.capacity.jobsMax }, (_, i) => state.jobs.liveCount[i + 1]);
    const armed = Array.from({ length: state.memory.items - 1 }, (_, i) => this.wheel.isArmed(i + 1));
    const running = state.nodes.rows.map((row) => row.running);
    const cold = [...this.cold.rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const { index, hash } = state.hash();
    return { rows, lists, armed, running, cold, scalars: state.encodeScalars(), index, hash };
  }
}

export function entryOf(commands: readonly Command[], clockMs: number, elapsedMs = 0): Uint8Array {
  const out = new ByteWriter();
  beginEntry(out, { clockMs, elapsedMs });
  for (const command of commands) out.raw(encodeCommand(command));
  return out.take();
}

export function planOf(write: (writer: PlanWriter) => void): Uint8Array {
  const writer = new PlanWriter();
  write(writer);
  return writer.take();
}
