// Owns: the removal of expired Idempotency-Keys from this node's storage. Expired keys are already treated as absent by apply, on
// every replica alike; when their rows go is each node's own business.

import { ByteReader } from "../base/bytes.ts";
import { coldKeys } from "../jobs/cold.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";
import type { ColdPages } from "./queries.ts";

/** Each reads a row that is most likely not in memory: about 2 ms of a turn. */
const GETS_PER_TURN = 128;

/** Removes up to limits.keysPerSweepMax keys of generations that have expired, some in a turn; true when there may be more. */
export async function sweepKeys(state: State, pages: ColdPages, soon: System["soon"]): Promise<boolean> {
  const oldestKept = state.keyGeneration - limits.keyGenerations + 1;
  if (oldestKept <= 0) return false;
  const first = coldKeys.generation(0, "");
  const rows = await pages.page({ gte: first, lt: coldKeys.generation(oldestKept, ""), limit: limits.keysPerSweepMax });
  for (const [at, [row]] of rows.entries()) {
    if (at % GETS_PER_TURN === GETS_PER_TURN - 1) await new Promise<void>(soon);
    const generation = Number.parseInt(row.slice("gen/".length, "gen/".length + 8), 16);
    const key = coldKeys.idempotency(row.slice(first.length));
    const stored = state.cold.get(key);
    // The same key may have been used again since: then its row is of a newer generation.
    if (stored && generationOf(stored) === generation) state.cold.del(key);
    state.cold.del(row);
  }
  return rows.length === limits.keysPerSweepMax;
}

function generationOf(stored: Uint8Array): number {
  const input = new ByteReader(stored);
  input.u8();
  return input.u32();
}
