// Owns: a reference replica: a state of its own that is fed every committed entry once, in order, from whichever node applied it first.
// Every node's state is compared with it at equal applied index (state machine safety, I4), and the judge reads occurrences from it.

import { checksum } from "../../src/base/checksum.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import type { ColdRows } from "../../src/jobs/cold.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import { State, timerMemory } from "../../src/jobs/state.ts";
import type { Entry } from "../../src/raft/types.ts";
import { capacity } from "./node.ts";
import { demand } from "./oracle.ts";

class MapRows implements ColdRows {
  private readonly rows = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }

  put(key: string, value: Uint8Array): void {
    this.rows.set(key, value);
  }

  add(key: string, value: Uint8Array): void {
    demand(!this.rows.has(key), "X5", `${key} is added, but is there`);
    this.put(key, value);
  }

  del(key: string): void {
    this.rows.delete(key);
  }
}

/** States are compared at every so many entries. */
const COMPARE_EVERY = 4;
const DAY_MS = 86_400_000;
const nothing = new Uint8Array(0);
const jobRows = Uint32Array.from({ length: capacity.jobsMax }, (_, i) => i + 1);
const liveRows = Uint32Array.from({ length: capacity.liveMax }, (_, i) => i + 1);

/** Every row of both tables, and all counters, in one number. */
export function digest(state: State): number {
  return checksum(state.encodeScalars(), checksum(state.jobs.rows.copyRows(jobRows), checksum(state.live.rows.copyRows(liveRows))));
}

export class Reference {
  readonly state: State;
  /** History records of the newest entry, in order. */
  records: HistoryRow[] = [];
  private kept: { readonly day: number; readonly row: HistoryRow }[] = [];
  private readonly digests: number[] = [];

  constructor() {
    const timers = { arm: () => undefined, disarm: () => undefined, turnBack: () => undefined };
    this.state = new State(capacity, timerMemory(capacity), timers, new MapRows());
    this.state.historySink = {
      append: (row) => {
        this.records.push({ ...row });
        this.kept.push({ day: Math.max(this.state.historyFromDay, Math.floor(row.endAtMs / DAY_MS)), row: { ...row } });
      },
      dropBefore: (day) => void (this.kept = this.kept.filter((record) => record.day >= day)),
    };
  }

  apply(entry: Entry): void {
    this.records = [];
    applyEntry(this.state, entry.index, entry.kind === "command" ? entry.data : nothing);
    if (entry.index % COMPARE_EVERY === 0) this.digests[entry.index] = digest(this.state);
  }

  /** All that have not aged out, in order. */
  get allRecords(): HistoryRow[] {
    return this.kept.map(({ row }) => row);
  }

  /** What states are to be compared with at this index; undefined where they are not. */
  compared(index: number): number | undefined {
    return this.digests[index];
  }
}
