// Owns: which dense numbers are in use. The next number is always the lowest free one: a rule over the state, not over the
// history of this process, so that replicas with different pasts give equal numbers (H2a).
// Three levels of bitmap, one bit per number, per word of 32 and per 1,024: finding the lowest free one reads a few words.

import { assert, BugError } from "../base/errors.ts";

export class NumberPool {
  readonly capacity: number;
  count = 0;
  private readonly used: Uint32Array;
  /** Bit set: all 32 numbers of that word are in use. */
  private readonly full: Uint32Array;
  private readonly fuller: Uint32Array;

  /** Numbers are 1..capacity; 0 is never given. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.used = new Uint32Array((capacity >>> 5) + 1);
    this.full = new Uint32Array((this.used.length >>> 5) + 1);
    this.fuller = new Uint32Array((this.full.length >>> 5) + 1);
    this.mark(0);
  }

  has(number: number): boolean {
    return ((this.used[number >>> 5] as number) & (1 << (number & 31))) !== 0;
  }

  /** The lowest free number, taken; 0 when all are in use. */
  take(): number {
    if (this.count >= this.capacity) return 0;
    const top = firstNotFull(this.fuller);
    const middle = (top << 5) + lowestZero(this.full, top);
    const word = (middle << 5) + lowestZeroOfWord(this.full[middle] as number);
    const number = (word << 5) + lowestZeroOfWord(this.used[word] as number);
    assert(number <= this.capacity && !this.has(number), "number pool is inconsistent");
    this.add(number);
    return number;
  }

  /** Marks a number as used, when rows are loaded. */
  add(number: number): void {
    if (number < 1 || number > this.capacity || this.has(number)) throw new BugError(`number ${number} is taken or out of range`);
    this.mark(number);
    this.count++;
  }

  private mark(number: number): void {
    const word = number >>> 5;
    this.used[word] = (this.used[word] as number) | (1 << (number & 31));
    if (this.used[word] !== 0xffffffff) return;
    const middle = word >>> 5;
    this.full[middle] = (this.full[middle] as number) | (1 << (word & 31));
    if (this.full[middle] !== 0xffffffff) return;
    const top = middle >>> 5;
    this.fuller[top] = (this.fuller[top] as number) | (1 << (middle & 31));
  }

  free(number: number): void {
    if (number < 1 || !this.has(number)) throw new BugError(`number ${number} is not in use`);
    const word = number >>> 5;
    const middle = word >>> 5;
    const top = middle >>> 5;
    this.used[word] = (this.used[word] as number) & ~(1 << (number & 31));
    this.full[middle] = (this.full[middle] as number) & ~(1 << (word & 31));
    this.fuller[top] = (this.fuller[top] as number) & ~(1 << (middle & 31));
    this.count--;
  }

  /** The lowest used number above `number`, 0 if none: for walking over rows in slices. */
  nextUsed(number: number): number {
    let at = number + 1;
    while (at <= this.capacity) {
      const rest = (this.used[at >>> 5] as number) >>> (at & 31);
      if (rest !== 0) {
        const found = at + (31 - Math.clz32(rest & -rest));
        return found <= this.capacity ? found : 0;
      }
      at = ((at >>> 5) + 1) << 5;
    }
    return 0;
  }
}

function firstNotFull(words: Uint32Array): number {
  let at = 0;
  while (words[at] === 0xffffffff) at++;
  return at;
}

function lowestZero(words: Uint32Array, top: number): number {
  let bit = 0;
  while (words[(top << 5) + bit] === 0xffffffff) bit++;
  return bit;
}

function lowestZeroOfWord(word: number): number {
  const zeros = ~word;
  return 31 - Math.clz32(zeros & -zeros);
}
