// Owns: what goes when it has been kept long enough: history by days, and what is left of jobs that ended or left the table (H10f).
// How long things are kept, and when to ask, is decided by the leader (src/planner/retention.ts); it is all by entries, so that no
// replica drops anything by its own clock.
// (D1) Nothing goes that is younger than the first day kept, whatever an entry names.

import type { ByteReader } from "../base/bytes.ts";
import { coldKeys } from "./cold.ts";
import { decodeEnded, decodeLeft } from "./definition.ts";
import { forgetEnded } from "./endedrows.ts";
import type { State } from "./state.ts";

const DAY_MS = 86_400_000;

export function applyDropHistory(state: State, beforeDay: number): void {
  state.historyDroppedAtMs = state.elapsedMs;
  if (beforeDay <= state.historyFromDay) return;
  state.historyFromDay = beforeDay;
  state.historySink.dropBefore(beforeDay);
}

export function applyForget(state: State, body: ByteReader): void {
  for (let left = body.u32(); left > 0; left--) {
    const key = body.string();
    const value = state.cold.get(key);
    if (!value || !isAged(state, key, value)) continue;
    if (key.startsWith(coldKeys.ended(""))) forgetEnded(state, key.slice(coldKeys.ended("").length));
    else state.cold.del(key);
  }
}

/** Whether a cold row tells of a job that ended, or left the table, before the first day kept (D1): all its history has aged out. */
export function isAged(state: State, key: string, value: Uint8Array): boolean {
  const keptFromMs = state.historyFromDay * DAY_MS;
  if (key.startsWith(coldKeys.ended(""))) return decodeEnded(value).endedAtMs < keptFromMs;
  return key.startsWith(coldKeys.lefts) && decodeLeft(value).leftAtMs < keptFromMs;
}
