// Owns: from a hash to the dense numbers that have it: open addressing with linear probing over typed arrays. Derived, never
// stored: rebuilt from the rows at load. Whether a number with the right hash is the one that was meant, the caller checks.

import { assert, BugError } from "../base/errors.ts";

export class NumberIndex {
  private readonly slots: Uint32Array;
  private readonly mask: number;
  /** Hash of each number's key; owned by the table. */
  private readonly hashes: Uint32Array;
  private count = 0;

  constructor(capacity: number, hashes: Uint32Array) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, capacity * 1.5)));
    this.slots = new Uint32Array(size);
    this.mask = size - 1;
    this.hashes = hashes;
  }

  add(number: number): void {
    assert(this.count < this.mask, "number index is full");
    let at = (this.hashes[number] as number) & this.mask;
    while (this.slots[at] !== 0) at = (at + 1) & this.mask;
    this.slots[at] = number;
    this.count++;
  }

  /** Adds many: in a loop so short that a processor waits for several cache misses at once. */
  addAll(numbers: Uint32Array): void {
    const { slots, hashes, mask } = this;
    assert(this.count + numbers.length <= mask, "number index is full");
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] as number;
      let at = (hashes[number] as number) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = number;
    }
    this.count += numbers.length;
  }

  /** The first number with this hash for which `matches` holds, else 0. */
  find(hash: number, matches: (number: number) => boolean): number {
    let at = hash & this.mask;
    for (let number = this.slots[at] as number; number !== 0; number = this.slots[at] as number) {
      if (this.hashes[number] === hash && matches(number)) return number;
      at = (at + 1) & this.mask;
    }
    return 0;
  }

  /** Removes a number; later entries of the same run move back, so that no tombstones are needed (Knuth 6.4, algorithm R). */
  remove(number: number): void {
    const { slots, hashes, mask } = this;
    let hole = (hashes[number] as number) & mask;
    while (slots[hole] !== number) {
      if (slots[hole] === 0) throw new BugError(`number ${number} is not in the index`);
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; slots[at] !== 0; at = (at + 1) & mask) {
      const home = (hashes[slots[at] as number] as number) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots[hole] = slots[at] as number;
        hole = at;
      }
    }
    slots[hole] = 0;
    this.count--;
  }
}
