// Owns: ids of jobs that left the table lately, to name them in events. Memory of this process, bounded, not state.
// (D1) Two halves: when the younger one is full, the older one goes. A single list that loses its oldest one by one costs a search each.

import { limits } from "../limits.ts";

const GENERATIONS = 65_536;

export class Departed {
  private young = new Map<number, string>();
  private old = new Map<number, string>();

  add(job: number, generation: number, jobId: string): void {
    if (this.young.size >= limits.departedMax / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(job * GENERATIONS + generation, jobId);
  }

  /** The id that this number had in this generation; undefined when it is not known any more. */
  get(job: number, generation: number): string | undefined {
    const key = job * GENERATIONS + generation;
    return this.young.get(key) ?? this.old.get(key);
  }
}
