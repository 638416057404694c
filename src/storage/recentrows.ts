// Owns: rows that were read from the database a moment ago, by key, in a bounded number of bytes: the oldest make room. The definition of
// a one-shot is read when it starts and when it ends, and with it those of the jobs that were made beside it. Which rows there are, and
// what was changed since, is coldrows.ts's.

export class RecentRows {
  private readonly rows = new Map<string, Uint8Array>();
  private readonly maxBytes: number;
  private bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }

  add(key: string, value: Uint8Array): void {
    this.forget(key);
    if (value.length > this.maxBytes) return;
    this.rows.set(key, value);
    this.bytes += value.length;
    for (const [oldest, row] of this.rows) {
      if (this.bytes <= this.maxBytes) return;
      this.rows.delete(oldest);
      this.bytes -= row.length;
    }
  }

  /** To be called when the row is changed. */
  forget(key: string): void {
    const value = this.rows.get(key);
    if (value === undefined) return;
    this.rows.delete(key);
    this.bytes -= value.length;
  }
}
