// Owns: the replicated state of one shard, whole: hot tables, interned values, nodes, counters. What changes it are the apply files;
// what reads it are the planner, queries and the checkpoint. It is the same on every replica at equal applied index (H14).
// (S1) Nothing here is evaluated from clocks, zones or chance: the only time is `clockMs`, the highest time applied (H13).
// (S2) Timers are armed and disarmed by apply alone; the wheel behind them is an index that can be rebuilt from the rows (H3).

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { checksum } from "../base/checksum.ts";
import { assert, PawlError } from "../base/errors.ts";
import { Kept } from "../base/kept.ts";
import type { Parts } from "../base/parts.ts";
import { limits } from "../limits.ts";
import type { ColdRows } from "./cold.ts";
import { coldKeys } from "./cold.ts";
import { specOf } from "./definition.ts";
import { findDefinition } from "./definitionrows.ts";
import type { Block } from "./definitionrows.ts";
import type { SharedSchedule } from "./definition.ts";
import { Departed } from "./departed.ts";
import { EndedIds } from "./endedids.ts";
import { EventLog } from "./eventlog.ts";
import { HashSum } from "./hashsum.ts";
import { emptyHistoryRow } from "./history.ts";
import type { HistorySink } from "./history.ts";
import { Interned } from "./interned.ts";
import { JobTable, jobFlags } from "./jobtable.ts";
import { LiveTable, liveState } from "./livetable.ts";
import { NodeRegistry } from "./nodes.ts";
import type { ClassSpec } from "./spec.ts";
import { SummedRows } from "./summedrows.ts";
import { checkVersion, ownVersions } from "./versions.ts";
import type { Versions } from "./versions.ts";

/** The wheel as apply sees it. Items: job number n is item n; live row s is item jobsMax + 1 + s. */
export interface Timers {
  arm(item: number): void;
  disarm(item: number): void;
  /** Time goes back to `toMs`: what is due later than that is due no more, and what is armed stays so. */
  turnBack(toMs: number): void;
}

/** What apply tells the node it runs on: hints for memory that is not state. Replicas without interest pass one that ignores. */
export interface Watcher {
  /** A start was accepted: this live row belongs to this session now. */
  started(slot: number, session: number): void;
  /** An attempt must stop: it was cancelled, or its token is void. */
  stopped(sequence: number, token: number, session: number, reason: "cancelled" | "void"): void;
  /** A result item was seen, whatever its verdict: it need not be sent again. */
  settled(sequence: number, token: number): void;
  sessionOpened(node: string, incarnation: number, session: number): void;
  sessionClosed(session: number): void;
  /** A mark was applied: the state's hash there, to be compared with other replicas' (H8). Not computed where nobody asks. */
  marked?(number: number, hash: StateHash): void;
}

/** The hash of everything replicated, after the entries up to `index`. Equal on every replica. */
export type StateHash = { readonly index: number; readonly hash: string };

/** For replicas whose node runs nothing and plans nothing. */
export const ignoring: Watcher = {
  started: () => undefined,
  stopped: () => undefined,
  settled: () => undefined,
  sessionOpened: () => undefined,
  sessionClosed: () => undefined,
};

export type ShardClass = { readonly spec: ClassSpec; readonly lane: number };

/** Lanes of the wheel: due jobs and ready executions by priority, then deadlines. */
export const lane = { jobs: 0, ready: 3, deadline: 6, count: 7 } as const;

export type Capacity = { readonly jobsMax: number; readonly liveMax: number };

/** Memory that the state machine shares with the wheel: due times and lanes by item. */
export type TimerMemory = { readonly dueAtMs: Float64Array; readonly lanes: Uint8Array; readonly items: number };

export function timerMemory(capacity: Capacity): TimerMemory {
  const items = capacity.jobsMax + capacity.liveMax + 2;
  return { dueAtMs: new Float64Array(items), lanes: new Uint8Array(items), items };
}

const SCALARS_FORMAT = 2;

function checkFormat(format: number): void {
  if (format === SCALARS_FORMAT) return;
  throw new PawlError("too_new", `a state of form ${format} was stored by another Pawl; upgrade Pawl on this node, its data is whole`);
}

/** The version of a state that was stored, without the state. */
export function versionIn(scalars: Uint8Array): number {
  const input = new ByteReader(scalars);
  checkFormat(input.u8());
  for (let names = 0; names < 2; names++) input.string();
  input.u8();
  for (let sizes = 0; sizes < 2; sizes++) input.u32();
  for (let counters = 0; counters < 5; counters++) input.f64();
  for (let counts = 0; counts < 3; counts++) input.u32();
  return input.u32();
}

const closedHistory: HistorySink = {
  append: () => assert(false, "the history is not open"),
  dropBefore: () => assert(false, "the history is not open"),
};

/** A small cluster need not keep more events than its few rows bring about in a while. */
const EVENTS_KEPT_PER_ROW = 16;

/** Jobs that are rebuilt together, each index in a loop of its own: their columns stay in the processor's cache meanwhile. */
const REBUILD_ROWS = 4096;

export class State {
  readonly jobs: JobTable;
  readonly live: LiveTable;
  readonly nodes = new NodeRegistry();
  readonly schedules: Interned<SharedSchedule>;
  readonly classes: Interned<ShardClass>;
  readonly events: EventLog;
  readonly cold: SummedRows;
  readonly timers: Timers;
  readonly memory: TimerMemory;
  readonly capacity: Capacity;
  watcher: Watcher = ignoring;
  /** Where ended executions go; set once the stored history is open. */
  historySink: HistorySink = closedHistory;
  /** What this build understands (H14). */
  readonly versions: Versions;
  /** One record, reused for every append. */
  readonly record = emptyHistoryRow();
  /** Ids of jobs that left lately, by number and generation, to name them in events. Bounded, not state. */
  readonly departed: Departed;
  /** Of definitions, by number, read lately (definitionrows.ts). Memory of this process, not state. */
  readonly blocks = new Kept<number, Block>(limits.definitionBlocksKeptMaxBytes, ({ bytes }) => bytes.length);

  /** Of jobs that ended, in memory of this process (endedrows.ts). */
  readonly endedIds = new EndedIds(limits.endedIdsMax);

  appliedIndex = 0;
  clusterId = "";
  idSpace = "";
  shard = 0;
  clockMs = 0;
  /** Leaders' monotonic time, summed over entries: what retention and key generations run on (H13). */
  elapsedMs = 0;
  tokenCounter = 0;
  lastSequence = 0;
  lastOrdinal = 0;
  keyGeneration = 0;
  keysInGeneration = 0;
  /** Jobs that ended and are kept. */
  endedJobs = 0;
  /** Which kinds of entries may be proposed: raised when every member understands more (H14). */
  version = 1;
  /** Due times up to here may have been run by the cluster that this state was restored from; 0 for none (H15). */
  unsureUntilMs = 0;
  /** The first day, from 1970-01-01 UTC, whose history is kept; and `elapsedMs` when that was last changed. */
  historyFromDay = 0;
  historyDroppedAtMs = 0;
  /** The clock was set back to `redueAfterMs`: due times of jobs from this number on are yet to be computed again; 0 for none (H13). */
  redueFrom = 0;
  redueAfterMs = 0;
  /** Of the rows of jobs and live executions, as they were when the scalars were stored. */
  private rowSums: readonly HashSum[] = [];

  constructor(capacity: Capacity, memory: TimerMemory, timers: Timers, cold: ColdRows, versions: Versions = ownVersions) {
    this.versions = versions;
    this.capacity = capacity;
    this.memory = memory;
    this.timers = timers;
    this.cold = new SummedRows(cold);
    this.jobs = new JobTable(capacity.jobsMax, memory.dueAtMs);
    this.live = new LiveTable(capacity.liveMax, memory.dueAtMs.subarray(capacity.jobsMax + 1));
    this.schedules = new Interned(coldKeys.schedules, limits.schedulesMax, this.cold, (text) => JSON.parse(text) as SharedSchedule);
    this.classes = new Interned(coldKeys.classes, limits.classesMax, this.cold, parseClass);
    const eventsKept = Math.min(limits.eventsKeptMax, EVENTS_KEPT_PER_ROW * (capacity.jobsMax + capacity.liveMax));
    this.events = new EventLog(eventsKept);
    this.departed = new Departed(Math.min(limits.departedMax, eventsKept));
  }

  itemOfLive(slot: number): number {
    return this.capacity.jobsMax + 1 + slot;
  }

  /** The live row behind a wheel item, or 0 when the item is a job. */
  liveOfItem(item: number): number {
    return item > this.capacity.jobsMax ? item - this.capacity.jobsMax - 1 : 0;
  }

  classOf(job: number): ShardClass {
    return this.classes.value(this.jobs.class[job] as number);
  }

  /** The class that an execution was pinned to when it became due: what it runs, how often and how long (H12). */
  classOfLive(slot: number): ClassSpec {
    const { live, jobs } = this;
    const job = live.job[slot] as number;
    const version = live.version[slot] as number;
    if (version === jobs.revision[job]) return this.classOf(job).spec;
    const definition = findDefinition(this, job, version);
    return definition ? specOf(definition).class : this.classOf(job).spec;
  }

  /** Rows, the history of cold rows, and scalars: which of them differ, when two replicas do, shows in the text. */
  hash(): StateHash {
    const scalars = checksum(this.encodeScalars()).toString(16).padStart(8, "0");
    const sums = [this.jobs.rows.sum(), this.live.rows.sum(), this.cold.sum].map((sum) => sum.text());
    return { index: this.appliedIndex, hash: [...sums, scalars].join("-") };
  }

  encodeScalars(): Uint8Array {
    const out = new ByteWriter(512);
    out.u8(SCALARS_FORMAT);
    out.string(this.clusterId);
    out.string(this.idSpace);
    out.u8(this.shard);
    out.u32(this.capacity.jobsMax);
    out.u32(this.capacity.liveMax);
    for (const value of [this.clockMs, this.elapsedMs, this.tokenCounter, this.lastSequence, this.lastOrdinal]) out.f64(value);
    out.u32(this.keyGeneration);
    out.u32(this.keysInGeneration);
    out.u32(this.endedJobs);
    out.u32(this.version);
    out.f64(this.unsureUntilMs);
    out.u32(this.historyFromDay);
    out.f64(this.historyDroppedAtMs);
    out.u32(this.redueFrom);
    out.f64(this.redueAfterMs);
    this.cold.sum.encode(out);
    this.jobs.rows.sum().encode(out);
    this.live.rows.sum().encode(out);
    this.nodes.encode(out);
    return out.take();
  }

  restoreScalars(value: Uint8Array, appliedIndex: number): void {
    const input = new ByteReader(value);
    checkFormat(input.u8());
    this.clusterId = input.string();
    this.idSpace = input.string();
    this.shard = input.u8();
    const jobsMax = input.u32();
    const liveMax = input.u32();
    assert(jobsMax === this.capacity.jobsMax && liveMax === this.capacity.liveMax, "stored capacity differs from the allocated one");
    this.clockMs = input.f64();
    this.elapsedMs = input.f64();
    this.tokenCounter = input.f64();
    this.lastSequence = input.f64();
    this.lastOrdinal = input.f64();
    this.keyGeneration = input.u32();
    this.keysInGeneration = input.u32();
    this.endedJobs = input.u32();
    if (this.endedJobs > 0) this.endedIds.lost();
    this.version = input.u32();
    checkVersion(this.versions, this.version, `checkpoint at ${appliedIndex}`);
    this.unsureUntilMs = input.f64();
    this.historyFromDay = input.u32();
    this.historyDroppedAtMs = input.f64();
    this.redueFrom = input.u32();
    this.redueAfterMs = input.f64();
    this.cold.sum.restore(input);
    this.rowSums = [HashSum.of(input), HashSum.of(input)];
    this.nodes.restore(input);
    this.appliedIndex = appliedIndex;
  }

  /** Throws PawlError("quarantined") unless the rows that were laid back are those that the scalars were stored with. */
  *checkRows(): Parts {
    for (const [at, { rows }] of [this.jobs, this.live].entries()) {
      yield* rows.rehash();
      if (rows.sum().text() === this.rowSums[at]?.text()) continue;
      throw new PawlError("quarantined", `the ${rows.name} that were loaded are not those of the checkpoint; resynchronise this node`);
    }
  }

  /**
   * Rebuilds everything derived after the rows, scalars and interned texts were laid back. Arms every timer; where jobs were due already,
   * time stands before the first of them then, and comes back to the clock by whoever moves it, in due order and in parts.
   */
  *rebuild(): Parts {
    yield* this.rebuildJobs();
    this.rebuildLive();
    this.historySink.dropBefore(this.historyFromDay);
  }

  private *rebuildJobs(): Parts {
    const { jobs } = this;
    const end = Math.min(jobs.rows.rowCount(), this.capacity.jobsMax + 1);
    const late: number[] = [];
    for (let from = 1; from < end; from += REBUILD_ROWS) {
      const used = jobs.withFlag(jobFlags.used, from, Math.min(end, from + REBUILD_ROWS));
      for (let i = 0; i < used.length; i++) jobs.pool.add(used[i] as number);
      for (let i = 0; i < used.length; i++) this.classes.recount(jobs.class[used[i] as number] as number);
      for (let i = 0; i < used.length; i++) {
        const schedule = jobs.schedule[used[i] as number] as number;
        if (schedule !== 0) this.schedules.recount(schedule);
      }
      jobs.ids.addAll(used.filter((job) => !jobs.has(job, jobFlags.deleted)));
      for (let i = 0; i < used.length; i++) this.armUnlessLate(used[i] as number, late);
      yield;
    }
    let earliestMs = this.clockMs;
    for (let i = 0; i < late.length; i++) earliestMs = Math.min(earliestMs, jobs.dueAtMs[late[i] as number] as number);
    if (late.length > 0) this.timers.turnBack(earliestMs - 1);
    for (let i = 0; i < late.length; i++) {
      this.armJob(late[i] as number);
      if (i % REBUILD_ROWS === 0) yield;
    }
  }

  /** Jobs that are due already are armed last, when time stands before them. */
  private armUnlessLate(job: number, late: number[]): void {
    const due = this.jobs.dueAtMs[job] as number;
    if (due !== 0 && due <= this.clockMs) late.push(job);
    else this.armJob(job);
  }

  private rebuildLive(): void {
    const { live, jobs } = this;
    const high = live.rows.rowCount();
    const slots: number[] = [];
    for (let slot = 1; slot < high && slot <= this.capacity.liveMax; slot++) if (live.state[slot] !== liveState.none) slots.push(slot);
    // A job's executions are listed newest first, and apply walks these lists: they must not depend on when this replica restarted.
    slots.sort((a, b) => (live.sequence[a] as number) - (live.sequence[b] as number));
    for (const slot of slots) {
      assert(jobs.pool.has(live.job[slot] as number), `live execution ${live.sequence[slot]} belongs to no job`);
      live.pool.add(slot);
      live.index(slot);
      live.counts[live.state[slot] as number] = (live.counts[live.state[slot] as number] as number) + 1;
      this.linkLive(slot);
      this.armLive(slot);
      const node = this.nodes.withSession(live.session[slot] as number);
      if (node && this.occupies(slot)) node.running++;
    }
  }

  /** Whether an execution holds a slot of its session (H16.3: cancelling counts until it is acknowledged). */
  occupies(slot: number): boolean {
    const state = this.live.state[slot];
    return state === liveState.running || state === liveState.cancelling;
  }

  armJob(job: number): void {
    const due = this.jobs.dueAtMs[job] as number;
    if (due === 0 || !this.jobs.enabled(job)) return this.timers.disarm(job);
    this.memory.lanes[job] = lane.jobs + this.classOf(job).lane;
    this.timers.arm(job);
  }

  armLive(slot: number): void {
    const ready = this.live.state[slot] === liveState.queued || this.live.state[slot] === liveState.retrying;
    const item = this.itemOfLive(slot);
    this.memory.lanes[item] = ready ? lane.ready + this.classOf(this.live.job[slot] as number).lane : lane.deadline;
    this.timers.arm(item);
  }

  linkLive(slot: number): void {
    const { live, jobs } = this;
    const job = live.job[slot] as number;
    const head = jobs.liveHead[job] as number;
    live.nextOfJob[slot] = head;
    live.previousOfJob[slot] = 0;
    if (head !== 0) live.previousOfJob[head] = slot;
    jobs.liveHead[job] = slot;
    jobs.liveCount[job] = (jobs.liveCount[job] as number) + 1;
  }

  unlinkLive(slot: number): void {
    const { live, jobs } = this;
    const job = live.job[slot] as number;
    const next = live.nextOfJob[slot] as number;
    const previous = live.previousOfJob[slot] as number;
    if (previous === 0) jobs.liveHead[job] = next;
    else live.nextOfJob[previous] = next;
    if (next !== 0) live.previousOfJob[next] = previous;
    jobs.liveCount[job] = (jobs.liveCount[job] as number) - 1;
  }
}

function parseClass(text: string): ShardClass {
  const spec = JSON.parse(text) as ClassSpec;
  return { spec, lane: { high: 0, medium: 1, low: 2 }[spec.priority] };
}
