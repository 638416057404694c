// Tables and colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { painter, plain, tableLines } from "../../src/cli/output.ts";
import { fakeServer, ranWith, stillSystem } from "./helpers.ts";

const execution = {
  execution_id: "c1-a", job_id: "report", scheduled_at: "2026-11-21T09:30:00.000Z", status: "queued", detail: "retrying", attempt: 2,
  retries: 1, fencing_token: "128", node_id: "node-a", start_time: "2026-11-21T09:30:00.004Z", end_time: null, lateness_ms: 4,
  error: "bad\u001b[31m\nthing", reason: null,
};
const range = {
  ...execution, execution_id: null, status: "missed", detail: undefined, attempt: 0, retries: 0, fencing_token: null, node_id: null,
  start_time: null, lateness_ms: null, error: null, reason: "misfire", range_to: "2026-11-21T09:40:00.000Z", range_count: 7,
};
const job = {
  job_id: "report", job_type: "http", status: "scheduled", schedule_time: "2026-11-21T10:00:00.000Z", next_run: "2026-11-21T10:00:00.000Z",
  last_run: null, running: 0,
};

test("colours only on a terminal and without NO_COLOR (O1)", () => {
  const red = "\u001b[31mx\u001b[39m";
  const sink = { write: () => undefined };
  const paint = (isTTY: boolean | undefined, env: Record<string, string>): string =>
    painter({ stdout: { ...sink, isTTY }, stderr: sink, env, system: stillSystem, input: async function* () {} })("red", "x");
  assert.deepEqual([paint(true, {}), paint(true, { NO_COLOR: "" })], [red, red]);
  assert.deepEqual([paint(true, { NO_COLOR: "1" }), paint(undefined, {})], ["x", "x"]);
});

test("texts from elsewhere lose their control characters (O2)", () => {
  assert.equal(plain("a\u001b[2Jb\nc\u009bd\u202ee"), "a [2Jb c d e");
  assert.deepEqual([plain(null), plain(undefined), plain(7)], ["", "", "7"]);
});

test("columns stand under their heads, painted or not", () => {
  const sink = { write: () => undefined, isTTY: true };
  const paint = painter({ stdout: sink, stderr: sink, env: {}, system: stillSystem, input: async function* () {} });
  const lines = tableLines(paint, ["A", "LONG"], [[paint("red", "wide cell"), "x"], ["y", "z"]]).map(stripVTControlCharacters);
  assert.deepEqual(lines, ["A          LONG", "wide cell  x", "y          z"]);
});

test("executions as a table, as JSON, and painted on a terminal", async (t) => {
  const server = await fakeServer(t, { "GET /api/v1/executions": { body: [execution, range] } });
  const argv = ["execution", "ls", "--job", "report", "--status", "queued"];
  const table = await ranWith(argv, { env: server.env });
  assert.deepEqual(table.stdout.split("\n"), [
    "EXECUTION      JOB     SCHEDULED             STATUS    ATTEMPT  TOKEN  NODE    LATE  ERROR",
    "c1-a           report  2026-11-21 09:30:00Z  retrying  2        128    node-a  4 ms  bad [31m thing",
    "(7 due times)  report  2026-11-21 09:30:00Z  missed                                  misfire",
    "",
  ]);
  assert.equal(server.asked[0]?.url, "/api/v1/executions?status=queued&job_id=report&limit=51");
  assert.equal(server.asked[0]?.token, "Bearer a-token-for-tests");
  const json = await ranWith([...argv, "--json"], { env: server.env });
  assert.deepEqual(JSON.parse(json.stdout)[0], execution);
  const painted = await ranWith(argv, { env: server.env, isTTY: true });
  assert.notEqual(painted.stdout, table.stdout);
  assert.equal(stripVTControlCharacters(painted.stdout), table.stdout);
});

test("jobs, with every kind of schedule", async (t) => {
  const cron = { ...job, job_id: "c", schedule: { cron: "0 9 * * *", timezone: "Europe/Berlin" } };
  const schedule = { every: "PT2S", anchor: "2026-11-21T00:00:00Z" };
  const every = { ...job, job_id: "e", schedule, last_run: "2026-11-21T09:29:58.000Z", running: 1 };
  const server = await fakeServer(t, { "GET /api/v1/jobs": { body: [cron, every, { ...job, job_id: "o", schedule: null }] } });
  const { stdout, stderr } = await ranWith(["job", "ls", "--limit", "2"], { env: server.env });
  assert.deepEqual(stdout.split("\n"), [
    "JOB  TYPE  STATUS     SCHEDULE                 NEXT RUN              LAST RUN              RUNNING",
    "c    http  scheduled  0 9 * * * Europe/Berlin  2026-11-21 10:00:00Z                        0",
    "e    http  scheduled  every PT2S               2026-11-21 10:00:00Z  2026-11-21 09:29:58Z  1",
    "",
  ]);
  assert.equal(stderr, "there are more than 2; --limit shows more\n");
  const all = await ranWith(["job", "ls", "--json"], { env: server.env });
  assert.deepEqual([JSON.parse(all.stdout).length, all.stderr], [3, ""]);
});

test("an empty list, one thing, nodes and the cluster", async (t) => {
  const addresses = { api: "127.0.0.1:1", peer: "127.0.0.1:2" };
  const known = { applied_index: 9, match_index: 9, lag: 0, clock_skew_ms: -12 };
  const member = { id: "node-a", role: "leader", state: "up", ...addresses, healthy: true, ...known, version: "0.1.0" };
  const server = await fakeServer(t, {
    "GET /api/v1/jobs": { body: [] },
    "GET /api/v1/jobs/a%2Fb": { body: { ...job, labels: { a: "b" }, payload: null } },
    "GET /api/v1/nodes": { body: [{ node_id: "node-a", state: "up", session: 1, slots: 100, running: 3, tags: ["eu", "gpu"] }] },
    "GET /api/v1/cluster": { body: { cluster_id: "c1", name: "dev", term: 4, leader_id: null, commit_index: 9, members: [member] } },
  });
  const told = async (...argv: readonly string[]): Promise<string[]> =>
    (await ranWith(argv, { env: server.env })).stdout.trimEnd().split("\n");
  assert.deepEqual(await told("job", "ls"), ["none"]);
  assert.deepEqual((await told("job", "get", "a/b")).slice(0, 3), ["FIELD          VALUE", "job_id         report", "job_type       http"]);
  assert.deepEqual(await told("node", "ls"), ["NODE    STATE  RUNNING  SLOTS  TAGS", "node-a  up     3        100    eu, gpu"]);
  assert.deepEqual(await told("cluster", "status"), [
    "cluster dev (c1): leader none, term 4",
    "MEMBER  ROLE    STATE  APPLIED  LAG  CLOCK   VERSION  HEALTHY  API          PEER",
    "node-a  leader  up     9        0    -12 ms  0.1.0    yes      127.0.0.1:1  127.0.0.1:2",
  ]);
});

test("output of an execution goes where it came from", async (t) => {
  const parts = [
    { attempt: 1, stream: "stdout", text: "out\n", truncated: false }, { attempt: 1, stream: "stderr", text: "err", truncated: true },
  ];
  const server = await fakeServer(t, { "GET /api/v1/executions/c1-a/logs": { body: parts } });
  const ran = await ranWith(["execution", "logs", "c1-a"], { env: server.env });
  assert.deepEqual(ran, { code: 0, stdout: "out\n", stderr: "err\n(the rest was not kept)\n" });
});
