// Owns: what crosses between the core thread and the face that runs executions. Columns, one message per log entry and
// direction, never one per execution. The core decides what runs; the face only says what became of it.

import type { DetailColumns } from "./startdetails.ts";

/** Executions to start, all applied in one log entry. Column i of each array belongs together. */
export type StartBatch = {
  readonly count: number;
  readonly sequences: Float64Array;
  /** Counters of the fencing tokens (src/base/token.ts). */
  readonly tokens: Float64Array;
  readonly attempts: Uint16Array;
  readonly scheduledAtMs: Float64Array;
  readonly timeoutsMs: Float64Array;
  /** Index into `typeNames`. */
  readonly types: Uint16Array;
  readonly typeNames: readonly string[];
  /** Monotonic time after which nothing of this batch may be started any more: it is reported as not_started. */
  readonly notAfterMs: number;
  /** What an executor needs beyond the columns; nothing where the type needs nothing (a no-op without payload). Any other
   *  start without details is reported as not_started. */
  readonly details: DetailColumns;
};

export const outcomes = ["completed", "failed", "timeout", "cancelled", "not_started"] as const;
export type AttemptOutcome = (typeof outcomes)[number];

/** What became of attempts. `outcomes` holds indexes into the list above; times are wall-clock milliseconds, 0 when it never ran. */
export type ResultBatch = {
  readonly count: number;
  readonly sequences: Float64Array;
  readonly tokens: Float64Array;
  readonly outcomes: Uint8Array;
  readonly startAtMs: Float64Array;
  readonly endAtMs: Float64Array;
  /** Error texts, cut to limits.errorTextMaxBytes; undefined when none of the batch has one. */
  readonly errors: readonly (string | undefined)[] | undefined;
};

/** Executions that the face must stop (cancelled, or their token is void). */
export type StopBatch = {
  readonly sequences: readonly number[];
  readonly tokens: readonly number[];
  readonly reason: "cancelled" | "void";
};
