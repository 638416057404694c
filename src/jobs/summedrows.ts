// Owns: cold rows as the state machine writes them, with a sum over everything that was ever written: replicas that applied the same
// entries wrote the same, so it needs no look at what is stored. What is on disk is src/storage's, and its scrubber's, to check (H8f).
// (M1) Only what apply does counts. Expired Idempotency-Keys are removed by each node for itself: their removal does not.

import { checksum, mix32 } from "../base/checksum.ts";
import { coldKeys } from "./cold.ts";
import type { ColdRows } from "./cold.ts";
import { HashSum } from "./hashsum.ts";

const REMOVED = 0x9e3779b9;

export class SummedRows implements ColdRows {
  readonly sum = new HashSum();
  private readonly rows: ColdRows;

  constructor(rows: ColdRows) {
    this.rows = rows;
  }

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }

  put(key: string, value: Uint8Array): void {
    this.rows.put(key, value);
    this.written(key, value);
  }

  add(key: string, value: Uint8Array): void {
    this.rows.add(key, value);
    this.written(key, value);
  }

  private written(key: string, value: Uint8Array): void {
    this.sum.add(mix32(checksum(value, keyHash(key))));
  }

  del(key: string): void {
    this.rows.del(key);
    if (!key.startsWith(coldKeys.keys) && !key.startsWith(coldKeys.generations)) this.sum.add(mix32(keyHash(key) ^ REMOVED));
  }
}

function keyHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
