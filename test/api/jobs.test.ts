import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, face } from "./harness.ts";

const AT = "2026-12-01T10:00:00+01:00";
const job = { job_id: "report-1", job_type: "noop", schedule_time: AT, priority: "high", payload: { a: 1 } };

test("the five calls that others rely on answer exactly as written", async () => {
  const { api } = await face();
  const made = await ask(api, "POST", "/api/v1/jobs", job);
  assert.deepEqual([made.statusCode, made.json()], [201, { status: "submitted", job_id: "report-1" }]);
  const put = await ask(api, "PUT", "/api/v1/jobs/report-1", { priority: "low" });
  assert.deepEqual([put.statusCode, put.json()], [200, { status: "updated", job_id: "report-1" }]);
  const got = await ask(api, "GET", "/api/v1/jobs/report-1");
  assert.equal(got.statusCode, 200);
  assert.deepEqual(got.json(), shown);
  const list = await ask(api, "GET", "/api/v1/jobs?status=scheduled&job_type=noop&start_time=2026-11-01T00:00:00Z&limit=10");
  const { payload: _, ...listed } = shown;
  assert.deepEqual([list.statusCode, list.json()], [200, [listed]]);
  const gone = await ask(api, "DELETE", "/api/v1/jobs/report-1");
  assert.deepEqual([gone.statusCode, gone.json()], [200, { status: "cancelled", job_id: "report-1" }]);
});

const shown = {
  job_id: "report-1", job_type: "noop", status: "scheduled", schedule_time: "2026-12-01T09:00:00.000Z", schedule: null,
  next_run: "2026-12-01T09:00:00.000Z", last_run: null, start_time: null, end_time: null, retries: 0, execution_id: null, error: null, running: 0,
  revision: 1, priority: "low", namespace: "default", description: "", labels: {}, overlap: "allow", delivery: "at_least_once", timeout: "PT1H",
  retry: { max_attempts: 3, backoff: "exponential", initial_delay: "PT1S", max_delay: "PT5M", multiplier: 2, jitter: 0.1 },
  misfire: { policy: "fire_once", within: "PT1M", max: 100 }, placement: { tags: [], mode: "all" }, payload: { a: 1 },
};
