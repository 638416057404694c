// Owns: the Raft log on disk: one value per write, and the checks that make a damaged or shortened log known. What is written and
// when it counts as durable is decided in src/raft; bytes of a value are in logformat.ts; checkpoints repeat the position (state.ts).
// (G1) Keys are write numbers and are never put twice. Term, vote and commit are in every value, so no key is ever overwritten.
// (G2) Every value names the seal of the write before it, entries or not, and repeats the tail of the log after itself: a write
//      that is lost or changed breaks the chain.
// (G3) Open demands write 1, an unbroken chain, contiguous indexes and terms that never fall. Nothing is cut or repaired.
// (G4) What is read shows only what is durable: a write is laid into the index when it is done.
// (G5) A chain cannot know of its own lost end: checkPosition() compares it with what a checkpoint saw (H8).

import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { decodeWrite, encodeWrite, readEntries, writeKey } from "./logformat.ts";
import { quarantined, sealIn, unsealed } from "./quarantine.ts";
import { Steps } from "./steps.ts";
import type { Entry, HardState, LogReader, LogWrite } from "../raft/types.ts";
import type { StoredWrite } from "./logformat.ts";
import type { Kv, KvOptions } from "./disk.ts";

/** No compression: entries are written once, read rarely, and the writer should wait for nothing but the disk. */
export const logOptions: KvOptions = {
  writeBufferBytes: limits.logWriteBufferBytes,
  openFilesMax: limits.logOpenFilesMax,
  compression: false,
};

/** Where the log durably ended: number of the newest write, its seal, the last index, and term and vote. All 0 and "" when empty. */
export type LogPosition = {
  readonly number: number;
  readonly index: number;
  readonly term: number;
  readonly vote: string;
  readonly checksum: number;
};

const STORE = "raft log";

/** Reads and checks the whole log (G3). Throws PawlError("quarantined") naming what is wrong. */
export async function openLog(kv: Kv): Promise<RaftLog> {
  const log = new RaftLog(kv);
  let after = "";
  for (;;) {
    const rows = await kv.page({ gt: after, limit: limits.storagePageRows });
    for (const [key, value] of rows) log.restore(key, value);
    const last = rows.at(-1);
    if (last === undefined) return log;
    after = last[0];
  }
}

export class RaftLog implements LogReader {
  private readonly kv: Kv;
  private readonly writes = new Steps();
  private readonly terms = new Steps();
  private memberships: Entry[] = [];
  private state: HardState = { term: 0, vote: "", commit: 0 };
  private last = 0;
  private newest = 0;
  private seal = 0;
  private inFlight = false;
  private newestAsked = 0;

  constructor(kv: Kv) {
    this.kv = kv;
  }

  get hardState(): HardState {
    return this.state;
  }

  get firstIndex(): number {
    return this.writes.firstIndex ?? 1;
  }

  get lastIndex(): number {
    return this.last;
  }

  term(index: number): number | undefined {
    return index < this.firstIndex || index > this.last ? undefined : this.terms.at(index);
  }

  membershipEntries(): readonly Entry[] {
    return this.memberships;
  }

  /** Throws PawlError("quarantined") when a stored value fails its checks. `data` are views into what was read. */
  entries(from: number, to: number, maxBytes: number): Entry[] {
    assert(from >= this.firstIndex && from <= to && to <= this.last, `entries ${from} to ${to} are not in the log`);
    const out: Entry[] = [];
    let bytes = 0;
    while (from <= to) {
      const end = Math.min(to + 1, this.writes.endAt(from));
      const part = this.readWrite(this.writes.at(from) as number, from, end);
      for (const entry of part) {
        bytes += entry.data.length;
        if (out.length > 0 && bytes > maxBytes) return out;
        out.push(entry);
      }
      from = end;
    }
    return out;
  }

  position(): LogPosition {
    return { number: this.newest, index: this.last, term: this.state.term, vote: this.state.vote, checksum: this.seal };
  }

  /** `done` is called when the write is durable; with an error when nobody can tell, and then the process must end. */
  write(write: LogWrite, done: (error?: Error) => void): void {
    assert(!this.inFlight, "one write of the log is in flight");
    assert(write.number > this.newestAsked, "writes of the log come in order");
    const stored = this.following(write);
    this.newestAsked = write.number;
    this.inFlight = true;
    const key = writeKey(stored.number);
    const value = encodeWrite(key, stored);
    this.kv.write([{ put: key, value }], (error) => {
      if (error !== undefined) return done(error);
      this.inFlight = false;
      this.lay(stored, sealIn(value));
      done();
    });
  }

  /** Lays one stored write behind the others, if it continues them (G2, G3). */
  restore(key: string, value: Uint8Array): void {
    const stored = this.decode(key, value);
    const fault = this.fault(stored);
    if (fault !== undefined) throw quarantined(STORE, `write ${stored.number}: ${fault}`);
    this.lay(stored, sealIn(value));
  }

  /** Seal and place of a stored write: what checkPosition() compares. */
  storedPosition(number: number): LogPosition {
    const key = writeKey(number);
    const value = this.kv.get(key);
    if (value === undefined) throw quarantined(STORE, `write ${number} is missing`);
    const { hardState, lastIndex } = this.decode(key, value);
    return { number, index: lastIndex, term: hardState.term, vote: hardState.vote, checksum: sealIn(value) };
  }

  private decode(key: string, value: Uint8Array): StoredWrite {
    const number = Number.parseInt(key, 16);
    if (!Number.isSafeInteger(number) || key !== writeKey(number)) throw quarantined(STORE, `unknown key ${JSON.stringify(key)}`);
    return decodeWrite(number, unsealed(STORE, key, value));
  }

  private following(write: LogWrite): StoredWrite {
    const { entries, hardState, truncateFrom } = write;
    const lastIndex = (truncateFrom ?? this.last + 1) - 1 + entries.length;
    const lastTerm = entries.at(-1)?.term ?? (lastIndex === 0 ? 0 : (this.terms.at(lastIndex) as number));
    const place = { number: this.newest + 1, previousSeal: this.seal, truncateFrom: truncateFrom ?? 0 };
    const stored = { ...place, hardState, lastIndex, lastTerm, entries };
    const fault = this.fault(stored);
    assert(fault === undefined, `write ${write.number} to the log: ${fault}`);
    return stored;
  }

  /** Why a write cannot follow what is stored, if it cannot. */
  private fault(write: StoredWrite): string | undefined {
    const { hardState, truncateFrom } = write;
    if (write.number !== this.newest + 1) return `follows write ${this.newest}, some are missing`;
    if (write.previousSeal !== this.seal) return "names another write before it than the one that is stored";
    if (hardState.term < this.state.term) return `the term falls from ${this.state.term} to ${hardState.term}`;
    const isThere = truncateFrom === 0 || (truncateFrom >= this.firstIndex && truncateFrom <= this.last + 1);
    return isThere ? this.entriesFault(write) : `replaces from index ${truncateFrom}, which is not there`;
  }

  private entriesFault(write: StoredWrite): string | undefined {
    const { hardState, truncateFrom } = write;
    let index = truncateFrom === 0 ? this.last : truncateFrom - 1;
    let term = index === 0 ? 0 : (this.terms.at(index) as number);
    for (const entry of write.entries) {
      if (entry.index !== ++index) return `holds index ${entry.index} where ${index} is due`;
      if (entry.term < term) return `term ${entry.term} of index ${index} comes after term ${term}`;
      if (entry.term > hardState.term) return `index ${index} is of term ${entry.term}, but the node is in term ${hardState.term}`;
      term = entry.term;
    }
    if (write.lastIndex !== index || write.lastTerm !== term) return `ends at index ${index}, but says ${write.lastIndex}`;
    return hardState.commit > index ? `commit ${hardState.commit} is behind the last index ${index}` : undefined;
  }

  private lay(write: StoredWrite, seal: number): void {
    const { truncateFrom, entries, hardState } = write;
    if (truncateFrom !== 0) {
      this.writes.truncate(truncateFrom);
      this.terms.truncate(truncateFrom);
      this.memberships = this.memberships.filter(({ index }) => index < truncateFrom);
    }
    const first = entries[0];
    if (first !== undefined) this.writes.push(first.index, write.number);
    for (const { index, term } of entries) if (this.terms.length === 0 || this.terms.at(index) !== term) this.terms.push(index, term);
    // Copied, because views would hold the whole write in memory.
    for (const entry of entries) if (entry.kind === "membership") this.memberships.push({ ...entry, data: entry.data.slice() });
    this.last = write.lastIndex;
    this.state = hardState;
    this.newest = write.number;
    this.seal = seal;
  }

  private readWrite(number: number, from: number, end: number): Entry[] {
    const key = writeKey(number);
    const value = this.kv.get(key);
    if (value === undefined) throw quarantined(STORE, `write ${number}, which holds index ${from}, is missing`);
    const entries = readEntries(unsealed(STORE, key, value), from, end);
    const holds = entries.length > 0 && entries[0]?.index === from;
    if (!holds) throw quarantined(STORE, `write ${number} does not hold index ${from}`);
    return entries;
  }
}

/** Throws PawlError("quarantined") when the log does not hold what a checkpoint saw of it: acknowledged writes were lost (G5). */
export function checkPosition(log: RaftLog, witnessed: LogPosition): void {
  if (witnessed.number === 0) return;
  const { number } = log.position();
  if (number < witnessed.number) {
    throw quarantined(STORE, `ends at write ${number}, a checkpoint saw write ${witnessed.number}: acknowledged writes are lost`);
  }
  const stored = log.storedPosition(witnessed.number);
  const { index, term, vote, checksum } = witnessed;
  const isSame = stored.checksum === checksum && stored.index === index && stored.term === term && stored.vote === vote;
  if (!isSame) throw quarantined(STORE, `write ${witnessed.number} is not the one that a checkpoint saw`);
}

