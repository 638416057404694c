// Owns: records of a day that were appended and are in no block yet, in columns as a block wants them. When they become one is
// historyday.ts's.
// (A1) A block has bounded bytes: a tail is full at a number of records, and earlier when their texts are many.

import { limits } from "../limits.ts";
import { COLUMNS, column } from "./historyblock.ts";
import type { HistoryRow } from "../jobs/history.ts";
import type { Rows } from "./historyblock.ts";

export class Tail implements Rows {
  count = 0;
  readonly columns: readonly Float64Array[];
  readonly texts: string[] = [];
  private readonly numbers = new Map<string, number>();
  private textChars = 0;
  private readonly room: number;

  constructor(room: number) {
    this.room = room;
    this.columns = Array.from({ length: COLUMNS }, () => new Float64Array(room));
  }

  /** The row is copied. Field by field: by a loop over names of fields an append took three times as long. */
  push(row: HistoryRow): void {
    const { columns } = this;
    const at = this.count++;
    (columns[column.ordinal] as Float64Array)[at] = row.ordinal;
    (columns[column.sequence] as Float64Array)[at] = row.sequence;
    (columns[column.job] as Float64Array)[at] = row.job;
    (columns[column.previous] as Float64Array)[at] = row.previous;
    (columns[column.origin] as Float64Array)[at] = row.origin;
    (columns[column.ending] as Float64Array)[at] = row.ending;
    (columns[column.attempts] as Float64Array)[at] = row.attempts;
    (columns[column.scheduledAtMs] as Float64Array)[at] = row.scheduledAtMs;
    (columns[column.startAtMs] as Float64Array)[at] = row.startAtMs;
    (columns[column.endAtMs] as Float64Array)[at] = row.endAtMs;
    (columns[column.token] as Float64Array)[at] = row.token;
    (columns[column.node] as Float64Array)[at] = row.node;
    (columns[column.rangeToMs] as Float64Array)[at] = row.rangeToMs;
    (columns[column.rangeCount] as Float64Array)[at] = row.rangeCount;
    (columns[column.jobType] as Float64Array)[at] = this.number(row.jobType);
    (columns[column.note] as Float64Array)[at] = this.number(row.note);
  }

  get isFull(): boolean {
    return this.count === this.room || this.textChars >= limits.historyBlockTextChars;
  }

  private number(text: string): number {
    if (text === "") return 0;
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.texts.push(text);
      this.numbers.set(text, number);
      this.textChars += text.length;
    }
    return number;
  }

  value(which: number, row: number): number {
    return (this.columns[which] as Float64Array)[row] as number;
  }

  text(number: number): string {
    return number === 0 ? "" : (this.texts[number - 1] as string);
  }

  numberOf(text: string): number {
    return text === "" ? 0 : (this.numbers.get(text) ?? -1);
  }
}
