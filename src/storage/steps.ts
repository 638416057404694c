// Owns: a compact map from indexes to values that hold from an index up to the next step. The log keeps two: which write holds an
// entry, and which term it has. Sixteen bytes a step; only the ends are ever changed, and memory of what was dropped is given back.

import { assert } from "../base/errors.ts";

const CAPACITY_MIN = 64;

export class Steps {
  private from = new Float64Array(CAPACITY_MIN);
  private values = new Float64Array(CAPACITY_MIN);
  length = 0;

  get firstIndex(): number | undefined {
    return this.length === 0 ? undefined : this.from[0];
  }

  get lastIndex(): number | undefined {
    return this.length === 0 ? undefined : this.from[this.length - 1];
  }

  /** Steps for which there is memory. */
  get capacity(): number {
    return this.from.length;
  }

  push(index: number, value: number): void {
    assert(this.length === 0 || (this.from[this.length - 1] as number) < index, "steps go upwards");
    if (this.length === this.from.length) {
      this.from = resized(this.from, this.length * 2);
      this.values = resized(this.values, this.length * 2);
    }
    this.from[this.length] = index;
    this.values[this.length] = value;
    this.length++;
  }

  /** Forgets all steps at `index` and above. */
  truncate(index: number): void {
    while (this.length > 0 && (this.from[this.length - 1] as number) >= index) this.length--;
  }

  /** Forgets all below `index`: the step that holds there begins there. */
  dropTo(index: number): void {
    const step = this.step(index);
    if (step < 0) return;
    this.from.copyWithin(0, step, this.length);
    this.values.copyWithin(0, step, this.length);
    this.length -= step;
    this.from[0] = index;
    let capacity = this.from.length;
    while (capacity > CAPACITY_MIN && capacity >= this.length * 4) capacity /= 2;
    if (capacity === this.from.length) return;
    this.from = resized(this.from, capacity);
    this.values = resized(this.values, capacity);
  }

  /** The value that holds at `index`, or undefined before the first step. */
  at(index: number): number | undefined {
    const step = this.step(index);
    return step < 0 ? undefined : this.values[step];
  }

  /** The first index behind the step that holds at `index`; Infinity for the last step. */
  endAt(index: number): number {
    const next = this.step(index) + 1;
    return next < this.length ? (this.from[next] as number) : Number.POSITIVE_INFINITY;
  }

  private step(index: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.from[middle] as number) <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function resized(old: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const other = new Float64Array(capacity);
  other.set(old.subarray(0, capacity));
  return other;
}
