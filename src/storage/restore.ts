// Owns: loading a checkpointed state, and the checks that make a missing, stale or changed part of it known. Writing is state.ts's.
// (R1) Headers: all numbers from the oldest kept to the newest are there, each chained to the one before.
// (R2) Base pages: exactly those that the kept headers name, each as the newest header that names it says, and of that checkpoint.
// (R3) Deltas: exactly those of all checkpoints since the start of the last finished sweep, with the seals of their headers. Of these the
//      rows are laid whose page was written by an earlier checkpoint.
// (R4) A state that a copy laid down is checked for every chunk of it, and is known by the mark beside it (installmark.ts, I1, I2).
// (R5) Rows are read ahead, a mebibyte or so at a time: the database works on the next ones while these are laid, and whatever else this
//      thread has to do comes in between.
// (R6) What fails is quarantined, never mended: a row that fell back to an old page would be fired again (H8a).

import { limits } from "../limits.ts";
import { STORE, decodeDelta, decodeHeader, decodePage, decodeSummary, keys } from "./checkpointformat.ts";
import { readMark } from "./installmark.ts";
import { quarantined, sealIn } from "./quarantine.ts";
import type { Header, StoredMembership, Summary, TableShape } from "./checkpointformat.ts";
import type { HashSum } from "../jobs/hashsum.ts";
import type { HistoryMarks } from "./historymarks.ts";
import type { Kv, KvRange } from "./disk.ts";
import type { LogPosition } from "./log.ts";
import type { PagedTable } from "./state.ts";

export type Restored = {
  readonly number: number;
  readonly seal: number;
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  /** Where this node's own log ended durably when the checkpoint was taken, or when the copy was put to use. */
  readonly logPosition: LogPosition;
  readonly scalars: Uint8Array;
  readonly membership: StoredMembership;
  readonly historyMarks: HistoryMarks;
  readonly headersFrom: number;
  readonly sweep: { readonly from: number; readonly table: number; readonly page: number; readonly neededFrom: number };
  readonly kept: readonly { readonly number: number; readonly deltas: number }[];
  readonly coldSum: HashSum;
  /** Records of the copy that laid this state down: still stored, and for which checkpoint. */
  readonly copied: { readonly checkpoint: number; readonly chunks: number } | undefined;
};

/** What loading fills. */
export type LoadedTable = TableShape & Pick<PagedTable, "restoreRows" | "restorePage">;

/** The newest checkpoint of a database, checked as far as can be without its rows (R1). */
export type Found = {
  readonly restored: Restored;
  /** Lays the rows into the tables, which must be empty, and checks them (R2, R3). Turns of the loop pass meanwhile. */
  lay(): Promise<void>;
};

/** Of a state that is in use. Undefined when nothing was ever stored. */
export async function findState(kv: Kv, tables: readonly LoadedTable[]): Promise<Found | undefined> {
  const mark = await readMark(kv);
  const found = await find(kv, tables);
  if (mark === undefined || found === undefined) return found;
  const copied = { checkpoint: mark.checkpoint, chunks: mark.chunks };
  const restored = { ...found.restored, copied };
  if (restored.number !== mark.checkpoint) return { ...found, restored };
  return { ...found, restored: { ...restored, logPosition: mark.position, historyMarks: mark.marks } };
}

/** Loads and checks the state itself, whatever stands beside it. */
export async function load(kv: Kv, tables: readonly LoadedTable[]): Promise<Restored | undefined> {
  const found = await find(kv, tables);
  await found?.lay();
  return found?.restored;
}

async function find(kv: Kv, tables: readonly LoadedTable[]): Promise<Found | undefined> {
  const headers = await readHeaders(kv);
  const newest = headers.at(-1);
  if (newest === undefined) {
    const [stray] = await kv.page({ limit: 1 });
    if (stray !== undefined) throw quarantined(STORE, `${stray[0]} is there, but no checkpoint`);
    return undefined;
  }
  const summary = readSummary(kv, newest.header, tables);
  const needed = headers.filter(({ header }) => header.number >= newest.header.neededFrom).map(({ header }) => header);
  if (needed[0]?.number !== newest.header.neededFrom) throw quarantined(STORE, `checkpoint ${newest.header.neededFrom} is missing`);
  const lay = async (): Promise<void> => {
    const writtenBy = await layPages(kv, tables, needed);
    await layDeltas(kv, tables, needed, writtenBy);
  };
  return { restored: restoredOf(newest, summary, needed), lay };
}

function restoredOf(newest: { readonly header: Header; readonly seal: number }, summary: Summary, needed: readonly Header[]): Restored {
  const { number, appliedIndex, appliedTerm, position, sweepFrom, sweepTable, sweepPage, neededFrom, headersFrom } = newest.header;
  return {
    number,
    seal: newest.seal,
    appliedIndex,
    appliedTerm,
    logPosition: position,
    scalars: summary.scalars,
    membership: summary.membership,
    historyMarks: summary.marks,
    headersFrom,
    sweep: { from: sweepFrom, table: sweepTable, page: sweepPage, neededFrom },
    kept: needed.map((header) => ({ number: header.number, deltas: header.deltas.length })),
    coldSum: newest.header.coldSum,
    copied: undefined,
  };
}

/** All rows of a range, read in closed pages. */
export async function* rowsOf(kv: Kv, range: KvRange): AsyncGenerator<[string, Uint8Array]> {
  let from = range;
  for (;;) {
    const rows = await kv.page(from);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || (range.maxBytes === undefined && rows.length < range.limit)) return;
    from = { ...range, gte: undefined, gt: last[0] };
  }
}

const READ = { limit: limits.storagePageRows, maxBytes: limits.storageSliceBytes };

/** As rowsOf(), with the next page under way already (R5). */
async function* rowsAhead(kv: Kv, range: KvRange): AsyncGenerator<[string, Uint8Array]> {
  let under = kv.page(range);
  try {
    for (;;) {
      const rows = await under;
      const last = rows.at(-1);
      if (last === undefined) return;
      under = kv.page({ ...range, gte: undefined, gt: last[0] });
      yield* rows;
    }
  } finally {
    await under;
  }
}

async function readHeaders(kv: Kv): Promise<{ header: Header; seal: number }[]> {
  const headers: { header: Header; seal: number }[] = [];
  for await (const [key, value] of rowsOf(kv, { gte: "c/", lt: "c0", limit: limits.checkpointHeadersKept })) {
    const before = headers.at(-1);
    const due = before === undefined ? key : keys.header(before.header.number + 1);
    if (key !== due) throw quarantined(STORE, `${due} is missing, ${key} is in its place`);
    headers.push({ header: decodeHeader(key, value, before?.seal), seal: sealIn(value) });
  }
  const oldest = headers[0]?.header.number;
  const expected = headers.at(-1)?.header.headersFrom;
  if (oldest !== expected) throw quarantined(STORE, `checkpoints begin with ${oldest}, they should with ${expected}`);
  return headers;
}

function readSummary(kv: Kv, { number, summarySeal }: Header, tables: readonly LoadedTable[]): Summary {
  const key = keys.summary(number);
  const value = kv.get(key);
  if (value === undefined || sealIn(value) !== summarySeal) throw quarantined(STORE, `${key} is missing or not the one of its checkpoint`);
  const summary = decodeSummary(key, value);
  const shape = (each: { name: string; rowBytes: number; pageRows: number }): string => `${each.name}(${each.rowBytes} x ${each.pageRows})`;
  const stored = summary.tables.map(shape).join();
  const wanted = tables.map(shape).join();
  if (stored !== wanted) throw quarantined(STORE, `tables are stored as ${stored}, this version of Pawl has ${wanted}`);
  return summary;
}

/** Of each table, the numbers of the checkpoints that wrote its pages. */
type WrittenBy = readonly (readonly number[])[];

async function layPages(kv: Kv, tables: readonly LoadedTable[], headers: readonly Header[]): Promise<WrittenBy> {
  const writtenBy: number[][] = tables.map(() => []);
  const expected = new Map<string, { table: number; page: number; seal: number; number: number }>();
  for (const { number, pages } of headers) {
    for (const each of pages) expected.set(keys.page(tableOf(tables, each.table).name, each.page), { ...each, number });
  }
  for await (const [key, value] of rowsAhead(kv, { gte: "p/", lt: "p0", ...READ })) {
    const due = expected.get(key);
    if (due === undefined) throw quarantined(STORE, `${key} is named by no checkpoint since the last finished sweep`);
    const { number, bytes } = decodePage(key, value);
    if (number !== due.number || sealIn(value) !== due.seal) {
      throw quarantined(STORE, `${key} is of checkpoint ${number}, the newest to write it was ${due.number}`);
    }
    tableOf(tables, due.table).restorePage(due.page, bytes);
    (writtenBy[due.table] as number[])[due.page] = number;
    expected.delete(key);
  }
  for (const [key, { number }] of expected) throw quarantined(STORE, `${key}, written by checkpoint ${number}, is missing`);
  return writtenBy;
}

async function layDeltas(kv: Kv, tables: readonly LoadedTable[], headers: readonly Header[], writtenBy: WrittenBy): Promise<void> {
  const expected = headers.flatMap(({ number, deltas }) => deltas.map((seal, i) => ({ key: keys.delta(number, i), number, seal })));
  let at = 0;
  for await (const [key, value] of rowsAhead(kv, { gte: "d/", lt: "d0", ...READ })) {
    const due = expected[at++];
    if (due === undefined) throw quarantined(STORE, `${key} is needed by no checkpoint`);
    if (due.key !== key) throw quarantined(STORE, `${due.key} is missing, ${key} is in its place`);
    if (sealIn(value) !== due.seal) throw quarantined(STORE, `${key} is not the one of its checkpoint, or damaged`);
    const delta = decodeDelta(key, value);
    const table = tableOf(tables, delta.table);
    table.restoreRows(delta.rows, delta.bytes, newerThanPages(delta.rows, table.pageRows, writtenBy[delta.table] ?? [], due.number));
  }
  if (at < expected.length) throw quarantined(STORE, `${expected[at]?.key} is missing`);
}

/** The places of the rows whose page was written before checkpoint `number`; undefined for all of them. */
function newerThanPages(rows: Uint32Array, pageRows: number, writtenBy: readonly number[], number: number): Uint32Array | undefined {
  const places = new Uint32Array(rows.length);
  let count = 0;
  for (let i = 0; i < rows.length; i++) {
    if ((writtenBy[Math.floor((rows[i] as number) / pageRows)] ?? 0) < number) places[count++] = i;
  }
  return count === rows.length ? undefined : places.subarray(0, count);
}

function tableOf(tables: readonly LoadedTable[], index: number): LoadedTable {
  const table = tables[index];
  if (table === undefined) throw quarantined(STORE, `there is no table ${index}`);
  return table;
}
