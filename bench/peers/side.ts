// Owns: what a side of the comparison must be able to do. works.ts measures all sides through this and nothing else, so that the same
// thing is measured of each; Pawl is pawl.ts, the others are peers (peer.ts) on a store of their own (stores.ts).
// (S1) A job's payload is {"dueAtMs": n} on every side. Its handler notes how late it was called, and returns.
// (S2) Submitted means: durable as the side's settings say (facts.durability). Done means: the side has stored that the job has ended.

export type Facts = {
  readonly name: string;
  readonly versions: string;
  readonly durability: string;
  /** How jobs are handed over, with the size of the batches. */
  readonly bulk: string;
  /** How jobs are handled: processes, concurrency, what is fetched and completed together. */
  readonly handling: string;
  /** What stands for a schedule that fires every second. */
  readonly ticking: string;
};

/** Milliseconds from due time to the call of the handler. */
export type Lateness = { readonly p50Ms: number; readonly p95Ms: number; readonly maxMs: number };

export type Seen = { readonly handled: number; readonly lateness: Lateness };

/** The processes that serve, the folders with all that they keep, and how many copies of everything there are. */
export type Place = { readonly pids: readonly number[]; readonly folders: readonly string[]; readonly replicas: number };

export interface Server {
  /** Submits `count` jobs; the n-th is due at `dueAtMs(n)`, at once when that has passed. */
  submit(count: number, dueAtMs: (at: number) => number): Promise<void>;
  /** Handlers may start from now on. */
  handle(): Promise<void>;
  /** Resolves when all jobs that were ever submitted are done: `count` of them. */
  done(count: number): Promise<void>;
  /** Makes `count` schedules that fire every second, their due times even over the second. */
  tick(count: number): Promise<void>;
  /** What handlers have noted since the last call. */
  seen(): Promise<Seen>;
  place(): Place;
  stop(): Promise<void>;
}

export type Side = {
  readonly facts: Facts;
  /** Pawl's nodes handle what is due as soon as they run: jobs that are to wait until all are there get a due time ahead. */
  readonly alwaysHandles: boolean;
  start(): Promise<Server>;
};
