import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { eventStream } from "../../src/api/events.ts";
import { limits } from "../../src/limits.ts";
import { FakeBackend } from "./fakebackend.ts";
import { TOKEN, TestSystem, ask, face } from "./harness.ts";
import type { Face } from "./harness.ts";

type Opened = { next(): Promise<string>; readonly stream: Readable };

/** Opens a stream and reads it block by block; each read waits until a whole block has come. */
async function open({ api }: Face, headers: Record<string, string> = {}, url = "/api/v1/events"): Promise<Opened> {
  const response = await api.inject({ url, headers: { authorization: `Bearer ${TOKEN}`, ...headers }, payloadAsStream: true });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers["content-type"], "text/event-stream");
  const stream = response.stream();
  const blocks = blocksOf(stream);
  return { stream, next: async () => (await blocks.next()).value ?? "end" };
}

async function* blocksOf(stream: Readable): AsyncGenerator<string, undefined, undefined> {
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + String(chunk)).split("\n\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  return undefined;
}

function block(index: number, type: string, jobId: string): string {
  const data = { id: `${index}.0`, type, at: "2023-11-14T22:13:20.000Z", job_id: jobId };
  return `id: ${index}.0\nevent: ${type}\ndata: ${JSON.stringify(data)}`;
}

test("a stream begins with now, says where that is, and then tells what happens", async () => {
  const all = await face();
  all.backend.emit("job.submitted", "before");
  const { next, stream } = await open(all);
  assert.equal(await next(), "id: 1.0");
  all.backend.emit("execution.started", "a");
  assert.equal(await next(), block(2, "execution.started", "a"));
  all.backend.emit("execution.completed", "a");
  assert.equal(await next(), block(3, "execution.completed", "a"));
  stream.destroy();
});

test("a stream resumes strictly after the id that the reader saw last", async () => {
  const all = await face();
  for (const id of ["a", "b", "c"]) all.backend.emit("job.submitted", id);
  const byHeader = await open(all, { "last-event-id": "1.0" });
  assert.deepEqual([await byHeader.next(), await byHeader.next(), await byHeader.next()], [
    "id: 1.0", block(2, "job.submitted", "b"), block(3, "job.submitted", "c"),
  ]);
  byHeader.stream.destroy();
  const byParameter = await open(all, {}, "/api/v1/events?after=2.0");
  assert.deepEqual([await byParameter.next(), await byParameter.next()], ["id: 2.0", block(3, "job.submitted", "c")]);
  byParameter.stream.destroy();
  const both = await open(all, { "last-event-id": "2.0" }, "/api/v1/events?after=0.0");
  assert.equal(await both.next(), "id: 2.0", "what the reader saw last wins over the address that it began with");
  both.stream.destroy();
});

test("a reader that comes too late is told so, with the oldest id (A15)", async () => {
  const { api, backend } = await face();
  for (const id of ["a", "b", "c"]) backend.emit("job.submitted", id);
  backend.oldest = { index: 2, at: 0 };
  const answer = await ask(api, "GET", "/api/v1/events?after=1.0");
  assert.deepEqual([answer.statusCode, answer.json().code, answer.json().field], [410, "gone", "after"]);
  assert.match(answer.json().detail, /the oldest one is 2\.0/);
});

test("silence is broken by a comment", async () => {
  const all = await face();
  const { next, stream } = await open(all);
  await next();
  await turn();
  all.system.advance(limits.streamHeartbeatMs);
  assert.equal(await next(), ":");
  stream.destroy();
});

test("there are only so many streams, and an ended one makes room", async () => {
  const all = await face();
  const streams = await Promise.all(Array.from({ length: limits.streamsMax }, () => open(all)));
  const answer = await ask(all.api, "GET", "/api/v1/events");
  assert.deepEqual([answer.statusCode, answer.json().code, answer.headers["retry-after"]], [429, "overloaded", "1"]);
  assert.equal(all.backend.subscribers, limits.streamsMax);
  await all.api.close();
  for (const { stream } of streams) if (!stream.closed) await new Promise((done) => stream.once("close", done).resume());
  assert.deepEqual([all.backend.subscribers, all.system.timersLeft], [0, 0], "closing leaves nothing behind");
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

test("a slow reader costs one page, and misses nothing (A14)", async () => {
  const backend = new FakeBackend();
  const system = new TestSystem();
  for (let i = 0; i < 5 * limits.eventsPerPageMax; i++) backend.emit("job.submitted", `job-${i}`);
  const stream = eventStream(backend, system, { index: 0, at: 0 });
  stream.read(0);
  await turns();
  assert.equal(backend.queries.length, 1, "the first page fills the buffer, so no second one is asked for");
  system.advance(limits.streamHeartbeatMs);
  assert.ok(stream.readableLength < 2 ** 20);
  let seen = 0;
  for await (const chunk of stream) {
    seen += String(chunk).split("\nevent: ").length - 1;
    if (seen === 5 * limits.eventsPerPageMax) break;
  }
  assert.deepEqual([backend.subscribers, system.timersLeft], [0, 0]);
});

test("a stream that falls behind what is kept ends instead of skipping (A15)", async () => {
  const backend = new FakeBackend();
  const stream = eventStream(backend, new TestSystem(), { index: 0, at: 0 });
  const failed = new Promise<Error>((resolve) => stream.once("error", resolve));
  stream.resume();
  await turns();
  backend.oldest = { index: 7, at: 0 };
  backend.emit("job.submitted", "a");
  const error = await failed;
  assert.ok(error instanceof PawlError && error.code === "gone");
  assert.equal(backend.subscribers, 0);
});

test("a wake during a query is not lost", async () => {
  const backend = new FakeBackend();
  const stream = eventStream(backend, new TestSystem(), { index: 0, at: 0 });
  const ask = backend.query.bind(backend);
  let emitted = false;
  backend.query = async (query, consistency) => {
    const answered = await ask(query, consistency);
    if (!emitted) {
      emitted = true;
      backend.emit("node.up", "x");
    }
    return answered;
  };
  const blocks = blocksOf(stream);
  assert.equal((await blocks.next()).value, "id: 0.0");
  assert.match(String((await blocks.next()).value), /^id: 1\.0\nevent: node\.up/);
  stream.destroy();
});
