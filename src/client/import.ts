// Owns: many jobs as a list: which lines go together in one request, several requests at once, and how far all of it is. How one request is
// tried is caller.ts's business, where the server cuts a list ndjson.ts's.
// (I1) A request is some chunks in a row, from a place that depends on the list alone. Without a key of the caller's its key is a hash of
//      them. So an import that is begun again, from anywhere, does nothing twice.
// (I2) The cursor moves in order: everything up to it is done or refused, whatever became of requests behind it.

import { PawlError, messageOf } from "../base/errors.ts";
import type { ErrorCode, Outcome } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { Caller } from "./caller.ts";
import { ChunkCutter } from "./ndjson.ts";
import type { Chunk } from "./ndjson.ts";
import { TransportError } from "./transport.ts";
import type { TransportResponse } from "./transport.ts";
import type { ImportOptions, ImportProgress, NewJob, RefusedLine } from "./types.ts";

const PATH = "/api/v1/jobs/batch?results=errors";
const PIECE_CHARS = 64 * 1024;

/** Lines that are sent together: chunks with a newline behind each. */
type Group = { readonly parts: readonly Part[]; readonly lastLine: number; readonly tooLong: readonly number[] };
type Part = { readonly firstLine: number; readonly lastLine: number; readonly bytes: Uint8Array };
type Done = { readonly submitted: number; readonly refused: number; readonly errors: readonly RefusedLine[] };
type Sent = { readonly done: Done } | { readonly error: unknown };

/** Sends a list of NDJSON text, and yields how far it is; throws what stopped it, when the requests under way have ended. */
export async function* importLines(
  caller: Caller, text: AsyncIterable<Uint8Array>, options: ImportOptions,
): AsyncGenerator<ImportProgress, void, undefined> {
  const { from = 0, parallel = limits.importRequestsDefault, signal } = options;
  const underWay: { readonly group: Group; readonly sent: Promise<Sent> }[] = [];
  let bytes = 0;
  const first = async (): Promise<ImportProgress> => {
    const { group, sent } = underWay.shift() as (typeof underWay)[number];
    const result = await sent;
    if ("error" in result) {
      await Promise.all(underWay.map((each) => each.sent));
      throw result.error;
    }
    for (const part of group.parts) bytes += part.bytes.length;
    return { cursor: group.lastLine, bytes, ...result.done };
  };
  for await (const group of groupsOf(text)) {
    if (signal?.aborted) break;
    if (group.lastLine <= from) {
      for (const part of group.parts) bytes += part.bytes.length;
      continue;
    }
    const sent = sendGroup(caller, group, options).then((done) => ({ done }), (error: unknown) => ({ error }));
    underWay.push({ group, sent });
    if (underWay.length >= parallel) yield await first();
  }
  while (underWay.length > 0) yield await first();
}

/** The text of a list of jobs. */
export async function* linesOf(jobs: Iterable<NewJob> | AsyncIterable<NewJob>): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  let text = "";
  for await (const job of jobs) {
    text += `${JSON.stringify(job)}\n`;
    if (text.length < PIECE_CHARS) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(text);
}

/** A group ends with the number of its last line, or when it has as many chunks as a server has under way: with its list alone (I1). */
async function* groupsOf(text: AsyncIterable<Uint8Array>): AsyncGenerator<Group, void, undefined> {
  const cutter = new ChunkCutter(0);
  let parts: Part[] = [];
  let tooLong: number[] = [];
  const taken = (): Group => {
    const group = { parts, tooLong, lastLine: parts.at(-1)?.lastLine ?? 0 };
    parts = [];
    tooLong = [];
    return group;
  };
  function* full(chunks: Iterable<Chunk>): Generator<Group, void, undefined> {
    for (const { firstLine, lastLine, bytes, tooLong: dropped } of chunks) {
      const copy = new Uint8Array(bytes.length + 1);
      copy.set(bytes);
      copy[bytes.length] = 0x0a;
      parts.push({ firstLine, lastLine, bytes: copy });
      tooLong.push(...dropped);
      if (parts.length >= limits.bulkChunksInFlightMax || lastLine % limits.importGroupLines === 0) yield taken();
    }
  }
  for await (const piece of text) yield* full(cutter.cut(piece));
  yield* full(cutter.end());
  if (parts.length > 0) yield taken();
}

/** Sends what lies behind the place to begin at; a chunk with lines on both sides is sent whole, as it was cut before (I1). */
async function sendGroup(caller: Caller, group: Group, { from = 0, idempotencyKey, signal }: ImportOptions): Promise<Done> {
  const { parts } = group;
  const key = idempotencyKey ?? (await hashOf(joined(parts)));
  const rest = parts.filter((part) => part.lastLine > from);
  const cursor = (rest[0]?.firstLine ?? 1) - 1;
  const lines = joined(rest);
  const call = { method: "POST", path: `${PATH}&cursor=${cursor}`, lines, change: true, idempotencyKey: key } as const;
  for (let round = 0; ; round++) {
    try {
      return await caller.run(call, (response) => readAnswer(response, group));
    } catch (error) {
      // Each run has tried every server some times already.
      const passes = error instanceof PawlError && passing.has(error.code);
      if (!passes || round >= limits.importRoundsMax || signal?.aborted === true) throw error;
    }
    await caller.pause(round + 1);
  }
}

/** What a cluster that changes its leader says, or a node that starts again. */
const passing: ReadonlySet<ErrorCode> = new Set(["no_quorum", "not_leader", "unavailable", "timeout", "overloaded"]);

function joined(parts: readonly Part[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of parts) {
    whole.set(bytes, at);
    at += bytes.length;
  }
  return whole;
}

async function hashOf(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

type AnswerLine = {
  readonly line?: number;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly field?: string; readonly outcome: Outcome };
  readonly cursor?: string;
  readonly submitted?: number;
  readonly refused?: number;
  readonly done?: boolean;
};

/** Only an answer up to the end counts: what was done of another one is found again by its key. */
async function readAnswer(response: TransportResponse, { lastLine, tooLong }: Group): Promise<Done | PawlError> {
  const errors: RefusedLine[] = [];
  const dropped = new Set(tooLong);
  let last: AnswerLine = {};
  for await (const answer of answerLines(response)) {
    last = answer;
    const { line, error } = answer;
    if (line === undefined || error === undefined) continue;
    if (dropped.has(line)) errors.push({ line, code: "too_large", message: `the line has more than ${limits.bodyMaxBytes} bytes` });
    else errors.push({ line, code: error.code, message: error.message, field: error.field });
  }
  const { error, done, cursor, submitted = 0, refused = 0 } = last;
  if (error !== undefined && last.line === undefined) return new PawlError(error.code, error.message, { outcome: error.outcome });
  if (done !== true || cursor !== String(lastLine)) throw new TransportError("the answer broke off before its last line", true, undefined);
  return { submitted, refused, errors };
}

async function* answerLines({ body }: TransportResponse): AsyncGenerator<AnswerLine, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const piece of body) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as AnswerLine;
    }
  } catch (error) {
    throw new TransportError(`the answer broke off: ${messageOf(error)}`, true, error);
  }
}
