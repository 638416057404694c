// Owns: ids of jobs that left the table lately, to name them in events. Memory of this process, bounded, not state.
// One-shots leave by the ten thousand in a second: a ring over columns, since a Map that lets its oldest go costs more than all else that
// is kept in memory when a job ends.

import { mix32 } from "../base/checksum.ts";
import { NumberIndex } from "./numberindex.ts";

/** The last `max` that left, each by its number and its generation. */
export class Departed {
  /** Places begin at 1, as the index wants it. */
  private readonly jobs: Uint32Array;
  private readonly generations: Uint16Array;
  private readonly ids: string[] = [""];
  private readonly hashes: Uint32Array;
  private readonly places: NumberIndex;
  private readonly max: number;
  private newest = 0;

  constructor(max: number) {
    this.max = max;
    this.jobs = new Uint32Array(max + 1);
    this.generations = new Uint16Array(max + 1);
    this.hashes = new Uint32Array(max + 1);
    this.places = new NumberIndex(max, this.hashes);
  }

  /** A number leaves once in each generation. */
  add(job: number, generation: number, jobId: string): void {
    const place = (this.newest % this.max) + 1;
    if (place < this.ids.length) this.places.remove(place);
    this.newest = place;
    this.jobs[place] = job;
    this.generations[place] = generation;
    this.ids[place] = jobId;
    this.hashes[place] = hashOf(job, generation);
    this.places.add(place);
  }

  /** The id that this number had in this generation; undefined when it is not known any more. */
  get(job: number, generation: number): string | undefined {
    const isAsked = (place: number): boolean => this.jobs[place] === job && this.generations[place] === generation;
    const place = this.places.find(hashOf(job, generation), isAsked);
    return place === 0 ? undefined : this.ids[place];
  }
}

function hashOf(job: number, generation: number): number {
  return mix32(job ^ mix32(generation));
}
