// Lists of jobs: each line is treated as POST /jobs would treat it, and what is said of it holds, whatever breaks off.

import assert from "node:assert/strict";
import diagnostics from "node:diagnostics_channel";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import type { BulkReply } from "../../src/api/backend.ts";
import { createApi } from "../../src/api/server.ts";
import type { Api } from "../../src/api/server.ts";
import { PawlError } from "../../src/base/errors.ts";
import { Bulk } from "../../src/jobs/bulk.ts";
import type { ChangeOrigin } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import { badJobs, good } from "./badjobs.ts";
import { FakeBackend } from "./fakebackend.ts";
import { TOKEN, TestSystem, ask, face } from "./harness.ts";

const PATH = "/api/v1/jobs/batch";
const NDJSON = { "content-type": "application/x-ndjson" };

type Said = {
  readonly line?: number;
  readonly status?: string;
  readonly job_id?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly field?: string; readonly outcome: string };
  readonly cursor?: string;
  readonly submitted?: number;
  readonly refused?: number;
  readonly done?: true;
  readonly limit?: string;
};

function said(text: string): Said[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Said);
}

async function send(api: Api, body: string, query = "", headers: Record<string, string> = {}): Promise<Said[]> {
  const answer = await ask(api, "POST", PATH + query, body, { ...NDJSON, ...headers });
  assert.deepEqual([answer.statusCode, answer.headers["content-type"]], [200, "application/x-ndjson"], answer.body);
  return said(answer.body);
}

function jobs(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ ...good, job_id: `job-${from + i}` }));
}

/** Keeps each batch until the test lets it through, and can be told what to do with it. */
class GatedBackend extends FakeBackend {
  readonly held: { readonly origin: ChangeOrigin; readonly count: number; readonly open: (error?: Error) => void }[] = [];

  override async bulk(batch: Uint8Array<ArrayBuffer>, origin: ChangeOrigin): Promise<BulkReply> {
    const { count } = new Bulk(batch);
    await new Promise<void>((resolve, reject) => {
      this.held.push({ origin, count, open: (error) => (error === undefined ? resolve() : reject(error)) });
    });
    return super.bulk(batch, origin);
  }
}

async function gatedFace(): Promise<{ api: Api; backend: GatedBackend; system: TestSystem }> {
  const backend = new GatedBackend();
  const system = new TestSystem();
  const api = await createApi({ backend, token: TOKEN, listen: { host: "127.0.0.1", port: 0 }, system, logger: false });
  return { api, backend, system };
}

/** Lets everything happen that can: turns of the loop until `look` holds. */
async function until(what: string, look: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (look()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`never: ${what}`);
}

test("each line is answered in its place, a wrong one alone, and the last line says that all is done", async () => {
  const { api, backend } = await face();
  const [first = "", second = "", third = ""] = jobs(3);
  const answer = await send(api, [first, "{", '{"job_type":"noop"}', second, "", first, third].join("\n"));
  const refusal = (code: string, message: string, field?: string) => ({ code, message, ...(field && { field }), outcome: "rejected" });
  assert.deepEqual(answer, [
    { line: 1, status: "submitted", job_id: "job-0" },
    { line: 2, error: refusal("invalid", "the line is not well-formed JSON") },
    { line: 3, error: refusal("invalid", "schedule_time: a job needs either schedule_time or schedule", "schedule_time") },
    { line: 4, status: "submitted", job_id: "job-1" },
    { line: 5, error: refusal("invalid", "the line is empty; a job is a JSON object on a line of its own") },
    { line: 6, error: refusal("exists", "there is a job job-0 already") },
    { line: 7, status: "submitted", job_id: "job-2" },
    { cursor: "7", submitted: 3, refused: 4 },
    { done: true, cursor: "7", submitted: 3, refused: 4 },
  ]);
  assert.deepEqual([...backend.jobs.keys()], ["job-0", "job-1", "job-2"]);
});

test("only what was refused is told when only that is asked for; lines are counted from the cursor", async () => {
  const { api } = await face();
  const answer = await send(api, [...jobs(2), "x"].join("\n"), "?results=errors&cursor=1000");
  assert.deepEqual(answer.map(({ line, cursor }) => line ?? cursor), [1003, "1003", "1003"]);
  assert.deepEqual(await send(api, "\n"), await send(api, "\n", "?results=errors"));
});

test("a line that is no object is called a line", async () => {
  const { api } = await face();
  const answer = await send(api, "[]\n7\nnull", "?results=errors");
  assert.deepEqual(answer.slice(0, 3).map(({ error }) => error?.message), Array.from({ length: 3 }, () => "the line must be object"));
});

describe("a line is treated as the same body alone", () => {
  const invalid = Buffer.from([0x22, 0xff, 0x22]);
  for (const [body, , code, field] of badJobs) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    test(`${code} ${field ?? ""} ${text.slice(0, 60)}`, async () => {
      const { api, backend } = await face();
      const alone = (await ask(api, "POST", "/api/v1/jobs", body)).json();
      const [line] = await send(api, `${text}\n${jobs(1)[0]}`);
      assert.deepEqual([line?.line, line?.error?.code, line?.error?.field], [1, code, field]);
      if (field !== undefined) assert.equal(line?.error?.message, alone.detail);
      assert.deepEqual([...backend.jobs.keys()], ["job-0"]);
    });
  }
  test("and so is the good one, with its defaults; a BOM and bytes that are no UTF-8 spoil nothing else", async () => {
    const { api, backend } = await face();
    const body = { ...good, job_id: "a", payload: { "ä": "€\u0000\u2028" }, labels: { a: "ö" } };
    await ask(api, "POST", "/api/v1/jobs", { ...body, job_id: "alone" });
    const text = Buffer.concat([Buffer.from(`\ufeff${JSON.stringify(body)}\r\n`), invalid, Buffer.from(`\n\ufeff${jobs(1)[0]}\r\n`)]);
    const answer = await api.inject({ method: "POST", url: PATH, headers: { authorization: `Bearer ${TOKEN}`, ...NDJSON }, payload: text });
    const told = said(answer.body).slice(0, 3).map((each) => each.job_id ?? each.error?.message);
    assert.deepEqual(told, ["a", "the line is not UTF-8", "job-0"]);
    assert.deepEqual(backend.jobs.get("a")?.spec, backend.jobs.get("alone")?.spec);
  });
  test("the largest payload fits, one byte more does not", async () => {
    const { api } = await face();
    const payload = "x".repeat(limits.payloadMaxBytes - 2);
    const lines = [payload, `${payload}x`].map((each, i) => JSON.stringify({ ...good, job_id: `p${i}`, payload: each }));
    const answer = await send(api, lines.join("\n"));
    assert.deepEqual(answer.filter((each) => each.line).map((each) => each.job_id ?? each.error?.code), ["p0", "too_large"]);
    const statuses = await Promise.all(lines.map((line) => ask(api, "POST", "/api/v1/jobs", line.replace('"p', '"q'))));
    assert.deepEqual(statuses.map(({ statusCode }) => statusCode), [201, 413]);
  });
});

test("under a key the same list does nothing twice, and its jobs have the same ids", async () => {
  const { api, backend } = await face();
  const unnamed = JSON.stringify({ job_type: "noop", schedule_time: good.schedule_time });
  const list = Array.from({ length: 700 }, (_, i) => (i % 3 === 0 ? "no job" : unnamed)).join("\n");
  const key = { "idempotency-key": "k" };
  const first = await send(api, list, "", key);
  const second = await send(api, `${list}\n`, "", key);
  assert.deepEqual(second, first);
  assert.equal(backend.jobs.size, 466);
  assert.deepEqual(backend.changes.slice(0, 2).map(({ origin }) => origin.key), ["k#1", "k#513"]);
  const rest = list.split("\n").slice(512).join("\n");
  const resumed = await send(api, rest, "?cursor=512", key);
  assert.deepEqual(resumed.slice(0, 188), first.filter(({ line }) => line !== undefined && line > 512));
  assert.equal(backend.jobs.size, 466);
  const [changed] = await send(api, "no job", "", key);
  assert.deepEqual(changed?.error?.code, "invalid", "what is refused here never was under the key");
  const [other] = await send(api, list.replace("noop", "http"), "", key);
  assert.deepEqual([other?.error?.code, other?.cursor], ["key_reused", "0"]);
  await send(api, list);
  assert.equal(backend.jobs.size, 2 * 466, "without a key there is nothing to know it by");
});

test("the body is not read while as many chunks as may be are in the core (B4)", async () => {
  const { api, backend } = await gatedFace();
  let sent = 0;
  const source = Readable.from((function* () {
    for (; sent < 40; sent++) yield `${jobs(512, 512 * sent).join("\n")}\n`;
  })(), { objectMode: false, highWaterMark: 1 });
  const answer = api.inject({ method: "POST", url: PATH, headers: { authorization: `Bearer ${TOKEN}`, ...NDJSON }, payload: source });
  void answer.then(() => undefined, () => undefined);
  await until("the gate is full", () => backend.held.length === limits.bulkChunksInFlightMax);
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(backend.held.length, limits.bulkChunksInFlightMax);
  assert.ok(sent < limits.bulkChunksInFlightMax + 5, `${sent} chunks were read`);
  backend.held[0]?.open();
  await until("one more", () => backend.held.length === limits.bulkChunksInFlightMax + 1);
  for (let next = 1; next < 40; next++) {
    await until("the next", () => backend.held.length > next);
    backend.held[next]?.open();
  }
  assert.equal(said((await answer).body).at(-1)?.submitted, 40 * 512);
});

test("chunks that were done out of order are told in order, and behind a failure not at all (B2)", async () => {
  const { api, backend } = await gatedFace();
  const list = jobs(4 * 512).join("\n");
  const answer = send(api, list, "?results=errors");
  await until("all are there", () => backend.held.length === 4);
  for (const at of [3, 1, 0]) backend.held[at]?.open();
  backend.held[2]?.open(new PawlError("no_quorum", "no majority"));
  const told = await answer;
  assert.deepEqual(told.map(({ cursor }) => cursor), ["512", "1024", "1024"]);
  assert.deepEqual(told.at(-1)?.error, { code: "no_quorum", message: "no majority", outcome: "unknown" }, "the last chunk was done");
  const again = send(api, list, "?results=errors");
  await until("all are there again", () => backend.held.length === 8);
  for (const at of [4, 5, 6, 7]) backend.held[at]?.open(new PawlError("no_quorum", "no majority"));
  const error = { code: "no_quorum", message: "no majority", outcome: "rejected" };
  assert.deepEqual((await again).at(-1), { error, cursor: "0", submitted: 0, refused: 0 });
});

test("a core without room is asked again, for a while", async () => {
  const { api, backend, system } = await gatedFace();
  const full = new PawlError("overloaded", "too many changes wait");
  const answer = send(api, jobs(1).join("\n"));
  for (let asked = 0; asked < 3; asked++) {
    await until("it is asked", () => backend.held.length === asked + 1);
    backend.held[asked]?.open(full);
    await until("it waits", () => system.timersLeft === 1);
    system.advance(limits.bulkRetryMaxMs);
  }
  await until("it is asked again", () => backend.held.length === 4);
  backend.held[3]?.open();
  assert.equal((await answer).at(-1)?.submitted, 1);
  const hopeless = send(api, jobs(1, 1).join("\n"));
  let isOver = false;
  void hopeless.then(() => (isOver = true));
  let asked = 4;
  await until("it gives up", () => {
    if (backend.held.length > asked) backend.held[asked++]?.open(full);
    else if (system.timersLeft > 0) system.advance(limits.bulkRetryMaxMs);
    return isOver;
  });
  assert.deepEqual((await hopeless).at(-1)?.error, { code: "overloaded", message: "too many changes wait", outcome: "rejected" });
});

test("a request ends at its bounds with a cursor to go on from", async () => {
  const { api, backend } = await face();
  const line = jobs(1)[0] ?? "";
  const answer = await send(api, `${line}\n`.repeat(limits.bulkLinesMax + 1), "?results=errors");
  assert.match(answer.at(-1)?.limit ?? "", /go on from the cursor/);
  assert.equal(answer.at(-1)?.cursor, String(limits.bulkLinesMax));
  assert.equal(backend.jobs.size, 1);
  const exact = await send(api, `${line}\n`.repeat(limits.bulkLinesMax), "?results=errors");
  assert.equal(exact.at(-1)?.done, true);
});

test("a body without a newline costs no more than a line may have, and is answered", async () => {
  const { api } = await face();
  const endless = Readable.from((function* () {
    for (let mib = 0; mib < 80; mib++) yield Buffer.alloc(1024 * 1024, "x");
  })());
  const headers = { authorization: `Bearer ${TOKEN}`, ...NDJSON };
  const answer = await api.inject({ method: "POST", url: PATH, headers, payload: endless });
  assert.match(said(answer.body).at(-1)?.limit ?? "", /67108864 bytes/);
  const long = await send(api, `${"x".repeat(3 * limits.bodyMaxBytes)}\n${jobs(1)[0]}`);
  assert.deepEqual(long.slice(0, 2).map((each) => each.error?.code ?? each.status), ["too_large", "submitted"]);
});

test("a list has one form, and who may not send one is told before it is read", async () => {
  const { api, backend } = await face();
  const text = jobs(1).join("");
  const statuses = async (headers: Record<string, string>, url = PATH): Promise<number> => {
    return (await api.inject({ method: "POST", url, headers, payload: text })).statusCode;
  };
  const authorization = `Bearer ${TOKEN}`;
  assert.equal(await statuses(NDJSON), 401);
  assert.equal(await statuses({ authorization, "content-type": "application/json" }), 415);
  assert.equal(await statuses({ authorization, "content-type": "text/plain" }), 415);
  assert.equal(await statuses({ authorization, ...NDJSON }, "/api/v1/jobs"), 415);
  assert.equal(await statuses({ authorization, ...NDJSON, origin: "http://elsewhere.example" }), 403);
  assert.equal(await statuses({ authorization, ...NDJSON, "idempotency-key": "a b" }), 400);
  assert.equal(await statuses({ authorization, ...NDJSON }, `${PATH}?cursor=-1`), 400);
  assert.equal(await statuses({ authorization, ...NDJSON }, `${PATH}?results=none`), 400);
  assert.equal((await api.inject({ method: "POST", url: PATH, headers: { authorization } })).statusCode, 415);
  assert.equal(backend.changes.length, 0);
});

/** A list on a connection of its own, with `length` bytes announced. */
async function open(t: TestContext, url: string, length: number, more = ""): Promise<{ socket: Socket; heard: () => string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => (text += part)).on("error", () => undefined);
  await once(socket, "connect");
  const head = `POST ${PATH} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/x-ndjson`;
  socket.write(`${head}\r\n${more}Content-Length: ${length}\r\n\r\n`);
  return { socket, heard: () => text };
}

test("of a body that breaks off nothing is done that was not a whole chunk (B3)", async (t) => {
  const { api, backend } = await face();
  t.after(() => api.close());
  const url = await api.listen();
  const { socket } = await open(t, url, 1_000_000);
  socket.write(`${jobs(600).join("\n")}\n`);
  await until("the first chunk is done", () => backend.jobs.size === 512);
  socket.destroy();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  const answers = await Promise.all(Array.from({ length: limits.bulkRequestsMax }, () => send(api, "x")));
  assert.equal(answers.length, limits.bulkRequestsMax, "its place is free again");
  assert.equal(backend.jobs.size, 512);
});

test("a sender that is silent is given up, and told what was done", async (t) => {
  const { api, backend, system } = await face();
  t.after(() => api.close());
  const { socket, heard } = await open(t, await api.listen(), 1_000_000);
  socket.write(`${jobs(513).join("\n")}\n`);
  await until("the first chunk is told", () => backend.jobs.size === 512 && heard().includes('{"cursor":"512"'));
  await until("the rest is waited for", () => system.timersLeft === 1);
  system.advance(limits.bulkSilenceMs);
  await until("it is told", () => heard().includes('"outcome":"rejected"'));
  assert.match(heard(), /"error":\{"code":"timeout".*"cursor":"512","submitted":512/);
  await until("it is read on for a moment", () => system.timersLeft === 1);
  system.advance(limits.bulkLingerMs);
  await once(socket, "close");
});

test("a list may take longer than a request may, but nothing else may on its connection", async (t) => {
  const { api, backend } = await face();
  t.after(() => api.close());
  const requests: { readonly server: NodeJS.EventEmitter; readonly socket: Socket }[] = [];
  const heed = (request: unknown): void => void requests.push(request as (typeof requests)[number]);
  diagnostics.subscribe("http.server.request.start", heed);
  t.after(() => diagnostics.unsubscribe("http.server.request.start", heed));
  // As Node does when the time of a request is over, which only real time would bring about.
  const timeIsOver = ({ server, socket } = requests.at(-1) as (typeof requests)[number]): void => {
    server.emit("clientError", Object.assign(new Error("too slow"), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), socket);
  };
  const url = await api.listen();
  const list = `${jobs(1).join("\n")}\n`;
  const { socket, heard } = await open(t, url, 2 * list.length);
  socket.write(list);
  await until("the list has begun", () => requests.length === 1);
  timeIsOver();
  socket.write(list);
  await until("it is done to its end", () => heard().endsWith("\r\n0\r\n\r\n"));
  assert.match(heard(), /"done":true/);
  assert.match(heard(), /^HTTP\/1.1 200 /);
  assert.equal(backend.jobs.size, 1);
  timeIsOver();
  await once(socket, "close");
  assert.match(heard(), /HTTP\/1.1 400 Bad Request/, "the next request on its connection has the time of any other");
});

test("a sender may send all before it reads; one that never reads is given up", async (t) => {
  const { api, backend, system } = await face();
  t.after(() => api.close());
  const list = `${jobs(100_000).join("\n")}\n`;
  const { socket } = await open(t, await api.listen(), Buffer.byteLength(list));
  socket.pause();
  socket.write(list);
  await until("all is done", () => backend.jobs.size === 100_000);
  await until("the reader is waited for", () => system.timersLeft === 1);
  system.advance(limits.bulkReaderMs);
  await until("no more", () => system.timersLeft === 0);
  socket.resume();
  await once(socket, "close");
});

test("more lists at once than there may be are refused", async () => {
  const { api, backend } = await gatedFace();
  const all = Array.from({ length: limits.bulkRequestsMax }, (_, i) => send(api, jobs(1, i).join("")));
  await until("all are there", () => backend.held.length === limits.bulkRequestsMax);
  const one = await ask(api, "POST", PATH, jobs(1, 99).join(""), NDJSON);
  assert.deepEqual([one.statusCode, one.json().code, one.json().outcome, one.headers["retry-after"]], [429, "overloaded", "rejected", "1"]);
  for (const each of backend.held) each.open();
  assert.ok((await Promise.all(all)).every((answer) => answer.at(-1)?.done));
});

test("the document shows the lines of a list and of its answer", async () => {
  const { api } = await face();
  const { paths } = (await ask(api, "GET", "/api/v1/openapi.json")).json();
  const { requestBody, responses } = paths[PATH].post;
  assert.deepEqual(Object.keys(requestBody.content), ["application/x-ndjson"]);
  assert.ok("job_type" in requestBody.content["application/x-ndjson"].schema.properties);
  assert.deepEqual(Object.keys(responses["200"].content), ["application/x-ndjson"]);
});
