// Owns: ids of jobs that left the table lately, to name them in events. Memory of this process, bounded, not state.

import { Kept } from "../base/kept.ts";
import { limits } from "../limits.ts";

const GENERATIONS = 65_536;

export class Departed {
  private readonly ids = new Kept<number, string>(limits.departedMax);

  add(job: number, generation: number, jobId: string): void {
    this.ids.add(job * GENERATIONS + generation, jobId);
  }

  /** The id that this number had in this generation; undefined when it is not known any more. */
  get(job: number, generation: number): string | undefined {
    return this.ids.get(job * GENERATIONS + generation);
  }
}
