// One node as a process: what it refuses to start with, and that neither a kill nor a stop loses what was acknowledged.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { Ledger } from "../support/ledger.ts";
import { freePorts, layOut, ran, temporaryFolder, TOKEN, until } from "../support/processes.ts";

test("settings that cannot be are refused with code 2 and one line, and nothing is created", async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "pawl.toml");
  const dataDir = join(folder, "data");
  const sound = `[node]\nid = "a"\ndata_dir = "data"\n[cluster]\nname = "x"\n`;
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["[node\n", /pawl\.toml:1: /],
    [sound.replace('id = "a"', 'id = "a b"'), /pawl\.toml:2: \[node\] id: expected/],
    [`${sound}[worker]\nslots = 0\n`, /pawl\.toml:7: .*slots/],
    [`${sound}[extra]\nkey = 1\n`, /pawl\.toml:6: .*extra/],
    [`${sound}[auth]\nadmin_token_file = "absent"\n`, /pawl\.toml:7: .*absent does not exist/],
    [`${sound}[api]\nlisten = "0.0.0.0:0"\n`, /beyond loopback, which needs TLS/],
    [`${sound}[peer]\nlisten = "0.0.0.0:7600"\n`, /beyond loopback, which needs TLS/],
  ];
  for (const [text, message] of wrong) {
    writeFileSync(file, text);
    const { code, stdout, stderr } = await ran(["start", "--config", file]);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1], `${text}\n${stderr}`);
    assert.deepEqual(readdirSync(folder), ["pawl.toml"]);
  }
  const { code, stderr } = await ran(["start", "--config", join(folder, "absent.toml"), "--data-dir", dataDir]);
  assert.deepEqual([code, existsSync(dataDir)], [2, false], stderr);
});

test("a data directory belongs to one node of one cluster, and to one process", async (t) => {
  const { nodes: [node] } = await layOut(t, ["a"]);
  assert.ok(node);
  node.start();
  await node.ready();
  const identity = join(node.dataDir, "identity.json");
  const claimed = readFileSync(identity, "utf8");
  const second = await ran(["start", "--config", node.configFile, "--api-listen", "127.0.0.1:0"]);
  assert.equal(readFileSync(identity, "utf8"), claimed, "the second process has not counted as a start");
  assert.match(second.stderr, /in use|another process|is running/);
  assert.deepEqual([second.code, second.stderr.trimEnd().split("\n").length], [2, 1], second.stderr);
  assert.ok(await node.isReady(), "the first process goes on");
  assert.equal((await node.kill("SIGTERM"))?.code, 0);
  const [peer] = await freePorts(1);
  const listens = ["--peer-listen", `127.0.0.1:${peer}`, "--api-listen", "127.0.0.1:0"];
  const own = ["--cluster-name", "process", "--data-dir", node.dataDir, ...listens];
  const otherNode = await ran(["start", "--node-id", "b", ...own]);
  assert.match(otherNode.stderr, /holds node "a" of cluster "process", not node "b"/);
  assert.equal(otherNode.code, 2);
  const otherCluster = await ran(["start", "--node-id", "a", ...own, "--cluster-name", "other"]);
  assert.match(otherCluster.stderr, /not node "a" of cluster "other"/);
  assert.equal(otherCluster.code, 2);
});

test("without the token the API says 401 and does nothing", async (t) => {
  const { nodes: [node], client } = await layOut(t, ["a"]);
  assert.ok(node);
  node.start();
  await node.ready();
  const job = JSON.stringify({ job_id: "j", job_type: "noop", schedule: { every: "PT1H" } });
  for (const authorization of [undefined, "Bearer wrong-token-0123456789", `Basic ${TOKEN}`]) {
    const headers = { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) };
    const answers = [
      await fetch(`${node.api}/api/v1/jobs`, { method: "POST", headers, body: job }),
      await fetch(`${node.api}/api/v1/jobs`, { headers: authorization === undefined ? {} : { authorization } }),
    ];
    assert.deepEqual(answers.map((answer) => answer.status), [401, 401]);
  }
  assert.deepEqual((await client.jobs.page()).items, []);
});

test("kill -9 in the middle of jobs loses no acknowledged job, and the next due times fire", async (t) => {
  const { nodes: [node], client } = await layOut(t, ["a"]);
  assert.ok(node);
  const ledger = await Ledger.open(t);
  node.start();
  await node.ready();
  const http = { job_type: "http", payload: { url: ledger.url(200), method: "POST" } };
  await client.jobs.submit({ job_id: "tick", ...http, schedule: { every: "PT1S" }, overlap: "allow" });
  await until("the first fire", 10_000, () => ledger.accepted.length > 0);
  const ids = Array.from({ length: 40 }, (_, at) => `later-${at}`);
  const dueMs = Date.now() + 2_000;
  const submitted = ids.map((job_id) => client.jobs.submit({ job_id, ...http, schedule_time: new Date(dueMs).toISOString() }));
  await Promise.all(submitted);
  await node.kill("SIGKILL");
  const killedMs = Date.now();
  node.start();
  await node.ready();
  await until("the interval fires again", 10_000, () => ledger.accepted.some((each) => each.scheduledAtMs > killedMs));
  await until("all one-shots are done", 20_000, async () => {
    const jobs = await Promise.all(ids.map((id) => client.jobs.get(id)));
    return jobs.every((job) => job.status === "completed");
  });
  const runs = new Map(ids.map((id) => [id, new Set(ledger.accepted.filter((each) => each.jobId === id).map((each) => each.executionId))]));
  assert.deepEqual(ids.filter((id) => runs.get(id)?.size !== 1), []);
});

test("SIGTERM lets running work finish, ends with 0, and the data survives", async (t) => {
  const { nodes: [node], client } = await layOut(t, ["a"]);
  assert.ok(node);
  const ledger = await Ledger.open(t);
  node.start();
  await node.ready();
  const http = { job_type: "http", payload: { url: ledger.url(1_000), method: "POST" } };
  await client.jobs.submit({ job_id: "now", ...http, schedule_time: new Date().toISOString() });
  await client.jobs.submit({ job_id: "daily", job_type: "noop", schedule: { cron: "0 0 * * *" }, payload: { duration_ms: 7 } });
  await until("the one-shot runs", 10_000, () => ledger.accepted.length === 1);
  const beganMs = performance.now();
  assert.deepEqual(await node.kill("SIGTERM"), { code: 0, signal: null }, node.process?.tail);
  assert.ok(performance.now() - beganMs < limits.stopMaxMs);
  node.start();
  await node.ready();
  assert.equal((await client.jobs.get("now")).status, "completed");
  assert.deepEqual((await client.jobs.get("daily")).payload, { duration_ms: 7 });
  assert.equal(ledger.asked.length, 1, "what had finished is not done again");
});
