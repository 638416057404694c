// Owns: many jobs in one request: the route, and one list on its way: chunks into the core, their results back, in order. What becomes of
// the lines of a chunk is bulkchunk.ts's business, where a chunk ends client/ndjson.ts's.
// (B2) The answer is in the order of the lines. Everything up to a cursor that was told is done or refused, for good.
// (B3) A chunk is sent only when it is known to be whole: a body that breaks off leaves no part of its last chunk behind, so that the
//      next try has the same chunks under the same keys.
// (B4) At most bulkChunksInFlightMax chunks of a request are unanswered; meanwhile its body is not read. What waits for its reader is
//      bounded by the lines that a request may have, since a sender may send all of them before it reads.

import { Readable } from "node:stream";
import { BugError, PawlError } from "../base/errors.ts";
import { ChunkCutter } from "../client/ndjson.ts";
import type { Chunk } from "../client/ndjson.ts";
import type { ChangeOrigin } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import * as answers from "./answers.ts";
import type { Backend, BulkReply } from "./backend.ts";
import type { BodyStream } from "./bodystream.ts";
import { chunkHash, readChunk, resultsOf } from "./bulkchunk.ts";
import type { ReadChunk } from "./bulkchunk.ts";
import { lineIds, timeOrderedId } from "./jobid.ts";
import { NDJSON, PREFIX, listRoute } from "./registry.ts";
import type { Route } from "./registry.ts";
import { bulkQuery, newJob } from "./schemas.ts";
import type { BulkQuery } from "./schemas.ts";

export function bulkRoutes(backend: Backend, system: System): readonly Route[] {
  let open = 0;
  return [
    listRoute({
      method: "POST", path: `${PREFIX}/jobs/batch`, permission: "jobs:write", change: true,
      summary: "Submits a list of jobs, and answers line by line while it comes",
      body: newJob, query: bulkQuery, answers: { 200: answers.bulk }, contentType: NDJSON,
      handle: ({ body, query, origin }) => {
        if (open >= limits.bulkRequestsMax) throw new PawlError("overloaded", `${limits.bulkRequestsMax} lists are on their way already`);
        open++;
        const list = new ListOfJobs({ backend, system, body, query, origin });
        list.answer.once("close", () => open--);
        void list.run();
        return { body: list.answer, contentType: NDJSON, headers: { "x-accel-buffering": "no" } };
      },
    }),
  ];
}

type Parts = {
  readonly backend: Backend;
  readonly system: System;
  readonly body: BodyStream;
  readonly query: BulkQuery;
  readonly origin: ChangeOrigin;
};

const LIMIT = `at most ${limits.bulkLinesMax} lines and ${limits.bulkBodyMaxBytes} bytes in one request; go on from the cursor`;
const nothingRefused: BulkReply = { index: 0, refused: [] };

class ListOfJobs {
  readonly answer: Readable;
  private readonly parts: Parts;
  private readonly idOfLine: (line: number) => string;
  /** Chunks whose results were not told yet, in their order. */
  private readonly untold: Promise<void>[] = [];
  private lines = 0;
  private cursor: number;
  private submitted = 0;
  private refused = 0;
  /** Why a chunk was not done; the first one that was not, and all behind it, lie behind the cursor. */
  private failure: unknown;
  private patience: Timer | undefined;

  constructor(parts: Parts) {
    const { origin, query, body, system } = parts;
    this.parts = parts;
    this.cursor = query.cursor ?? 0;
    this.idOfLine = origin.key === undefined ? () => timeOrderedId(system.wallMs()) : lineIds(origin);
    this.answer = new Readable({
      read: () => undefined,
      destroy: (error, done) => {
        this.patience?.cancel();
        body.leave();
        done(error);
      },
    });
  }

  /** Never rejects: what goes wrong is the last line. What nobody foresaw breaks the answer off, and a bug ends the process. */
  async run(): Promise<void> {
    let isWhole = true;
    const broken = await this.takeAll().then((whole) => void (isWhole = whole), (error: unknown) => error);
    await Promise.all(this.untold);
    const failure = this.failure ?? broken;
    if (failure !== undefined && !(failure instanceof PawlError)) return this.breakOff(failure);
    this.say({ ...lastWord(failure, isWhole), ...this.sums() });
    this.answer.push(null);
    this.waitForReader();
  }

  private breakOff(error: unknown): void {
    this.answer.destroy(error instanceof Error ? error : new Error(String(error)));
    if (error instanceof BugError) throw error;
  }

  /** False when the request is longer than it may be; the rest of its lines is read, so that the sender gets to the answer. */
  private async takeAll(): Promise<boolean> {
    const { body } = this.parts;
    const cutter = new ChunkCutter(this.cursor);
    let bytes = 0;
    let hasRoom = true;
    for (let piece = await body.read(); piece !== undefined; piece = await body.read()) {
      bytes += piece.length;
      if (bytes > limits.bulkBodyMaxBytes) return false;
      hasRoom &&= await this.takeChunks(cutter.cut(piece));
    }
    return hasRoom && this.takeChunks(cutter.end());
  }

  /** False, and nothing taken, from the first chunk on for which the request has no room. */
  private async takeChunks(chunks: Iterable<Chunk>): Promise<boolean> {
    const { backend, system } = this.parts;
    for (const chunk of chunks) {
      this.lines += chunk.lastLine - chunk.firstLine + 1;
      if (this.lines > limits.bulkLinesMax) return false;
      while (this.untold.length >= limits.bulkChunksInFlightMax) await this.untold[0];
      if (this.failure !== undefined || this.answer.destroyed) return true;
      const read = readChunk(chunk, backend, system.wallMs(), this.idOfLine);
      const before = this.untold.at(-1);
      this.untold.push(this.tell(read, this.send(read, this.originOf(chunk, read)), before));
      // Others get their turn between two chunks, also when no line of this one goes to the core.
      await new Promise<void>((resolve) => system.soon(resolve));
    }
    return true;
  }

  private originOf(chunk: Chunk, read: ReadChunk): ChangeOrigin {
    const { origin } = this.parts;
    if (origin.key === undefined) return origin;
    return { ...origin, key: `${origin.key}#${chunk.firstLine}`, bodyHash: chunkHash(chunk, read) };
  }

  /** Settles with the reply or with what went wrong. A core that has no room is asked again, for a while. */
  private async send({ batch }: ReadChunk, origin: ChangeOrigin): Promise<BulkReply | { readonly error: unknown }> {
    const { backend, system } = this.parts;
    if (batch === undefined) return nothingRefused;
    const giveUpMs = system.monotonicMs() + limits.bulkPatienceMs;
    for (let delayMs: number = limits.bulkRetryMinMs; ; delayMs = Math.min(2 * delayMs, limits.bulkRetryMaxMs)) {
      try {
        // A copy: the core keeps the bytes that it is given.
        return await backend.bulk(batch.slice(), origin);
      } catch (error) {
        const hasNoRoom = error instanceof PawlError && error.code === "overloaded" && error.outcome === "rejected";
        if (!hasNoRoom || this.failure !== undefined || system.monotonicMs() + delayMs > giveUpMs) return { error };
      }
      const variedMs = delayMs * (0.5 + system.random() / 2);
      await new Promise<void>((resolve) => void system.after(variedMs, resolve));
    }
  }

  /** In the order of the chunks (B2). Behind one that failed, even one that was done only makes the outcome unknown. */
  private async tell(read: ReadChunk, sent: ReturnType<ListOfJobs["send"]>, before: Promise<void> | undefined): Promise<void> {
    const reply = await sent;
    await before;
    this.untold.shift();
    if ("error" in reply) return this.fail(reply.error);
    if (this.failure !== undefined) return this.fail(new PawlError("unavailable", "done behind the cursor", { outcome: "unknown" }));
    const { text, submitted, refused } = resultsOf(read, reply, this.parts.query.results !== "errors");
    this.cursor = read.lastLine;
    this.submitted += submitted;
    this.refused += refused;
    this.say(this.sums(), text);
  }

  private fail(error: unknown): void {
    const { failure } = this;
    this.parts.body.stop();
    if (failure === undefined) this.failure = error;
    else if (failure instanceof PawlError && error instanceof PawlError && error.outcome === "unknown") {
      this.failure = new PawlError(failure.code, failure.message, { outcome: "unknown", cause: failure });
    }
  }

  private sums(): object {
    return { cursor: String(this.cursor), submitted: this.submitted, refused: this.refused };
  }

  /** In one piece, since each costs a write of its own. */
  private say(value: object, before = ""): void {
    this.answer.push(`${before}${JSON.stringify(value)}\n`);
  }

  /** Once all is said: whoever takes nothing of it for a while is given up. */
  private waitForReader(): void {
    const waiting = this.answer.readableLength;
    if (waiting === 0 || this.answer.destroyed) return;
    this.patience = this.parts.system.after(limits.bulkReaderMs, () => {
      if (this.answer.readableLength < waiting) this.waitForReader();
      else this.answer.destroy();
    });
  }
}

function lastWord(failure: PawlError | undefined, isWhole: boolean): object {
  if (failure === undefined) return isWhole ? { done: true } : { limit: LIMIT };
  const { code, message, outcome } = failure;
  return { error: { code, message, outcome } };
}
