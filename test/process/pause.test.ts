// Machines that stand still for a while (SIGSTOP: to the others they are silent, their connections stay open). Who has no majority says so
// in time and does nothing; who led and wakes up neither fires nor answers from the past.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { limits } from "../../src/limits.ts";
import { ask, leaderAmong, leadsByItself, yearly } from "../support/asking.ts";
import type { Answer } from "../support/asking.ts";
import { Ledger } from "../support/ledger.ts";
import { layOut, until } from "../support/processes.ts";
import type { RealCluster, RealNode } from "../support/processes.ts";

/** What the way through loopback and the test's own loop may take, on a machine that does other things as well. */
const SLACK_MS = 500;
const ASK_EVERY_MS = 200;
const ALONE_MS = 5_000;
const ASLEEP_MS = 4_000;

async function threeNodes(t: TestContext): Promise<RealCluster> {
  const cluster = await layOut(t, ["a", "b", "c"]);
  for (const node of cluster.nodes) node.start();
  await Promise.all(cluster.nodes.map((node) => node.ready()));
  return cluster;
}

function signal(nodes: readonly RealNode[], name: "SIGSTOP" | "SIGCONT"): void {
  for (const node of nodes) node.process?.child.kill(name);
}

type Told = { readonly changes: readonly Answer[]; readonly reads: readonly Answer[] };

/** Asks a node that is alone again and again, from the moment on in which it came to be. */
async function askAlone(node: RealNode, name: string): Promise<Told> {
  const changes: Promise<Answer | undefined>[] = [];
  const reads: Promise<Answer | undefined>[] = [];
  const beganMs = performance.now();
  for (let at = 0; performance.now() - beganMs < ALONE_MS; at++) {
    changes.push(ask(node, "POST", "/jobs", yearly(`${name}-${at}`)));
    reads.push(ask(node, "GET", "/jobs/known"));
    await pause(ASK_EVERY_MS);
  }
  const there = (answers: readonly (Answer | undefined)[]): Answer[] => answers.map((each) => each ?? assert.fail("no answer"));
  return { changes: there(await Promise.all(changes)), reads: there(await Promise.all(reads)) };
}

function assertTold({ changes, reads }: Told, who: string): string {
  for (const answer of changes) {
    assert.deepEqual([answer.status, answer.code], [503, "no_quorum"], JSON.stringify(answer));
    assert.ok(answer.outcome === "rejected" || answer.outcome === "unknown");
  }
  for (const answer of reads) assert.deepEqual([answer.status, answer.code], [503, "no_quorum"], JSON.stringify(answer));
  const unknown = changes.filter((each) => each.outcome === "unknown").length;
  assert.equal(changes.at(-1)?.outcome, "rejected", "what comes to a node that knows no leader never happens");
  const slowestMs = Math.round(Math.max(...[...changes, ...reads].map((each) => each.tookMs)));
  assert.ok(slowestMs < limits.noQuorumAnswerMs + SLACK_MS, `${who}: the slowest answer took ${slowestMs} ms`);
  return `${who}: ${changes.length} changes, ${unknown} unknown; ${reads.length} reads; slowest answer ${slowestMs} ms`;
}

/** Rejected changes never happen; what is asked after the others woke up is done. */
async function assertRejected({ client, nodes }: RealCluster, told: Told, name: string): Promise<void> {
  await until("a majority answers again", 20_000, () => client.jobs.get("known").then(() => true, () => false));
  await Promise.all(nodes.map((node) => node.ready()));
  const made = new Set<string>();
  for await (const job of client.jobs.list()) made.add(job.job_id);
  const wrong = told.changes.flatMap(({ outcome }, at) => (outcome === "rejected" && made.has(`${name}-${at}`) ? [at] : []));
  assert.deepEqual(wrong, [], "what was rejected did not happen");
}

test("a leader and a follower without a majority say so in time, and what they rejected never happens", async (t) => {
  const cluster = await threeNodes(t);
  const { nodes, client } = cluster;
  await client.jobs.submit(yearly("known") as Parameters<typeof client.jobs.submit>[0]);
  for (const who of ["leader", "follower"] as const) {
    const leader = await leaderAmong(nodes);
    const alone = who === "leader" ? leader : nodes.find((node) => node !== leader);
    assert.ok(alone);
    const others = nodes.filter((node) => node !== alone);
    signal(others, "SIGSTOP");
    const told = await askAlone(alone, who);
    assert.equal((await ask(alone, "GET", "/jobs/known?consistency=stale"))?.status, 200, "a stale read is answered");
    assert.equal(await leadsByItself(alone), false);
    signal(others, "SIGCONT");
    t.diagnostic(assertTold(told, who));
    await assertRejected(cluster, told, who);
  }
});

test("a leader that wakes up after another one led starts nothing by itself and answers no read from the past", async (t) => {
  const ledger = await Ledger.open(t);
  const { nodes, client } = await threeNodes(t);
  await client.jobs.submit({
    job_id: "tick", job_type: "http", schedule: { every: "PT1S" }, overlap: "allow", payload: { url: ledger.url(), method: "POST" },
  });
  await until("it fires", 10_000, () => ledger.accepted.length > 0);
  const old = await leaderAmong(nodes);
  const stoppedAtMs = performance.now();
  signal([old], "SIGSTOP");
  const next = await leaderAmong(nodes.filter((node) => node !== old));
  const ledAfterMs = performance.now() - stoppedAtMs;
  assert.equal((await ask(next, "POST", "/jobs", yearly("newer")))?.status, 201);
  // These wait in the sockets of the sleeping node, beside the timers that run out while it sleeps.
  const early = [0, 1, 2, 3].map(() => ask(old, "GET", "/jobs/newer"));
  await pause(Math.max(0, ASLEEP_MS - (performance.now() - stoppedAtMs)));
  signal([old], "SIGCONT");
  const late = [0, 1, 2, 3].map(() => ask(old, "GET", "/jobs/newer"));
  const answers = await Promise.all([...early, ...late]);
  for (const answer of answers) assert.ok(answer?.status === 200 || answer?.code === "no_quorum", JSON.stringify(answer));
  assert.equal(await leadsByItself(old), false);
  await until("the old one has caught up", 10_000, () => ask(old, "GET", "/jobs/newer").then((answer) => answer?.status === 200));
  const firedBefore = ledger.accepted.length;
  await until("it goes on firing", 10_000, () => ledger.accepted.length > firedBefore + 1);
  const dues = ledger.asked.map((each) => each.scheduledAtMs);
  assert.equal(new Set(dues).size, dues.length, "no due time was started twice");
  const statuses = answers.map((answer) => answer?.status).join(" ");
  t.diagnostic(`${next.id} led after ${Math.round(ledAfterMs)} ms; answers of ${old.id} as it woke up: ${statuses}`);
});
