// Owns: where a log may be cut at its beginning: behind whole writes only, and only where no later write replaced an entry before the cut.
// What is dropped when is decided in log.ts.
// (U1) A cut at an index is good as long as nothing at or below it is replaced: what stays then continues from there when it is read
//      again. Of several writes that end at one index the first counts; those behind it that hold no entries go with the next cut.

import { Steps } from "./steps.ts";

/** All that stays begins with `write`, and continues from the entry at `index`. */
export type Cut = {
  readonly index: number;
  readonly write: number;
  /** Seal of the write before. */
  readonly seal: number;
  /** Bytes of all writes before. */
  readonly bytes: number;
};

export class Cuts {
  private readonly writes = new Steps();
  private readonly seals = new Steps();
  private readonly bytes = new Steps();

  constructor(first: Cut) {
    this.push(first);
  }

  get first(): Cut {
    return this.at(this.writes.firstIndex as number);
  }

  /** Does nothing if there is a cut at that index already (U1). */
  push(cut: Cut): void {
    if (this.writes.lastIndex === cut.index) return;
    this.writes.push(cut.index, cut.write);
    this.seals.push(cut.index, cut.seal);
    this.bytes.push(cut.index, cut.bytes);
  }

  /** Entries from `index` on are replaced. */
  truncate(index: number): void {
    for (const each of [this.writes, this.seals, this.bytes]) each.truncate(index);
  }

  next(after: Cut): Cut | undefined {
    const index = this.writes.endAt(after.index);
    return index === Number.POSITIVE_INFINITY ? undefined : this.at(index);
  }

  /** Forgets all before a cut. */
  dropTo({ index }: Cut): void {
    for (const each of [this.writes, this.seals, this.bytes]) each.dropTo(index);
  }

  private at(index: number): Cut {
    const [write, seal, bytes] = [this.writes, this.seals, this.bytes].map((each) => each.at(index)) as [number, number, number];
    return { index, write, seal, bytes };
  }
}
