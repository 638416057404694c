// Owns: data directories that hold many schedules already, for measuring what comes after: made through the real state, log, checkpoints,
// but without a node, its API and consensus, at the speed of one core. What is in one directory can be copied for the other voters.
// (F1) Jobs come in batches, each an entry that is encoded and applied as any other. The log itself gets the entries of the last mebibytes
//      only: those before are dropped behind a checkpoint anyway, and stand there without their data.
// (F2) The jobs are those of the mix (mix.ts).

import { makeDataDir } from "../src/config/identity.ts";
import { encodeMembership } from "../src/raft/membership.ts";
import { encodePlace } from "../src/cluster/members.ts";
import { openStored } from "../src/cluster/stored.ts";
import type { Stored } from "../src/cluster/stored.ts";
import { ByteWriter } from "../src/base/bytes.ts";
import { applyEntry } from "../src/jobs/apply.ts";
import { BulkWriter } from "../src/jobs/bulk.ts";
import { beginEntry, encodeCommand } from "../src/jobs/command.ts";
import type { JobSpec } from "../src/jobs/spec.ts";
import { limits } from "../src/limits.ts";
import { planChange } from "../src/planner/changes.ts";
import { ScheduleBook } from "../src/planner/schedulebook.ts";
import type { Entry } from "../src/raft/types.ts";
import { takeCheckpoint } from "../src/storage/checkpoint.ts";
import type { StoredMembership } from "../src/storage/checkpointformat.ts";
import { HistoryStore } from "../src/storage/history.ts";
import { LevelDisk } from "../src/storage/leveldisk.ts";
import { WORK } from "./cluster.ts";
import { mixedPayload, mixedPriority, mixedSchedule } from "./mix.ts";

const MIB = 2 ** 20;
const JOBS_PER_ENTRY = 1024;
/** About what one job takes in the log. */
const CREATE_BYTES = 420;
const ROWS_PER_CHECKPOINT = 100_000;

export type Filling = {
  readonly cluster: string;
  readonly node: string;
  /** All voters, with their places. */
  readonly members: readonly { readonly id: string; readonly peer: string; readonly api: string }[];
  readonly jobs: number;
  /** Rows that changed since: as many as checkpoints hold beside the base pages while jobs fire. */
  readonly fired: number;
  /** Jobs that no checkpoint holds yet: a start applies them from the log. */
  readonly unsaved: number;
  readonly logKeepMib: number;
  /** The time at which the jobs are made. */
  readonly atMs: number;
  readonly said?: (what: string) => void;
};

function mixedSpec(at: number, atMs: number): JobSpec {
  const rest = { payload: mixedPayload(at), namespace: "default", description: "", labels: {}, paused: false };
  return { schedule: mixedSchedule(at, atMs), class: classes[mixedPriority(at)], ...rest };
}

const sharedClass = {
  jobType: WORK,
  overlap: "allow",
  misfire: { policy: "fire_once", withinMs: limits.misfireWithinDefaultMs, max: limits.misfireMaxDefault },
  retry: { maxAttempts: 3, backoff: "exponential", initialMs: 1000, maxMs: 60_000, multiplier: 2, jitter: 0.1 },
  timeoutMs: 60_000,
  delivery: "at_least_once",
  placement: { tags: [], mode: "any" },
  hasPayload: true,
} as const;

const classes = {
  high: { ...sharedClass, priority: "high" },
  medium: { ...sharedClass, priority: "medium" },
  low: { ...sharedClass, priority: "low" },
} as const;

/** Fills a directory that holds nothing yet. */
export async function fill(dataDir: string, filling: Filling): Promise<void> {
  makeDataDir(dataDir, filling.cluster, filling.node);
  const disk = new LevelDisk(dataDir, (run) => void setImmediate(run));
  const capacity = { jobsMax: limits.jobsMax, liveMax: limits.liveExecutionsMax };
  const stored = await openStored(disk, capacity, (run) => void setImmediate(run), (marks) => HistoryStore.open(disk.files, 0, marks));
  const filler = new Filler(stored, filling);
  await filler.run();
  await stored.close();
  await disk.close();
}

class Filler {
  private readonly stored: Stored<HistoryStore>;
  private readonly filling: Filling;
  private readonly book: ScheduleBook;
  private readonly membership: StoredMembership;
  private entries: Entry[] = [];
  private writes = 0;

  constructor(stored: Stored<HistoryStore>, filling: Filling) {
    this.stored = stored;
    this.filling = filling;
    this.book = new ScheduleBook(stored.state);
    const places = new Map(filling.members.map(({ id, peer, api }) => [id, encodePlace({ peer, api })]));
    const voters = [filling.members.map(({ id }) => id).sort()];
    this.membership = { index: 0, bytes: encodeMembership({ voters, learners: [], places }) };
  }

  async run(): Promise<void> {
    const { stored: { state }, filling } = this;
    const ids = { kind: "bootstrap", clusterId: "filledfilledfilledaa", idSpace: "filledaa", shard: 0 } as const;
    this.apply([encodeCommand({ ...ids, ...state.capacity })], true);
    const keptFrom = filling.jobs - Math.ceil((filling.logKeepMib * MIB) / CREATE_BYTES);
    const savedUpTo = filling.jobs - filling.unsaved;
    await this.create(0, Math.max(0, savedUpTo), keptFrom);
    await this.checkpoint();
    for (let left = filling.fired; left > 0; left -= ROWS_PER_CHECKPOINT) {
      this.touch(Math.min(left, ROWS_PER_CHECKPOINT));
      await this.checkpoint();
    }
    await this.create(Math.max(0, savedUpTo), filling.jobs, keptFrom);
    await this.flush();
  }

  private async create(from: number, to: number, keptFrom: number): Promise<void> {
    const { filling: { atMs, said }, stored: { state, cold } } = this;
    for (let at = from; at < to; at += JOBS_PER_ENTRY) {
      const writer = new BulkWriter();
      for (let each = at; each < Math.min(to, at + JOBS_PER_ENTRY); each++) writer.add(`job-${each}`, mixedSpec(each, atMs));
      const { command } = planChange(state, this.book, { kind: "create_many", batch: writer.take() }, undefined, atMs);
      this.apply([encodeCommand(command)], at >= keptFrom);
      if (at >= keptFrom) await this.flush();
      const changed = state.jobs.rows.changedRows() * state.jobs.rows.rowBytes + cold.changedBytes;
      if (to < this.filling.jobs && changed >= limits.checkpointMaxBytes) await this.checkpoint();
      if (at % 500_000 === 0) said?.(`${at} jobs`);
    }
  }

  private apply(commands: readonly Uint8Array[], isKept: boolean): void {
    const { state } = this.stored;
    const out = new ByteWriter(MIB);
    beginEntry(out, { clockMs: this.filling.atMs, elapsedMs: 1 });
    for (const command of commands) out.raw(command);
    const data = out.take();
    const index = state.appliedIndex + 1;
    for (const reply of applyEntry(state, index, data)) {
      if (reply?.kind === "done" && (reply.refused ?? []).length === 0) continue;
      if (reply !== undefined) throw new Error(`entry ${index}: a create was answered ${JSON.stringify(reply)}`);
    }
    this.entries.push({ index, term: 1, kind: "command", data: isKept ? data : new Uint8Array(0) });
  }

  /** Rows all over the table change, as they do when jobs fire. */
  private touch(count: number): void {
    const { jobs, clockMs } = this.stored.state;
    const used = jobs.rows.rowCount() - 1;
    for (let i = 0; i < count; i++) {
      const job = 1 + Math.floor(Math.random() * used);
      jobs.lastAtMs[job] = clockMs - i;
      jobs.rows.touch(job);
    }
    this.apply([], false);
  }

  private async flush(): Promise<void> {
    const { log } = this.stored;
    const { entries } = this;
    if (entries.length === 0) return;
    this.entries = [];
    const hardState = { term: 1, vote: this.filling.members[0]?.id ?? this.filling.node, commit: entries.at(-1)?.index ?? 0 };
    const write = { number: ++this.writes, truncateFrom: undefined, entries, hardState };
    await done((each) => log.write(write, each));
  }

  private async checkpoint(): Promise<void> {
    await this.flush();
    const { state, store, history, log } = this.stored;
    const index = state.appliedIndex;
    const position = log.position();
    const at = { appliedIndex: index, appliedTerm: 1, scalars: state.encodeScalars(), position, membership: this.membership };
    await done((each) => takeCheckpoint(store, history, at, each));
    log.compact(index, position.number, this.filling.logKeepMib * MIB);
  }
}

function done(run: (each: (error?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error === undefined ? resolve() : reject(error))));
}
