// Owns: what a batch of starts says beyond its columns: for each start that needs it the id and the spec of the job, as they are stored,
// one behind the other. Objects made of them in the core would be copied on their way to the face, and cost the core more than the start.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { executionId } from "../base/token.ts";
import type { Definition } from "../jobs/definition.ts";
import { specFrom } from "../jobs/specform.ts";

/** Of start i the bytes [ends[i - 1], ends[i]); none for one that needs nothing or whose definition was not there. */
export type DetailColumns = { readonly idSpace: string; readonly ends: Uint32Array; readonly bytes: Uint8Array };

export type StartDetails = {
  readonly jobId: string;
  readonly executionId: string;
  readonly payload: unknown;
  /** True for at_most_once: the executor may not send anything a second time. */
  readonly deliverOnce: boolean;
};

export class DetailsWriter {
  private readonly ends: Uint32Array;
  private readonly out = new ByteWriter(4096);
  private count = 0;

  constructor(starts: number) {
    this.ends = new Uint32Array(starts);
  }

  /** Of the next start. */
  add(definition: Pick<Definition, "jobId" | "specJson"> | undefined): void {
    if (definition !== undefined) {
      this.out.string(definition.jobId);
      this.out.bytes(definition.specJson);
    }
    this.ends[this.count++] = this.out.length;
  }

  take(idSpace: string): DetailColumns {
    return { idSpace, ends: this.ends, bytes: this.out.take() };
  }
}

export function hasDetails({ ends }: DetailColumns, i: number): boolean {
  return ends[i] !== (i === 0 ? 0 : ends[i - 1]);
}

/** Undefined where there are none. */
export function detailsOf(columns: DetailColumns, i: number, sequence: number): StartDetails | undefined {
  if (!hasDetails(columns, i)) return undefined;
  const input = new ByteReader(columns.bytes, i === 0 ? 0 : columns.ends[i - 1]);
  const jobId = input.string();
  const spec = specFrom(input.bytes());
  const deliverOnce = spec.class.delivery === "at_most_once";
  return { jobId, executionId: executionId(columns.idSpace, sequence), payload: spec.payload, deliverOnce };
}
