import assert from "node:assert/strict";
import { test } from "node:test";
import { Compile } from "typebox/compile";
import * as answers from "../../src/api/answers.ts";
import { ask, face } from "./harness.ts";

test("the cluster answers exactly as written", async () => {
  const { api } = await face();
  assert.deepEqual((await ask(api, "GET", "/api/v1/cluster")).json(), {
    cluster_id: "c-1", name: "test", term: 4, leader_id: "n1", commit_index: 42,
    members: [
      { id: "n1", role: "leader", api: "127.0.0.1:7500", peer: "127.0.0.1:7501", healthy: true, applied_index: 42, version: "0.1.0" },
    ],
  });
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

test("what is answered is what the document promises", async () => {
  const { api, backend } = await face();
  backend.nodes.push({ nodeId: "n1", state: "up", session: 3, slots: 8, running: 2, tags: [] });
  const retrying = { status: "retrying", attempt: 1, nextAttemptAtMs: 2 } as const;
  backend.executions.set("c-1", { executionId: "c-1", jobId: "a", kind: "trigger", scheduledAtMs: 1, ...retrying });
  backend.outputs.set("c-1", [{ attempt: 1, stream: "stdout", text: "", truncated: false }]);
  for (const schedule of [{ every: "PT1S" }, { cron: "* * * * *" }, { at: "2027-01-01T00:00:00Z" }]) {
    await ask(api, "POST", "/api/v1/jobs", { job_id: Object.keys(schedule)[0], job_type: "noop", schedule });
  }
  const json = { accept: "application/json" };
  for (const row of api.routes.filter(({ method, contentType }) => method === "GET" && contentType !== "text/event-stream")) {
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
