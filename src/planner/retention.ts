// Owns: what the leader proposes so that nothing is kept for ever: which days of history go, and which rows of jobs that are gone (H10f).
// What goes is decided again by apply (src/jobs/applyretention.ts); when to ask, and reading the rows, is the business of src/cluster.
// (T1) Retention runs on leaders' monotonic time (H13): once a day, and at most a few days of history at a time. A wrong wall clock
//      of years ahead costs no more than that before somebody sees it.

import { isAged } from "../jobs/applyretention.ts";
import { coldKeys } from "../jobs/cold.ts";
import type { Command } from "../jobs/command.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";

const DAY_MS = 86_400_000;

/** The ranges of cold rows that are to be looked through for agedRows(), a page at a time, round and round. */
export const agingRanges: readonly { readonly gt: string; readonly lt: string }[] = [
  { gt: coldKeys.ended(""), lt: `${coldKeys.ended("").slice(0, -1)}0` },
  { gt: coldKeys.lefts, lt: `${coldKeys.lefts.slice(0, -1)}0` },
];

/** How many days are kept, and how often days may go. */
export type Retention = { readonly days: number; readonly everyMs: number };

/** The next command about days of history, undefined when none is due. `oldestDay`: the oldest one that the leader has records of. */
export function historyDrop(state: State, { days, everyMs }: Retention, oldestDay: number | undefined): Command | undefined {
  if (oldestDay === undefined || state.elapsedMs - state.historyDroppedAtMs < everyMs) return undefined;
  const oldMs = state.clockMs - days * DAY_MS;
  const beforeDay = Math.min(Math.floor(oldMs / DAY_MS), Math.max(oldestDay, state.historyFromDay) + limits.historyDaysPerDropMax);
  return beforeDay > oldestDay ? { kind: "dropHistory", beforeDay } : undefined;
}

/** The command that removes those of these rows that are older than the history that is kept; undefined when none is. */
export function agedRows(state: State, rows: readonly (readonly [string, Uint8Array])[]): Command | undefined {
  const keys = rows.filter(([key, value]) => isAged(state, key, value)).map(([key]) => key);
  return keys.length === 0 ? undefined : { kind: "forget", keys: keys.slice(0, limits.forgetKeysMax) };
}
