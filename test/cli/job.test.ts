// What is sent for each command line of `pawl job` and `pawl execution`.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { jobBody } from "../../src/cli/jobbody.ts";
import { typedDuration } from "../../src/cli/durations.ts";
import { NOW_MS, fakeServer, folder, ranWith } from "./helpers.ts";

const now = "2026-11-21T09:30:00.000Z";

test("job add: flags become the body of the API", async (t) => {
  const cases: readonly (readonly [string[], object])[] = [
    [["--type", "noop"], { job_type: "noop", schedule_time: now }],
    [["--id", "a", "--cron", "*/5 * * * * *", "--tz", "Europe/Berlin", "--dst-gap", "skip", "--type", "noop"],
      { job_id: "a", job_type: "noop", schedule: { cron: "*/5 * * * * *", timezone: "Europe/Berlin", dst: { gap: "skip" } } }],
    [["--every", "1h30m", "--url", "https://a.example/", "--method", "post", "--header", "X-A: b:c", "--body", "hi"],
      {
        job_type: "http", schedule: { every: "PT5400S" },
        payload: { url: "https://a.example/", method: "POST", headers: { "X-A": "b:c" }, body: "hi" },
      }],
    [["--in", "10s", "--", "echo", "--json", "x"],
      { job_type: "shell", payload: { argv: ["echo", "--json", "x"] }, schedule_time: "2026-11-21T09:30:10.000Z" }],
    [["--at", "2026-12-01T00:00:00Z", "--type", "t", "--payload", '{"a":1}', "--priority", "high", "--label", "x=y=z", "--label", "w=v"],
      { job_type: "t", payload: { a: 1 }, schedule_time: "2026-12-01T00:00:00Z", priority: "high", labels: { x: "y=z", w: "v" } }],
    [["--type", "t", "--max-attempts", "3", "--retry-delay", "500ms", "--timeout", "PT1M", "--tag", "eu", "--at-most-once", "--paused",
      "--overlap", "allow", "--misfire", "skip"],
      {
        job_type: "t", schedule_time: now, retry: { max_attempts: 3, initial_delay: "PT0.5S" }, timeout: "PT60S",
        placement: { tags: ["eu"] }, delivery: "at_most_once", paused: true, overlap: "allow", misfire: { policy: "skip" },
      }],
  ];
  for (const [flags, body] of cases) {
    const server = await fakeServer(t, { "POST /api/v1/jobs": { status: 201, body: { status: "submitted", job_id: "made" } } });
    const ran = await ranWith(["job", "add", ...flags], { env: server.env });
    assert.deepEqual(ran, { code: 0, stdout: "submitted made\n", stderr: "" }, flags.join(" "));
    assert.deepEqual(server.asked[0]?.body, body);
  }
});

test("job add: a file, standard input and the flags beside them (J1)", async (t) => {
  const dir = folder(t);
  const server = await fakeServer(t, { "POST /api/v1/jobs": { status: 201, body: { status: "submitted", job_id: "x" } } });
  const text = JSON.stringify({ job_type: "noop", schedule: { every: "PT1S" }, priority: "low", payload: 0 });
  writeFileSync(join(dir, "job.json"), text);
  writeFileSync(join(dir, "payload.json"), "[1]");
  const file = await ranWith(["job", "add", "--file", join(dir, "job.json"), "--priority", "high"], { env: server.env });
  const argv = ["job", "add", "--file", "-", "--payload", `@${join(dir, "payload.json")}`, "--json"];
  const input = await ranWith(argv, { env: server.env, input: text });
  assert.deepEqual([file.code, JSON.parse(input.stdout)], [0, { status: "submitted", job_id: "x" }]);
  const common = { job_type: "noop", schedule: { every: "PT1S" } };
  const bodies = server.asked.map(({ body }) => body);
  assert.deepEqual(bodies, [{ ...common, priority: "high", payload: 0 }, { ...common, priority: "low", payload: [1] }]);
});

test("flags that contradict each other are refused before anything is sent", async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["--cron", "* * * * *", "--every", "2s"], /only one of --cron and --every/],
    [["--url", "http://a", "--payload", "{}"], /only one of --payload, --url and a command/],
    [["--method", "GET"], /--method, --header and --body need --url/],
    [["--tz", "UTC"], /need --cron/],
    [["--anchor", "2026-11-21T00:00:00Z"], /--anchor needs --every/],
    [["--every", "soon"], /--every: expected a duration like 10s/],
    [["--payload", "{"], /--payload: not JSON/],
    [["--file", "/nonexistent/job.json"], /cannot be read \(ENOENT\)/],
    [["--label", "x"], /--label: expected name=value, got "x"/],
    [["--max-attempts", "few"], /--max-attempts: expected a number/],
  ];
  for (const [flags, message] of cases) {
    const ran = await ranWith(["job", "add", ...flags], { env: { PAWL_SERVER: "127.0.0.1:1", PAWL_TOKEN: "x" } });
    assert.equal(ran.code, 2, flags.join(" "));
    assert.match(ran.stderr, message);
  }
});

test("job update sends the named fields alone", async (t) => {
  const server = await fakeServer(t, { "PUT /api/v1/jobs/a": { body: { status: "updated", job_id: "a" } } });
  const ran = await ranWith(["job", "update", "a", "--priority", "low", "--", "true"], { env: server.env });
  assert.deepEqual(ran.stdout, "updated a\n");
  assert.deepEqual(server.asked[0]?.body, { job_type: "shell", payload: { argv: ["true"] }, priority: "low" });
  assert.deepEqual(await jobBody({}, { argv: [], nowMs: NOW_MS, readInput: async () => "" }, false), {});
});

test("the other changes and reads ask for what they say", async (t) => {
  const done = { body: { status: "done", job_id: "a" } };
  const server = await fakeServer(t, {
    "DELETE /api/v1/jobs/a": done, "POST /api/v1/jobs/a/pause": done, "POST /api/v1/jobs/a/resume": done,
    "POST /api/v1/jobs/a/trigger": { body: { status: "triggered", job_id: "a", execution_id: "c1-1" } },
    "POST /api/v1/executions/c1-1/cancel": { body: { status: "cancelling", execution_id: "c1-1" } },
    "GET /api/v1/executions/c1-1": { body: { execution_id: "c1-1" } }, "GET /api/v1/executions": { body: [] },
  });
  const lines = [
    ["job", "rm", "a"], ["job", "rm", "a", "--running"], ["job", "pause", "a"], ["job", "resume", "a"], ["job", "trigger", "a"],
    ["execution", "cancel", "c1-1"], ["execution", "get", "c1-1"], ["job", "history", "a", "--limit", "3"],
  ];
  const said: string[] = [];
  for (const argv of lines) said.push((await ranWith(argv, { env: server.env })).stdout.split("\n")[0] ?? "");
  assert.deepEqual(said, ["done a", "done a", "done a", "done a", "triggered a c1-1", "cancelling c1-1", "FIELD         VALUE", "none"]);
  assert.deepEqual(server.asked.map(({ method, url }) => `${method} ${url.replace("/api/v1", "")}`), [
    "DELETE /jobs/a?running=leave", "DELETE /jobs/a?running=cancel", "POST /jobs/a/pause", "POST /jobs/a/resume", "POST /jobs/a/trigger",
    "POST /executions/c1-1/cancel", "GET /executions/c1-1", "GET /executions?job_id=a&limit=4",
  ]);
});

test("durations as people type them", () => {
  const texts = ["500ms", "10s", "1h30m", "2d", "1.5s", "PT90M", "p1d"];
  assert.deepEqual(texts.map((text) => typedDuration(text, "--in")), [500, 10_000, 5_400_000, 172_800_000, 1500, 5_400_000, 86_400_000]);
  for (const bad of ["", "10", "s", "10 s", "-1s", "1m2"]) assert.throws(() => typedDuration(bad, "--in"), /--in: expected/, bad);
});
