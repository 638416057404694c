import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecutionView } from "../../src/jobs/views.ts";
import { ask, face } from "./harness.ts";

const view: ExecutionView = {
  executionId: "c-1", jobId: "a", jobType: "http", kind: "scheduled", scheduledAtMs: 1_000, status: "completed", attempt: 2,
  fencingToken: "18014398509481984123", nodeId: "n2", startAtMs: 1_012, endAtMs: 2_000,
};

test("an execution answers exactly as written", async () => {
  const { api, backend } = await face();
  backend.executions.set("c-1", view);
  const answer = await ask(api, "GET", "/api/v1/executions/c-1");
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(answer.json(), {
    execution_id: "c-1", job_id: "a", job_type: "http", scheduled_at: "1970-01-01T00:00:01.000Z",
    status: "completed", attempt: 2, retries: 1,
    fencing_token: "18014398509481984123", node_id: "n2", start_time: "1970-01-01T00:00:01.012Z", end_time: "1970-01-01T00:00:02.000Z",
    lateness_ms: 12, error: null, reason: null,
  });
});

test("working states have public words, and ranges say how far they go", async () => {
  const { api, backend } = await face();
  const { startAtMs: _start, endAtMs: _end, nodeId: _node, fencingToken: _token, ...fresh } = view;
  backend.executions.set("c-1", { ...fresh, status: "retrying", kind: "trigger", error: "exit 1", nextAttemptAtMs: 5_000 });
  backend.executions.set("c-2", { ...view, executionId: "c-2", status: "cancelling" });
  const range = { executionId: "", status: "missed", reason: "misfire", attempt: 0, rangeToMs: 9_000, rangeCount: 9 } as const;
  backend.executions.set("c-3", { ...fresh, ...range });
  const [retrying, cancelling, missed] = (await ask(api, "GET", "/api/v1/executions")).json();
  assert.deepEqual([retrying.status, retrying.detail, retrying.kind], ["queued", "retrying", "trigger"]);
  assert.deepEqual([retrying.next_attempt_at, retrying.error], ["1970-01-01T00:00:05.000Z", "exit 1"]);
  assert.deepEqual([retrying.lateness_ms, retrying.node_id, retrying.fencing_token], [null, null, null]);
  assert.deepEqual([cancelling.status, cancelling.detail, "kind" in cancelling], ["running", "cancelling", false]);
  assert.deepEqual([missed.execution_id, missed.status, missed.reason, missed.range_to, missed.range_count, missed.retries], [
    null, "missed", "misfire", "1970-01-01T00:00:09.000Z", 9, 0,
  ]);
});

test("lists filter and page like those of jobs", async () => {
  const { api, backend } = await face();
  for (const id of ["c-1", "c-2", "c-3"]) backend.executions.set(id, { ...view, executionId: id });
  const span = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z";
  const first = await ask(api, "GET", `/api/v1/executions?job_id=a&status=failed&job_type=http&${span}&limit=2&consistency=stale`);
  assert.equal(first.json().length, 2);
  assert.match(String(first.headers.link), /^<\/api\/v1\/executions\?.*cursor=2>; rel="next"$/);
  const filter = { jobId: "a", status: "failed", jobType: "http", fromMs: Date.UTC(2026, 0), toMs: Date.UTC(2026, 1) };
  assert.deepEqual(backend.queries.at(-1), { query: { kind: "executions", filter, limit: 2, cursor: undefined }, consistency: "stale" });
  const ofJob = await ask(api, "GET", "/api/v1/jobs/a/executions?limit=3&job_type=noop");
  assert.deepEqual([ofJob.json().length, ofJob.headers.link], [3, undefined]);
  const query = backend.queries.at(-1)?.query;
  assert.ok(query?.kind === "executions" && query.filter.jobId === "a" && query.filter.jobType === "noop");
});

test("cancelling hands on the id", async () => {
  const { api, backend } = await face();
  const answer = await ask(api, "POST", "/api/v1/executions/c-1/cancel", undefined, { "idempotency-key": "k" });
  assert.deepEqual([answer.statusCode, answer.json()], [200, { status: "cancelling", execution_id: "c-1" }]);
  assert.deepEqual(backend.changes[0]?.change, { kind: "cancel_execution", executionId: "c-1" });
  assert.equal(backend.changes[0]?.origin.key, "k");
});

test("output is plain text that no browser shows as a page, or JSON (T15)", async () => {
  const { api, backend } = await face();
  backend.outputs.set("c-1", [
    { attempt: 1, stream: "stdout", text: "<script>alert(1)</script>", truncated: false },
    { attempt: 2, stream: "stderr", text: "late\n", truncated: true },
  ]);
  const text = await ask(api, "GET", "/api/v1/executions/c-1/logs");
  assert.equal(text.body, "--- attempt 1, stdout ---\n<script>alert(1)</script>\n--- attempt 2, stderr, cut ---\nlate\n");
  assert.equal(text.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(text.headers["content-disposition"], "attachment");
  assert.equal(text.headers["content-security-policy"], "default-src 'none'; sandbox");
  const json = await ask(api, "GET", "/api/v1/executions/c-1/logs", undefined, { accept: "application/json" });
  assert.deepEqual(json.json(), backend.outputs.get("c-1"));
  assert.equal((await ask(api, "GET", "/api/v1/executions/c-2/logs")).statusCode, 404);
});
