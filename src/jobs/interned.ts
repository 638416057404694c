// Owns: values that many rows share (schedules, classes), kept once under a small reference. A reference is the lowest free one and
// is counted by the rows that hold it; commands carry the value's text, never the reference, so a reused reference misleads nobody.
// (N1) The text of every reference in use is a cold row; which are in use is recounted from the rows at load.

import { assert, BugError, PawlError } from "../base/errors.ts";
import { utf8Bytes } from "../base/bytes.ts";
import { NumberPool } from "./numberpool.ts";
import type { ColdRows } from "./cold.ts";

export class Interned<T> {
  private readonly prefix: string;
  private readonly parse: (text: string) => T;
  private readonly cold: ColdRows;
  private readonly pool: NumberPool;
  private readonly byText = new Map<string, number>();
  private readonly values: (T | undefined)[] = [];
  private readonly texts: (string | undefined)[] = [];
  private readonly counts: number[] = [];
  /** How often a reference has come to stand for another value. */
  changes = 0;

  constructor(prefix: string, capacity: number, cold: ColdRows, parse: (text: string) => T) {
    this.prefix = prefix;
    this.cold = cold;
    this.parse = parse;
    this.pool = new NumberPool(capacity);
  }

  get size(): number {
    return this.pool.count;
  }

  /** The value behind a reference in use. */
  value(ref: number): T {
    const value = this.values[ref];
    if (value === undefined) throw new BugError(`${this.prefix}: reference ${ref} is not in use`);
    return value;
  }

  /** By reference: 1 where its value fits. */
  fitting(fits: (value: T) => boolean): Uint8Array {
    return Uint8Array.from(this.values, (value) => (value !== undefined && fits(value) ? 1 : 0));
  }

  text(ref: number): string {
    return this.texts[ref] ?? "";
  }

  /** Whether one more of this text would fit. */
  fits(text: string): boolean {
    return this.byText.has(text) || this.pool.count < this.pool.capacity;
  }

  /** The reference of a text, counted once more. */
  acquire(text: string): number {
    const known = this.byText.get(text);
    if (known !== undefined) {
      this.counts[known] = (this.counts[known] ?? 0) + 1;
      return known;
    }
    const ref = this.pool.take();
    assert(ref !== 0, `${this.prefix}: no reference left`);
    this.hold(ref, text);
    this.counts[ref] = 1;
    this.cold.put(this.key(ref), utf8Bytes(text));
    return ref;
  }

  /** A reference in use, counted once more. */
  again(ref: number): void {
    this.counts[ref] = (this.counts[ref] as number) + 1;
  }

  release(ref: number): void {
    const left = (this.counts[ref] ?? 0) - 1;
    if (left < 0) throw new BugError(`${this.prefix}: reference ${ref} released too often`);
    this.counts[ref] = left;
    if (left > 0) return;
    this.byText.delete(this.text(ref));
    this.values[ref] = undefined;
    this.texts[ref] = undefined;
    this.changes++;
    this.pool.free(ref);
    this.cold.del(this.key(ref));
  }

  /** Load: a stored text under its reference, not yet counted. */
  restore(ref: number, text: string): void {
    this.pool.add(ref);
    this.hold(ref, text);
    this.counts[ref] = 0;
  }

  /** Load: one row that holds the reference. */
  recount(ref: number): void {
    if (this.values[ref] === undefined)
      throw new PawlError("quarantined", `${this.prefix}: reference ${ref} of a row is missing; resynchronise this node`);
    this.counts[ref] = (this.counts[ref] ?? 0) + 1;
  }

  private hold(ref: number, text: string): void {
    this.byText.set(text, ref);
    this.texts[ref] = text;
    this.values[ref] = this.parse(text);
    this.changes++;
  }

  private key(ref: number): string {
    return this.prefix + ref.toString(16).padStart(6, "0");
  }
}
