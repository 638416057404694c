// Owns: where the definitions of jobs in the table are stored: a cold row each, by number and version, or a block of the first versions of
// consecutive numbers, for jobs that were made together. What a definition holds is definition.ts's.
// (D1) A job's flag says that its first version is in a block; the block of a number follows from the number. It goes with the last job
//      of it that needs it: until then it also holds definitions that nobody needs any more.
// (D2) A block never changes until it goes, so one that was read lately is kept by its number: each of its jobs needs it when it ends,
//      and jobs that were made together often end together, though seldom one behind the other.
// A row of a database costs about 10 us in all, most of it for the row, not for its bytes: jobs that come by the hundred thousand share it.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";
import { coldKeys } from "./cold.ts";
import { decodeDefinition, encodeDefinition } from "./definition.ts";
import type { Definition } from "./definition.ts";
import { jobFlags } from "./jobtable.ts";
import type { State } from "./state.ts";

/** Jobs in a block: its first number is a multiple of this. */
export const BLOCK_JOBS = 16;
const FIRST_VERSION = 1;
const FORMAT = 1;
const BLOCK_HEADER_BYTES = 15;
/** Of a job in a block: its id and its spec. */
const FIELDS = 2;

/** What the jobs of one command have in common. */
export type Origin = { readonly uid: number; readonly createdAtMs: number };

/** A block as it is read: where each of its jobs begins is looked for once. */
export class Block {
  readonly bytes: Uint8Array;
  private readonly uid: number;
  private readonly createdAtMs: number;
  private readonly begins = new Uint32Array(BLOCK_JOBS);

  constructor(bytes: Uint8Array) {
    const input = new ByteReader(bytes);
    input.u8();
    this.bytes = bytes;
    this.uid = input.u48();
    this.createdAtMs = input.f64();
    for (let place = 0; place < BLOCK_JOBS; place++) {
      this.begins[place] = input.at;
      for (let fields = 0; fields < FIELDS; fields++) input.skip(input.u32());
    }
  }

  definition(place: number): Definition {
    const input = new ByteReader(this.bytes, this.begins[place]);
    return { uid: this.uid, createdAtMs: this.createdAtMs, jobId: input.string(), specJson: input.bytes() };
  }
}

/** The definition of a version of a job, undefined when it is not stored. */
export function findDefinition(state: State, job: number, version: number): Definition | undefined {
  if (version !== FIRST_VERSION || !state.jobs.has(job, jobFlags.inBlock)) {
    const stored = state.cold.get(coldKeys.definition(job, version));
    return stored && decodeDefinition(stored);
  }
  return findBlock(state, blockOf(job))?.definition(job % BLOCK_JOBS);
}

/** (D2) */
function findBlock(state: State, number: number): Block | undefined {
  const kept = state.blocks.get(number);
  if (kept !== undefined) return kept;
  const stored = state.cold.get(coldKeys.definitionBlock(number));
  if (stored === undefined) return undefined;
  const block = new Block(stored);
  state.blocks.add(number, block);
  return block;
}

/** The newest definition of a job in the table. */
export function definitionOf(state: State, job: number): Definition {
  const definition = findDefinition(state, job, state.jobs.revision[job] as number);
  if (!definition) throw new PawlError("quarantined", `definition of job ${job} is missing; resynchronise this node`);
  return definition;
}

/** A version that is not there yet. */
export function addDefinition(state: State, job: number, version: number, definition: Definition): void {
  state.cold.add(coldKeys.definition(job, version), encodeDefinition(definition));
}

/** Stores the first versions of the BLOCK_JOBS jobs from `first` on. `bodies`: of each its id and its spec, as `string` and `bytes`. */
export function addBlock(state: State, first: number, { uid, createdAtMs }: Origin, bodies: readonly Uint8Array[]): void {
  const out = new ByteWriter(bodies.reduce((sum, body) => sum + body.length, BLOCK_HEADER_BYTES));
  out.u8(FORMAT);
  out.u48(uid);
  out.f64(createdAtMs);
  for (let i = 0; i < bodies.length; i++) {
    out.raw(bodies[i] as Uint8Array);
    state.jobs.flags[first + i] = (state.jobs.flags[first + i] as number) | jobFlags.inBlock;
  }
  state.cold.add(coldKeys.definitionBlock(blockOf(first)), out.take());
}

/** Removes what is stored of a version. */
export function dropDefinition(state: State, job: number, version: number): void {
  const { jobs, cold } = state;
  if (version !== FIRST_VERSION || !jobs.has(job, jobFlags.inBlock)) return cold.del(coldKeys.definition(job, version));
  jobs.flags[job] = (jobs.flags[job] as number) & ~jobFlags.inBlock;
  jobs.rows.touch(job);
  const first = job - (job % BLOCK_JOBS);
  for (let other = first; other < first + BLOCK_JOBS; other++) if (jobs.has(other, jobFlags.inBlock)) return;
  state.blocks.forget(blockOf(job));
  cold.del(coldKeys.definitionBlock(blockOf(job)));
}

function blockOf(job: number): number {
  return Math.floor(job / BLOCK_JOBS);
}
