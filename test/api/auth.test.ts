import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fastify } from "fastify";
import { BugError, PawlError } from "../../src/base/errors.ts";
import { isLoopback } from "../../src/base/address.ts";
import { authorize, bearerAuth, checkListening, refuseCrossSite } from "../../src/api/auth.ts";
import { mount, route } from "../../src/api/registry.ts";
import { noQuery } from "../../src/api/schemas.ts";
import { createApi } from "../../src/api/server.ts";
import { FakeBackend } from "./fakebackend.ts";
import { NOW_MS, TOKEN, TestSystem, ask, face } from "./harness.ts";

const open = ["GET /livez", "GET /readyz"];

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof PawlError);
    return error.code;
  }
  return "none";
}

test("every route but two needs the token, and so does what is no route (T1)", async () => {
  const { api, backend } = await face();
  assert.ok(api.routes.length >= 20);
  const wrong = [undefined, "", "Bearer", "Bearer ", `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`, TOKEN, "Bearer a b"];
  const others = [{ method: "GET", path: "/nowhere" }, { method: "PUT", path: "/livez" }, { method: "GET", path: "/%zz" }] as const;
  const rows = [...api.routes, ...others];
  for (const { method, path } of rows) {
    for (const authorization of wrong) {
      const url = path.replace("{job_id}", "a").replace("{execution_id}", "c-1");
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await api.inject({ method, url, headers });
      if (open.includes(`${method} ${path}`)) {
        assert.equal(answer.statusCode, 200);
        continue;
      }
      assert.deepEqual([answer.statusCode, answer.json().code], [401, "unauthorized"], `${method} ${url} with ${authorization}`);
      assert.equal(answer.headers["www-authenticate"], 'Bearer realm="pawl"');
    }
  }
  assert.deepEqual([backend.changes, backend.queries], [[], []]);
});

test("a body without a token is not even read (A16)", async () => {
  const { api } = await face();
  const headers = { "content-type": "application/json" };
  const answer = await api.inject({ method: "POST", url: "/api/v1/jobs", headers, payload: "x".repeat(2 ** 21) });
  assert.equal(answer.statusCode, 401);
});

test("the scheme's name has no case, and a cross-origin preflight gets nothing", async () => {
  const { api } = await face();
  assert.equal((await api.inject({ url: "/api/v1/nodes", headers: { authorization: `bearer ${TOKEN}` } })).statusCode, 200);
  const preflight = await api.inject({ method: "OPTIONS", url: "/api/v1/jobs", headers: { origin: "https://evil.example" } });
  assert.equal(preflight.statusCode, 401);
  assert.ok(Object.keys(preflight.headers).every((name) => !name.startsWith("access-control")));
});

test("a principal may do what it was given, no more", () => {
  const principal = { name: "reader", may: new Set(["jobs:read"] as const) };
  authorize(principal, "jobs:read");
  assert.equal(codeOf(() => authorize(principal, "jobs:write")), "forbidden");
  assert.equal(bearerAuth("a")("Bearer a").name, "admin");
  // A token that no caller could send, or that would be cut, must not be known by less of it.
  for (const token of ["", "a b", "\u0141", "a".repeat(1025)]) assert.equal(codeOf(() => bearerAuth(token)), "config");
  const longest = "a".repeat(1024);
  assert.equal(bearerAuth(longest)(`Bearer ${longest}`).name, "admin");
  assert.equal(codeOf(() => bearerAuth(longest)(`Bearer ${longest.slice(1)}`)), "unauthorized");
});

test("an undeclared route stops the start (A11)", async () => {
  const app = fastify({ exposeHeadRoutes: false });
  const declared = route({
    method: "GET", path: "/declared", permission: "jobs:read", change: false, summary: "", query: noQuery, answers: {},
    handle: () => ({ body: 1 }),
  });
  mount(app, [declared], () => "admin");
  assert.throws(() => app.get("/debug", () => "open"), /the route GET \/debug is not in the table of src\/api\/registry.ts/);
  const late = app.register(async (scope) => void scope.post("/declared", () => "open"));
  await assert.rejects(Promise.resolve(late.ready()), /POST \/declared/);
  assert.throws(() => mount(fastify({ exposeHeadRoutes: false }), [declared, declared], () => "admin"), /twice/);
});

test("Fastify serves exactly the table (A11)", async () => {
  const { api } = await face();
  const table = api.routes.map(({ method, path }) => `${method} ${path}`).sort();
  assert.equal(new Set(table).size, table.length);
  for (const { permission, path } of api.routes) assert.equal(permission === "public", path === "/livez" || path === "/readyz", path);
  for (const { change, method } of api.routes) assert.ok(!change || method !== "GET");
});

describe("listening beyond this machine needs TLS and a long token (A6)", () => {
  const cases: readonly (readonly [string, string, boolean, string])[] = [
    ["127.0.0.1", "short", false, "none"],
    ["127.8.9.1", "short", false, "none"],
    ["::1", "short", false, "none"],
    ["localhost", "short", false, "none"],
    ["0.0.0.0", TOKEN, false, "config"],
    ["::", TOKEN, false, "config"],
    ["10.0.0.1", TOKEN, false, "config"],
    ["localhost.example", TOKEN, false, "config"],
    ["10.0.0.1", "short", true, "config"],
    ["10.0.0.1", TOKEN, true, "none"],
  ];
  for (const [host, token, tls, code] of cases) {
    test(`${host} ${token.length} ${tls}`, () => assert.equal(codeOf(() => checkListening(host, token, tls)), code));
  }
  test("what only looks like loopback is not", () => {
    assert.deepEqual(["127.1", "128.0.0.1", "::ffff:10.0.0.1", "", "::2"].map(isLoopback), [false, false, false, false, false]);
  });
  test("the server keeps to it", async () => {
    const listen = { host: "0.0.0.0", port: 0 };
    const api = await createApi({ backend: new FakeBackend(), token: TOKEN, listen, system: new TestSystem(), logger: false });
    await assert.rejects(api.listen(), /refusing to listen on 0\.0\.0\.0 without TLS/);
  });
});

test("a browser may not change anything for another site (T16)", async () => {
  const { api, backend } = await face();
  const refused: readonly Record<string, string>[] = [
    { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { origin: "https://evil.example" }, { origin: "null" },
    { origin: "http://localhost:81" },
  ];
  for (const headers of refused) {
    const answer = await ask(api, "DELETE", "/api/v1/jobs/a", undefined, headers);
    const { code, outcome } = answer.json();
    assert.deepEqual([answer.statusCode, code, outcome], [403, "forbidden", "rejected"], JSON.stringify(headers));
  }
  assert.equal(backend.changes.length, 0);
  for (const headers of [{ "sec-fetch-site": "same-origin", origin: "http://localhost:80" }, { "sec-fetch-site": "none" }]) {
    assert.equal((await ask(api, "DELETE", "/api/v1/jobs/a", undefined, headers)).statusCode, 404);
  }
  refuseCrossSite({ site: undefined, origin: undefined, host: "a" });
});

test("every answer forbids guessing its type and keeping it, and names its node", async () => {
  const { api } = await face();
  for (const url of ["/api/v1/jobs", "/api/v1/jobs/none", "/metrics"]) {
    const { headers } = await ask(api, "GET", url);
    assert.deepEqual([headers["x-content-type-options"], headers["cache-control"], headers["pawl-node"]], ["nosniff", "no-store", "n1"]);
  }
});

test("a bug ends the process, whoever met it (A17)", async () => {
  const later: (() => void)[] = [];
  const system = { ...realisticSystem, soon: (run: () => void) => void later.push(run) };
  const backend = new FakeBackend();
  const api = await createApi({ backend, token: TOKEN, listen: { host: "::1", port: 0 }, system, logger: false });
  backend.failure = new BugError("broken");
  const answer = await ask(api, "GET", "/api/v1/nodes");
  assert.equal(answer.statusCode, 500);
  assert.equal(later.length, 1);
  assert.throws(() => later[0]?.(), BugError);
});

const realisticSystem = { wallMs: () => NOW_MS, monotonicMs: () => 0, random: () => 0.5, after: () => ({ cancel: () => undefined }) };
