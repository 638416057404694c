// Owns: the hot table: what changes when a job fires, 42 bytes a row, addressed by the dense job number. Definitions are cold
// rows (definitionrows.ts) and are not read to fire a job. Live executions are in livetable.ts.
// (J1) A number always travels with its generation, raised at each reuse (H2b).
// (J2) Columns marked derived are not stored: they are rebuilt when the rows are loaded.

import { limits } from "../limits.ts";
import { ColumnTable } from "./columns.ts";
import { NumberIndex } from "./numberindex.ts";
import { NumberPool } from "./numberpool.ts";

export const jobFlags = {
  used: 1,
  paused: 2,
  /** Deleted, but executions are still live: the row stays until they have ended; its id is free again. */
  deleted: 4,
  /** Has one due time: its end is the job's end. */
  oneShot: 8,
  /** Its due time is not later than the restore that the state remembers, but was set after it: it is sure that it was not run (H15). */
  anew: 16,
  /** Its first version is stored in a block of definitions (definitionrows.ts). */
  inBlock: 32,
} as const;

const TWO_32 = 2 ** 32;
/** Upper byte of the flags: index of the newest record's ending, plus one; 0 for none. */
const ENDING_SHIFT = 8;

export class JobTable {
  readonly rows: ColumnTable;
  readonly pool: NumberPool;
  readonly ids: NumberIndex;
  /** Next due time, the key of the next occurrence; 0 for none. Shared with the wheel. */
  readonly dueAtMs: Float64Array;
  /** Due time that was turned into a record last; due times never go back behind it. */
  readonly lastAtMs: Float64Array;
  readonly schedule: Uint32Array;
  readonly class: Uint32Array;
  readonly revision: Uint32Array;
  readonly generation: Uint16Array;
  readonly flags: Uint16Array;
  readonly idHash: Uint32Array;
  private readonly historyLow: Uint32Array;
  private readonly historyHigh: Uint16Array;
  /** Derived: first live execution, and how many there are (J2). */
  readonly liveHead: Uint32Array;
  readonly liveCount: Uint32Array;

  /** `dueAtMs` has capacity + 1 elements or more; those beyond belong to someone else. */
  constructor(capacity: number, dueAtMs: Float64Array) {
    const size = capacity + 1;
    this.dueAtMs = dueAtMs.subarray(0, size);
    this.lastAtMs = new Float64Array(size);
    this.schedule = new Uint32Array(size);
    this.class = new Uint32Array(size);
    this.revision = new Uint32Array(size);
    this.generation = new Uint16Array(size);
    this.flags = new Uint16Array(size);
    this.idHash = new Uint32Array(size);
    this.historyLow = new Uint32Array(size);
    this.historyHigh = new Uint16Array(size);
    this.liveHead = new Uint32Array(size);
    this.liveCount = new Uint32Array(size);
    const stored = [
      this.dueAtMs, this.lastAtMs, this.schedule, this.class, this.revision, this.generation, this.flags, this.idHash,
      this.historyLow, this.historyHigh,
    ];
    this.rows = new ColumnTable("jobs", capacity, stored, limits.pageBytes);
    this.pool = new NumberPool(capacity);
    this.ids = new NumberIndex(capacity, this.idHash);
  }

  /** Ordinal of the job's newest history record; 0 for none. */
  history(job: number): number {
    return (this.historyLow[job] as number) + (this.historyHigh[job] as number) * TWO_32;
  }

  setHistory(job: number, ordinal: number): void {
    this.historyLow[job] = ordinal % TWO_32;
    this.historyHigh[job] = Math.floor(ordinal / TWO_32);
  }

  /** How the job's newest record ended, an index into `endings`; -1 when it has none. */
  lastEnding(job: number): number {
    return ((this.flags[job] as number) >>> ENDING_SHIFT) - 1;
  }

  setLastEnding(job: number, ending: number): void {
    this.flags[job] = ((this.flags[job] as number) & 0xff) | ((ending + 1) << ENDING_SHIFT);
  }

  has(job: number, flag: number): boolean {
    return ((this.flags[job] as number) & flag) !== 0;
  }

  /** Rows in [from, to) with this flag. */
  withFlag(flag: number, from: number, to: number): Uint32Array {
    const { flags } = this;
    const rows = new Uint32Array(to - from);
    let count = 0;
    for (let job = from; job < to; job++) if (((flags[job] as number) & flag) !== 0) rows[count++] = job;
    return rows.subarray(0, count);
  }

  /** True when the row is the one that a command was computed from (H1, J1). */
  is(job: number, generation: number, revision: number): boolean {
    return this.pool.has(job) && this.generation[job] === generation && this.revision[job] === revision;
  }

  /** Due times are fired only for rows that are neither paused nor deleted. */
  enabled(job: number): boolean {
    return (((this.flags[job] as number) & (jobFlags.paused | jobFlags.deleted)) | 0) === 0;
  }
}
