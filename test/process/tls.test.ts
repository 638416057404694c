// A cluster with the certificates of `pawl cluster certs`, and a node whose certificate comes from another authority.

import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { createClient } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { layOut, ran, TOKEN, until } from "../support/processes.ts";
import type { RealCluster, RealNode } from "../support/processes.ts";

/** Certificates as the command makes them, copied to where the nodes look for them. */
async function withCertificates(cluster: RealCluster): Promise<string> {
  const out = join(cluster.folder, "certs");
  const { code, stdout, stderr } = await ran(["cluster", "certs", "--config", cluster.nodes[0]?.configFile ?? "", "--out", out]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /copy .*certs\/a\/\* to data_dir\/tls\/ of a/);
  for (const node of cluster.nodes) place(out, node);
  return out;
}

function place(certificates: string, node: RealNode): void {
  mkdirSync(node.dataDir, { recursive: true });
  cpSync(join(certificates, node.id), join(node.dataDir, "tls"), { recursive: true, force: true });
}

function secureClient(t: TestContext, nodes: readonly RealNode[], certificates: string): Client {
  const servers = nodes.map((node) => node.api.replace("http:", "https:"));
  const client = createClient({ servers, token: TOKEN, ca: readFileSync(join(certificates, "a", "ca.pem"), "utf8") });
  t.after(() => client.close());
  return client;
}

/** How many members the leader counts as healthy; undefined while nobody answers. */
async function healthyMembers(client: Client): Promise<number | undefined> {
  const cluster = await client.cluster.status().catch(() => undefined);
  return cluster?.members.filter((member) => member.healthy).length;
}

test("three nodes with certificates of one authority form a cluster and run a job", async (t) => {
  const cluster = await layOut(t, ["a", "b", "c"]);
  const certificates = await withCertificates(cluster);
  const client = secureClient(t, cluster.nodes, certificates);
  for (const node of cluster.nodes) node.start();
  await until("all members are healthy", 30_000, async () => (await healthyMembers(client)) === 3);
  await client.jobs.submit({ job_id: "once", job_type: "noop", schedule_time: new Date().toISOString() });
  await until("the job is done", 10_000, async () => (await client.jobs.get("once")).status === "completed");
  await assert.rejects(fetch(`${cluster.nodes[0]?.api}/readyz`), /fetch failed/, "nothing is said without TLS");
});

/** What a node says to a list that comes over HTTP/2 in two pieces. */
async function listOverHttp2(node: RealNode, certificates: string, pieces: readonly string[]): Promise<string> {
  const session = connect(node.api.replace("http:", "https:"), { ca: readFileSync(join(certificates, "a", "ca.pem"), "utf8") });
  const stream = session.request({
    ":method": "POST", ":path": "/api/v1/jobs/batch?results=errors",
    authorization: `Bearer ${TOKEN}`, "content-type": "application/x-ndjson",
  });
  const answered = once(stream, "response");
  for (const piece of pieces) stream.write(piece);
  stream.end();
  const [headers] = (await answered) as [{ readonly ":status"?: number }];
  assert.equal(headers[":status"], 200);
  const said = (await stream.setEncoding("utf8").toArray()).join("");
  session.close();
  return said;
}

test("a list of jobs comes over HTTP/2, and over HTTP/1.1 with TLS", async (t) => {
  const cluster = await layOut(t, ["a"]);
  const certificates = await withCertificates(cluster);
  const [a] = cluster.nodes;
  assert.ok(a);
  const client = secureClient(t, [a], certificates);
  a.start();
  await until("it leads itself", 30_000, async () => (await healthyMembers(client)) === 1);
  const base = { job_type: "noop", schedule_time: "2040-01-01T00:00:00Z", description: "x".repeat(300) };
  const job = (id: number) => ({ ...base, job_id: `job-${id}` });
  const lines = Array.from({ length: 3000 }, (_, id) => JSON.stringify(job(id)));
  const said = await listOverHttp2(a, certificates, [`${lines.slice(0, 1700).join("\n")}\n`, `oops\n${lines.slice(1700).join("\n")}\n`]);
  const last = JSON.parse(said.trim().split("\n").at(-1) ?? "") as unknown;
  assert.deepEqual(last, { done: true, cursor: "3001", submitted: 3000, refused: 1 });
  assert.match(said, /\{"line":1701,"error":\{"code":"invalid"/);
  let submitted = 0;
  for await (const progress of client.jobs.import([1, 2, 3].map((id) => job(10_000 + id)))) submitted += progress.submitted;
  assert.equal(submitted, 3);
  assert.equal((await client.jobs.get("job-2999")).status, "scheduled");
});

test("a node with a certificate of another authority does not join", async (t) => {
  const cluster = await layOut(t, ["a", "b", "c"]);
  const certificates = await withCertificates(cluster);
  const [a, b, stranger] = cluster.nodes;
  assert.ok(a && b && stranger);
  const other = join(cluster.folder, "other");
  assert.equal((await ran(["cluster", "certs", "--config", a.configFile, "--out", other])).code, 0);
  place(other, stranger);
  const client = secureClient(t, [a, b], certificates);
  for (const node of cluster.nodes) node.start();
  await until("two members lead each other", 30_000, async () => (await healthyMembers(client)) === 2);
  await client.jobs.submit({ job_id: "once", job_type: "noop", schedule_time: new Date().toISOString() });
  await until("the job is done", 10_000, async () => (await client.jobs.get("once")).status === "completed");
  await until("the stranger is told why", 10_000, () => /certificate|tls|authority/i.test(stranger.process?.tail ?? ""));
  const { members, leader_id } = await client.cluster.status();
  assert.deepEqual(members.map(({ id, healthy }) => [id, healthy]), [["a", true], ["b", true], ["c", false]]);
  assert.notEqual(leader_id, stranger.id);
  assert.deepEqual((await client.nodes.list()).map((node) => node.node_id).sort(), ["a", "b"]);
  // With the right files it is let in, so it was they that kept it out.
  await stranger.kill("SIGKILL");
  place(certificates, stranger);
  stranger.start();
  await until("all members are healthy", 30_000, async () => (await healthyMembers(client)) === 3);
});
