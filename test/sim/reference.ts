// Owns: a reference replica: a state of its own that is fed every committed entry once, in order, from whichever node applied it first.
// Every node's state is compared with it at equal applied index (state machine safety, I4), and the judge reads occurrences from it.

import { checksum } from "../../src/base/checksum.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import type { Replies } from "../../src/jobs/apply.ts";
import type { ColdRows } from "../../src/jobs/cold.ts";
import type { HistoryRow } from "../../src/jobs/history.ts";
import { State, timerMemory } from "../../src/jobs/state.ts";
import { capacity } from "./node.ts";

class MapRows implements ColdRows {
  private readonly rows = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }

  put(key: string, value: Uint8Array): void {
    this.rows.set(key, value);
  }

  del(key: string): void {
    this.rows.delete(key);
  }
}

/** Every row of both tables, and all counters, in one number. */
export function digest(state: State): number {
  const jobs = Uint32Array.from({ length: capacity.jobsMax }, (_, i) => i + 1);
  const live = Uint32Array.from({ length: capacity.liveMax }, (_, i) => i + 1);
  return checksum(state.encodeScalars(), checksum(state.jobs.rows.copyRows(jobs), checksum(state.live.rows.copyRows(live))));
}

export class Reference {
  readonly state: State;
  /** History records of the newest entry, in order. */
  records: HistoryRow[] = [];
  private readonly digests: number[] = [0];

  constructor() {
    const timers = { arm: () => undefined, disarm: () => undefined };
    this.state = new State(capacity, timerMemory(capacity), timers, new MapRows());
    this.state.historySink = { append: (row) => void this.records.push({ ...row }), dropBefore: () => undefined };
  }

  apply(index: number, data: Uint8Array): Replies {
    this.records = [];
    const replies = applyEntry(this.state, index, data);
    this.digests[index] = digest(this.state);
    return replies;
  }

  digestAt(index: number): number {
    return this.digests[index] as number;
  }
}
