// Three real nodes, of which the leader is killed again and again while jobs are due and while a client goes on submitting. What was
// acknowledged must have happened, nothing twice, and every due time must be told: by the API, and by a target outside of the cluster.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { PawlError } from "../../src/base/errors.ts";
import type { Client, Execution, NewJob } from "../../src/client/index.ts";
import { Ledger } from "../support/ledger.ts";
import { layOut, until } from "../support/processes.ts";
import type { RealCluster, RealNode } from "../support/processes.ts";

const KILLS = 5;
const DOWN_MS = 700;
/** Some kills hit the burst of what became due without a leader, some a cluster that has caught up. */
const CALM_MS = 1_500;
const SUBMIT_EVERY_MS = 100;
const SECOND_MS = 1_000;

/** An answer that leaves open whether the change was made, or says that it was not for now: the same key is sent again. */
const worthAnotherTry: ReadonlySet<string> = new Set(["no_quorum", "not_leader", "unavailable", "timeout", "overloaded"]);

async function acknowledged<T>(change: () => Promise<T>): Promise<T> {
  const done = await until("a change is acknowledged", 30_000, async () => {
    try {
      return { value: await change() };
    } catch (error) {
      if (error instanceof PawlError && worthAnotherTry.has(error.code)) return undefined;
      throw error;
    }
  });
  return done.value;
}

type Recurring = { readonly id: string; readonly afterMs: number; readonly ackMs: number; askedEndMs: number; endMs: number };

/** Jobs that are due every second, fast and slow, by cron and by interval. Every due time is to be fired, however late. */
async function submitRecurring(client: Client, ledger: Ledger): Promise<Recurring[]> {
  const schedules = { cron: { cron: "* * * * * *" }, every: { every: "PT1S" } };
  const jobs = [0, 1, 2].flatMap((at) => Object.entries(schedules).map(([kind, schedule]): NewJob & { job_id: string } => ({
    job_id: `${kind}-${at}`, job_type: "http", schedule, overlap: "allow", misfire: { policy: "fire_all" },
    payload: { url: ledger.url(at * 300), method: "POST" },
  })));
  return Promise.all(jobs.map(async (job) => {
    const afterMs = Date.now();
    await acknowledged(() => client.jobs.submit(job, { idempotencyKey: `create-${job.job_id}` }));
    return { id: job.job_id, afterMs, ackMs: Date.now(), askedEndMs: 0, endMs: 0 };
  }));
}

type OneShot = { readonly job: NewJob & { job_id: string }; readonly key: string };

/**
 * Goes on submitting one-shots, due at once or soon, each under its key until it is acknowledged. Every fourth runs at most once, and
 * every third is submitted by two callers at the same time.
 */
async function submitOneShots(client: Client, ledger: Ledger, stopped: AbortSignal): Promise<OneShot[]> {
  const made: OneShot[] = [];
  const underWay: Promise<unknown>[] = [];
  for (let at = 0; !stopped.aborted; at++) {
    const job = {
      job_id: `once-${at}`, job_type: "http", schedule_time: new Date(Date.now() + (at % 5) * 500).toISOString(),
      delivery: at % 4 === 0 ? "at_most_once" as const : "at_least_once" as const,
      payload: { url: ledger.url((at % 3) * 100), method: "POST" },
    };
    const key = `key-${at}`;
    made.push({ job, key });
    const callers = at % 3 === 0 ? 2 : 1;
    for (let caller = 0; caller < callers; caller++) underWay.push(acknowledged(() => client.jobs.submit(job, { idempotencyKey: key })));
    await pause(SUBMIT_EVERY_MS);
  }
  await Promise.all(underWay);
  return made;
}

async function leaderOf({ nodes, client }: RealCluster): Promise<RealNode> {
  return until("there is a leader", 20_000, async () => {
    const status = await acknowledged(() => client.cluster.status());
    return nodes.find((node) => node.id === status.leader_id && node.process?.isRunning === true);
  });
}

/** Kills the leader and starts it again; milliseconds until something due after the kill was accepted outside. */
async function killLeader(cluster: RealCluster, ledger: Ledger): Promise<number> {
  const leader = await leaderOf(cluster);
  const killedMs = Date.now();
  await leader.kill("SIGKILL");
  const startAgain = pause(DOWN_MS).then(() => leader.start());
  const first = await until("the others fire", 20_000, () => ledger.asked.find((each) => each.accepted && each.scheduledAtMs > killedMs));
  await startAgain;
  await leader.ready();
  return first.atMs - killedMs;
}

async function executionsOf(client: Client, id: string): Promise<Execution[]> {
  const found: Execution[] = [];
  for await (const execution of client.executions.list({ job_id: id, limit: 7 })) found.push(execution);
  return found;
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

/** Every second from the first to the last due time has exactly one record, and these two are where they must be. */
function assertCovered(job: Recurring, records: readonly Execution[]): number {
  const dues = records.flatMap((record) => {
    const fromMs = Date.parse(record.scheduled_at);
    const count = record.range_count ?? 1;
    assert.equal(Date.parse(record.range_to ?? record.scheduled_at), fromMs + (count - 1) * SECOND_MS, JSON.stringify(record));
    return Array.from({ length: count }, (_, at) => fromMs + at * SECOND_MS);
  }).sort((a, b) => a - b);
  const [first = 0] = dues;
  assert.deepEqual(dues, dues.map((_, at) => first + at * SECOND_MS), `${job.id}: each second once`);
  assert.ok(first > job.afterMs - SECOND_MS && first <= job.ackMs + SECOND_MS, `${job.id} begins at ${first}, submitted at ${job.afterMs}`);
  const last = dues.at(-1) ?? 0;
  assert.ok(last > job.askedEndMs - SECOND_MS && last <= job.endMs, `${job.id} ends at ${last}, cancelled at ${job.askedEndMs}`);
  for (const record of records) {
    const ended = record.status === "completed" || record.status === "missed" || record.status === "skipped";
    assert.ok(ended, `${job.id}: ${JSON.stringify(record)}`);
  }
  return dues.length;
}

/** Of what the target saw: a token never comes twice, later attempts have higher ones, and one execution stands for one due time. */
function assertFenced(ledger: Ledger): void {
  const tokens = new Set(ledger.asked.map((each) => each.token));
  assert.equal(tokens.size, ledger.asked.length, "no token was seen twice");
  const byExecution = grouped(ledger.asked, (each) => each.executionId);
  for (const [id, asked] of byExecution) {
    const inOrder = [...asked].sort((a, b) => a.attempt - b.attempt);
    for (const [at, each] of inOrder.entries()) {
      const before = inOrder[at - 1];
      assert.ok(before === undefined || (each.attempt > before.attempt && each.token > before.token), `${id} attempt ${each.attempt}`);
    }
  }
  const byDueTime = grouped(ledger.asked, (each) => `${each.jobId} ${each.scheduledAtMs}`);
  const twice = [...byDueTime].filter(([, asked]) => new Set(asked.map((each) => each.executionId)).size > 1).map(([due]) => due);
  assert.deepEqual(twice, [], "one execution for each due time");
}

/** Each acknowledged one-shot has one record, and the target accepted what that record says. */
async function assertOneShots(client: Client, ledger: Ledger, made: readonly OneShot[]): Promise<number> {
  const seen = grouped(ledger.accepted, (each) => each.jobId);
  let unknown = 0;
  for (const { job } of made) {
    const records = await executionsOf(client, job.job_id);
    const [record] = records;
    assert.equal(records.length, 1, `${job.job_id}: ${JSON.stringify(records)}`);
    assert.equal(Date.parse(record?.scheduled_at ?? ""), Date.parse(job.schedule_time ?? ""));
    const asked = seen.get(job.job_id) ?? [];
    const mostOnce = job.delivery === "at_most_once";
    if (mostOnce && record?.status === "unknown") unknown++;
    else assert.equal(record?.status, "completed", JSON.stringify(record));
    assert.ok(mostOnce ? asked.length <= 1 : asked.length >= 1, `${job.job_id} was accepted ${asked.length} times`);
    if (record?.status !== "completed") continue;
    assert.ok(asked.some((each) => String(each.token) === record.fencing_token && each.executionId === record.execution_id), job.job_id);
  }
  return unknown;
}

function figures({ asked, accepted }: Ledger, counts: readonly number[], gapsMs: readonly number[]): string {
  const dues = counts.reduce((sum, count) => sum + count, 0);
  const again = asked.filter((each) => each.attempt > 1).length;
  const sorted = [...gapsMs].sort((a, b) => a - b);
  const gaps = `p50 ${sorted[Math.floor(sorted.length / 2)]} ms, max ${sorted.at(-1)} ms`;
  const requests = `${asked.length} requests, ${again} of later attempts, ${asked.length - accepted.length} refused`;
  return `${dues} recurring due times; ${requests}; from a kill to the next accepted fire: ${gaps} of ${gapsMs.length}`;
}

async function nothingLive(client: Client): Promise<boolean> {
  const pages = (["queued", "running"] as const).map((status) => client.executions.page({ status }));
  return (await Promise.all(pages)).every((page) => page.items.length === 0);
}

test("the leader is killed again and again: nothing is lost, nothing is done twice, every due time is told", async (t) => {
  const stop = new AbortController();
  t.after(() => stop.abort());
  const ledger = await Ledger.open(t);
  const cluster = await layOut(t, ["a", "b", "c"]);
  const { nodes, client } = cluster;
  for (const node of nodes) node.start();
  await Promise.all(nodes.map((node) => node.ready()));
  const recurring = await submitRecurring(client, ledger);
  const submitting = submitOneShots(client, ledger, stop.signal);
  const gapsMs: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    if (kill % 2 === 0) await pause(CALM_MS);
    gapsMs.push(await killLeader(cluster, ledger));
  }
  stop.abort();
  const made = await submitting;
  await until("every one-shot was due", 10_000, () => made.every(({ job }) => Date.parse(job.schedule_time ?? "") < Date.now()));
  for (const job of recurring) {
    job.askedEndMs = Date.now();
    await acknowledged(() => client.jobs.pause(job.id));
    job.endMs = Date.now();
  }
  for (const { job, key } of made) {
    // Long done by now: it is answered as before, and does not become due again.
    assert.equal((await acknowledged(() => client.jobs.submit(job, { idempotencyKey: key }))).job_id, job.job_id);
  }
  await until("nothing runs any more", 20_000, () => nothingLive(client));
  const counts = await Promise.all(recurring.map(async (job) => assertCovered(job, await executionsOf(client, job.id))));
  const unknown = await assertOneShots(client, ledger, made);
  assertFenced(ledger);
  for (const { id } of recurring) assert.equal((await client.jobs.get(id)).running, 0);
  t.diagnostic(`${made.length} one-shots, ${unknown} of them at_most_once and unknown; ${counts.length} recurring jobs`);
  t.diagnostic(figures(ledger, counts, gapsMs));
});
