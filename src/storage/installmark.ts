// Owns: what stands beside a state that was laid down by a copy: keys and bytes. Who writes them is statestage.ts, who checks and
// deletes them restore.ts and state.ts.
//   m/chunk/<n>  chunk n is laid down; written in one batch with its rows
//   m/stage      how far the copy is; while it is there, what is stored is no state yet
//   m/install    the copy was put to use: at which place of this node's own log, with which of its own files of history
// (I1) Chunk records stay until no batch of the copy can be in LevelDB's write-ahead files, where one can vanish without a word, cold
//      rows and all: as headers do for checkpoints (state.ts, S4).
// (I2) The header of the copied checkpoint speaks of another node's log and files. The mark takes its place until the first own one.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { STORE, readPosition, writePosition } from "./checkpointformat.ts";
import { readEnd, writeEnd } from "./copychunk.ts";
import { readMarks, writeMarks } from "./historymarks.ts";
import { quarantined, sealed, unsealed, unknownFormat } from "./quarantine.ts";
import type { CopyEnd } from "./copychunk.ts";
import type { Kv } from "./disk.ts";
import type { HistoryMarks } from "./historymarks.ts";
import type { LogPosition } from "./log.ts";

/** `next` is the number of the chunk that is due; `end` is there once the last one is laid down. */
export type StageRecord = { readonly copy: string; readonly next: number; readonly end: CopyEnd | undefined };

export type InstallMark = {
  /** The copied checkpoint, to whose header the mark belongs. */
  readonly checkpoint: number;
  readonly chunks: number;
  readonly position: LogPosition;
  readonly marks: HistoryMarks;
};

const VERSION = 3;
const NONE = new Uint8Array(0);
/** All keys that are no part of the state begin so; END sorts behind them. */
export const BESIDE = "m/";
const END = "m0";
const PAGE_ROWS = 1024;

export const markKeys = {
  stage: "m/stage",
  install: "m/install",
  chunk: (number: number): string => `m/chunk/${number.toString(16).padStart(14, "0")}`,
} as const;

export function encodeStage({ copy, next, end }: StageRecord): Uint8Array {
  const out = new ByteWriter();
  out.u8(VERSION);
  out.string(copy);
  out.u48(next);
  out.u8(end === undefined ? 0 : 1);
  if (end !== undefined) writeEnd(out, end);
  return sealed(markKeys.stage, out.take());
}

export function decodeStage(value: Uint8Array): StageRecord {
  const reader = new ByteReader(unsealed(STORE, markKeys.stage, value));
  checkVersion(markKeys.stage, reader.u8());
  return { copy: reader.string(), next: reader.u48(), end: reader.u8() === 1 ? readEnd(reader) : undefined };
}

export function encodeInstall(mark: InstallMark): Uint8Array {
  const out = new ByteWriter();
  out.u8(VERSION);
  out.u48(mark.checkpoint);
  out.u48(mark.chunks);
  writePosition(out, mark.position);
  writeMarks(out, mark.marks);
  return sealed(markKeys.install, out.take());
}

export function encodeChunkRecord(number: number): Uint8Array {
  return sealed(markKeys.chunk(number), NONE);
}

/** The mark of a state that is in use, if a copy laid it down. Throws PawlError("quarantined") when a part of the copy is missing. */
export async function readMark(kv: Kv): Promise<InstallMark | undefined> {
  if (kv.get(markKeys.stage) !== undefined) throw quarantined(STORE, "a copy of it was begun here and never finished");
  const value = kv.get(markKeys.install);
  if (value === undefined) {
    const [stray] = await kv.page({ gte: BESIDE, lt: END, limit: 1 });
    if (stray !== undefined) throw quarantined(STORE, `${stray[0]} is there without ${markKeys.install}`);
    return undefined;
  }
  const reader = new ByteReader(unsealed(STORE, markKeys.install, value));
  checkVersion(markKeys.install, reader.u8());
  const counts = { checkpoint: reader.u48(), chunks: reader.u48() };
  const mark = { ...counts, position: readPosition(reader), marks: readMarks(reader) };
  await checkChunks(kv, mark.chunks);
  return mark;
}

/** Throws PawlError("quarantined") unless exactly these chunks were laid down and are still there (I1). */
export async function checkChunks(kv: Kv, count: number): Promise<void> {
  let number = 0;
  let after: string = markKeys.chunk(0).slice(0, -14);
  const end = `${BESIDE}chunk0`;
  for (;;) {
    const rows = await kv.page({ gt: after, lt: end, limit: PAGE_ROWS });
    for (const [key, value] of rows) {
      const due = markKeys.chunk(number++);
      if (key !== due || number > count) throw quarantined(STORE, `${due} is due, ${key} is in its place: a part of a copy is lost`);
      unsealed(STORE, key, value);
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last[0];
  }
  if (number < count) throw quarantined(STORE, `${markKeys.chunk(number)} is missing: a part of a copy is lost`);
}

function checkVersion(key: string, version: number): void {
  if (version !== VERSION) throw unknownFormat(`${STORE}: ${key}`, version);
}
