// Owns: checkpoints of the replicated state: when rows are copied, what one atomic batch holds, which changes are still needed.
// Bytes are in checkpointformat.ts, loading and its checks in restore.ts, cold rows in coldrows.ts; what the rows mean is src/jobs.
// (S1) A checkpoint is copied in one turn at one applied index, and written as one batch: apply is conditional, so a row newer than
//      the applied index would make a replayed due time vanish.
// (S2) Its applied index is never above the durable end of the log that it names (H8d).
// (S3) State = base pages, then all changes since the start of the last finished sweep, laid over them in order but for those that a
//      page is as new as: a row's last change is in its page or in the newest delta that holds it, and a row in no delta is the same in
//      every page of the sweep.
//      A start reads all that is kept, and laying a row over its page costs ten times what the row costs as a part of a page: so a
//      checkpoint writes more bytes of pages than of changes. Where so many rows of a page changed that it comes to the same, it is
//      written in their place: rows of a list that is loaded, or of jobs that fire every second.
// (S4) Headers are kept longer than changes: they name every checkpoint whose batch may still be in LevelDB's write-ahead files,
//      where a batch can vanish without a word, cold rows and all. Records of the copy that laid the state down are kept as long.
// (S5) Whoever copies the database is told of every batch in the turn in which it is durable (statecopy.ts).
// (S6) No header goes that a start needs: those since the start of the last finished sweep. So that these are not many, a sweep goes on
//      with every checkpoint, however little changed.

import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { encodeDelta, encodeHeader, encodePage, encodeSummary, keys } from "./checkpointformat.ts";
import { ColdRows } from "./coldrows.ts";
import { markKeys } from "./installmark.ts";
import { sealIn } from "./quarantine.ts";
import { Sweep } from "./sweep.ts";
import { findState } from "./restore.ts";
import type { Delta, Header, PageSeal, StoredMembership } from "./checkpointformat.ts";
import type { HistoryMarks } from "./historymarks.ts";
import type { Kv, KvOp, KvOptions, Soon } from "./disk.ts";
import type { LogPosition } from "./log.ts";
import type { Found, Restored } from "./restore.ts";

/** Compressed: pages and deltas are columns of small numbers, and what compaction need not write saves its one thread. */
export const stateOptions: KvOptions = {
  writeBufferBytes: limits.stateWriteBufferBytes,
  openFilesMax: limits.stateOpenFilesMax,
  compression: true,
};

/** Name of the database with the state of that number; the log says which number is in use. */
export function stateName(number: number): string {
  return `state-${number}`;
}

/** A table of fixed-width rows as checkpoints see it. Names are part of the stored format. */
export interface PagedTable {
  readonly name: string;
  readonly rowBytes: number;
  readonly pageRows: number;
  /** Highest row ever used, plus one. */
  rowCount(): number;
  /** Rows changed since the last call, each once. */
  takeChanged(): Uint32Array;
  copyRows(rows: Uint32Array): Uint8Array;
  copyPage(page: number): Uint8Array;
  /** Lays the rows, or those at some places of them, over what is there. */
  restoreRows(rows: Uint32Array, bytes: Uint8Array, places?: Uint32Array): void;
  restorePage(page: number, bytes: Uint8Array): void;
}

/** The moment of a checkpoint, as its caller knows it. */
export type CheckpointAt = {
  readonly appliedIndex: number;
  /** Term of the entry at the applied index. */
  readonly appliedTerm: number;
  readonly scalars: Uint8Array;
  /** The durable end of the log, at or above the applied index. */
  readonly position: LogPosition;
  /** What is in force at the applied index. */
  readonly membership: StoredMembership;
};

/** A durable checkpoint. */
export type Checkpointed = Omit<CheckpointAt, "scalars"> & { readonly number: number; readonly marks: HistoryMarks };

/** Is told of every checkpoint that is durable, and of what its batch wrote and deleted (S5). */
export interface Follower {
  wrote(ops: readonly KvOp[]): void;
}

/** What was copied in one turn. */
type Frozen = CheckpointAt & {
  readonly number: number;
  readonly marks: HistoryMarks;
  readonly deltas: readonly Delta[];
  readonly pages: readonly Page[];
  readonly coldBytes: number;
};

/** In how small parts a checkpoint is put together: at least so many bytes in a turn of the loop, at most so many turns. */
export type BatchPace = { readonly batchSliceBytes: number; readonly batchTurnsMax: number };

type Page = { readonly table: number; readonly page: number; readonly bytes: Uint8Array };

/** What changed of a table since the last checkpoint: a row is in one of the pages or in one of the deltas. */
type Changes = { readonly pages: readonly Page[]; readonly deltas: readonly Delta[] };

export class StateStore {
  readonly cold: ColdRows;
  /** What was found at open; undefined when nothing was stored yet. */
  readonly restored: Restored | undefined;
  readonly kv: Kv;
  readonly followers = new Set<Follower>();
  readonly tables: readonly PagedTable[];
  readonly soon: Soon;
  private readonly sweep: Sweep;
  /** How many deltas each checkpoint has whose changes are still stored, oldest first. */
  private readonly kept: { readonly number: number; readonly deltas: number }[];
  private headersFrom: number;
  private newest: Checkpointed | undefined;
  private seal: number;
  private copied: Restored["copied"];
  private frozen: Frozen | undefined;
  private committing = false;
  private inFlight = false;
  private readonly pace: BatchPace;
  /** Until its rows are loaded. */
  private found: Found | undefined;

  private constructor(kv: Kv, tables: readonly PagedTable[], soon: Soon, cold: ColdRows, pace: BatchPace, found: Found | undefined) {
    const restored = found?.restored;
    this.found = found;
    this.pace = pace;
    this.kv = kv;
    this.tables = tables;
    this.soon = soon;
    this.cold = cold;
    this.restored = restored;
    this.sweep = new Sweep(tables);
    this.headersFrom = restored?.headersFrom ?? 1;
    this.newest = restored && { ...restored, position: restored.logPosition, marks: restored.historyMarks };
    this.copied = restored?.copied;
    this.seal = restored?.seal ?? 0;
    this.kept = [...(restored?.kept ?? [])];
    if (restored === undefined) return;
    Object.assign(this.sweep, restored.sweep);
    cold.sum = restored.coldSum;
  }

  /** Finds the newest checkpoint; the tables are still empty. Throws PawlError("quarantined") naming what is wrong. */
  static async find(
    kv: Kv, tables: readonly PagedTable[], soon: Soon, cold: ColdRows = new ColdRows(kv), pace: BatchPace = limits,
  ): Promise<StateStore> {
    return new StateStore(kv, tables, soon, cold, pace, await findState(kv, tables));
  }

  /** Finds the newest checkpoint and loads its rows. */
  static async open(...from: Parameters<typeof StateStore.find>): Promise<StateStore> {
    const store = await StateStore.find(...from);
    await store.load();
    return store;
  }

  /** Lays the rows into the tables and checks them, once, before anything else is done. Throws PawlError("quarantined") likewise. */
  async load(): Promise<void> {
    await this.found?.lay();
    this.found = undefined;
  }

  /** The newest durable checkpoint. */
  get checkpointed(): Checkpointed | undefined {
    return this.newest;
  }

  /** Seal of the newest durable header; 0 when there is none. */
  get headerSeal(): number {
    return this.seal;
  }

  /** Whether a batch is being written: what is read then may be of before or of after it. */
  get writing(): boolean {
    return this.inFlight;
  }

  /** Copies, within this turn, all that changed since the last checkpoint and the base pages that are due (S1). */
  freeze(at: CheckpointAt, marks: HistoryMarks): void {
    const { appliedIndex, position } = at;
    assert(this.frozen === undefined, "one checkpoint at a time");
    assert(appliedIndex <= position.index, `checkpoint at ${appliedIndex}, but the log is durable only up to ${position.index} (S2)`);
    const number = (this.newest?.number ?? 0) + 1;
    const changed = this.tables.map(changesOf);
    const deltas = changed.flatMap(({ deltas }) => deltas);
    const bytes = deltas.reduce((sum, delta) => sum + delta.bytes.length + delta.rows.byteLength, 0);
    const pages = [...changed.flatMap(({ pages }) => pages), ...this.duePages(number, bytes, changed)];
    const coldBytes = this.cold.changedBytes + this.cold.changedRows() * limits.storageRowCostBytes;
    this.cold.freeze();
    this.frozen = { ...at, number, scalars: at.scalars.slice(), marks, deltas, pages, coldBytes };
  }

  /** Encodes what was frozen over several turns and writes it in one batch (S1). `done` as in Kv.write. */
  commit(done: (error?: Error) => void): void {
    const { frozen } = this;
    assert(frozen !== undefined && !this.committing, "commit() follows freeze(), once");
    this.committing = true;
    const ops: KvOp[] = [];
    const steps = this.encode(frozen, ops);
    const sliceBytes = Math.max(this.pace.batchSliceBytes, bytesOf(frozen) / this.pace.batchTurnsMax);
    const work = (): void => {
      for (let used = 0; used < sliceBytes; ) {
        const step = steps.next();
        if (step.done === true) return this.write(frozen, step.value, ops, done);
        used += step.value;
      }
      this.soon(work);
    };
    this.soon(work);
  }

  /** Those of the sweep (S3, S6), but for those that are written anyway. */
  private duePages(number: number, deltaBytes: number, changed: readonly Changes[]): readonly Page[] {
    const pages: Page[] = [];
    const least = Math.ceil(this.sweep.pages() / limits.sweepCheckpointsMax);
    let bytes = 0;
    let swept = 0;
    for (let due = this.sweep.next(); due !== undefined; due = this.sweep.next()) {
      const { table, page } = due;
      const written = changed[table]?.pages.find((each) => each.page === page)?.bytes;
      const copy = written ?? (this.tables[table] as PagedTable).copyPage(page);
      if (written === undefined) pages.push({ table, page, bytes: copy });
      bytes += copy.length;
      if (++swept >= least && bytes >= deltaBytes * limits.sweepPagesPerDelta) break;
    }
    assert(swept > 0, "a state has at least one table");
    this.sweep.close(number);
    return pages;
  }

  /** Puts the operations into `ops`, yields the bytes worked on, returns the header's seal. */
  private *encode(frozen: Frozen, ops: KvOp[]): Generator<number, number> {
    const { number, appliedIndex, appliedTerm, position } = frozen;
    const put = (key: string, value: Uint8Array): number => {
      ops.push({ put: key, value });
      return sealIn(value);
    };
    const deltas: number[] = [];
    for (const [i, delta] of frozen.deltas.entries()) {
      const key = keys.delta(number, i);
      deltas.push(put(key, encodeDelta(key, delta)));
      yield delta.bytes.length + delta.rows.byteLength;
    }
    const pages: PageSeal[] = [];
    for (const { table, page, bytes } of frozen.pages) {
      const key = keys.page((this.tables[table] as PagedTable).name, page);
      pages.push({ table, page, seal: put(key, encodePage(key, number, bytes)) });
      yield bytes.length;
    }
    for (const op of this.cold.frozenOps()) {
      ops.push(op);
      yield limits.storageRowCostBytes + ("put" in op ? op.value.length : 0);
    }
    const key = keys.summary(number);
    const summarySeal = put(key, encodeSummary(key, { ...frozen, tables: this.tables }));
    const { from: sweepFrom, table: sweepTable, page: sweepPage, neededFrom } = this.sweep;
    this.kept.push({ number, deltas: deltas.length });
    this.dropOld(number, ops);
    const sweep = { sweepFrom, sweepTable, sweepPage, neededFrom, headersFrom: this.headersFrom };
    const applied = { appliedIndex, appliedTerm, position };
    const coldSum = this.cold.nextSum;
    const header: Header = { number, previousSeal: this.seal, ...applied, ...sweep, summarySeal, deltas, pages, coldSum };
    return put(keys.header(number), encodeHeader(header));
  }

  private dropOld(number: number, ops: KvOp[]): void {
    if (number > 1) ops.push({ del: keys.summary(number - 1) });
    const dropTo = Math.min(number - limits.checkpointHeadersKept, this.sweep.neededFrom - 1);
    for (; this.headersFrom <= dropTo; this.headersFrom++) ops.push({ del: keys.header(this.headersFrom) });
    for (let old = this.kept[0]; old !== undefined && old.number < this.sweep.neededFrom; old = this.kept[0]) {
      for (let i = 0; i < old.deltas; i++) ops.push({ del: keys.delta(old.number, i) });
      this.kept.shift();
    }
    if (this.copied === undefined || this.copied.checkpoint > number - limits.checkpointHeadersKept) return;
    ops.push({ del: markKeys.install });
    for (let i = 0; i < this.copied.chunks; i++) ops.push({ del: markKeys.chunk(i) });
    this.copied = undefined;
  }

  private write(frozen: Frozen, seal: number, ops: readonly KvOp[], done: (error?: Error) => void): void {
    this.inFlight = true;
    this.kv.write(ops, (error) => {
      if (error !== undefined) return done(error);
      const { number, appliedIndex, appliedTerm, position, membership, marks } = frozen;
      this.newest = { number, appliedIndex, appliedTerm, position, membership, marks };
      this.seal = seal;
      this.frozen = undefined;
      this.committing = false;
      this.inFlight = false;
      this.cold.thaw();
      for (const follower of [...this.followers]) follower.wrote(ops);
      done();
    });
  }
}

/** What putting it together is counted as. */
function bytesOf({ deltas, pages, coldBytes }: Frozen): number {
  return [...deltas, ...pages].reduce((sum, { bytes }) => sum + bytes.length, coldBytes);
}

function changesOf(table: PagedTable, index: number): Changes {
  const changed = table.takeChanged();
  const { dense, rows } = split(changed, table);
  const pages = dense.map((page) => ({ table: index, page, bytes: table.copyPage(page) }));
  const perPart = Math.max(1, Math.floor(limits.storageSliceBytes / (table.rowBytes + Uint32Array.BYTES_PER_ELEMENT)));
  const deltas: Delta[] = [];
  for (let from = 0; from < rows.length; from += perPart) {
    const part = rows.subarray(from, from + perPart);
    deltas.push({ table: index, rows: part, bytes: table.copyRows(part) });
  }
  return { pages, deltas };
}

/** The pages that take no more bytes than their changed rows and the pages of a sweep that these would bring on; all other rows. */
function split(changed: Uint32Array, table: PagedTable): { readonly dense: readonly number[]; readonly rows: Uint32Array } {
  const { pageRows } = table;
  const least = pageRows / (1 + limits.sweepPagesPerDelta);
  if (changed.length < least) return { dense: [], rows: changed };
  const pages = changed.map((row) => Math.floor(row / pageRows));
  const counts = new Uint32Array(Math.ceil(table.rowCount() / pageRows));
  for (let i = 0; i < pages.length; i++) counts[pages[i] as number] = (counts[pages[i] as number] as number) + 1;
  const dense: number[] = [];
  for (let page = 0; page < counts.length; page++) if ((counts[page] as number) >= least) dense.push(page);
  return { dense, rows: dense.length === 0 ? changed : changed.filter((_, i) => (counts[pages[i] as number] as number) < least) };
}
