// Owns: the log as the core sees it: the stored entries of the LogReader below, and in memory the newest ones, durable or not. What may
// be appended or cut is replication's to decide; when a write is durable is the driver's to say.
// (L1) durableIndex <= submittedIndex <= lastIndex. Entries above durableIndex are always in memory.
// (L2) The reader is asked only below `tailFirst`, where everything is durable and nothing is being cut, so that it may show either
//      the state before or after a write in flight.
// (L3) The reader may drop entries from its front at any time, up to what was applied; nothing that is above is moved by it.
// (L4) A write that completes after its entries were cut in memory makes durable only what was not cut.

import { assert } from "../base/errors.ts";
import type { Entry, LogReader } from "./types.ts";

const ENTRY_OVERHEAD_BYTES = 16;
const COMPACT_MIN = 1024;

/** What one entry counts against the bounds of the cache and of messages. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/** How many of `entries` from `at` on fit into `maxBytes`; at least one. */
function fitting(entries: readonly Entry[], at: number, end: number, maxBytes: number): number {
  let bytes = 0;
  let count = 0;
  for (let i = at; i < end; i++) {
    bytes += entryBytes(entries[i] as Entry);
    if (count > 0 && bytes > maxBytes) break;
    count++;
  }
  return count;
}

const released: Entry = { index: 0, term: 0, kind: "command", data: new Uint8Array(0) };

export class RaftLog {
  private readonly reader: LogReader;
  private readonly cacheMaxBytes: number;
  /** Consecutive entries; the one at `head` has index `tailFirst`, those before it were let go. */
  private tail: Entry[] = [];
  private head = 0;
  private tailFirst: number;
  private tailBytes = 0;
  private last: number;
  private lastEntryTerm: number;
  private durable: number;
  private submitted: number;
  private truncateFrom: number | undefined;
  /** What becomes durable with the write in flight. */
  private inFlightLast = 0;

  constructor(reader: LogReader, cacheMaxBytes: number) {
    this.reader = reader;
    this.cacheMaxBytes = cacheMaxBytes;
    this.last = reader.lastIndex;
    this.tailFirst = this.last + 1;
    this.durable = this.last;
    this.submitted = this.last;
    const lastTerm = this.last === 0 ? 0 : reader.term(this.last);
    assert(lastTerm !== undefined, "the last stored entry has a term");
    this.lastEntryTerm = lastTerm;
  }

  get firstIndex(): number {
    return this.reader.firstIndex;
  }

  get lastIndex(): number {
    return this.last;
  }

  get lastTerm(): number {
    return this.lastEntryTerm;
  }

  get durableIndex(): number {
    return this.durable;
  }

  get unsubmitted(): boolean {
    return this.truncateFrom !== undefined || this.submitted < this.last;
  }

  /** Undefined above the last entry and below the one before the first kept, whose term is still known. */
  term(index: number): number | undefined {
    if (index === this.last) return this.lastEntryTerm;
    if (index > this.last || index < 0) return undefined;
    if (index >= this.tailFirst) return this.cached(index).term;
    return index === 0 ? 0 : this.reader.term(index);
  }

  private cached(index: number): Entry {
    return this.tail[this.head + index - this.tailFirst] as Entry;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.last + 1 && entry.term >= this.lastEntryTerm, "entries are appended in order");
      this.tail.push(entry);
      this.tailBytes += entryBytes(entry);
      this.last = entry.index;
      this.lastEntryTerm = entry.term;
    }
  }

  /** Forgets everything from `from` on; the next write tells the disk if it must. */
  truncate(from: number): void {
    assert(from > 0 && from <= this.last, "only existing entries are cut");
    while (this.tail.length > this.head && this.last >= from) {
      this.tailBytes -= entryBytes(this.tail.pop() as Entry);
      this.last--;
    }
    this.last = from - 1;
    if (from < this.tailFirst) this.tailFirst = from;
    const lastTerm = from === 1 ? 0 : this.termBelow(from);
    assert(lastTerm !== undefined, "the entry before a cut has a term");
    this.lastEntryTerm = lastTerm;
    this.durable = Math.min(this.durable, this.last);
    this.inFlightLast = Math.min(this.inFlightLast, this.last);
    if (from <= this.submitted) {
      this.truncateFrom = Math.min(this.truncateFrom ?? from, from);
      this.submitted = this.last;
    }
  }

  private termBelow(from: number): number | undefined {
    return from - 1 >= this.tailFirst ? this.cached(from - 1).term : this.reader.term(from - 1);
  }

  /** Hands out what the disk does not have yet; the caller keeps to one write in flight. */
  submit(): { truncateFrom: number | undefined; entries: Entry[] } {
    const from = this.submitted + 1;
    const entries = this.tail.slice(this.head + from - this.tailFirst);
    const truncateFrom = this.truncateFrom;
    this.truncateFrom = undefined;
    this.submitted = this.last;
    this.inFlightLast = this.last;
    return { truncateFrom, entries };
  }

  /** The write in flight is durable, and the reader shows it. */
  persisted(): void {
    this.durable = Math.max(this.durable, this.inFlightLast);
    assert(this.durable <= this.submitted && this.submitted <= this.last, "durable, submitted, last (L1)");
    this.letGo();
  }

  private letGo(): void {
    while (this.tailBytes > this.cacheMaxBytes && this.tailFirst <= this.durable) {
      this.tailBytes -= entryBytes(this.tail[this.head] as Entry);
      // The place is cut off later, the entry must not be held until then.
      this.tail[this.head++] = released;
      this.tailFirst++;
    }
    if (this.head >= COMPACT_MIN && this.head * 2 > this.tail.length) {
      this.tail.splice(0, this.head);
      this.head = 0;
    }
  }

  /** Entries from `from` up to `to` at most, at least one, cut at `maxBytes`; it may stop early where memory begins. */
  slice(from: number, to: number, maxBytes: number): Entry[] {
    assert(from >= this.firstIndex && from <= to && to <= this.last, "entries are asked for within the log");
    if (from >= this.tailFirst) {
      const at = this.head + from - this.tailFirst;
      return this.tail.slice(at, at + fitting(this.tail, at, at + to - from + 1, maxBytes));
    }
    const stored = this.reader.entries(from, Math.min(to, this.tailFirst - 1), maxBytes);
    assert(stored.length > 0 && stored[0]?.index === from, "the stored log has the entries that it claims");
    const count = fitting(stored, 0, stored.length, maxBytes);
    return count === stored.length ? stored : stored.slice(0, count);
  }

  /**
   * The last index up to `limit` whose term is at most `term`, so that a whole term of disagreement is skipped in one step. Terms
   * never fall along a log, hence the search by halves. What lies before the first entry kept is taken to agree: whoever tries it
   * will be told.
   */
  lastWithTermAtMost(limit: number, term: number): number {
    let low = this.firstIndex - 1;
    let high = Math.min(limit, this.last);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.term(middle) ?? 0) <= term) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, Math.min(low, limit));
  }

  /** Raft's order of logs: the later last term wins, then the longer log. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastEntryTerm || (lastTerm === this.lastEntryTerm && lastIndex >= this.last);
  }
}
