// Owns: plays of mixed versions in a whole simulated cluster (H14, I7): nodes are restarted one by one with a newer build while jobs fire;
// the version of the state rises when all run it, and not before; who is too old for what there is ends, and says so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownVersions } from "../../src/jobs/versions.ts";
import type { Versions } from "../../src/jobs/versions.ts";
import { isolate } from "./faults/cuts.ts";
import type { SimNode } from "./node.ts";
import { Simulation } from "./run.ts";

/** A build that understands one version more than this one. */
const newer: Versions = { ...ownVersions, max: ownVersions.max + 1 };

async function begun(seed: number): Promise<Simulation> {
  const simulation = new Simulation({ seed, nodes: 3, faults: [] });
  // The reference stands for the build that understands everything.
  Object.assign(simulation.judge.reference.state, { versions: newer });
  await simulation.begin();
  await simulation.until(6_000);
  return simulation;
}

async function restart(simulation: Simulation, node: SimNode, versions: Versions): Promise<void> {
  simulation.crash(node, 500);
  node.versions = versions;
  await simulation.until(simulation.world.nowMs + 6_000);
}

function versionsOf({ nodes }: Simulation): (number | undefined)[] {
  return nodes.map(({ assembled }) => assembled?.replica.state.version);
}

test("I7: restarted one by one with a newer build, a cluster goes on firing, and raises the version once all run it", async () => {
  const simulation = await begun(41);
  const { nodes, judge } = simulation;
  for (const [at, node] of nodes.entries()) {
    const before = judge.reference.state.lastOrdinal;
    await restart(simulation, node, newer);
    assert.ok(judge.reference.state.lastOrdinal > before, "jobs fire meanwhile");
    const due = at === nodes.length - 1 ? newer.max : ownVersions.max;
    assert.deepEqual(versionsOf(simulation), nodes.map(() => due), `after ${at + 1} of ${nodes.length}`);
  }
  await simulation.until(simulation.world.nowMs + 5_000);
  assert.ok(simulation.leader(), "and it goes on");
});

test("H14: a member that is away holds the version back", async () => {
  const simulation = await begun(42);
  const [away, ...others] = simulation.nodes as [SimNode, ...SimNode[]];
  for (const node of others) await restart(simulation, node, newer);
  simulation.crash(away, 20_000);
  away.versions = newer;
  await simulation.until(simulation.world.nowMs + 15_000);
  assert.equal(simulation.judge.reference.state.version, ownVersions.max);
  await simulation.until(simulation.world.nowMs + 12_000);
  assert.equal(simulation.judge.reference.state.version, newer.max);
});

test("H14: a node that goes back to the older build refuses to start on the newer state", async () => {
  const simulation = await begun(43);
  for (const node of simulation.nodes) await restart(simulation, node, newer);
  await assert.rejects(restart(simulation, simulation.nodes[0] as SimNode, ownVersions), { code: "too_new" });
});

test("H14: a node that is too old for a snapshot ends before it takes it up", async () => {
  const simulation = await begun(44);
  const old = simulation.nodes.find((node) => node !== simulation.leader()) as SimNode;
  for (const node of simulation.nodes) if (node !== old) await restart(simulation, node, newer);
  // It is cut off, and what the others believe of it is no longer so.
  isolate(simulation, old, "both", 25_000);
  old.versions = newer;
  const tooOld = simulation.until(simulation.world.nowMs + 45_000);
  await assert.rejects(tooOld, { code: "too_new", message: /^the snapshot at \d+: the state has version 2.*upgrade Pawl on this node/ });
});
