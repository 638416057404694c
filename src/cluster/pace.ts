// Owns: how often a node does what nobody waits for, and in how small parts. The bounds of a real node are in src/limits.ts; a simulated
// one is faster, so that what takes hours is seen in seconds, and takes more turns for its few rows than a real one for millions.

import { limits } from "../limits.ts";

export type Pace = {
  /** From the beginning of a leadership to its first mark, and from mark to mark. */
  readonly firstMarkMs: number;
  readonly markMs: number;
  /** From one step of reading the disk again to the next, in the first round and later, and from the end of a round to the next. */
  readonly scrubFirstStepMs: number;
  readonly scrubStepMs: number;
  readonly scrubRestMs: number;
  /** How often a leader looks at retention and versions, and reads a page of rows that may be too old. */
  readonly stateUpkeepMs: number;
  readonly agingPageMs: number;
  /** In leaders' time, from one drop of days of history to the next. */
  readonly historyDropMs: number;
  /** Of a checkpoint that is put together: as in src/storage/state.ts. */
  readonly batchSliceBytes: number;
  readonly batchTurnsMax: number;
};

export const usualPace: Pace = {
  firstMarkMs: limits.firstMarkMs,
  markMs: limits.markMs,
  scrubFirstStepMs: limits.scrubFirstStepMs,
  scrubStepMs: limits.scrubStepMs,
  scrubRestMs: limits.scrubRestMs,
  stateUpkeepMs: limits.stateUpkeepMs,
  agingPageMs: limits.agingPageMs,
  historyDropMs: limits.historyDropEveryMs,
  batchSliceBytes: limits.batchSliceBytes,
  batchTurnsMax: limits.batchTurnsMax,
};
