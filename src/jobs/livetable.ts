// Owns: executions that have not ended (queued, running, retrying, cancelling): rows of their own, with token, attempt, session,
// definition version and next time, so that whatever must still happen is a row and never a memory (H4). Ended ones are history.
// (L1) The timer of a row is its place in the wheel: queued: now; retrying: the next attempt; running, cancelling: the deadline.

import { mix32 } from "../base/checksum.ts";
import { limits } from "../limits.ts";
import { ColumnTable } from "./columns.ts";
import { NumberIndex } from "./numberindex.ts";
import { NumberPool } from "./numberpool.ts";

export const liveState = { none: 0, queued: 1, running: 2, retrying: 3, cancelling: 4 } as const;
export const liveStateNames = ["none", "queued", "running", "retrying", "cancelling"] as const;

export class LiveTable {
  readonly rows: ColumnTable;
  readonly pool: NumberPool;
  readonly bySequence: NumberIndex;
  /** Timer (L1), shared with the wheel. */
  readonly timerAtMs: Float64Array;
  readonly sequence: Float64Array;
  /** Counter of the newest fencing token; 0 before the first start. */
  readonly token: Float64Array;
  readonly scheduledAtMs: Float64Array;
  readonly queuedAtMs: Float64Array;
  readonly startedAtMs: Float64Array;
  readonly job: Uint32Array;
  /** Revision of the definition that all attempts run (H12). */
  readonly version: Uint32Array;
  /** Session that the newest attempt was given to; 0 for none. */
  readonly session: Uint32Array;
  readonly attempt: Uint16Array;
  /** Attempts that ended by no fault of the job: lost with their node or not started. They do not count as tries. */
  readonly losses: Uint16Array;
  readonly state: Uint8Array;
  readonly origin: Uint8Array;
  /** Derived: hash of the sequence; links of the job's list. */
  readonly hash: Uint32Array;
  readonly nextOfJob: Uint32Array;
  readonly previousOfJob: Uint32Array;
  /** Derived: rows by state, but for "none": counted as they change, since a million rows are too many to look through for each scrape. */
  readonly counts = new Float64Array(liveStateNames.length);

  constructor(capacity: number, timers: Float64Array) {
    const size = capacity + 1;
    this.timerAtMs = timers.subarray(0, size);
    this.sequence = new Float64Array(size);
    this.token = new Float64Array(size);
    this.scheduledAtMs = new Float64Array(size);
    this.queuedAtMs = new Float64Array(size);
    this.startedAtMs = new Float64Array(size);
    this.job = new Uint32Array(size);
    this.version = new Uint32Array(size);
    this.session = new Uint32Array(size);
    this.attempt = new Uint16Array(size);
    this.losses = new Uint16Array(size);
    this.state = new Uint8Array(size);
    this.origin = new Uint8Array(size);
    this.hash = new Uint32Array(size);
    this.nextOfJob = new Uint32Array(size);
    this.previousOfJob = new Uint32Array(size);
    const stored = [
      this.timerAtMs, this.sequence, this.token, this.scheduledAtMs, this.queuedAtMs, this.startedAtMs, this.job, this.version,
      this.session, this.attempt, this.losses, this.state, this.origin,
    ];
    this.rows = new ColumnTable("live", capacity, stored, limits.pageBytes);
    this.pool = new NumberPool(capacity);
    this.bySequence = new NumberIndex(capacity, this.hash);
  }

  /** The row of a live execution, 0 when it is not live. */
  find(sequence: number): number {
    return this.bySequence.find(sequenceHash(sequence), (row) => this.sequence[row] === sequence);
  }

  setState(row: number, to: number): void {
    const from = this.state[row] as number;
    this.counts[from] = (this.counts[from] as number) - 1;
    this.counts[to] = (this.counts[to] as number) + 1;
    this.state[row] = to;
  }

  /** Puts a row whose sequence is set into the index. */
  index(row: number): void {
    this.hash[row] = sequenceHash(this.sequence[row] as number);
    this.bySequence.add(row);
  }
}

function sequenceHash(sequence: number): number {
  return mix32((sequence % 2 ** 32) ^ Math.floor(sequence / 2 ** 32));
}
