// Owns: how many bytes a leader has proposed that are not yet both committed and durable here. What it does not know of is the tail
// that a leader inherits; that was bounded by the leader who proposed it.
// (U1) An empty tail admits one proposal of any size, so that a large one is late but never impossible.

export class Quota {
  private readonly maxBytes: number;
  private sizes: number[] = [];
  private head = 0;
  private firstIndex = 1;
  private bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Starts anew; the next proposal counted gets index `firstIndex`. */
  reset(firstIndex: number): void {
    this.sizes = [];
    this.head = 0;
    this.firstIndex = firstIndex;
    this.bytes = 0;
  }

  admits(size: number): boolean {
    return this.bytes === 0 || this.bytes + size <= this.maxBytes;
  }

  add(size: number): void {
    this.sizes.push(size);
    this.bytes += size;
  }

  /** Everything up to `index` is done with. */
  release(index: number): void {
    while (this.firstIndex <= index && this.head < this.sizes.length) {
      this.bytes -= this.sizes[this.head] as number;
      this.head++;
      this.firstIndex++;
    }
    if (this.head === this.sizes.length) {
      this.sizes = [];
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > this.sizes.length) {
      this.sizes.splice(0, this.head);
      this.head = 0;
    }
  }
}
