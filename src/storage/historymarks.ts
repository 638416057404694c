// Owns: how far the history's files are part of the state: what a checkpoint says of them. The files are history.ts's.

import type { ByteReader, ByteWriter } from "../base/bytes.ts";

/** A day is counted from 1970-01-01 UTC; `length` is its file's durable length in bytes. */
export type DayMark = { readonly day: number; readonly length: number };

export type HistoryMarks = {
  /** Ordinal of the record that comes next; 1 for an empty history. */
  readonly nextOrdinal: number;
  readonly days: readonly DayMark[];
};

export const noHistory: HistoryMarks = { nextOrdinal: 1, days: [] };

export function writeMarks(out: ByteWriter, marks: HistoryMarks): void {
  out.u48(marks.nextOrdinal);
  out.u32(marks.days.length);
  for (const { day, length } of marks.days) {
    out.u32(day);
    out.u48(length);
  }
}

export function readMarks(reader: ByteReader): HistoryMarks {
  const nextOrdinal = reader.u48();
  const days = Array.from({ length: reader.u32() }, () => ({ day: reader.u32(), length: reader.u48() }));
  return { nextOrdinal, days };
}
