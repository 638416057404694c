// Owns: a sum of 32-bit hashes that does not depend on their order, so that it can be kept up to date row by row: what replicas compare,
// and what a disk must hold.

import type { ByteReader, ByteWriter } from "../base/bytes.ts";
import { mix32 } from "../base/checksum.ts";

/** Two sums modulo 2^32, of each hash and of another one made of it: rows that swap or cancel out in one differ in the other. */
export class HashSum {
  private plain = 0;
  private mixed = 0;

  static of(input: ByteReader): HashSum {
    const sum = new HashSum();
    sum.restore(input);
    return sum;
  }

  copy(): HashSum {
    const copy = new HashSum();
    copy.plain = this.plain;
    copy.mixed = this.mixed;
    return copy;
  }

  add(hash: number): void {
    this.plain = (this.plain + hash) >>> 0;
    this.mixed = (this.mixed + mix32(hash)) >>> 0;
  }

  remove(hash: number): void {
    this.plain = (this.plain - hash) >>> 0;
    this.mixed = (this.mixed - mix32(hash)) >>> 0;
  }

  text(): string {
    return [this.plain, this.mixed].map((each) => each.toString(16).padStart(8, "0")).join("");
  }

  encode(out: ByteWriter): void {
    out.u32(this.plain);
    out.u32(this.mixed);
  }

  restore(input: ByteReader): void {
    this.plain = input.u32();
    this.mixed = input.u32();
  }
}
