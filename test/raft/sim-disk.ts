// Owns: a simulated log disk: what is durable, and the one write in flight, which a crash loses or lands.

import { assert } from "../../src/base/errors.ts";
import type { Entry, HardState, LogReader, LogWrite } from "../../src/raft/types.ts";

export class SimDisk implements LogReader {
  entriesStored: Entry[] = [];
  hardState: HardState = { term: 0, vote: "", commit: 0 };
  appliedIndex = 0;
  firstIndex = 1;
  pending: LogWrite | undefined;

  get lastIndex(): number {
    return this.entriesStored.length;
  }

  term(index: number): number | undefined {
    return index < this.firstIndex ? undefined : this.entriesStored[index - 1]?.term;
  }

  membershipEntries(): Entry[] {
    return this.entriesStored.filter(({ kind }) => kind === "membership");
  }

  entries(from: number, to: number, maxBytes: number): Entry[] {
    assert(from >= this.firstIndex && to <= this.lastIndex, "the core asks only for stored entries");
    const out: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.entriesStored[index - 1] as Entry;
      bytes += entry.data.length;
      if (out.length > 0 && bytes > maxBytes) break;
      out.push(entry);
    }
    return out;
  }

  start(write: LogWrite): void {
    assert(this.pending === undefined, "one write is in flight at most");
    this.pending = write;
  }

  /** The write in flight becomes durable; returns its number. */
  land(): number {
    const write = this.pending;
    assert(write !== undefined, "a write is in flight");
    this.pending = undefined;
    if (write.truncateFrom !== undefined) this.entriesStored.length = write.truncateFrom - 1;
    for (const entry of write.entries) {
      assert(entry.index === this.lastIndex + 1, "writes leave no hole");
      this.entriesStored.push(entry);
    }
    assert(write.hardState.commit <= this.lastIndex, "a stored commit is within the stored log");
    this.hardState = write.hardState;
    return write.number;
  }
}
