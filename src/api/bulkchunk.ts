// Owns: one chunk of a list of jobs: from its lines to the batch for the core, and from the core's reply to the lines of the answer.
// How chunks follow each other is bulk.ts's business, the form of a batch jobs/bulk.ts's.
// (B1) A line is treated as the body of POST /jobs would be, and refuses nothing but itself.

import { hash } from "node:crypto";
import { utf8Text } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { Chunk } from "../client/ndjson.ts";
import { BulkWriter } from "../jobs/bulk.ts";
import { limits } from "../limits.ts";
import type { Backend, BulkReply } from "./backend.ts";
import { parseText } from "./json.ts";
import { jobSpecOf } from "./parse.ts";
import { newJob } from "./schemas.ts";
import { bodyCheck } from "./validation.ts";

/** A line that was refused; the field is told where it is known. */
type Refusal = { readonly code: ErrorCode; readonly message: string; readonly field?: string | undefined };

export type ReadChunk = {
  readonly firstLine: number;
  readonly lastLine: number;
  /** Of each line the id of its job; "" where it was refused before there was one. */
  readonly jobIds: readonly string[];
  /** By the place of the line in the chunk, from 0. */
  readonly refusals: ReadonlyMap<number, Refusal>;
  /** Places of the lines that are in the batch. */
  readonly places: readonly number[];
  /** Undefined when no line is left. */
  readonly batch: Uint8Array<ArrayBuffer> | undefined;
};

const checked = bodyCheck(newJob, "the line");
/** One for all chunks, each of which is read in one go. */
const writer = new BulkWriter();

export function readChunk(chunk: Chunk, backend: Backend, nowMs: number, idOfLine: (line: number) => string): ReadChunk {
  const { firstLine, lastLine, bytes } = chunk;
  const tooLong = new Set(chunk.tooLong);
  const lines = linesOf(bytes);
  const jobIds: string[] = [];
  const refusals = new Map<number, Refusal>();
  const places: number[] = [];
  writer.begin();
  for (let place = 0; place < lines.length; place++) {
    let jobId = "";
    try {
      if (tooLong.has(firstLine + place)) throw new PawlError("too_large", `the line has more than ${limits.bodyMaxBytes} bytes`);
      const body = checked(parseText(textOf(lines[place]), "the line"));
      const spec = jobSpecOf(body, backend, nowMs);
      jobId = body.job_id ?? idOfLine(firstLine + place);
      writer.add(jobId, spec);
      places.push(place);
    } catch (error) {
      if (!(error instanceof PawlError)) throw error;
      refusals.set(place, error);
    }
    jobIds.push(jobId);
  }
  return { firstLine, lastLine, jobIds, refusals, places, batch: places.length === 0 ? undefined : writer.take() };
}

/** By which a chunk is known when it comes again: its bytes, and which of its lines this node would hand to the core. */
export function chunkHash({ bytes }: Chunk, { refusals }: ReadChunk): string {
  const own = hash("sha256", bytes);
  return refusals.size === 0 ? own : hash("sha256", JSON.stringify([own, ...refusals.keys()]));
}

/** The texts of the lines; undefined for one that is not UTF-8. */
function linesOf(bytes: Buffer): readonly (string | undefined)[] {
  const text = decoded(bytes);
  if (text !== undefined) return text.split("\n");
  // In UTF-8 a newline is never part of another character, so that the places stay those of the whole.
  return bytes.toString("latin1").split("\n").map((line) => decoded(Buffer.from(line, "latin1")));
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8Text(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function textOf(line: string | undefined): string {
  if (line === undefined) throw new PawlError("invalid", "the line is not UTF-8");
  if (line === "") throw new PawlError("invalid", "the line is empty; a job is a JSON object on a line of its own");
  return line;
}

export type Results = { readonly text: string; readonly submitted: number; readonly refused: number };

/** What is told of a chunk, line by line; of lines that were taken only if `all` is asked for. */
export function resultsOf(read: ReadChunk, reply: BulkReply, all: boolean): Results {
  const { firstLine, jobIds, places } = read;
  const refusals = new Map(read.refusals);
  for (const refused of reply.refused) refusals.set(places[refused.at] ?? 0, refused);
  let text = "";
  for (let place = 0; place < jobIds.length; place++) {
    const refusal = refusals.size === 0 ? undefined : refusals.get(place);
    if (refusal !== undefined) text += `{"line":${firstLine + place},"error":${JSON.stringify(shown(refusal))}}\n`;
    // An id has no character that JSON would write otherwise.
    else if (all) text += `{"line":${firstLine + place},"status":"submitted","job_id":"${jobIds[place]}"}\n`;
  }
  return { text, submitted: jobIds.length - refusals.size, refused: refusals.size };
}

function shown({ code, message, field }: Refusal): object {
  return { code, message, ...(field === undefined ? {} : { field }), outcome: "rejected" };
}
