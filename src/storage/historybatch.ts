// Owns: records of the history on their way to a node that lacks them, as bytes. They travel as one block of columns, as they are stored;
// which records, and in which order batches come, is the business of history.ts and of src/cluster.

import { PawlError, messageOf } from "../base/errors.ts";
import { Block, encodeBlock, rowAt } from "./historyblock.ts";
import { Tail } from "./historytail.ts";
import type { HistoryRow } from "../jobs/history.ts";

/** A batch has a form of its own only in name: it cannot pass for a block of a file, nor one of a file for it. */
const place = { name: "batch", offset: 0, day: 0 };

export function encodeBatch(rows: readonly HistoryRow[]): Uint8Array {
  if (rows.length === 0) return new Uint8Array(0);
  const tail = new Tail(rows.length);
  for (const row of rows) tail.push(row);
  return encodeBlock(place, tail.columns, rows.length, tail.texts).bytes;
}

/** Throws PawlError("invalid") unless these are records with rising ordinals in [from, to). */
export function decodeBatch(bytes: Uint8Array, from: number, to: number): HistoryRow[] {
  if (bytes.length === 0) return [];
  const rows = rowsIn(bytes);
  let due = from;
  for (const { ordinal } of rows) {
    if (!(ordinal >= due && ordinal < to)) throw invalid(`has record ${ordinal} where one from ${due} to ${to} is due`);
    due = ordinal + 1;
  }
  return rows;
}

function rowsIn(bytes: Uint8Array): HistoryRow[] {
  try {
    const block = new Block(place.name, place.offset, bytes);
    return Array.from({ length: block.count }, (_, at) => rowAt(block, at));
  } catch (error) {
    throw invalid(`cannot be read (${messageOf(error)})`);
  }
}

function invalid(what: string): PawlError {
  return new PawlError("invalid", `a batch of history ${what}; it is asked for again, from another node`);
}
