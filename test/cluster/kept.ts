// A replica's disk without a cluster around it: entries are written to its log and applied as a sole node would, checkpoints are taken,
// and its state is copied into a file of a backup. What the tests of restoring and forcing begin with.

import { createHash } from "node:crypto";
import { findJob } from "../../src/jobs/applychanges.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import type { Command } from "../../src/jobs/command.ts";
import type { JobSpec } from "../../src/jobs/spec.ts";
import type { Capacity } from "../../src/jobs/state.ts";
import { encodeMembership } from "../../src/raft/membership.ts";
import type { DiskUse, Heir } from "../../src/cluster/heir.ts";
import { encodePlace } from "../../src/cluster/members.ts";
import { openStored } from "../../src/cluster/stored.ts";
import type { Stored } from "../../src/cluster/stored.ts";
import { BackupFile, writeBackup } from "../../src/storage/backup.ts";
import { takeCheckpoint } from "../../src/storage/checkpoint.ts";
import type { Disk } from "../../src/storage/disk.ts";
import { HistoryStore } from "../../src/storage/history.ts";
import { StateCopy } from "../../src/storage/statecopy.ts";
import { entryOf, fieldsOf, NOON, planOf } from "../jobs/machine.ts";
import { atOnce, finished } from "../storage/bench.ts";

export const capacity = { jobsMax: 60, liveMax: 90 } as const;
export const useOf = (disk: Disk): DiskUse => ({ disk, capacity, soon: atOnce });

export function heirOf(id: string, part: Partial<Heir> = {}): Heir {
  const self = { id, peer: `${id}:7600`, api: `${id}:7500` };
  return { self, clusterId: `new-${id}`, atMs: NOON, tokenFloor: 0, catchUp: false, ...part };
}

export class Kept {
  readonly stored: Stored<HistoryStore>;
  term = 3;
  clockMs: number;
  private readonly capacity: Capacity;
  private writes = 0;

  private constructor(stored: Stored<HistoryStore>, of: Capacity, clockMs: number) {
    this.stored = stored;
    this.capacity = of;
    this.clockMs = clockMs;
  }

  static async open(disk: Disk, of: Capacity = capacity, clockMs = NOON): Promise<Kept> {
    return new Kept(await openStored(disk, of, atOnce, (marks) => HistoryStore.open(disk.files, 0, marks)), of, clockMs);
  }

  /** A cluster of a, b and c, two jobs that fire by the hour, one that may run once only and runs, and a checkpoint of all that. */
  async found(spec: (delivery: "at_least_once" | "at_most_once") => JobSpec): Promise<void> {
    const { state } = this.stored;
    const ids = { kind: "bootstrap", clusterId: "old", idSpace: "space", shard: 0 } as const;
    await this.entry([{ ...ids, ...this.capacity }]);
    await this.entry([{ kind: "nodeUp", node: "a", incarnation: 9, slots: 5, tags: [], held: [] }]);
    for (const delivery of ["at_least_once", "at_most_once"] as const) {
      await this.entry([{ kind: "create", key: undefined, jobId: delivery, nextDueMs: this.clockMs, ...fieldsOf(spec(delivery)) }]);
      await this.fire(delivery, this.clockMs + 3_600_000, state.nodes.find("a")?.session ?? 0);
    }
    await this.checkpoint();
  }

  /** Written, applied, and known to be committed with the next write. */
  async entry(commands: readonly Command[], isApplied = true): Promise<void> {
    const { log, state } = this.stored;
    const data = entryOf(commands, this.clockMs);
    const index = log.lastIndex + 1;
    const entries = [{ index, term: this.term, kind: "command" as const, data }];
    const hardState = { term: this.term, vote: "a", commit: isApplied ? index : state.appliedIndex };
    const write = { number: ++this.writes, truncateFrom: undefined, entries, hardState };
    await finished((done) => log.write(write, done));
    if (isApplied) applyEntry(state, index, data);
  }

  fire(jobId: string, nextDueMs: number, session: number): Promise<void> {
    const { jobs } = this.stored.state;
    const job = findJob(this.stored.state, jobId);
    const items = planOf((plan) => {
      plan.due(job, jobs.generation[job] as number, jobs.revision[job] as number, jobs.dueAtMs[job] as number, nextDueMs, session);
    });
    return this.entry([{ kind: "plan", items }]);
  }

  checkpoint(): Promise<void> {
    const { store, state, history, log } = this.stored;
    const places = new Map(["a", "b", "c"].map((id) => [id, encodePlace({ peer: `${id}:1`, api: `${id}:2` })]));
    const bytes = encodeMembership({ voters: [["a", "b", "c"]], learners: [], places });
    const at = { appliedIndex: state.appliedIndex, appliedTerm: this.term, scalars: state.encodeScalars(), position: log.position() };
    return finished((done) => takeCheckpoint(store, history, { ...at, membership: { index: 0, bytes } }, done));
  }

  async backup(path: string): Promise<void> {
    const file = await BackupFile.create(path);
    const header = { cluster: "test", clusterId: "old", version: "0.1.0", takenAtMs: this.clockMs };
    await writeBackup(file, header, new StateCopy(this.stored.store, createHash("sha256").update(path).digest("hex")));
    await file.finish();
  }
}
