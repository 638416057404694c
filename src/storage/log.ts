// Owns: the Raft log on disk: one value per write, and the checks that make a damaged or shortened log known. What is written and
// when it counts as durable is decided in src/raft; bytes of a value are in logformat.ts; checkpoints repeat the position (state.ts).
// (G1) Keys are write numbers and are never put twice. Term, vote and commit are in every value, so no key is ever overwritten.
// (G2) Every value names the seal of the write before it, entries or not, and repeats the tail of the log after itself: a write
//      that is lost or changed breaks the chain. It also says where the log begins and which state it belongs to.
// (G3) Open demands the first write that the newest one names, an unbroken chain from there, contiguous indexes and terms that never
//      fall. Nothing is cut or repaired.
// (G4) What is read shows only what is durable: a write is laid into the index when it is done.
// (G5) A chain cannot know of its own lost end: checkPosition() compares it with what a checkpoint saw (H8).
// (G6) Old writes are dropped whole, never the one that the newest checkpoint saw, in the batch of an ordinary write that says where the
//      log begins now: no crash leaves entries without a state to lay them on. A log to which nothing is written does not grow, so it
//      does not shrink either: what is marked goes with the next write.
// (G7) Another state is put under the log by one batch that drops all writes and names it; term and vote stay. There is no other step.

import { ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { Cuts } from "./cuts.ts";
import { decodeWrite, encodeWrite, readEntries, writeKey } from "./logformat.ts";
import { quarantined, sealIn, unsealed } from "./quarantine.ts";
import { Steps } from "./steps.ts";
import type { Entry, HardState, LogReader, LogWrite } from "../raft/types.ts";
import type { Cut } from "./cuts.ts";
import type { Kv, KvOp, KvOptions } from "./disk.ts";
import type { LogStart, StoredWrite } from "./logformat.ts";

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

/** What a state says of the log that it belongs to. */
export type StatePlace = { readonly appliedIndex: number; readonly appliedTerm: number; readonly logPosition: LogPosition };

/** What another state brings along: entries that go on from it, of a term that is over. All of them are committed. */
export type Beginning = { readonly term: number; readonly vote: string; readonly entries: readonly Entry[] };

/** A write that is not yet done: `position` is where the log ends once it is. */
export type Replacement = { readonly position: LogPosition; write(done: (error?: Error) => void): void };

const STORE = "raft log";
const NEW_LOG: LogStart = { write: 1, seal: 0, index: 0, term: 0, state: 1 };

/** Reads and checks the whole log (G3). Throws PawlError("quarantined") naming what is wrong. */
export async function openLog(kv: Kv): Promise<RaftLog> {
  const [newest] = await kv.page({ limit: 1, reverse: true });
  const log = new RaftLog(kv, newest === undefined ? NEW_LOG : decode(...newest).start);
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
  private writes = new Steps();
  private terms = new Steps();
  private cuts: Cuts;
  private memberships: Entry[] = [];
  private state: HardState = { term: 0, vote: "", commit: 0 };
  private start: LogStart;
  private last: number;
  private newest: number;
  private seal: number;
  /** Of all writes since the log was opened or began anew, dropped ones as well. */
  private laidBytes = 0;
  private marked = { index: 0, write: 0, bytes: 0 };
  private readonly writeBytes = new ByteWriter(65_536);
  private inFlight = false;
  /** Writes before this one are dropped, or go with the write that is in flight. */
  private keptFrom = 0;
  private newestAsked = 0;

  constructor(kv: Kv, start: LogStart) {
    this.kv = kv;
    this.start = start;
    this.last = start.index;
    this.newest = start.write - 1;
    this.seal = start.seal;
    this.terms.push(start.index, start.term);
    this.cuts = new Cuts({ ...start, bytes: 0 });
  }

  get hardState(): HardState {
    return this.state;
  }

  get firstIndex(): number {
    return this.start.index + 1;
  }

  /** Number of the first write that is kept. */
  get firstWrite(): number {
    return this.start.write;
  }

  /** The entries go on from the state in the database `state-<number>`. */
  get stateNumber(): number {
    return this.start.state;
  }

  /** About how many bytes the writes have that are kept. */
  get bytes(): number {
    return this.laidBytes - this.cuts.first.bytes;
  }

  get lastIndex(): number {
    return this.last;
  }

  term(index: number): number | undefined {
    const isKnown = index >= this.start.index && index <= this.last && index > 0;
    return isKnown ? this.terms.at(index) : undefined;
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
    assert(write.number > this.newestAsked, "writes of the log come in order");
    assert(!this.inFlight, "one write of the log is in flight");
    const cut = this.dueCut();
    const stored = this.following(write, this.startAt(cut));
    this.newestAsked = write.number;
    const key = writeKey(stored.number);
    // One write is in flight, and its bytes are the disk's until it is done: all of them are put together in the same memory.
    if (this.writeBytes.length > limits.entryMaxBytes) this.writeBytes.take();
    this.writeBytes.cut(0);
    const value = encodeWrite(key, stored, this.writeBytes);
    this.put({ put: key, value }, cut.write, done, () => {
      this.lay(stored, value);
      if (cut.write !== this.start.write) this.drop(cut, stored.start);
    });
  }

  /**
   * Marks whole writes with entries up to `toIndex`, which must be committed and in a durable checkpoint, as no longer needed: at most
   * those before `witnessedWrite`, the one that the newest durable checkpoint saw, and not the newest `keepBytes`. The next writes drop
   * them (G6).
   */
  compact(toIndex: number, witnessedWrite: number, keepBytes = 0): void {
    assert(toIndex <= this.last && witnessedWrite <= this.newest, "only what is in the log is dropped");
    this.marked = { index: toIndex, write: witnessedWrite, bytes: this.laidBytes - keepBytes };
  }

  /**
   * What puts the state of another database, as of `base`, in place of everything in this log (G7). The log must not be written in
   * between: the state has to know the position first (installmark.ts).
   */
  replacement(base: { readonly index: number; readonly term: number }, state: number, beginning?: Beginning): Replacement {
    assert(base.index > this.state.commit && state > this.start.state, "a state is replaced by a newer one");
    const { term, vote } = this.state;
    const { entries, ...office } = beginning ?? { term: Math.max(term, base.term), vote: base.term > term ? "" : vote, entries: [] };
    const lastIndex = base.index + entries.length;
    const start: LogStart = { write: this.newest + 1, seal: this.seal, index: base.index, term: base.term, state };
    const place = { number: start.write, previousSeal: this.seal, start, truncateFrom: 0, lastIndex };
    const hardState = { ...office, commit: lastIndex };
    const stored: StoredWrite = { ...place, lastTerm: entries.at(-1)?.term ?? base.term, hardState, entries };
    const key = writeKey(stored.number);
    const value = encodeWrite(key, stored);
    const position = { number: stored.number, index: lastIndex, ...office, checksum: sealIn(value) };
    const write = (done: (error?: Error) => void): void => {
      assert(this.newest + 1 === stored.number, "the log was written since its replacement was made");
      this.put({ put: key, value }, stored.number, done, () => this.replace(stored, value));
    };
    return { position, write };
  }

  /** One batch with a write, without all before `first`. */
  private put(op: KvOp, first: number, done: (error?: Error) => void, laid: () => void): void {
    assert(!this.inFlight, "one write of the log is in flight");
    this.inFlight = true;
    this.keptFrom = first;
    const ops: KvOp[] = [op];
    for (let number = this.start.write; number < first; number++) ops.push({ del: writeKey(number) });
    this.kv.write(ops, (error) => {
      if (error !== undefined) return done(error);
      this.inFlight = false;
      laid();
      done();
    });
  }

  /** The furthest cut that is marked, or as far as one write may go: always by one if one is marked. */
  private dueCut(): Cut {
    const { first } = this.cuts;
    let due = first;
    for (let next = this.cuts.next(due); next !== undefined; next = this.cuts.next(due)) {
      if (next.index > this.marked.index || next.write > this.marked.write || next.bytes > this.marked.bytes) break;
      if (due !== first && next.write - first.write > limits.logDropsPerWriteMax) break;
      due = next;
    }
    return due;
  }

  private startAt(cut: Cut): LogStart {
    const { index, write, seal } = cut;
    return { write, seal, index, term: this.terms.at(index) as number, state: this.start.state };
  }

  private drop(cut: Cut, start: LogStart): void {
    this.start = start;
    this.cuts.dropTo(cut);
    this.terms.dropTo(start.index);
    if (this.last === start.index) this.writes = new Steps();
    else this.writes.dropTo(start.index + 1);
    this.memberships = this.memberships.filter(({ index }) => index > start.index);
  }

  private replace(stored: StoredWrite, value: Uint8Array): void {
    this.start = stored.start;
    this.writes = new Steps();
    this.terms = new Steps();
    this.terms.push(stored.start.index, stored.start.term);
    this.cuts = new Cuts({ ...stored.start, bytes: 0 });
    this.memberships = [];
    this.laidBytes = 0;
    this.lay(stored, value);
  }

  /** Lays one stored write behind the others, if it continues them (G2, G3). */
  restore(key: string, value: Uint8Array): void {
    const stored = decode(key, value);
    const fault = this.fault(stored);
    if (fault !== undefined) throw quarantined(STORE, `write ${stored.number}: ${fault}`);
    this.lay(stored, value);
  }

  /** Seal and place of a stored write: what checkPosition() compares. */
  storedPosition(number: number): LogPosition {
    const key = writeKey(number);
    const value = this.kv.get(key);
    if (value === undefined) throw quarantined(STORE, `write ${number} is missing`);
    const { hardState, lastIndex } = decode(key, value);
    return { number, index: lastIndex, term: hardState.term, vote: hardState.vote, checksum: sealIn(value) };
  }

  /** Reads a stored write and checks it, for scrub.ts; undefined when it is kept no longer. */
  check(number: number): { readonly previousSeal: number; readonly seal: number; readonly bytes: number } | undefined {
    if (number < Math.max(this.start.write, this.keptFrom)) return undefined;
    const key = writeKey(number);
    const value = this.kv.get(key);
    if (value === undefined) throw quarantined(STORE, `write ${number} is missing`);
    return { previousSeal: decode(key, value).previousSeal, seal: sealIn(value), bytes: value.length };
  }

  private following(write: LogWrite, start: LogStart): StoredWrite {
    const { entries, hardState, truncateFrom } = write;
    const lastIndex = (truncateFrom ?? this.last + 1) - 1 + entries.length;
    const lastTerm = entries.at(-1)?.term ?? (this.terms.at(lastIndex) as number);
    const place = { number: this.newest + 1, previousSeal: this.seal, start, truncateFrom: truncateFrom ?? 0 };
    const stored = { ...place, hardState, lastIndex, lastTerm, entries };
    const fault = this.fault(stored);
    assert(fault === undefined, `write ${write.number} to the log: ${fault}`);
    return stored;
  }

  /** Why a write cannot follow what is stored, if it cannot. */
  private fault(write: StoredWrite): string | undefined {
    const { hardState, truncateFrom } = write;
    if (write.number <= this.newest) return `is there, but the log begins with write ${this.newest + 1}`;
    if (write.number !== this.newest + 1) return `follows write ${this.newest}, some are missing`;
    if (write.previousSeal !== this.seal) return "names another write before it than the one that is stored";
    if (hardState.term < this.state.term) return `the term falls from ${this.state.term} to ${hardState.term}`;
    const first = Math.max(this.start.index, write.start.index) + 1;
    const isThere = truncateFrom === 0 || (truncateFrom >= first && truncateFrom <= this.last + 1);
    return isThere ? this.entriesFault(write) : `replaces from index ${truncateFrom}, which is not there`;
  }

  private entriesFault(write: StoredWrite): string | undefined {
    const { hardState, truncateFrom } = write;
    let index = truncateFrom === 0 ? this.last : truncateFrom - 1;
    let term = this.terms.at(index) as number;
    for (const entry of write.entries) {
      if (entry.index !== ++index) return `holds index ${entry.index} where ${index} is due`;
      if (entry.term < term) return `term ${entry.term} of index ${index} comes after term ${term}`;
      if (entry.term > hardState.term) return `index ${index} is of term ${entry.term}, but the node is in term ${hardState.term}`;
      term = entry.term;
    }
    if (write.lastIndex !== index || write.lastTerm !== term) return `ends at index ${index}, but says ${write.lastIndex}`;
    return hardState.commit > index ? `commit ${hardState.commit} is behind the last index ${index}` : undefined;
  }

  private lay(write: StoredWrite, value: Uint8Array): void {
    const { truncateFrom, entries, hardState } = write;
    if (truncateFrom !== 0) {
      this.writes.truncate(truncateFrom);
      this.terms.truncate(truncateFrom);
      this.cuts.truncate(truncateFrom);
      this.memberships = this.memberships.filter(({ index }) => index < truncateFrom);
    }
    const first = entries[0];
    if (first !== undefined) this.writes.push(first.index, write.number);
    for (const { index, term } of entries) if (this.terms.at(index) !== term) this.terms.push(index, term);
    // Copied, because views would hold the whole write in memory.
    for (const entry of entries) if (entry.kind === "membership") this.memberships.push({ ...entry, data: entry.data.slice() });
    this.last = write.lastIndex;
    this.state = hardState;
    this.newest = write.number;
    this.seal = sealIn(value);
    this.laidBytes += value.length;
    this.cuts.push({ index: this.last, write: this.newest + 1, seal: this.seal, bytes: this.laidBytes });
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

function decode(key: string, value: Uint8Array): StoredWrite {
  const number = Number.parseInt(key, 16);
  if (!Number.isSafeInteger(number) || key !== writeKey(number)) throw quarantined(STORE, `unknown key ${JSON.stringify(key)}`);
  return decodeWrite(number, unsealed(STORE, key, value));
}

/** Throws PawlError("quarantined") unless the log goes on where the state ends, which is undefined when nothing is stored of it. */
export function checkState(log: RaftLog, state: StatePlace | undefined): void {
  if (state === undefined) {
    if (log.firstIndex === 1 && log.stateNumber === 1) return;
    throw quarantined(STORE, `begins with index ${log.firstIndex} and state ${log.stateNumber}, but nothing is stored of that state`);
  }
  checkPosition(log, state.logPosition);
  const { appliedIndex, appliedTerm } = state;
  const term = log.term(appliedIndex);
  if (term === undefined && appliedIndex > 0) {
    throw quarantined(STORE, `holds index ${log.firstIndex} to ${log.lastIndex}, which does not join the state up to ${appliedIndex}`);
  }
  if (term !== undefined && term !== appliedTerm) {
    throw quarantined(STORE, `has term ${term} at index ${appliedIndex}, the state was made by an entry of term ${appliedTerm}`);
  }
}

/** Throws PawlError("quarantined") when the log does not hold what a checkpoint saw of it: acknowledged writes were lost (G5). */
export function checkPosition(log: RaftLog, witnessed: LogPosition): void {
  if (witnessed.number === 0) return;
  const { number } = log.position();
  if (number < witnessed.number) {
    throw quarantined(STORE, `ends at write ${number}, a checkpoint saw write ${witnessed.number}: acknowledged writes are lost`);
  }
  if (witnessed.number < log.firstWrite) {
    throw quarantined(STORE, `begins with write ${log.firstWrite}, a checkpoint saw write ${witnessed.number}: a newer checkpoint is lost`);
  }
  const stored = log.storedPosition(witnessed.number);
  const { index, term, vote, checksum } = witnessed;
  const isSame = stored.checksum === checksum && stored.index === index && stored.term === term && stored.vote === vote;
  if (!isSame) throw quarantined(STORE, `write ${witnessed.number} is not the one that a checkpoint saw`);
}

