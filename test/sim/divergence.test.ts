// Owns: plays of damage that only a comparison can show, in a whole simulated cluster: a node whose memory is not what the log made of it
// is named by the others and ends, and nobody else does.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SimFile } from "../support/simdisk.ts";
import { Simulation } from "./run.ts";
import type { SimNode } from "./node.ts";

/** A calm cluster of three that has run for a while. */
async function calmCluster(seed: number): Promise<Simulation> {
  const simulation = new Simulation({ seed, nodes: 3, faults: [] });
  simulation.operator.repairs = false;
  await simulation.begin();
  await simulation.until(6_000);
  return simulation;
}

/** A bit of memory turns over in the row of a job, where no reader sees it, and the judge looks away. */
function flipBit(simulation: Simulation, node: SimNode): void {
  const { state } = node.assembled?.replica ?? {};
  assert.ok(state);
  const job = state.jobs.pool.nextUsed(0);
  state.jobs.flags[job] = (state.jobs.flags[job] as number) ^ 0x80;
  state.jobs.rows.touch(job);
  node.damaged = true;
  const { judge } = simulation;
  const look = judge.afterEvent.bind(judge);
  judge.afterEvent = (at) => {
    if (at !== node) look(at);
  };
}

for (const [who, seed] of [["a follower", 21], ["the leader", 22]] as const) {
  test(`H8f: a bit flips in the memory of ${who}: it ends at the next mark, and nobody else does`, async () => {
    const simulation = await calmCluster(seed);
    const leader = simulation.leader();
    const victim = simulation.nodes.find((node) => (node === leader) === (who === "the leader"));
    assert.ok(victim);
    flipBit(simulation, victim);
    await simulation.until(16_000);
    assert.deepEqual(simulation.nodes.filter((node) => node.lost).map(({ id }) => id), [victim.id]);
    assert.equal(simulation.counts.get("damage found"), 1);
    assert.ok(simulation.leader(), "the others go on");
  });
}

test("H8f: replicas that are equal agree at every mark", async () => {
  const simulation = await calmCluster(23);
  await simulation.until(30_000);
  for (const { assembled } of simulation.nodes) assert.ok((assembled?.replica.hashes.stats.marks ?? 0) >= 5, "marks came");
  assert.ok(simulation.nodes.every((node) => !node.lost));
});

test("H8f: a bit flips in a cold row that nobody asks for: the scrubber comes to it, and the node ends", async () => {
  const simulation = await calmCluster(24);
  const victim = simulation.nodes.find((node) => node !== simulation.leader());
  assert.ok(victim);
  const store = victim.storage.store("state-1");
  const coldKey = (): string | undefined => store.keys().find((each) => each.startsWith("x/"));
  for (let ms = 0; coldKey() === undefined && ms < 12_000; ms += 500) await simulation.until(simulation.world.nowMs + 500);
  const key = coldKey();
  assert.ok(key, "a checkpoint has stored cold rows");
  simulation.crash(victim, 1_000);
  store.flipBit(key, 3);
  victim.damaged = true;
  await simulation.until(simulation.world.nowMs + 15_000);
  assert.deepEqual(simulation.nodes.filter((node) => node.lost).map(({ id }) => id), [victim.id]);
  for (const { assembled, lost } of simulation.nodes) assert.ok(lost || (assembled?.scrubber.rounds ?? 0) >= 2, "rounds go on");
});

test("H8f: a bit flips in the history, where nobody reads: the scrubber comes to it, and the node ends", async () => {
  const simulation = await calmCluster(25);
  const victim = simulation.nodes.find((node) => node !== simulation.leader());
  assert.ok(victim);
  const stored = (): SimFile | undefined => [...victim.storage.files.values()].find(({ synced }) => synced > 40);
  for (let ms = 0; stored() === undefined && ms < 12_000; ms += 500) await simulation.until(simulation.world.nowMs + 500);
  const file = stored();
  assert.ok(file, "records were stored");
  file.data[40] = (file.data[40] as number) ^ 1;
  victim.damaged = true;
  await simulation.until(simulation.world.nowMs + 10_000);
  assert.deepEqual(simulation.nodes.filter((node) => node.lost).map(({ id }) => id), [victim.id]);
});
