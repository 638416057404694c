// Owns: a compact map from indexes to values that hold from an index up to the next step. The log keeps two: which write holds an
// entry, and which term it has. Sixteen bytes a step; only the end is ever changed.

import { assert } from "../base/errors.ts";

export class Steps {
  private from = new Float64Array(64);
  private values = new Float64Array(64);
  length = 0;

  get firstIndex(): number | undefined {
    return this.length === 0 ? undefined : this.from[0];
  }

  push(index: number, value: number): void {
    assert(this.length === 0 || (this.from[this.length - 1] as number) < index, "steps go upwards");
    if (this.length === this.from.length) {
      this.from = doubled(this.from);
      this.values = doubled(this.values);
    }
    this.from[this.length] = index;
    this.values[this.length] = value;
    this.length++;
  }

  /** Forgets all steps at `index` and above. */
  truncate(index: number): void {
    while (this.length > 0 && (this.from[this.length - 1] as number) >= index) this.length--;
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

function doubled(old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const bigger = new Float64Array(old.length * 2);
  bigger.set(old);
  return bigger;
}
