// Owns: the removal of expired Idempotency-Keys from this node's storage. Expired keys are already treated as absent by apply, on
// every replica alike; when their rows go is each node's own business.

import { ByteReader } from "../base/bytes.ts";
import { coldKeys } from "../jobs/cold.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import type { ColdPages } from "./queries.ts";

/** Removes up to limits.keysPerSweepMax keys of generations that have expired. */
export async function sweepKeys(state: State, pages: ColdPages): Promise<void> {
  const oldestKept = state.keyGeneration - limits.keyGenerations + 1;
  if (oldestKept <= 0) return;
  const first = coldKeys.generation(0, "");
  const rows = await pages.page({ gte: first, lt: coldKeys.generation(oldestKept, ""), limit: limits.keysPerSweepMax });
  for (const [row] of rows) {
    const generation = Number.parseInt(row.slice("gen/".length, "gen/".length + 8), 16);
    const key = coldKeys.idempotency(row.slice(first.length));
    const stored = state.cold.get(key);
    // The same key may have been used again since: then its row is of a newer generation.
    if (stored && generationOf(stored) === generation) state.cold.del(key);
    state.cold.del(row);
  }
}

function generationOf(stored: Uint8Array): number {
  const input = new ByteReader(stored);
  input.u8();
  return input.u32();
}
