import assert from "node:assert/strict";
import { test } from "node:test";
import { Compile } from "typebox/compile";
import { PawlError } from "../../src/base/errors.ts";
import * as answers from "../../src/api/answers.ts";
import type { Route } from "../../src/api/registry.ts";
import { ask, face } from "./harness.ts";

test("the cluster answers exactly as written", async () => {
  const { api } = await face();
  assert.deepEqual((await ask(api, "GET", "/api/v1/cluster")).json(), {
    cluster_id: "c-1", name: "test", term: 4, leader_id: "n1", commit_index: 42,
    members: [
      {
        id: "n1", role: "leader", state: "up", api: "127.0.0.1:7500", peer: "127.0.0.1:7501", healthy: true,
        applied_index: 42, match_index: 43, lag: 0, clock_skew_ms: 0, version: "0.1.0",
      },
      {
        id: "n2", role: "learner", state: "catching_up", api: "127.0.0.1:7502", peer: "127.0.0.1:7503", healthy: true,
        applied_index: null, match_index: null, lag: null, clock_skew_ms: null, version: "0.1.0",
      },
    ],
  });
});

test("changes of the members are handed on as asked, and answered with 200 only when the cluster shows them (M1)", async () => {
  const { api, backend } = await face();
  const addresses = { peer: "10.0.0.9:7600", api: "https://10.0.0.9:7500/" };
  const calls: [Parameters<typeof ask>[1], string, unknown, number][] = [
    ["POST", "/members", { id: "n3", ...addresses }, 202],
    ["POST", "/members", { id: "n2", ...addresses }, 202],
    ["POST", "/members", { id: "n2", ...addresses, role: "learner" }, 200],
    ["POST", "/members", { id: "n1", peer: "[::1]:7600", api: "a.example:7500" }, 200],
    ["DELETE", "/members/n2", undefined, 202],
    ["DELETE", "/members/n9?force=true", undefined, 200],
    ["POST", "/members/n2/promote", undefined, 202],
    ["POST", "/members/n1/promote", undefined, 200],
    ["POST", "/transfer", {}, 200],
    ["POST", "/transfer", { to: "n2" }, 202],
    ["POST", "/transfer", { to: "n1" }, 200],
  ];
  for (const [method, path, body, status] of calls) {
    const answer = await ask(api, method, `/api/v1/cluster${path}`, body);
    assert.deepEqual([answer.statusCode, answer.json().cluster_id], [status, "c-1"], `${method} ${path}`);
  }
  const member = { peer: "10.0.0.9:7600", api: "10.0.0.9:7500" };
  assert.deepEqual(backend.membership, [
    { kind: "add", member: { id: "n3", ...member }, as: "voter" },
    { kind: "add", member: { id: "n2", ...member }, as: "voter" },
    { kind: "add", member: { id: "n2", ...member }, as: "learner" },
    { kind: "add", member: { id: "n1", peer: "[::1]:7600", api: "a.example:7500" }, as: "voter" },
    { kind: "remove", id: "n2", force: false },
    { kind: "remove", id: "n9", force: true },
    { kind: "promote", id: "n2" },
    { kind: "promote", id: "n1" },
  ]);
  assert.deepEqual(backend.transfers, [undefined, "n2", "n1"]);
});

test("what cannot be a member is refused before the cluster hears of it, and its own refusals keep their code and outcome", async () => {
  const { api, backend } = await face();
  const good = { id: "n3", peer: "10.0.0.9:7600", api: "10.0.0.9:7500" };
  const wrong: [object, string][] = [
    [{ id: "../n3" }, "id"], [{ peer: "10.0.0.9" }, "peer"], [{ api: "ftp://10.0.0.9:7500" }, "api"], [{ role: "leader" }, "role"],
    [{ vote: true }, "vote"],
  ];
  for (const [field, name] of wrong) {
    const { code, field: at } = (await ask(api, "POST", "/api/v1/cluster/members", { ...good, ...field })).json();
    assert.deepEqual([code, at], ["invalid", name]);
  }
  assert.equal((await ask(api, "DELETE", "/api/v1/cluster/members/a%20b")).json().code, "not_found");
  assert.deepEqual([backend.membership, backend.transfers], [[], []]);
  const refusals = [
    ["change_pending", 409], ["would_lose_quorum", 409], ["already_member", 409], ["not_ready", 409], ["unknown_member", 404],
    ["no_quorum", 503],
  ] as const;
  for (const [code, status] of refusals) {
    backend.failure = new PawlError(code, "because");
    const answer = await ask(api, "POST", "/api/v1/cluster/members/n2/promote");
    const { code: said, outcome, detail } = answer.json();
    assert.deepEqual([answer.statusCode, said, outcome, detail], [status, code, "rejected", "because"]);
  }
});

test("nodes are an array", async () => {
  const { api, backend } = await face();
  backend.nodes.push({ nodeId: "n1", state: "up", session: 3, slots: 8, running: 2, tags: ["gpu"] });
  const answer = await ask(api, "GET", "/api/v1/nodes?consistency=stale");
  assert.deepEqual(answer.json(), [{ node_id: "n1", state: "up", session: 3, slots: 8, running: 2, tags: ["gpu"] }]);
  assert.equal(answer.headers["pawl-staleness-ms"], "7");
});

test("health says yes or why not, without a token", async () => {
  const { api, backend } = await face();
  backend.healthNow = { live: true, ready: false, reason: "no leader" };
  const live = await api.inject({ url: "/livez" });
  assert.deepEqual([live.statusCode, live.json()], [200, { status: "ok" }]);
  const ready = await api.inject({ url: "/readyz" });
  const { code, detail } = ready.json();
  assert.deepEqual([ready.statusCode, code, detail, ready.headers["retry-after"]], [503, "unavailable", "no leader", "1"]);
});

test("metrics are Prometheus text", async () => {
  const { api } = await face();
  const answer = await ask(api, "GET", "/metrics");
  assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  assert.match(answer.body, /^pawl_jobs 3$/m);
});

test("the OpenAPI document names every route with its answers, and only the health routes as open", async () => {
  const { api } = await face();
  const document = (await ask(api, "GET", "/api/v1/openapi.json")).json();
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.security, [{ token: [] }]);
  for (const { method, path, permission, body, answers: promised } of api.routes) {
    const operation = document.paths[path]?.[method.toLowerCase()];
    assert.ok(operation !== undefined, `${method} ${path} is missing`);
    assert.deepEqual(Object.keys(operation.responses).sort(), [...Object.keys(promised), "default"].sort(), path);
    assert.ok("application/problem+json" in operation.responses.default.content, path);
    assert.deepEqual(operation.security, permission === "public" ? [] : undefined, path);
    assert.equal(operation.requestBody !== undefined, body !== undefined, path);
    assert.ok(operation.summary.length > 5 && operation.operationId.length > 3);
  }
  const count = Object.values(document.paths).reduce<number>((sum, each) => sum + Object.keys(each as object).length, 0);
  assert.equal(count, api.routes.length);
  const ids = api.routes.map(({ method, path }) => document.paths[path][method.toLowerCase()].operationId);
  assert.equal(new Set(ids).size, ids.length);
});

function isJson({ method, contentType }: Route): boolean {
  return method === "GET" && contentType !== "text/event-stream" && contentType !== "application/octet-stream";
}

test("a backup is sent as it is made, and refused as a problem", async () => {
  const { api, backend } = await face();
  const sent = await ask(api, "GET", "/api/v1/cluster/backup");
  assert.deepEqual([sent.statusCode, sent.headers["content-type"], sent.body], [200, "application/octet-stream", "whole backup"]);
  backend.failure = new PawlError("overloaded", "2 backups are being made");
  const refused = await ask(api, "GET", "/api/v1/cluster/backup");
  assert.deepEqual([refused.statusCode, refused.json().code], [429, "overloaded"]);
});

test("what is answered is what the document promises", async () => {
  const { api, backend } = await face();
  backend.nodes.push({ nodeId: "n1", state: "up", session: 3, slots: 8, running: 2, tags: [] });
  const retrying = { status: "retrying", attempt: 1, nextAttemptAtMs: 2 } as const;
  backend.executions.set("c-1", { executionId: "c-1", jobId: "a", jobType: "noop", kind: "trigger", scheduledAtMs: 1, ...retrying });
  backend.outputs.set("c-1", [{ attempt: 1, stream: "stdout", text: "", truncated: false }]);
  for (const schedule of [{ every: "PT1S" }, { cron: "* * * * *" }, { at: "2027-01-01T00:00:00Z" }]) {
    await ask(api, "POST", "/api/v1/jobs", { job_id: Object.keys(schedule)[0], job_type: "noop", schedule });
  }
  const json = { accept: "application/json" };
  for (const row of api.routes.filter(isJson)) {
    const urls = row.path.endsWith("{job_id}") ? ["every", "cron", "at"].map((id) => row.path.replace("{job_id}", id)) : [row.path];
    for (const url of urls) {
      const answer = await ask(api, "GET", url.replace("{execution_id}", "c-1").replace("{job_id}", "a"), undefined, json);
      assert.equal(answer.statusCode, 200, url);
      if (row.answers[200] === undefined || row.path === "/metrics") continue;
      const errors = Compile(row.answers[200]).Errors(answer.json());
      assert.deepEqual(errors, [], url);
    }
  }
  const refused = Compile(answers.problem).Errors((await ask(api, "POST", "/api/v1/jobs", { a: 1 })).json());
  assert.deepEqual(refused, []);
});
