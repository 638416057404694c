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
  next_run: "2026-12-01T09:00:00.000Z", last_run: null, start_time: null, end_time: null, retries: 0, execution_id: null, error: null,
  running: 0, revision: 1, priority: "low", namespace: "default", description: "", labels: {}, overlap: "allow",
  delivery: "at_least_once", timeout: "PT1H",
  retry: { max_attempts: 3, backoff: "exponential", initial_delay: "PT1S", max_delay: "PT5M", multiplier: 2, jitter: 0.1 },
  misfire: { policy: "fire_once", within: "PT1M", max: 100 }, placement: { tags: [], mode: "all" }, payload: { a: 1 },
};

test("a submission reaches the core with every default filled in", async () => {
  const { api, backend } = await face();
  await ask(api, "POST", "/api/v1/jobs", { job_id: "a", job_type: "noop", schedule: { cron: "*/5 * * * * *", timezone: "Europe/Berlin" } });
  assert.deepEqual(backend.changes[0]?.change, {
    kind: "create",
    jobId: "a",
    spec: {
      schedule: { kind: "cron", expression: "*/5 * * * * *", timezone: "Europe/Berlin", gap: "run_at_gap_end", overlap: "first" },
      class: {
        jobType: "noop", priority: "medium", overlap: "skip", misfire: { policy: "fire_once", withinMs: 60_000, max: 100 },
        retry: { maxAttempts: 3, backoff: "exponential", initialMs: 1_000, maxMs: 300_000, multiplier: 2, jitter: 0.1 },
        timeoutMs: 3_600_000, delivery: "at_least_once", placement: { tags: [], mode: "all" }, hasPayload: false,
      },
      payload: null, namespace: "default", description: "", labels: {}, paused: false,
    },
  });
  assert.deepEqual(backend.changes[0]?.origin, { principal: "admin", route: "POST /api/v1/jobs" });
});

test("a submission reaches the core as it was written", async () => {
  const { api, backend } = await face();
  const body = {
    job_type: "http", schedule: { every: "PT2S", anchor: "2026-11-21T00:00:00Z" }, payload: { url: "http://127.0.0.1/" },
    priority: "low", namespace: "ops", description: "d", labels: { team: "a" }, timeout: "PT30S", overlap: "allow", paused: true,
    retry: { max_attempts: 9, backoff: "fixed", initial_delay: "PT10M" }, misfire: { policy: "fire_all", within: "PT1H", max: 7 },
    delivery: "at_most_once", placement: { tags: ["gpu"], mode: "any" },
  };
  const made = await ask(api, "POST", "/api/v1/jobs", body);
  assert.equal(made.statusCode, 201);
  const change = backend.changes[0]?.change;
  assert.ok(change?.kind === "create");
  assert.match(change.jobId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(change.spec, {
    schedule: { kind: "every", everyMs: 2_000, anchorMs: Date.UTC(2026, 10, 21) },
    class: {
      jobType: "http", priority: "low", overlap: "allow", misfire: { policy: "fire_all", withinMs: 3_600_000, max: 7 },
      retry: { maxAttempts: 9, backoff: "fixed", initialMs: 600_000, maxMs: 600_000, multiplier: 2, jitter: 0.1 },
      timeoutMs: 30_000, delivery: "at_most_once", placement: { tags: ["gpu"], mode: "any" }, hasPayload: true,
    },
    payload: { url: "http://127.0.0.1/" }, namespace: "ops", description: "d", labels: { team: "a" }, paused: true,
  });
  const back = await ask(api, "GET", `/api/v1/jobs/${change.jobId}`);
  assert.deepEqual(back.json().schedule, { every: "PT2S", anchor: "2026-11-21T00:00:00.000Z" });
});

test("a one-shot in the past is taken: it is due at once", async () => {
  const { api, backend } = await face();
  assert.equal((await ask(api, "POST", "/api/v1/jobs", { ...job, schedule_time: "2020-01-01T00:00:00Z" })).statusCode, 201);
  const change = backend.changes[0]?.change;
  assert.ok(change?.kind === "create" && change.spec.schedule.kind === "at");
  assert.deepEqual([change.spec.schedule.atMs, change.spec.class.overlap], [Date.UTC(2020, 0, 1), "allow"]);
});

test("a change names only what it changes, and its payload is checked against the type that the job has", async () => {
  const { api, backend } = await face();
  await ask(api, "POST", "/api/v1/jobs", { ...job, job_type: "http", payload: { url: "http://a/" } });
  assert.equal((await ask(api, "PUT", "/api/v1/jobs/report-1", { timeout: "PT1M", labels: {} })).statusCode, 200);
  assert.deepEqual(backend.changes.at(-1)?.change, {
    kind: "update",
    jobId: "report-1",
    patch: { schedule: undefined, class: { timeoutMs: 60_000 }, payload: undefined, description: undefined, labels: {} },
  });
  assert.equal(backend.queries.length, 0, "nothing is read when the payload stays");
  const refused = await ask(api, "PUT", "/api/v1/jobs/report-1", { payload: { ur: 1 } });
  assert.deepEqual([refused.statusCode, refused.json().field, refused.json().outcome], [422, "payload.url", "rejected"]);
  const retyped = await ask(api, "PUT", "/api/v1/jobs/report-1", { job_type: "noop", payload: null });
  assert.equal(retyped.statusCode, 200);
  const untyped = await ask(api, "PUT", "/api/v1/jobs/report-1", { job_type: "http" });
  assert.deepEqual([untyped.statusCode, untyped.json().field], [422, "payload.url"], "the payload that stays must fit the new type");
  assert.equal((await ask(api, "PUT", "/api/v1/jobs/report-1", { job_id: "report-1", schedule_time: AT })).statusCode, 200);
  const nobody = await ask(api, "PUT", "/api/v1/jobs/nobody", { payload: { url: 1 } });
  assert.deepEqual([nobody.statusCode, backend.changes.at(-1)?.change.kind], [404, "update"], "existence is judged by the log alone");
});

test("pause, resume, trigger and cancel say what they did", async () => {
  const { api, backend } = await face();
  await ask(api, "POST", "/api/v1/jobs", job);
  const post = async (verb: string) => (await ask(api, "POST", `/api/v1/jobs/report-1/${verb}`)).json();
  assert.deepEqual(await post("pause"), { status: "paused", job_id: "report-1" });
  assert.deepEqual(await post("resume"), { status: "resumed", job_id: "report-1" });
  assert.deepEqual(await post("trigger"), { status: "triggered", job_id: "report-1", execution_id: "fake-1" });
  assert.deepEqual((await ask(api, "DELETE", "/api/v1/jobs/report-1?running=cancel")).json(), { status: "cancelled", job_id: "report-1" });
  assert.deepEqual(backend.changes.at(-1)?.change, { kind: "cancel", jobId: "report-1", running: "cancel" });
  await ask(api, "DELETE", "/api/v1/jobs/report-1");
  assert.deepEqual(backend.changes.at(-1)?.change, { kind: "cancel", jobId: "report-1", running: "leave" });
});

test("a retry with the same Idempotency-Key is the same change, also without a job_id (H11)", async () => {
  const { api, backend } = await face();
  const { job_id: _, ...unnamed } = job;
  const key = { "idempotency-key": "k-1" };
  const first = await ask(api, "POST", "/api/v1/jobs", unnamed, key);
  const reordered = JSON.stringify(Object.fromEntries(Object.entries(unnamed).reverse()), undefined, 2);
  const second = await ask(api, "POST", "/api/v1/jobs", reordered, key);
  assert.deepEqual([second.statusCode, second.json()], [201, first.json()]);
  assert.match(first.json().job_id, /^[0-9a-f-]{36}$/);
  const asked = backend.changes.map(({ change }) => (change.kind === "create" ? change.jobId : ""));
  assert.deepEqual(asked, [first.json().job_id, first.json().job_id], "wherever it lands, it is about the same job (H16.13)");
  assert.equal(backend.jobs.size, 1);
  const other = await ask(api, "POST", "/api/v1/jobs", { ...unnamed, priority: "low" }, key);
  assert.deepEqual([other.statusCode, other.json().code, other.json().outcome], [422, "key_reused", "rejected"]);
  const hashes = backend.changes.map(({ origin }) => origin.bodyHash);
  assert.deepEqual([hashes[0], hashes[0] === hashes[2]], [hashes[1], false]);
  await ask(api, "POST", "/api/v1/jobs/a/trigger", undefined, key);
  await ask(api, "POST", "/api/v1/jobs/b/trigger", undefined, key);
  const [a, b] = backend.changes.slice(-2).map(({ origin }) => origin);
  assert.deepEqual([a?.route, a?.key], ["POST /api/v1/jobs/{job_id}/trigger", "k-1"]);
  assert.notEqual(a?.bodyHash, b?.bodyHash, "the same key on another job is another request");
});

test("lists go on where the Link says, with the same filters", async () => {
  const { api, backend } = await face();
  for (const id of ["a", "b", "c"]) await ask(api, "POST", "/api/v1/jobs", { ...job, job_id: id });
  const first = await ask(api, "GET", "/api/v1/jobs?limit=2&job_type=noop&start_time=2026-11-21T00:00:00Z/2026-12-24T00:00:00%2B01:00");
  assert.deepEqual(first.json().map((each: { job_id: string }) => each.job_id), ["a", "b"]);
  const next = /^<(\/api\/v1\/jobs\?[^>]+)>; rel="next"$/.exec(String(first.headers.link))?.[1];
  assert.ok(next !== undefined);
  const second = await ask(api, "GET", next);
  assert.deepEqual(second.json().map((each: { job_id: string }) => each.job_id), ["c"]);
  assert.equal(second.headers.link, undefined);
  const filter = { status: undefined, jobType: "noop", startFromMs: Date.UTC(2026, 10, 21), startToMs: Date.UTC(2026, 11, 23, 23) };
  assert.deepEqual(backend.queries.map(({ query }) => query), [
    { kind: "jobs", filter, limit: 2, cursor: undefined },
    { kind: "jobs", filter, limit: 2, cursor: "2" },
  ]);
  await ask(api, "GET", "/api/v1/jobs?start_time=2026-11-21T00:00:00+01:00");
  const last = backend.queries.at(-1)?.query;
  assert.ok(last?.kind === "jobs");
  assert.deepEqual([last.filter.startFromMs, last.filter.startToMs, last.limit], [Date.UTC(2026, 10, 20, 23), undefined, 100]);
});

test("reads are linearizable unless asked otherwise, and say how fresh they are (P3)", async () => {
  const { api, backend } = await face();
  const fresh = await ask(api, "GET", "/api/v1/jobs");
  const stale = await ask(api, "GET", "/api/v1/jobs?consistency=stale");
  assert.deepEqual(backend.queries.map(({ consistency }) => consistency), ["linearizable", "stale"]);
  assert.deepEqual([fresh.headers["pawl-applied-index"], fresh.headers["pawl-staleness-ms"]], ["42", undefined]);
  assert.deepEqual([stale.headers["pawl-applied-index"], stale.headers["pawl-staleness-ms"]], ["42", "7"]);
});

test("a one-shot shows its execution, a recurring job its next due time", async () => {
  const { api, backend } = await face();
  await ask(api, "POST", "/api/v1/jobs", job);
  const view = backend.jobs.get("report-1");
  assert.ok(view !== undefined);
  const execution = {
    executionId: "c-1", jobId: "report-1", jobType: "http", kind: "scheduled", scheduledAtMs: 1_000,
    status: "retrying", attempt: 3, startAtMs: 2_000,
  } as const;
  backend.jobs.set("report-1", { ...view, status: "retrying", nextDueAtMs: undefined, execution });
  const shownNow = (await ask(api, "GET", "/api/v1/jobs/report-1")).json();
  assert.deepEqual(
    [shownNow.status, shownNow.detail, shownNow.start_time, shownNow.end_time, shownNow.retries, shownNow.execution_id, shownNow.next_run],
    ["queued", "retrying", "1970-01-01T00:00:02.000Z", null, 2, "c-1", null],
  );
  const hourly = { kind: "cron", expression: "0 * * * *", timezone: "UTC", gap: "skip", overlap: "both" } as const;
  const spec = { ...view.spec, schedule: hourly };
  backend.jobs.set("report-1", { ...view, spec, nextDueAtMs: 7_200_000, lastScheduledAtMs: 3_600_000 });
  const recurring = (await ask(api, "GET", "/api/v1/jobs/report-1")).json();
  assert.deepEqual(
    [recurring.status, recurring.schedule_time, recurring.last_run, recurring.schedule],
    [
      "scheduled", "1970-01-01T02:00:00.000Z", "1970-01-01T01:00:00.000Z",
      { cron: "0 * * * *", timezone: "UTC", dst: { gap: "skip", overlap: "both" } },
    ],
  );
});
