// Owns: attempts by the number of their execution, in columns. Tens of thousands come and go each second: as objects in a Map they lived
// just long enough to be moved into V8's old space, eight megabytes of it a second on each node.
// (T1) Rows are 0 to count - 1 without gaps: a row that is removed gives its place to the last one. Whoever removes while walking over
//      them walks down.

import { assert } from "../base/errors.ts";
import { mix32 } from "../base/checksum.ts";

const FIRST_ROWS = 64;
/** Places of the index for each row: short ways to what is there, and to what is not. */
const PLACES_PER_ROW = 4;

export class AttemptTable {
  count = 0;
  sequence = new Float64Array(FIRST_ROWS);
  token = new Float64Array(FIRST_ROWS);
  /** Row + 1 by hash, open addressing with linear probing; 0 where there is none. */
  private places = new Uint32Array(FIRST_ROWS * PLACES_PER_ROW);

  /** The row of an execution; -1 where there is none. */
  find(sequence: number): number {
    return (this.places[this.placeOf(sequence)] as number) - 1;
  }

  /** Where its row is, or would be. */
  private placeOf(sequence: number): number {
    const { places } = this;
    const mask = places.length - 1;
    for (let at = homeOf(sequence) & mask; ; at = (at + 1) & mask) {
      const row = (places[at] as number) - 1;
      if (row < 0 || this.sequence[row] === sequence) return at;
    }
  }

  /** The row of an execution with this token; one with another token gives way. */
  put(sequence: number, token: number): number {
    if (this.count === this.sequence.length) this.grow();
    const at = this.placeOf(sequence);
    let row = (this.places[at] as number) - 1;
    if (row < 0) {
      row = this.count++;
      this.places[at] = row + 1;
      this.sequence[row] = sequence;
    }
    this.token[row] = token;
    return row;
  }

  /** The last row moves to this one (T1). */
  remove(row: number): void {
    assert(row >= 0 && row < this.count, "only a row that is there is removed");
    const last = this.count - 1;
    this.vacate(this.placeOf(this.sequence[row] as number));
    if (row !== last) {
      this.places[this.placeOf(this.sequence[last] as number)] = row + 1;
      this.move(last, row);
    }
    this.count = last;
  }

  /** Later entries of the same run move back, so that no tombstones are needed. */
  private vacate(place: number): void {
    const { places } = this;
    const mask = places.length - 1;
    let hole = place;
    for (let at = (hole + 1) & mask; places[at] !== 0; at = (at + 1) & mask) {
      const home = homeOf(this.sequence[(places[at] as number) - 1] as number) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      places[hole] = places[at] as number;
      hole = at;
    }
    places[hole] = 0;
  }

  protected move(from: number, to: number): void {
    this.sequence[to] = this.sequence[from] as number;
    this.token[to] = this.token[from] as number;
  }

  protected grow(): void {
    const rows = this.sequence.length * 2;
    this.sequence = longer(this.sequence, new Float64Array(rows));
    this.token = longer(this.token, new Float64Array(rows));
    this.places = new Uint32Array(rows * PLACES_PER_ROW);
    for (let row = 0; row < this.count; row++) this.places[this.placeOf(this.sequence[row] as number)] = row + 1;
  }
}

/** What runs on the face. */
export class RunningAttempts extends AttemptTable {
  /** 1: waits only for the face to let go. */
  void = new Uint8Array(FIRST_ROWS);

  protected override move(from: number, to: number): void {
    super.move(from, to);
    this.void[to] = this.void[from] as number;
  }

  protected override grow(): void {
    super.grow();
    this.void = longer(this.void, new Uint8Array(this.sequence.length));
  }
}

/** Results that no applied entry has. */
export class FinishedAttempts extends AttemptTable {
  outcome = new Uint8Array(FIRST_ROWS);
  startAtMs = new Float64Array(FIRST_ROWS);
  endAtMs = new Float64Array(FIRST_ROWS);
  sentAtMs = new Float64Array(FIRST_ROWS);
  /** By sequence, where there is one. */
  private readonly errors = new Map<number, string>();

  finish(sequence: number, token: number, outcome: number, startAtMs: number, endAtMs: number, error: string): void {
    const row = this.put(sequence, token);
    this.outcome[row] = outcome;
    this.startAtMs[row] = startAtMs;
    this.endAtMs[row] = endAtMs;
    this.sentAtMs[row] = Number.NEGATIVE_INFINITY;
    if (error !== "") this.errors.set(sequence, error);
    else if (this.errors.size > 0) this.errors.delete(sequence);
  }

  error(row: number): string {
    return this.errors.size === 0 ? "" : (this.errors.get(this.sequence[row] as number) ?? "");
  }

  override remove(row: number): void {
    if (this.errors.size > 0) this.errors.delete(this.sequence[row] as number);
    super.remove(row);
  }

  protected override move(from: number, to: number): void {
    super.move(from, to);
    this.outcome[to] = this.outcome[from] as number;
    this.startAtMs[to] = this.startAtMs[from] as number;
    this.endAtMs[to] = this.endAtMs[from] as number;
    this.sentAtMs[to] = this.sentAtMs[from] as number;
  }

  protected override grow(): void {
    super.grow();
    const rows = this.sequence.length;
    this.outcome = longer(this.outcome, new Uint8Array(rows));
    this.startAtMs = longer(this.startAtMs, new Float64Array(rows));
    this.endAtMs = longer(this.endAtMs, new Float64Array(rows));
    this.sentAtMs = longer(this.sentAtMs, new Float64Array(rows));
  }
}

function homeOf(sequence: number): number {
  return mix32(sequence % 2 ** 32);
}

function longer<T extends Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(from: T, to: T): T {
  to.set(from);
  return to;
}
