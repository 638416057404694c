// Owns: the holes of a running node's history: which records it lacks, and that nobody is answered as if there were none. Where holes come
// from is historymarks.ts's; who fills them is src/cluster.

import { assert, PawlError } from "../base/errors.ts";
import type { Hole } from "./historymarks.ts";

export class Holes {
  private holes: readonly Hole[];

  constructor(holes: readonly Hole[]) {
    this.holes = holes;
  }

  get all(): readonly Hole[] {
    return this.holes;
  }

  /** The one that is to be filled first. */
  get first(): Hole | undefined {
    return this.holes[0];
  }

  /** How many records are missing, as far as they have not aged out. */
  get missing(): number {
    return this.holes.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** The first hole that ends behind this ordinal. */
  from(ordinal: number): Hole | undefined {
    return this.holes.find(({ to }) => to > ordinal);
  }

  /** Everything before `ordinal` is there now, or will never be. */
  filled(ordinal: number): void {
    const first = this.first;
    assert(first !== undefined && ordinal >= first.from && ordinal <= first.to, "holes are filled from the first one on");
    const rest = this.holes.slice(1);
    this.holes = ordinal === first.to ? rest : [{ from: ordinal, to: first.to }, ...rest];
  }

  /** Throws unless everything in [from, to) is there. */
  check(from: number, to: number): void {
    if (this.holes.some((hole) => hole.from < to && hole.to > from)) throw incomplete();
  }
}

function incomplete(): PawlError {
  const why = "this node took up a snapshot and is still fetching the history of ended executions that it lacks";
  return new PawlError("history_incomplete", `${why}; ask another node, or again in a moment`);
}
