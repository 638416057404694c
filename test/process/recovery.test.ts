// Real processes: what an operator does when data are damaged or lost. A damaged node is resynchronised, what is left of a cluster goes on
// by force, and a backup begins a cluster on an empty machine.

import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { Execution } from "../../src/client/index.ts";
import { layOut, ran, until } from "../support/processes.ts";
import type { RealCluster, RealNode } from "../support/processes.ts";

async function started(t: TestContext, ids: readonly string[]): Promise<RealCluster> {
  const cluster = await layOut(t, ids);
  for (const node of cluster.nodes) node.start();
  for (const node of cluster.nodes) await node.ready();
  return cluster;
}

async function pawl(args: readonly string[], code = 0): Promise<string> {
  const done = await ran(args, 60_000);
  assert.equal(done.code, code, `pawl ${args.join(" ")}: ${done.stdout}${done.stderr}`);
  return done.stdout + done.stderr;
}

function onNode(node: RealNode): string[] {
  return ["--config", node.configFile];
}

async function executionsOf({ client }: RealCluster, jobId: string): Promise<Execution[]> {
  const all: Execution[] = [];
  for await (const execution of client.executions.list({ job_id: jobId })) all.push(execution);
  return all;
}

/** Flips a byte in the middle of a database's write-ahead file: LevelDB then drops what follows, without a word. */
function damage(folder: string): void {
  const name = readdirSync(folder).filter((each) => each.endsWith(".log")).sort().at(-1);
  assert.ok(name !== undefined, `${folder} has a write-ahead file`);
  const path = join(folder, name);
  flip(path, Math.floor(statSync(path).size / 2));
}

function flip(path: string, at: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of(~(readFileSync(path)[at] as number) & 255), 0, 1, at);
  closeSync(file);
}

test("a node whose log is damaged says so, is resynchronised by one command, and votes again", { timeout: 120_000 }, async (t) => {
  const cluster = await started(t, ["a", "b", "c"]);
  const { client, nodes } = cluster;
  await client.jobs.submit({ job_id: "beat", job_type: "noop", schedule: { every: "PT1S" } });
  const c = nodes[2] as RealNode;
  await until("the job has run twice", 30_000, async () => (await executionsOf(cluster, "beat")).length > 1);
  await pawl(["resync", ...onNode(c)], 2);
  // In good order, so that a checkpoint has seen the end of the log.
  await c.kill("SIGTERM");
  damage(join(c.dataDir, "log"));
  c.start();
  await until("c ends", 30_000, () => c.process?.isRunning === false);
  assert.equal((await c.process?.ended)?.code, 74);
  assert.match(c.process?.stderr ?? "", /acknowledged writes are lost|some are missing|checksum|damaged/);
  assert.match(c.process?.stderr ?? "", /`pawl resync`/);
  assert.match(await pawl(["resync", ...onNode(c)]), /c is a learner without data: start it with `pawl start`/);
  assert.equal(readdirSync(c.dataDir).filter((name) => name.startsWith("damaged-")).length, 1);
  c.start();
  await c.ready();
  const votes = async (): Promise<boolean> => {
    const { members } = await client.cluster.status();
    return members.find(({ id }) => id === "c")?.role === "voter";
  };
  await until("c votes", 30_000, votes);
  await nodes[0]?.kill("SIGKILL");
  await until("the two others go on", 30_000, async () => {
    await client.jobs.submit({ job_type: "noop", schedule_time: "2030-01-01T00:00:00Z" });
    return true;
  });
});

test("a node that finds damage while it runs ends, and does not start on these data again", { timeout: 90_000 }, async (t) => {
  const cluster = await started(t, ["a"]);
  const [a] = cluster.nodes as [RealNode];
  await cluster.client.jobs.submit({ job_id: "beat", job_type: "noop", schedule: { every: "PT1S" } });
  const folder = join(a.dataDir, "history", "0");
  const day = await until("history is on disk", 40_000, () => {
    const name = existsSync(folder) ? readdirSync(folder)[0] : undefined;
    return name !== undefined && statSync(join(folder, name)).size > 0 && name;
  });
  const path = join(folder, day);
  const bytes = readFileSync(path);
  flip(path, Math.floor(bytes.length / 2));
  await until("a ends", 30_000, async () => {
    await executionsOf(cluster, "beat").catch(() => undefined);
    return a.process?.isRunning === false;
  });
  assert.equal((await a.process?.ended)?.code, 74);
  writeFileSync(path, bytes);
  a.start();
  await until("a ends again", 30_000, () => a.process?.isRunning === false);
  assert.equal((await a.process?.ended)?.code, 74);
  assert.match(a.process?.stderr ?? "", /must not be started on since .*: .*; run `pawl resync`/);
});

test("a backup of a running cluster begins another one elsewhere, which does not run the past", { timeout: 120_000 }, async (t) => {
  const cluster = await started(t, ["a", "b", "c"]);
  const { client, folder, nodes } = cluster;
  const servers = ["--server", nodes.map(({ api }) => api).join(","), "--token-file", join(folder, "admin.token")];
  await client.jobs.submit({ job_id: "beat", job_type: "noop", schedule: { every: "PT1S" } });
  const load = Array.from({ length: 300 }, (_, at) =>
    client.jobs.submit({ job_id: `load-${at}`, job_type: "noop", schedule_time: "2030-01-01T00:00:00Z" }));
  await until("the job has run", 30_000, async () => (await executionsOf(cluster, "beat")).length > 1);
  await client.jobs.submit({ job_id: "last", job_type: "noop", schedule_time: new Date(Date.now() + 5_000).toISOString() });
  const file = join(folder, "a.pawl");
  assert.match(await pawl(["backup", file, ...servers]), /a\.pawl is whole: .* cluster process/);
  await Promise.all(load);
  const told = JSON.parse(await pawl(["backup", "verify", file, "--json"]));
  assert.deepEqual([told.cluster, told.cluster_id], ["process", (await client.cluster.status()).cluster_id]);
  assert.match(await pawl(["backup", file, ...servers], 1), /is there already/);
  const bad = join(folder, "bad.pawl");
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = ~(bytes[at] as number) & 255;
  writeFileSync(bad, bytes);
  assert.match(await pawl(["backup", "verify", bad], 74), /bad\.pawl, byte \d+: /);

  await until("the one-shot has run where the backup is from", 30_000, async () => (await executionsOf(cluster, "last")).length === 1);
  const tokens = (await executionsOf(cluster, "beat")).map(({ fencing_token: token }) => BigInt(token ?? 0));
  await Promise.all(nodes.map((node) => node.kill("SIGKILL")));
  const other = await layOut(t, ["n1"]);
  const [n1] = other.nodes as [RealNode];
  assert.match(await pawl(["restore", bad, ...onNode(n1)], 74), /bad\.pawl, byte \d+: /);
  const restored = await pawl(["restore", file, ...onNode(n1)]);
  assert.match(restored, /jobs: \d+.*recorded as unknown \(restore\), not run.*tokens from now on are above \d+.*pawl start --join/s);
  assert.match(await pawl(["restore", file, ...onNode(n1)], 1), /is not empty, it holds/);
  n1.start();
  await n1.ready();
  assert.notEqual((await other.client.cluster.status()).cluster_id, told.cluster_id);
  await until("the past is recorded as unknown", 30_000, async () => (await executionsOf(other, "last")).length === 1);
  assert.deepEqual((await executionsOf(other, "last")).map(({ status, reason }) => [status, reason]), [["unknown", "restore"]]);
  await until("the next due times run, with higher tokens", 30_000, async () => {
    const newest = (await executionsOf(other, "beat")).find(({ status }) => status === "completed")?.fencing_token;
    return typeof newest === "string" && tokens.every((token) => token < BigInt(newest));
  });
  const beats = await executionsOf(other, "beat");
  assert.ok(beats.some(({ status, reason }) => status === "unknown" && reason === "restore"));
  assert.ok(beats.every(({ status, reason }) => status !== "missed" || reason !== "misfire"), "no misfire policy applied to the past");
});

test("what is left of a cluster goes on by force, and refuses the others", { timeout: 120_000 }, async (t) => {
  const cluster = await started(t, ["a", "b", "c"]);
  const { client, nodes } = cluster;
  await client.jobs.submit({ job_id: "beat", job_type: "noop", schedule: { every: "PT1S" } });
  await until("the job has run", 30_000, async () => (await executionsOf(cluster, "beat")).length > 1);
  const before = (await executionsOf(cluster, "beat")).map(({ fencing_token: token }) => BigInt(token ?? 0));
  const [a, b] = nodes as [RealNode, RealNode];
  await pawl(["recover", "--force-new-cluster", ...onNode(a)], 2);
  // In good order, so that its checkpoint has the earlier cluster's id.
  await a.kill("SIGTERM");
  await Promise.all(nodes.map((node) => node.kill("SIGKILL")));
  assert.match(await pawl(["recover", "--force-new-cluster", ...onNode(a)], 1), /log up to index \d+.*may be lost.*nothing was changed/s);
  const old = JSON.parse(await pawl(["recover", "--force-new-cluster", "--yes", "--json", ...onNode(a)]));
  assert.deepEqual([old.voters ?? ["a", "b", "c"], old.done], [["a", "b", "c"], true]);
  a.start();
  await a.ready();
  const now = await client.cluster.status();
  assert.notEqual(now.cluster_id, old.cluster_id);
  assert.deepEqual(now.members.map(({ id, role }) => `${id} ${role}`), ["a leader"]);
  const highest = before.reduce((most, token) => (token > most ? token : most), 0n);
  await until("the job runs on, with higher tokens", 30_000, async () => {
    const newest = (await executionsOf(cluster, "beat"))[0]?.fencing_token;
    return newest !== null && newest !== undefined && BigInt(newest) > BigInt(old.tokens_above) && BigInt(newest) > highest;
  });
  b.start();
  await until("b is refused", 30_000, () => b.process?.stdout.includes("it belongs to another cluster of the same name") === true);
  assert.deepEqual((await client.cluster.status()).members.length, 1);
});
