// One machine's disk fails or hangs under the real program. Nothing is acknowledged after an error, callers hear that the outcome is
// unknown, the process ends with 74, and what was acknowledged before is there when it starts again on a sound disk.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { limits } from "../../src/limits.ts";
import { DiskFaults, noDiskFaults } from "../chaos/shim/diskfaults.ts";
import type { DiskFault } from "../chaos/shim/diskfaults.ts";
import { ask, leaderAmong, leadsByItself, yearly } from "../support/asking.ts";
import { Ledger } from "../support/ledger.ts";
import { layOut, until } from "../support/processes.ts";
import type { RealCluster, RealNode } from "../support/processes.ts";

const skip = noDiskFaults() ?? false;
const EXIT_DISK = 74;

async function oneNode(t: TestContext): Promise<{ cluster: RealCluster; node: RealNode; faults: DiskFaults }> {
  const cluster = await layOut(t, ["a"]);
  const [node] = cluster.nodes;
  assert.ok(node);
  const faults = new DiskFaults(join(cluster.folder, "faults"));
  node.start(faults.env);
  await node.ready();
  return { cluster, node, faults };
}

/** The node starts again on a sound disk and has what it acknowledged. */
async function assertKept({ cluster: { client }, node }: { cluster: RealCluster; node: RealNode }, ids: readonly string[]): Promise<void> {
  node.start();
  await node.ready();
  for (const id of ids) assert.equal((await client.jobs.get(id)).job_id, id);
}

const logFaults: readonly (readonly [string, (dataDir: string) => DiskFault])[] = [
  ["a failed sync", (dataDir) => ({ call: "sync", fail: "EIO", path: join(dataDir, "log") })],
  ["a full disk", (dataDir) => ({ call: "write", fail: "ENOSPC", path: dataDir })],
];
for (const [name, fault] of logFaults) {
  test(`${name} under the log: the change in doubt is unknown, none is acknowledged any more, exit code 74`, { skip }, async (t) => {
    const one = await oneNode(t);
    const { node, faults } = one;
    assert.equal((await ask(node, "POST", "/jobs", yearly("before")))?.status, 201);
    faults.set([fault(node.dataDir)]);
    const ids = ["x", "y", "z"];
    const answers = await Promise.all(ids.map((id) => ask(node, "POST", "/jobs", yearly(id))));
    const said = answers.map((answer) => `${answer?.status} ${answer?.outcome}`);
    assert.ok(answers.every((answer) => answer === undefined || answer.status >= 500), `${said}: none is acknowledged`);
    assert.ok(answers.some((answer) => answer?.outcome === "unknown"), `${said}: who is in doubt hears it before the process ends`);
    assert.deepEqual(await node.process?.ended, { code: EXIT_DISK, signal: null }, node.process?.tail);
    assert.match(node.process?.stderr ?? "", /^pawl: the log could not be written: .*restart the node once the disk is sound/m);
    await assertKept(one, ["before"]);
    // What came when the disk had failed already was taken by nobody.
    for (const [at, id] of ids.entries()) {
      if (answers[at]?.outcome === "rejected") assert.equal((await ask(node, "GET", `/jobs/${id}`))?.status, 404, id);
    }
  });
}

for (const part of ["state-1", "history"]) {
  test(`a failed sync of ${part} in the checkpoint of an orderly stop ends with 74; the log still has all of it`, { skip }, async (t) => {
    const one = await oneNode(t);
    const { cluster: { client }, node, faults } = one;
    await client.jobs.submit({ job_id: "done", job_type: "noop", schedule_time: new Date().toISOString() });
    await until("it has run", 10_000, async () => (await client.jobs.get("done")).status === "completed");
    faults.set([{ call: "sync", fail: "EIO", path: join(node.dataDir, part) }]);
    assert.deepEqual(await node.kill("SIGTERM"), { code: EXIT_DISK, signal: null }, node.process?.tail);
    assert.match(node.process?.stderr ?? "", /^pawl: a checkpoint could not be written: /m);
    await assertKept(one, ["done"]);
    assert.equal((await client.jobs.get("done")).status, "completed");
  });
}

/** Every due time of the recurring job at most once, whoever leads; no token twice. */
function assertOnce(ledger: Ledger): void {
  const dues = ledger.asked.map((each) => each.scheduledAtMs);
  assert.equal(new Set(dues).size, dues.length, "no due time was started twice");
  assert.equal(new Set(ledger.asked.map((each) => each.token)).size, dues.length, "no token was seen twice");
}

test("a leader whose disk hangs steps down, another one fires, and the hung process ends with 74", { skip }, async (t) => {
  const ledger = await Ledger.open(t);
  const { nodes, client, folder } = await layOut(t, ["a", "b", "c"]);
  const faults = new Map(nodes.map((node) => [node, new DiskFaults(join(folder, `faults-${node.id}`))]));
  for (const [node, { env }] of faults) node.start(env);
  await Promise.all(nodes.map((node) => node.ready()));
  await client.jobs.submit({
    job_id: "tick", job_type: "http", schedule: { every: "PT1S" }, overlap: "allow", payload: { url: ledger.url(), method: "POST" },
  });
  await until("it fires", 10_000, () => ledger.accepted.length > 0);
  const old = await leaderAmong(nodes);
  const hungAtMs = performance.now();
  faults.get(old)?.set([{ call: "sync", hang: true, path: old.dataDir }]);
  const next = await leaderAmong(nodes.filter((node) => node !== old));
  const ledAfterMs = performance.now() - hungAtMs;
  await until("the old one does not lead", 1_000, async () => !(await leadsByItself(old)));
  const firedBefore = ledger.accepted.length;
  await until("the new one fires", 10_000, () => ledger.accepted.length > firedBefore + 1);
  assert.deepEqual(await old.process?.ended, { code: EXIT_DISK, signal: null }, old.process?.tail);
  const endedAfterMs = performance.now() - hungAtMs;
  assert.match(old.process?.stderr ?? "", /^pawl: a log write has not returned for 10 s/m);
  assert.ok(endedAfterMs > limits.diskStallExitMs, "not before its time");
  assertOnce(ledger);
  t.diagnostic(`${next.id} led ${Math.round(ledAfterMs)} ms after the disk hung, ${old.id} ended after ${Math.round(endedAfterMs)} ms`);
});

test("nearly full disks: growth is refused where it would end, all else goes on, and it ends when space is freed", { skip }, async (t) => {
  const { nodes, client, folder } = await layOut(t, ["a", "b", "c"]);
  const faults = new Map(nodes.map((node) => [node, new DiskFaults(join(folder, `faults-${node.id}`))]));
  for (const [node, { env }] of faults) node.start(env);
  await Promise.all(nodes.map((node) => node.ready()));
  await client.jobs.submit({ job_id: "tick", job_type: "noop", schedule: { every: "PT1S" } });
  assert.equal((await ask(nodes[0] as RealNode, "POST", "/jobs", yearly("old")))?.status, 201);
  const leader = await leaderAmong(nodes);
  const [first, second] = nodes.filter((node) => node !== leader) as [RealNode, RealNode];
  const setFree = (node: RealNode, bytes: number): void => faults.get(node)?.set([{ call: "free", bytes, path: node.dataDir }]);
  let made = 0;
  const answerOf = async (node: RealNode): Promise<string> => {
    const answer = await ask(node, "POST", "/jobs", yearly(`new-${made++}`));
    return `${answer?.status} ${answer?.code ?? ""} ${answer?.outcome ?? ""}`.trim();
  };
  const answers = (node: RealNode, wanted: string): Promise<unknown> =>
    until(`${node.id} answers ${wanted}`, 3 * limits.diskCheckMs, async () => (await answerOf(node)) === wanted);
  setFree(first, limits.diskReserveBytes - 4_096);
  await answers(first, "507 disk_full rejected");
  assert.equal(await answerOf(leader), "201", "a majority has room, and the leader's disk is one of it");
  setFree(second, 0);
  await answers(leader, "507 disk_full rejected");
  for (const node of nodes) assert.equal(await answerOf(node), "507 disk_full rejected");
  const ran = async (): Promise<number> => (await client.executions.page({ job_id: "tick", limit: 100 })).items.length;
  const before = await ran();
  await until("what is due goes on", 5_000, async () => (await ran()) > before + 1);
  assert.equal((await ask(first, "DELETE", "/jobs/old"))?.status, 200);
  for (const [, each] of faults) each.set([]);
  for (const node of nodes) await answers(node, "201");
  assert.match(second.process?.stdout ?? "", /the disk is nearly full: .*\(0 MiB free\)[^]*the disk is no longer nearly full/);
});
