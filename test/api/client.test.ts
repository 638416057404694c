import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "node:http2";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { generate } from "selfsigned";
import { PawlError } from "../../src/base/errors.ts";
import { embeddedTransport } from "../../src/api/embedded.ts";
import { createApi } from "../../src/api/server.ts";
import { createClient } from "../../src/client/index.ts";
import type { Client, Transport, TransportRequest } from "../../src/client/index.ts";
import { TransportError } from "../../src/client/index.ts";
import { limits } from "../../src/limits.ts";
import { FakeBackend, fakeCluster } from "./fakebackend.ts";
import { TOKEN, TestSystem, face } from "./harness.ts";
import type { Face } from "./harness.ts";

const AT = "2026-12-01T09:00:00.000Z";
let all: Face;
let client: Client;
let url: string;

before(async () => {
  all = await face();
  url = await all.api.listen();
  client = createClient({ server: url, token: TOKEN });
});

after(async () => {
  await client.close();
  await all.api.close();
});

function refusal(code: string, outcome: string, field?: string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PawlError, String(error));
    assert.deepEqual([error.code, error.outcome, error.field], [code, outcome, field], error.message);
    return true;
  };
}

test("every call reaches a real server and comes back", async () => {
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const { jobs, executions, cluster, nodes, schedules } = client;
  assert.deepEqual(await jobs.submit({ job_id: "a", job_type: "noop", schedule_time: AT }), { status: "submitted", job_id: "a" });
  assert.deepEqual(await jobs.update("a", { priority: "high" }), { status: "updated", job_id: "a" });
  const got = await jobs.get("a", { consistency: "stale" });
  assert.deepEqual([got.priority, got.schedule_time, got.payload], ["high", AT, null]);
  assert.deepEqual(await jobs.pause("a"), { status: "paused", job_id: "a" });
  assert.deepEqual(await jobs.resume("a"), { status: "resumed", job_id: "a" });
  assert.deepEqual(await jobs.trigger("a"), { status: "triggered", job_id: "a", execution_id: "fake-1" });
  const running = { executionId: "c-1", jobId: "a", jobType: "noop", kind: "scheduled", scheduledAtMs: 1 } as const;
  all.backend.executions.set("c-1", { ...running, status: "running", attempt: 1 });
  all.backend.outputs.set("c-1", [{ attempt: 1, stream: "stdout", text: "x", truncated: false }]);
  assert.equal((await executions.get("c-1")).status, "running");
  assert.deepEqual(await executions.cancel("c-1"), { status: "cancelling", execution_id: "c-1" });
  assert.deepEqual(await executions.logs("c-1"), all.backend.outputs.get("c-1"));
  assert.equal((await cluster.status()).members[0]?.applied_index, 42);
  assert.deepEqual(await nodes.list(), []);
  assert.deepEqual(await schedules.preview([{ every: "PT1H", after: AT, count: 1 }, {}]), [
    { next: ["2026-12-01T10:00:00.000Z"] },
    { error: { code: "invalid", detail: "schedule: a schedule has exactly one of cron, every and at", field: "schedule" } },
  ]);
  assert.deepEqual(await jobs.cancel("a", { running: "cancel" }), { status: "cancelled", job_id: "a" });
  assert.match((await client.request({ method: "GET", path: "/metrics" })).text, /pawl_jobs/);
});

test("lists are read page by page to their end", async () => {
  for (const id of ["p1", "p2", "p3", "p4", "p5"]) await client.jobs.submit({ job_id: id, job_type: "noop", schedule_time: AT });
  const before = all.backend.queries.length;
  const ids: string[] = [];
  for await (const { job_id } of client.jobs.list({ limit: 2 })) ids.push(job_id);
  assert.deepEqual(ids.filter((id) => id.startsWith("p")), ["p1", "p2", "p3", "p4", "p5"]);
  assert.ok(all.backend.queries.length - before >= 3);
  const page = await client.jobs.page({ limit: 1 });
  assert.equal(page.items.length, 1);
  assert.ok(page.cursor !== undefined);
  const rest = await client.executions.page({ limit: 1000 });
  assert.equal(rest.cursor, undefined);
});

test("refusals are PawlErrors with code, field and outcome, and are not tried again", async () => {
  await assert.rejects(client.jobs.get("nobody"), refusal("not_found", "rejected", "job_id"));
  const before = all.backend.changes.length;
  await assert.rejects(client.jobs.submit({ job_id: "p1", job_type: "noop", schedule_time: AT }), refusal("exists", "rejected", "job_id"));
  assert.equal(all.backend.changes.length, before + 1);
  await assert.rejects(createClient({ server: url, token: "wrong" }).jobs.get("a"), refusal("unauthorized", "rejected"));
  assert.throws(() => createClient({ token: TOKEN }), refusal("config", "rejected"));
});

test("events come over the wire, and go on after a break without loss", async () => {
  const stop = new AbortController();
  const stream = client.events({ signal: stop.signal });
  const first = stream.next();
  await until(() => all.backend.subscribers === 1);
  all.backend.emit("job.submitted", "e1");
  assert.deepEqual([(await first).value?.type, (await first).value?.job_id], ["job.submitted", "e1"]);
  const ids: (string | undefined)[] = [];
  all.backend.emit("job.updated", "e2");
  ids.push((await stream.next()).value?.job_id);
  const pending = stream.next();
  stop.abort();
  assert.equal((await pending).done, true);
  assert.deepEqual(ids, ["e2"]);
});

/** Waits for turns of the loop, not for time. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

type Try = Error | { status: number; body?: string };

/** A network whose every answer the test has written down; notes what was sent. */
function scripted(tries: Try[]): { transport: Transport; sent: TransportRequest[] } {
  const sent: TransportRequest[] = [];
  const send: Transport["send"] = async (request) => {
    sent.push(request);
    const next = tries.shift();
    if (next === undefined || next instanceof Error) throw next ?? new TransportError("nothing left", false, undefined);
    return { status: next.status, header: () => undefined, body: chunks(next.body ?? "{}") };
  };
  return { transport: { send, close: async () => undefined }, sent };
}

async function* chunks(text: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield new TextEncoder().encode(text);
}

function scriptedClient(tries: Try[]): { client: Client; sent: TransportRequest[] } {
  const system = new TestSystem();
  // Waiting takes no time here: what is under test is what is sent, not when.
  system.after = (_delayMs, run) => {
    setImmediate(run);
    return { cancel: () => undefined };
  };
  const { transport, sent } = scripted(tries);
  return { client: createClient({ servers: ["http://a", "http://b"], token: "t", transport, system }), sent };
}

const lost = () => new TransportError("reset", true, undefined);
const unreached = () => new TransportError("refused", false, undefined);
const problem = (status: number, code: string, outcome?: string): Try => ({ status, body: JSON.stringify({ code, detail: "d", outcome }) });
const job = { job_type: "noop", schedule_time: AT };

test("a change is tried on the other servers, always under one key (C2)", async () => {
  const { client: flaky, sent } = scriptedClient([
    lost(), problem(503, "no_quorum", "rejected"), unreached(), { status: 201, body: '{"status":"submitted"}' },
  ]);
  assert.deepEqual(await flaky.jobs.submit(job), { status: "submitted" });
  assert.deepEqual(sent.map(({ server }) => server), ["http://a", "http://b", "http://a", "http://b"]);
  const keys = new Set(sent.map(({ headers }) => headers["idempotency-key"]));
  assert.equal(keys.size, 1);
  assert.match([...keys][0] ?? "", /^[0-9a-f]{32}$/);
  const { client: named, sent: again } = scriptedClient([{ status: 201 }, { status: 201 }, { status: 201 }]);
  await named.jobs.submit(job, { idempotencyKey: "mine" });
  await named.jobs.pause("a");
  await named.jobs.pause("a");
  assert.equal(again[0]?.headers["idempotency-key"], "mine");
  assert.notEqual(again[1]?.headers["idempotency-key"], again[2]?.headers["idempotency-key"]);
});

test("the outcome of a change that may have happened stays unknown (C1, C3)", async () => {
  const rows: readonly (readonly [Try[], string, string, number])[] = [
    [[unreached(), unreached(), unreached(), unreached()], "unavailable", "rejected", 4],
    [[lost(), unreached(), unreached(), unreached()], "unavailable", "unknown", 4],
    [[lost(), problem(409, "exists", "rejected")], "exists", "unknown", 2],
    [[problem(504, "timeout", "unknown"), problem(429, "overloaded", "rejected"), unreached(), unreached()], "unavailable", "unknown", 4],
    [[problem(503, "no_quorum", "rejected"), unreached(), unreached(), problem(503, "no_quorum", "rejected")], "no_quorum", "rejected", 4],
    [[{ status: 502, body: "<html>" }, unreached(), unreached(), unreached()], "unavailable", "unknown", 4],
    [[{ status: 500, body: '{"code":"internal","detail":"x","outcome":"unknown"}' }], "io", "unknown", 1],
    [[{ status: 404, body: "" }], "not_found", "rejected", 1],
    [[{ status: 201, body: "{" }, unreached(), unreached(), unreached()], "unavailable", "unknown", 4],
  ];
  for (const [tries, code, outcome, count] of rows) {
    const { client: flaky, sent } = scriptedClient([...tries]);
    await assert.rejects(flaky.jobs.submit(job), refusal(code, outcome));
    assert.equal(sent.length, count);
    assert.ok(count <= limits.clientTriesMax);
  }
});

test("a read that failed changed nothing, whatever happened", async () => {
  const { client: flaky, sent } = scriptedClient([lost(), lost(), lost(), lost()]);
  await assert.rejects(flaky.jobs.get("a"), refusal("unavailable", "rejected"));
  assert.ok(sent.every(({ headers }) => headers["idempotency-key"] === undefined));
});

test("a stream of events resumes after the last id, on another server, and gives up in the end", async () => {
  const event = (id: string): string => `id: ${id}\nevent: job.updated\ndata: {"id":"${id}"}\n\n`;
  const { client: flaky, sent } = scriptedClient([
    { status: 200, body: `id: 4.1\n\n:\n\n${event("5.0").slice(0, 20)}` },
    { status: 200, body: `id: 4.1\n\n${event("5.0")}${event("5.1")}` },
    problem(410, "gone"),
  ]);
  const ids: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const { id } of flaky.events()) ids.push(id);
  };
  await assert.rejects(reading(), refusal("gone", "rejected"));
  assert.deepEqual(ids, ["5.0", "5.1"]);
  assert.deepEqual(sent.map(({ path }) => path), ["/api/v1/events", "/api/v1/events?after=4.1", "/api/v1/events?after=5.1"]);
  const { client: mute } = scriptedClient(Array.from({ length: 20 }, () => ({ status: 200, body: "" })));
  await assert.rejects(mute.events().next(), refusal("unavailable", "rejected"));
});

test("over the network a refused connection is rejected, a broken one unknown", async () => {
  const sockets = new Set<Socket>();
  const breaker = createServer((socket) => {
    sockets.add(socket);
    socket.once("data", () => socket.destroy());
  });
  await new Promise<void>((resolve) => breaker.listen(0, "127.0.0.1", resolve));
  const server = `http://127.0.0.1:${(breaker.address() as AddressInfo).port}`;
  const system = new TestSystem();
  system.after = (_delayMs, run) => (setImmediate(run), { cancel: () => undefined });
  const unlucky = createClient({ server, token: "t", system });
  await assert.rejects(unlucky.jobs.submit(job), refusal("unavailable", "unknown"));
  assert.equal(sockets.size, limits.clientTriesMax);
  await new Promise((resolve) => breaker.close(resolve));
  await assert.rejects(unlucky.jobs.submit(job), refusal("unavailable", "rejected"));
  await unlucky.close();
});

test("an embedded program uses the same client without a socket", async () => {
  const own = await face();
  const embedded = createClient({ server: "http://embedded", token: TOKEN, transport: embeddedTransport(own.api), system: own.system });
  const made = await embedded.jobs.submit({ job_id: "z", job_type: "noop", schedule: { every: "PT1S" } });
  assert.deepEqual(made, { status: "submitted", job_id: "z" });
  assert.equal((await embedded.jobs.get("z")).schedule?.every, "PT1S");
  const stream = embedded.events({ after: "0.0" });
  own.backend.emit("job.submitted", "z");
  assert.equal((await stream.next()).value?.job_id, "z");
  await stream.return();
  await until(() => own.backend.subscribers === 0);
  await own.api.close();
});

test("with TLS both HTTP/1.1 and HTTP/2 are served, and closing does not wait for idle sessions", async () => {
  const pair = await generate([{ name: "commonName", value: "127.0.0.1" }], {
    keySize: 2048, extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
  });
  const tls = { key: pair.private, cert: pair.cert };
  const listen = { host: "127.0.0.1", port: 0 };
  const api = await createApi({ backend: new FakeBackend(), token: TOKEN, listen, tls, system: new TestSystem(), logger: false });
  const secure = await api.listen();
  const trusting = createClient({ server: secure, token: TOKEN, ca: pair.cert });
  assert.equal((await trusting.cluster.status()).cluster_id, fakeCluster.clusterId);
  const doubting = createClient({ server: secure, token: TOKEN, system: Object.assign(new TestSystem(), { after: soonInstead }) });
  await assert.rejects(doubting.jobs.submit(job), refusal("unavailable", "rejected"));
  const session = connect(secure, { ca: pair.cert });
  const status = await new Promise((resolve) => {
    const request = session.request({ ":path": "/api/v1/cluster", authorization: `Bearer ${TOKEN}` });
    request.once("response", (headers) => resolve(headers[":status"]));
    request.resume();
  });
  assert.equal(status, 200);
  const gone = new Promise((resolve) => session.once("close", resolve));
  await Promise.all([trusting.close(), doubting.close(), api.close(), gone]);
});

function soonInstead(_delayMs: number, run: () => void): { cancel(): void } {
  setImmediate(run);
  return { cancel: () => undefined };
}
