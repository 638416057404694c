// Owns: how large the next entry may be: what items and bytes of changes have lately cost to apply on this leader. An entry is applied in
// one turn of the loop, so that is what it may cost, whatever it holds: the end of a recurring execution takes 2 us, that of a one-shot
// with its rows of the database ten times as much, and a busy machine multiplies both.
// (E1) Both stay between the least and the most of src/limits.ts, whatever is told.
// (E2) What an entry took is laid upon items and bytes by what was expected of each; one that was expected to take next to nothing says
//      little, and is not counted.

import { limits } from "../limits.ts";

/** How much of what an entry says is believed. */
const WEIGHT = 0.25;
/** One pause of the machine says as much as an entry that costs three times what was expected. */
const SURPRISE_MAX = 2;
const TOLD_MIN_MS = 0.5;
/** Of an entry with as many results as planned items, or with as many bytes of changes as it may have. */
const FULL_MS = 2 * limits.entryApplyMs;

export class EntryCost {
  private mostItems: number = limits.entryItemsMax;
  private mostBytes: number = limits.entryChangesMaxBytes;

  /** Starts, due times and ends for the next entry; results may be as many again. */
  get items(): number {
    return Math.floor(this.mostItems);
  }

  /** Bytes of callers' changes for the next entry. */
  get changeBytes(): number {
    return Math.floor(this.mostBytes);
  }

  /** An entry with so many items, and so many bytes of changes, took so long to apply here (E2). */
  applied(items: number, changeBytes: number, tookMs: number): void {
    const itemsMs = (items / (2 * this.mostItems)) * FULL_MS;
    const bytesMs = (changeBytes / this.mostBytes) * FULL_MS;
    const expectedMs = itemsMs + bytesMs;
    if (expectedMs < TOLD_MIN_MS) return;
    const surprise = Math.min(SURPRISE_MAX, tookMs / expectedMs - 1);
    const dearer = (ms: number): number => 1 + (WEIGHT * surprise * ms) / expectedMs;
    this.mostItems = within(this.mostItems / dearer(itemsMs), limits.entryItemsMin, limits.entryItemsMax);
    this.mostBytes = within(this.mostBytes / dearer(bytesMs), limits.entryChangesMinBytes, limits.entryChangesMaxBytes);
  }
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
