// Owns: how far the history's files are part of the state, and which records are missing in them: what a checkpoint says of them. The
// files are history.ts's.
// (H1) A node that takes up a snapshot lacks the records between its own history and that of the snapshot: a hole. Holes are apart from
//      each other and in order; they are filled from the first one on (history.ts, T4).

import type { ByteReader, ByteWriter } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";

/**
 * A day is counted from 1970-01-01 UTC; `length` is its file's durable length in bytes, `indexAt` where in it the newest page of its index
 * is, 0 when it has none. A day may have two files: one of records that this node appended when they came, and one of records that it got
 * from others afterwards.
 */
export type DayMark = { readonly day: number; readonly length: number; readonly indexAt: number; readonly isFilled: boolean };

/** Records that are missing: ordinals in [from, to). */
export type Hole = { readonly from: number; readonly to: number };

export type HistoryMarks = {
  /** Ordinal of the record that comes next; 1 for an empty history. */
  readonly nextOrdinal: number;
  readonly days: readonly DayMark[];
  readonly holes: readonly Hole[];
};

/** What is found of the history on the own disk. */
export type OwnHistory = Pick<HistoryMarks, "days" | "holes">;

export const noHistory: HistoryMarks = { nextOrdinal: 1, days: [], holes: [] };

/** What is left of the own history when a snapshot comes whose next record is `nextOrdinal` (H1). */
export function ownAfterSnapshot(own: HistoryMarks, nextOrdinal: number): OwnHistory {
  assert(nextOrdinal >= own.nextOrdinal, `a snapshot leads on: from record ${own.nextOrdinal} to ${nextOrdinal}`);
  if (nextOrdinal === own.nextOrdinal) return { days: own.days, holes: own.holes };
  // One that has been behind so often without being whole in between begins anew.
  if (own.holes.length >= limits.historyHolesMax) return { days: [], holes: [{ from: 1, to: nextOrdinal }] };
  return { days: own.days, holes: [...own.holes, { from: own.nextOrdinal, to: nextOrdinal }] };
}

export function writeMarks(out: ByteWriter, marks: HistoryMarks): void {
  out.u48(marks.nextOrdinal);
  out.u32(marks.days.length);
  for (const { day, length, indexAt, isFilled } of marks.days) {
    out.u32(day);
    out.u48(length);
    out.u48(indexAt);
    out.u8(isFilled ? 1 : 0);
  }
  out.u32(marks.holes.length);
  for (const { from, to } of marks.holes) {
    out.u48(from);
    out.u48(to);
  }
}

export function readMarks(reader: ByteReader): HistoryMarks {
  const nextOrdinal = reader.u48();
  const days = Array.from({ length: reader.u32() }, () => readDay(reader));
  const holes = Array.from({ length: reader.u32() }, () => ({ from: reader.u48(), to: reader.u48() }));
  return { nextOrdinal, days, holes };
}

function readDay(reader: ByteReader): DayMark {
  return { day: reader.u32(), length: reader.u48(), indexAt: reader.u48(), isFilled: reader.u8() === 1 };
}
