// Bad input, one row each: what is sent, and which status, code and field it must be answered with. After every row nothing was done.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import type { ErrorCode } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { problems } from "../../src/api/problem.ts";
import { laterFields } from "../../src/api/schemas.ts";
import { badJobs, good } from "./badjobs.ts";
import { TOKEN, ask, face } from "./harness.ts";
import type { Method } from "./harness.ts";

describe("a bad submission is refused by name", () => {
  for (const [body, status, code, field] of badJobs) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    test(`${status} ${field ?? ""} ${text.slice(0, 80)}`, async () => {
      const { api, backend } = await face();
      const answer = await ask(api, "POST", "/api/v1/jobs", body);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      const problem = answer.json();
      const said = [answer.statusCode, problem.status, problem.code, problem.field, problem.outcome];
      assert.deepEqual(said, [status, status, code, field, "rejected"], answer.body);
      assert.ok(problem.detail.length > 0 && problem.title.length > 0 && problem.type === `urn:pawl:problem:${code}`);
      assert.equal(backend.changes.length, 0);
    });
  }
  for (const name of laterFields) {
    test(`${name} is said to be of a later version`, async () => {
      const { api, backend } = await face();
      const answer = await ask(api, "POST", "/api/v1/jobs", { ...good, [name]: 1 });
      assert.deepEqual([answer.statusCode, answer.json().field, backend.changes.length], [422, name, 0]);
      assert.match(answer.json().detail, /not supported by this version/);
    });
  }
});

test("every wrong field is named, not just the first", async () => {
  const { api } = await face();
  const answer = await ask(api, "POST", "/api/v1/jobs", { ...good, zz: 1, priority: 5, retry: { jitter: 9 } });
  const fields = answer.json().errors.map((each: { field: string }) => each.field);
  assert.deepEqual(fields.sort(), ["priority", "retry.jitter", "zz"]);
});

/** Method, URL, body, status, field. */
const badRequests: readonly (readonly [Method, string, unknown, number, string | undefined])[] = [
  ["PUT", "/api/v1/jobs/a", {}, 400, undefined],
  ["PUT", "/api/v1/jobs/a", { paused: true }, 400, "paused"],
  ["PUT", "/api/v1/jobs/a", { namespace: "x" }, 400, "namespace"],
  ["PUT", "/api/v1/jobs/a", { job_id: "b", priority: "low" }, 400, "job_id"],
  ["PUT", "/api/v1/jobs/a", { schedule_time: "x" }, 400, "schedule_time"],
  ["PUT", "/api/v1/jobs/a", { queue: "x" }, 422, "queue"],
  ["PUT", "/api/v1/jobs/a", undefined, 400, undefined],
  ["PUT", "/api/v1/jobs/a%20b", { priority: "low" }, 404, "job_id"],
  ["DELETE", "/api/v1/jobs/a?running=maybe", undefined, 400, "running"],
  ["DELETE", "/api/v1/jobs/a", { running: "cancel" }, 400, "running"],
  ["POST", "/api/v1/jobs/a/pause?x=1", undefined, 400, "x"],
  ["POST", "/api/v1/jobs/a/trigger", { payload: 1 }, 400, "payload"],
  ["GET", "/api/v1/jobs/missing", undefined, 404, "job_id"],
  ["GET", "/api/v1/jobs?limit=0", undefined, 400, "limit"],
  ["GET", "/api/v1/jobs?limit=1001", undefined, 400, "limit"],
  ["GET", "/api/v1/jobs?limit=1&limit=2", undefined, 400, "limit"],
  ["GET", "/api/v1/jobs?limit=1e2x", undefined, 400, "limit"],
  ["GET", "/api/v1/jobs?status=done", undefined, 400, "status"],
  ["GET", "/api/v1/jobs?sort=id", undefined, 400, "sort"],
  ["GET", "/api/v1/jobs?cursor=nonsense", undefined, 400, "cursor"],
  ["GET", `/api/v1/jobs?cursor=${"x".repeat(600)}`, undefined, 400, "cursor"],
  ["GET", "/api/v1/jobs?consistency=eventual", undefined, 400, "consistency"],
  ["GET", "/api/v1/jobs?start_time=now", undefined, 400, "start_time"],
  ["GET", "/api/v1/jobs?start_time=/", undefined, 400, "start_time"],
  ["GET", "/api/v1/jobs?start_time=2026-01-02T00:00:00Z/2026-01-01T00:00:00Z", undefined, 400, "start_time"],
  ["GET", "/api/v1/executions?from=x", undefined, 400, "from"],
  ["GET", "/api/v1/executions?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", undefined, 400, "to"],
  ["GET", "/api/v1/executions?status=scheduled", undefined, 400, "status"],
  ["GET", "/api/v1/executions/zz-1", undefined, 404, "execution_id"],
  ["GET", "/api/v1/events?after=x", undefined, 400, "after"],
  ["GET", "/api/v1/nowhere", undefined, 404, undefined],
  ["GET", "/api/v1/jobs/", undefined, 404, "job_id"],
  ["POST", "/api/v1/schedules/preview", { schedules: [] }, 400, "schedules"],
  ["POST", "/api/v1/schedules/preview", { schedules: [{ cron: 5 }] }, 400, "schedules.0.cron"],
  ["POST", "/api/v1/schedules/preview", { schedules: [{ cron: "* * * * *", count: 10_001 }] }, 400, "schedules.0.count"],
];

describe("a bad request is refused by name", () => {
  for (const [method, url, body, status, field] of badRequests) {
    test(`${method} ${url.slice(0, 90)} ${JSON.stringify(body) ?? ""}`, async () => {
      const { api, backend } = await face();
      const answer = await ask(api, method, url, body);
      assert.deepEqual([answer.statusCode, answer.json().field], [status, field], answer.body);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      assert.equal(backend.changes.length, 0);
    });
  }
});

test("what only HTTP can refuse is a problem too", async () => {
  const { api, backend } = await face();
  const large = await ask(api, "POST", "/api/v1/jobs", { ...good, payload: "x".repeat(limits.bodyMaxBytes) });
  assert.deepEqual([large.statusCode, large.json().code, large.json().outcome], [413, "too_large", "rejected"]);
  const form = await ask(api, "POST", "/api/v1/jobs", "job_type=noop", { "content-type": "application/x-www-form-urlencoded" });
  assert.deepEqual([form.statusCode, form.json().code, form.json().outcome], [415, "invalid", "rejected"]);
  const text = await ask(api, "POST", "/api/v1/jobs", JSON.stringify(good), { "content-type": "text/plain" });
  assert.equal(text.statusCode, 415);
  const method = await ask(api, "DELETE", "/api/v1/jobs");
  assert.deepEqual([method.statusCode, method.headers["allow"], method.json().outcome], [405, "POST, GET", "rejected"]);
  const bytes = await api.inject({
    method: "POST", url: "/api/v1/jobs",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    payload: Buffer.from([0x22, 0xff, 0x22]),
  });
  assert.deepEqual([bytes.statusCode, bytes.json().detail], [400, "the body is not UTF-8"]);
  for (const key of ["", "a b", "ä", "x".repeat(256)]) {
    const answer = await ask(api, "POST", "/api/v1/jobs", good, { "idempotency-key": key });
    assert.deepEqual([answer.statusCode, answer.json().field], [400, "Idempotency-Key"]);
  }
  assert.equal(backend.changes.length, 0);
});

const traversals = [
  "..%2f..%2fetc%2fpasswd", "%2e%2e%2f", "..%5c..", "a%00b", "%252e%252e", "....%2f%2f", "a%2fb", "%c0%ae", "~root", "a;b",
];

test("no spelling of an id reaches anything but an id (T14)", async () => {
  const { api, backend } = await face();
  for (const id of traversals) {
    for (const rest of [`jobs/${id}`, `executions/${id}`, `executions/${id}/logs`, `jobs/${id}/executions`]) {
      const url = `/api/v1/${rest}`;
      const { statusCode } = await ask(api, "GET", url);
      assert.ok(statusCode === 404 || statusCode === 400, `${url}: ${statusCode}`);
    }
  }
  assert.deepEqual(backend.queries, []);
});

describe("what the core says keeps its code, and a change its outcome (P2)", () => {
  for (const [code, { status }] of Object.entries(problems)) {
    test(code, async () => {
      const { api, backend } = await face();
      backend.failure = new PawlError(code as ErrorCode, "said by the core", { outcome: "unknown" });
      const change = await ask(api, "POST", "/api/v1/jobs", good);
      assert.deepEqual([change.statusCode, change.json().code, change.json().outcome], [status, code, "unknown"]);
      assert.equal(change.headers["retry-after"], status === 429 || status === 503 ? "1" : undefined);
      const read = await ask(api, "GET", "/api/v1/jobs");
      assert.deepEqual([read.statusCode, read.json().code, "outcome" in read.json()], [status, code, false]);
    });
  }
});

test("an unexpected failure tells the caller nothing, but that the outcome of a change is unknown (A4, A5)", async () => {
  const { api, backend } = await face();
  backend.failure = new TypeError("secret path /var/lib");
  const answer = await ask(api, "POST", "/api/v1/jobs", good);
  assert.deepEqual([answer.statusCode, answer.json().code, answer.json().outcome], [500, "internal", "unknown"]);
  assert.ok(!answer.body.includes("secret"));
});
