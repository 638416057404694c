// Owns: what a history record holds. src/storage keeps the records in blocks; the state machine appends them in completion order.

/** One ended execution, or one range of due times that were not run. Flat, so that one reused object serves all appends. */
export type HistoryRow = {
  /** Position in the shard's history, counted in apply from 1. */
  ordinal: number;
  /** Execution number; 0 for a range. */
  sequence: number;
  /** Dense job number. */
  job: number;
  /** Ordinal of the previous record of the same job; 0 for none. */
  previous: number;
  /** Index into `origins`. */
  origin: number;
  /** Index into `endings`. */
  ending: number;
  attempts: number;
  /** Key of the occurrence; for a range its first due time. */
  scheduledAtMs: number;
  /** 0 when it never started. */
  startAtMs: number;
  endAtMs: number;
  /** Counter of the newest token; 0 when it never started. */
  token: number;
  /** Number of the node in the replicated registry; 0 when it never started. */
  node: number;
  /** Last due time and count of a range; 0 and 0 for an execution. */
  rangeToMs: number;
  rangeCount: number;
  /** Of what it ran; of a range, of its job when it was recorded. */
  jobType: string;
  /** Error text or reason; "" for none. */
  note: string;
};

export const origins = ["scheduled", "trigger"] as const;
export const endings = ["completed", "failed", "cancelled", "unknown", "missed", "skipped"] as const;

export function emptyHistoryRow(): HistoryRow {
  return {
    ordinal: 0, sequence: 0, job: 0, previous: 0, origin: 0, ending: 0, attempts: 0, scheduledAtMs: 0,
    startAtMs: 0, endAtMs: 0, token: 0, node: 0, rangeToMs: 0, rangeCount: 0, jobType: "", note: "",
  };
}

/** What the state machine needs of the store: appends are kept in memory until a checkpoint writes them. */
export interface HistorySink {
  append(row: HistoryRow): void;
  /** Days before this one, counted from 1970-01-01 UTC, are aged out: their records go, and no new one is put into them. */
  dropBefore(day: number): void;
}
