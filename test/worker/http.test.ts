// Checks: what leaves for a target and how its answer is judged, against real servers on this machine (loopback opened).

import assert from "node:assert/strict";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { after, test } from "node:test";
import { generate } from "selfsigned";
import type { RunContext, RunOutcome } from "../../src/worker/executor.ts";
import type { Resolver } from "../../src/worker/guard.ts";
import { limits } from "../../src/limits.ts";
import { httpExecutor } from "../../src/worker/http.ts";
import { TestSystem, contextOf, settled } from "./fixtures.ts";

const system = new TestSystem();
const executor = httpExecutor({ system, allowAddresses: ["127.0.0.0/8"] });
const servers: net.Server[] = [];
after(() => {
  executor.close?.();
  for (const server of servers) server.close();
});

async function listening<T extends net.Server>(server: T): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as net.AddressInfo).port;
}

/** A server whose raw input is kept and that answers with the given bytes once a request's head is there. */
async function rawServer(answer: string | ((socket: net.Socket) => void)) {
  const seen: string[] = [];
  const port = await listening(net.createServer((socket) => {
    const at = seen.push("") - 1;
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      seen[at] += data.toString("latin1");
      if (!seen[at]?.includes("\r\n\r\n")) return;
      if (typeof answer === "string") socket.write(answer);
      else answer(socket);
    });
  }));
  return { url: `http://127.0.0.1:${port}`, seen };
}

async function run(payload: unknown, overrides: Partial<RunContext> = {}) {
  const made = contextOf(payload, overrides);
  const outcome: RunOutcome = await executor.run(made.context);
  return { error: outcome.ok ? undefined : outcome.error, response: made.text("response") };
}

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

test("a request carries the execution's id, token, attempt, job, time and trace", async () => {
  const { url, seen } = await rawServer(OK);
  const payload = { url: `${url}/a?b=c#d`, method: "put", headers: { "X-One": "1" }, body: { k: "ü" }, expected_status: [200, 201] };
  const result = await run(payload);
  assert.deepEqual(result, { error: undefined, response: "ok" });
  const [head = "", body] = (seen[0] ?? "").split("\r\n\r\n");
  const lines = head.split("\r\n");
  assert.equal(lines[0], "PUT /a?b=c HTTP/1.1");
  for (const line of [
    "x-one: 1", "content-type: application/json", "idempotency-key: space-1z", "pawl-fencing-token: 451", "pawl-attempt: 2",
    "pawl-job-id: job-a", "pawl-scheduled-at: 2026-11-21T09:30:00.000Z", "content-length: 10",
  ]) assert.ok(lines.includes(line), `${line} in ${head}`);
  assert.match(head, /\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01(\r\n|$)/);
  assert.equal(Buffer.from(body ?? "", "latin1").toString(), '{"k":"ü"}');
});

test("a text goes as it is, no body means GET, a job id of another alphabet is encoded", async () => {
  const { url, seen } = await rawServer(OK);
  await run({ url, body: "a=1", headers: { "content-type": "text/x" } }, { deliverOnce: true });
  await run({ url, body: null }, { jobId: "täglich 1", deliverOnce: true });
  assert.match(seen[0] ?? "", /^POST \/ HTTP[^]*content-type: text\/x\r\n[^]*\r\n\r\na=1$/);
  assert.match(seen[1] ?? "", /^GET \/ HTTP[^]*pawl-job-id: t%C3%A4glich%201\r\n/);
  assert.doesNotMatch(seen[1] ?? "", /content-type/);
});

test("payloads that can never be sent are refused with the field", () => {
  const url = "http://example.org/";
  const refused: [unknown, string][] = [
    [null, "payload.url"], [{ url: 5 }, "payload.url"], [{ url: "/x" }, "payload.url"], [{ url: "file:///etc/passwd" }, "payload.url"],
    [{ url: "http://u:p@example.org/" }, "payload.url"], [{ url: "gopher://example.org/" }, "payload.url"],
    [{ url, extra: 1 }, "payload.extra"],
    [{ url, method: "GET /x HTTP/1.1\r\nA: b" }, "payload.method"], [{ url, method: "CONNECT" }, "payload.method"],
    [{ url, method: "" }, "payload.method"],
    [{ url, headers: [] }, "payload.headers"], [{ url, headers: { "a b": "1" } }, "payload.headers"],
    [{ url, headers: { "a\r\nb": "1" } }, "payload.headers"],
    [{ url, headers: { "": "1" } }, "payload.headers"], [{ url, headers: { a: "1\r\nb: 2" } }, "payload.headers.a"],
    [{ url, headers: { a: "\0" } }, "payload.headers.a"],
    [{ url, headers: { a: "1\n" } }, "payload.headers.a"], [{ url, headers: { a: "☃" } }, "payload.headers.a"],
    [{ url, headers: { a: 1 } }, "payload.headers.a"],
    [{ url, headers: { A: "1", a: "2" } }, "payload.headers.a"], [{ url, expected_status: "200" }, "payload.expected_status"],
    [{ url, expected_status: [] }, "payload.expected_status"], [{ url, expected_status: 100 }, "payload.expected_status"],
    [{ url, headers: Object.fromEntries(Array.from({ length: limits.httpHeadersMax + 1 }, (_, n) => [`h${n}`, ""])) }, "payload.headers"],
  ];
  for (const name of [
    "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Proxy-Authorization",
    "Proxy-Connection",
    "Expect", "Idempotency-Key", "Pawl-Fencing-Token", "pawl-anything", "Webhook-Signature", "traceparent",
  ]) refused.push([{ url, headers: { [name]: "1" } }, `payload.headers.${name}`]);
  for (const [payload, field] of refused) {
    assert.throws(() => executor.validate(payload), { code: "unprocessable", field }, JSON.stringify(payload));
  }
  executor.validate({ url, method: "PATCH", headers: { authorization: "Bearer x", "x-tab": "a\tb" }, body: [1], expected_status: 302 });
});

test("the status decides: 200-299, or what is expected", async () => {
  for (const [status, expected, error] of [
    [204, undefined, undefined], [299, undefined, undefined], [500, undefined, "HTTP 500, expected 200-299"], [404, 404, undefined],
    [200, [404, 410], "HTTP 200, expected 404, 410"],
  ] as const) {
    const { url } = await rawServer(`HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`);
    assert.equal((await run({ url, expected_status: expected })).error, error);
  }
});

test("a redirect is not followed: it is a failure, or the end that was expected (H1)", async () => {
  const target = await rawServer(OK);
  const { url, seen } = await rawServer(`HTTP/1.1 302 Found\r\nlocation: ${target.url}/\r\ncontent-length: 0\r\n\r\n`);
  assert.equal((await run({ url })).error, `HTTP 302, expected 200-299: redirects are not followed (to ${target.url}/)`);
  assert.equal((await run({ url, expected_status: 302 })).error, undefined);
  assert.deepEqual([target.seen.length, seen.join("").match(/GET/g)?.length], [0, 2]);
});

test("an endless answer is read to the bound, kept, and its connection destroyed (H3)", async () => {
  let closed: (() => void) | undefined;
  const gone = new Promise<void>((resolve) => (closed = resolve));
  const { url } = await rawServer((socket) => {
    socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    const more = (): void => {
      while (!socket.destroyed && socket.write(`4000\r\n${"x".repeat(0x4000)}\r\n`));
    };
    socket.on("drain", more).on("close", () => closed?.());
    more();
  });
  const { error, response } = await run({ url });
  await gone;
  assert.deepEqual([error, response.length], [undefined, limits.responseMaxBytes]);
});

test("an answer that breaks off is a failure; a compressed one stays as it is", async () => {
  const broken = await rawServer((socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"));
  assert.match((await run({ url: broken.url })).error ?? "it ran", /./);
  const packed = await rawServer("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\njunk");
  assert.deepEqual(await run({ url: packed.url }), { error: undefined, response: "junk" });
});

test("the signal ends dialling, waiting for a head and reading a body (H4)", async () => {
  const half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
  for (const stage of ["no head", "half a body"]) {
    for (const deliverOnce of [false, true]) {
      let closed: (() => void) | undefined;
      const gone = new Promise<void>((resolve) => (closed = resolve));
      const made = contextOf({ url: "" }, { deliverOnce });
      const abort = (): void => made.controller.abort(new Error("timed out"));
      const { url } = await rawServer((socket) => {
        socket.on("close", () => closed?.());
        if (stage === "no head") abort();
        else socket.write(half);
      });
      const outcome = await executor.run({ ...made.context, payload: { url }, output: { write: abort } });
      assert.deepEqual(outcome, { ok: false, error: "timed out" }, stage);
      await gone;
    }
  }
  const dialling = httpExecutor({ system, allowAddresses: [], dial: () => new net.Socket() });
  const waiting = contextOf({ url: "http://9.9.9.9/" });
  const outcome = dialling.run(waiting.context);
  waiting.controller.abort(new Error("cancelled"));
  assert.deepEqual(await outcome, { ok: false, error: "cancelled" });
  const slow = dialling.run(contextOf({ url: "http://9.9.9.10/" }).context);
  await settled();
  system.advance(limits.connectTimeoutMs);
  assert.deepEqual(await slow, { ok: false, error: `no connection to 9.9.9.10 within ${limits.connectTimeoutMs} ms` });
  dialling.close?.();
});

test("at_most_once: a fresh connection each, closed after it, and nothing is sent again when it breaks (H2, H6j)", async () => {
  const { url, seen } = await rawServer(OK);
  for (let n = 0; n < 3; n++) assert.equal((await run({ url }, { deliverOnce: true })).error, undefined);
  assert.equal(seen.length, 3);
  assert.match(seen[0] ?? "", /\r\nconnection: close\r\n/i);
  for (const method of ["GET", "PUT", "POST"]) {
    const reset = await rawServer((socket) => socket.resetAndDestroy());
    const ended = await rawServer((socket) => void socket.end());
    for (const server of [reset, ended]) {
      assert.notEqual((await run({ url: server.url, method }, { deliverOnce: true })).error, undefined);
      assert.equal(server.seen.length, 1);
    }
  }
});

test("others share kept connections, one request at a time", async () => {
  const { url, seen } = await rawServer(OK);
  for (let n = 0; n < 3; n++) {
    assert.equal((await run({ url })).error, undefined);
    // The connection is free again a turn after its answer has ended.
    await settled();
  }
  assert.equal(seen.length, 1);
});

test("https is verified against the trusted certificates, with the name of the URL", async () => {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }]);
  const port = await listening(https.createServer({ key, cert }, (request, response) => void response.end(`over ${request.httpVersion}`)));
  const opened = { system, allowAddresses: ["127.0.0.0/8"], resolve: toLoopback };
  const trusting = httpExecutor({ ...opened, ca: cert });
  const good = contextOf({ url: `https://localhost:${port}/` });
  assert.deepEqual(await trusting.run(good.context), { ok: true });
  assert.equal(good.text("response"), "over 1.1");
  const once = contextOf({ url: `https://localhost:${port}/` }, { deliverOnce: true });
  assert.deepEqual(await trusting.run(once.context), { ok: true });
  const other = await trusting.run(contextOf({ url: `https://other.example:${port}/` }).context);
  assert.match(other.ok ? "it ran" : other.error, /altnames|does not match/);
  const strict = httpExecutor(opened);
  const untrusted = await strict.run(contextOf({ url: `https://localhost:${port}/` }).context);
  assert.match(untrusted.ok ? "it ran" : untrusted.error, /self.signed/);
  trusting.close?.();
  strict.close?.();
});

const toLoopback: Resolver = (_host, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]);

test("a head without end and a refused connection are failures with a text", async () => {
  const { url } = await rawServer((socket) => void socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}\r\n\r\n`));
  assert.match((await run({ url })).error ?? "it ran", /header/i);
  const server = http.createServer();
  const port = await listening(server);
  await new Promise((resolve) => void server.close(resolve));
  assert.match((await run({ url: `http://127.0.0.1:${port}/` })).error ?? "it ran", /ECONNREFUSED/);
});
