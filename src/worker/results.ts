// Owns: the columns in which results leave the runner. What an outcome means is the runner's business.
// (Q1) Everything that ends within one turn of the loop leaves as one batch; a batch that reaches limits.entryItemsMax leaves at once.

import type { System } from "../system.ts";
import type { AttemptOutcome, ResultBatch } from "./types.ts";
import { limits } from "../limits.ts";
import { outcomes } from "./types.ts";

const FIRST_ROWS = 16;

const indexes = outcomes.map((outcome, index) => [outcome, index]);

export const outcomeIndex = Object.fromEntries(indexes) as Readonly<Record<AttemptOutcome, number>>;

export class ResultColumns {
  private readonly system: System;
  private readonly report: (batch: ResultBatch) => void;
  private count = 0;
  private capacity = 0;
  private sequences = new Float64Array(0);
  private tokens = new Float64Array(0);
  private outcomes = new Uint8Array(0);
  private startAtMs = new Float64Array(0);
  private endAtMs = new Float64Array(0);
  private errors: (string | undefined)[] | undefined;
  private flushDue = false;

  constructor(system: System, report: (batch: ResultBatch) => void) {
    this.system = system;
    this.report = report;
  }

  /** Makes room for results that are about to come, so that the columns are sized once. */
  reserve(rows: number): void {
    const needed = Math.min(this.count + rows, limits.entryItemsMax);
    if (needed > this.capacity) this.resize(needed);
  }

  add(sequence: number, token: number, outcome: number, startAtMs: number, endAtMs: number, error: string | undefined): void {
    const at = this.count;
    if (at === this.capacity) this.resize(Math.min(limits.entryItemsMax, Math.max(FIRST_ROWS, at * 2)));
    this.sequences[at] = sequence;
    this.tokens[at] = token;
    this.outcomes[at] = outcome;
    this.startAtMs[at] = startAtMs;
    this.endAtMs[at] = endAtMs;
    if (error !== undefined) (this.errors ??= [])[at] = cut(error);
    this.count = at + 1;
    if (this.count === limits.entryItemsMax) this.flush();
    else if (!this.flushDue) this.flushSoon();
  }

  /** Hands out what there is, now. */
  flush(): void {
    const count = this.count;
    if (count === 0) return;
    if (count < this.capacity) this.resize(count);
    const { sequences, tokens, outcomes, startAtMs, endAtMs } = this;
    const errors = this.errors && Array.from({ length: count }, (_, at) => this.errors?.[at]);
    this.count = 0;
    this.errors = undefined;
    this.resize(0);
    this.report({ count, sequences, tokens, outcomes, startAtMs, endAtMs, errors });
  }

  private flushSoon(): void {
    this.flushDue = true;
    this.system.soon(() => {
      this.flushDue = false;
      this.flush();
    });
  }

  /** Columns of exactly this size: a view into a larger buffer would carry the whole buffer to the other thread. */
  private resize(rows: number): void {
    this.sequences = resized(this.sequences, new Float64Array(rows));
    this.tokens = resized(this.tokens, new Float64Array(rows));
    this.outcomes = resized(this.outcomes, new Uint8Array(rows));
    this.startAtMs = resized(this.startAtMs, new Float64Array(rows));
    this.endAtMs = resized(this.endAtMs, new Float64Array(rows));
    this.capacity = rows;
  }
}

function resized<T extends Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(from: T, to: T): T {
  to.set(from.subarray(0, to.length));
  return to;
}

/** The text within limits.errorTextMaxBytes of UTF-8, whole characters only. */
export function cut(message: string): string {
  const maxBytes = limits.errorTextMaxBytes;
  if (message.length * 3 <= maxBytes) return message;
  const bytes = Buffer.from(message.slice(0, maxBytes));
  if (bytes.length <= maxBytes) return bytes.toString();
  let end = maxBytes;
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
