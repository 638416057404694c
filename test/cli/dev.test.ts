// `pawl dev` around its nodes: what it plans, what it learns from events and what it draws.

import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import type { Changed, ErrorCode, NewJob } from "../../src/client/index.ts";
import { PawlError } from "../../src/base/errors.ts";
import { submitSamples } from "../../src/cli/dev.ts";
import { painter } from "../../src/cli/output.ts";
import { noteEvent } from "../../src/cli/dev/live.ts";
import type { Attempt, LiveEvent } from "../../src/cli/dev/live.ts";
import { planDev } from "../../src/cli/dev/plan.ts";
import { attemptLine, screenLines } from "../../src/cli/dev/screen.ts";
import { sampleJobs } from "../../src/cli/dev/samples.ts";
import { limits } from "../../src/limits.ts";
import { loadConfig } from "../../src/config.ts";
import { parseCron } from "../../src/schedule/schedule.ts";
import { NOW_MS, folder, stillSystem } from "./helpers.ts";

const paint = painter({
  stdout: { write: () => undefined }, stderr: { write: () => undefined }, env: {}, system: stillSystem, input: async function* () {},
});

function event(type: string, more: Partial<LiveEvent> = {}): LiveEvent {
  return { type, at: "2026-11-21T09:30:00.004Z", job_id: "tick", execution_id: "c1-a", node_id: "node-a", attempt: 1, ...more };
}

test("the settings that it writes are accepted, and nodes share members and token", async (t) => {
  const dir = join(folder(t), "kept");
  const plan = await planDev({ nodes: 3, dataDir: dir, shell: true });
  const configs = plan.nodes.map((node) => loadConfig({ file: node.configFile, flags: {}, env: {} }));
  assert.deepEqual(configs.map((config) => config.node.id), ["node-a", "node-b", "node-c"]);
  assert.deepEqual(configs.map((config) => `http://127.0.0.1:${config.api.port}`), plan.nodes.map((node) => node.api));
  assert.equal(new Set(configs.flatMap((config) => [config.api.port, config.peer.port])).size, 6);
  assert.equal(new Set(configs.map((config) => JSON.stringify([config.cluster, config.auth]))).size, 1);
  assert.deepEqual([configs[0]?.shell.enabled, statSync(plan.tokenFile).mode & 0o777, plan.isTemporary], [true, 0o600, false]);
});

test("a folder that was kept keeps its ports, and its number of nodes", async (t) => {
  const dir = folder(t);
  const before = await planDev({ nodes: 2, dataDir: dir, shell: false });
  const after = await planDev({ nodes: 2, dataDir: dir, shell: false });
  assert.deepEqual(after.nodes, before.nodes);
  await assert.rejects(planDev({ nodes: 3, dataDir: dir, shell: false }), /holds a cluster of 2; give --nodes 2 or another folder/);
});

test("a port that is taken is refused, and nothing is left", async (t) => {
  const dir = join(folder(t), "none");
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  t.after(() => void server.close());
  await assert.rejects(planDev({ nodes: 1, port, dataDir: dir, shell: false }), /--port: 127\.0\.0\.1:\d+ cannot be used \(.*EADDRINUSE/);
  assert.equal(existsSync(dir), false);
});

test("the samples show each kind of schedule, one with seconds, and one that is tried again", () => {
  const jobs = sampleJobs(NOW_MS);
  const [cron, ...others] = jobs.flatMap(({ schedule }) => schedule?.cron ?? []);
  assert.deepEqual([cron?.split(" ").length, others], [6, []]);
  parseCron(cron ?? "", "UTC", "skip", "first");
  assert.ok(jobs.some(({ schedule }) => schedule?.every !== undefined));
  assert.ok(jobs.some(({ schedule_time: at }) => at !== undefined && Date.parse(at) > NOW_MS));
  const flaky = jobs.find(({ retry }) => retry !== undefined);
  assert.deepEqual([flaky?.payload, flaky?.retry?.max_attempts], [{ fail: 2 }, 3]);
});

test("each start of an attempt is a row; what follows is written into the newest row of its execution", () => {
  const attempts: Attempt[] = [];
  assert.equal(noteEvent(attempts, event("execution.queued")), undefined);
  assert.equal(noteEvent(attempts, event("job.submitted", { execution_id: undefined })), undefined);
  noteEvent(attempts, event("execution.started", { fencing_token: "64", lateness_ms: 4 }));
  assert.equal(noteEvent(attempts, event("execution.retrying"))?.token, "64");
  noteEvent(attempts, event("execution.started", { fencing_token: "128", attempt: 2, lateness_ms: 1004 }));
  noteEvent(attempts, event("execution.completed"));
  noteEvent(attempts, event("execution.missed", { execution_id: "c1-b", node_id: undefined, attempt: undefined }));
  assert.deepEqual(attempts.map(({ token, outcome }) => [token, outcome]), [["", "missed"], ["128", "completed"], ["64", "retrying"]]);
  for (let i = 0; i < 2 * limits.devAttemptsMax; i++) noteEvent(attempts, event("execution.started", { execution_id: `x${i}` }));
  assert.equal(attempts.length, limits.devAttemptsMax);
});

test("the screen: nodes, the leader and how to kill it, and the newest attempts, never more than fits", () => {
  const attempts: Attempt[] = [];
  noteEvent(attempts, event("execution.started", { fencing_token: "64", lateness_ms: 4.4 }));
  noteEvent(attempts, event("execution.completed"));
  const nodes = [
    { id: "node-a", api: "http://127.0.0.1:1", pid: 11, ended: undefined },
    { id: "node-b", api: "http://127.0.0.1:2", pid: 12, ended: "killed by SIGKILL" },
  ];
  const picture = { nodes, leaderId: "node-a", folder: "/tmp/x", tokenFile: "/tmp/x/t", attempts, notice: "odd\u001b[2J" };
  assert.deepEqual(screenLines(picture, paint, 40), [
    "pawl dev  data in /tmp/x, token in /tmp/x/t",
    "NODE    API                 PROCESS  STATE",
    "node-a  http://127.0.0.1:1  pid 11   leader",
    "node-b  http://127.0.0.1:2  pid 12   down (killed by SIGKILL)",
    "Try: pawl job ls | pawl job add --type noop --every 3s | pawl execution ls | pawl cluster status",
    "Kill the leader: kill -9 11",
    "Ctrl-C ends all of it.",
    "odd [2J",
    "",
    "TIME          JOB   NODE    TOKEN  ATTEMPT  LATE  OUTCOME",
    "09:30:00.004  tick  node-a  64     1        4 ms  completed",
  ]);
  for (let i = 0; i < 100; i++) noteEvent(attempts, event("execution.started", { execution_id: `x${i}` }));
  assert.equal(screenLines(picture, paint, 24).length, 24);
  assert.equal(screenLines(picture, paint, 5).length, 5);
  assert.equal(screenLines({ ...picture, leaderId: "node-b" }, paint, 40).some((line) => line.startsWith("Kill")), false);
});

test("without a terminal each attempt is a line", () => {
  const attempt = noteEvent([], event("execution.started", { fencing_token: "64", lateness_ms: 4 }));
  assert.ok(attempt);
  assert.equal(attemptLine(attempt), "2026-11-21T09:30:00.004Z tick running node=node-a token=64 attempt=1 late=4ms");
});

test("samples are submitted again until there is a leader; one that exists already is left as it is", async () => {
  const answers: (string | undefined)[] = ["no_quorum", undefined, "exists", "timeout", "exists", undefined];
  const submitted: (string | undefined)[] = [];
  const submit = async (job: NewJob): Promise<Changed<"submitted">> => {
    const code = answers.shift();
    submitted.push(job.job_id);
    if (code !== undefined) throw new PawlError(code as ErrorCode, "scripted");
    return { status: "submitted", job_id: job.job_id ?? "" };
  };
  const client = { jobs: { ...createClient({ server: "http://127.0.0.1:1", token: "x" }).jobs, submit } };
  await submitSamples(client, stillSystem, new AbortController().signal);
  assert.deepEqual(submitted, ["cron-every-5s", "cron-every-5s", "every-2s", "once", "once", "flaky-every-10s"]);
  answers.push("forbidden");
  await assert.rejects(submitSamples(client, stillSystem, new AbortController().signal), /scripted/);
});
