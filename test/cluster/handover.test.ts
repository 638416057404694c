// A leader that leaves: it is needed until another one leads and whoever asked has an answer. Whole replicas on a simulated clock,
// network and disk; the same seed gives the same run.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Replica } from "../../src/cluster/replica.ts";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { WALL_START_MS, World } from "../sim/world.ts";

const ids = ["a", "b", "c"];
const none = (): void => undefined;

/** Runs until `holds`, or fails after so much simulated time. */
async function until(world: World, withinMs: number, holds: () => boolean): Promise<number> {
  const startMs = world.nowMs;
  while (!holds()) {
    assert.ok(world.nowMs - startMs <= withinMs, `not within ${withinMs} ms of simulated time`);
    world.step(world.nowMs + withinMs);
    if (world.unsettled) await world.settle();
  }
  return world.nowMs - startMs;
}

async function running(seed: number): Promise<{ world: World; replicas: Replica[]; leader: Replica }> {
  const world = new World(seed);
  const network = new Network(world);
  const weather = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
  const fatal = (_: SimNode, error: Error): void => assert.fail(error);
  const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role: none, fault: none, paused: none };
  const nodes = ids.map((id) => new SimNode(id, ids, world, network, weather, hooks));
  await Promise.all(nodes.map((node) => node.start()));
  const replicas = nodes.map((node) => node.assembled?.replica as Replica);
  await until(world, 60_000, () => replicas.some((replica) => replica.leads && replica.state.clusterId !== ""));
  const leader = replicas.find((replica) => replica.leads) as Replica;
  ask(leader, "first", none); // from here on the cluster has a clock to go on from
  await until(world, 60_000, () => replicas.every((replica) => replica.state.clockMs > 0));
  return { world, replicas, leader };
}

function ask(replica: Replica, jobId: string, answer: (outcome: unknown) => void): void {
  replica.submit({ kind: "create", jobId, spec: spec(at(WALL_START_MS + 86_400_000)) }, undefined, 100, answer);
}

test("a leaving leader is needed until another one leads, which takes no election timeout, and no change is lost", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { world, replicas, leader } = await running(seed);
    assert.equal(leader.isNeeded, true);
    const followers = replicas.filter((replica) => replica !== leader);
    assert.deepEqual(followers.map((replica) => replica.isNeeded), [false, false]);
    const answers: unknown[] = [];
    for (const replica of followers) {
      for (let count = 0; count < 5; count++) ask(replica, `${replica.id}-${count}`, (outcome) => answers.push(outcome));
    }
    await until(world, 1_000, () => leader.proposals.unanswered > 0);
    leader.leave();
    assert.equal(leader.isNeeded, true, "nobody else leads yet");
    const tookMs = await until(world, 10 * limits.electionTimeoutMs, () => !leader.isNeeded);
    const next = followers.filter((replica) => replica.raft.status().role === "leader");
    assert.equal(next.length, 1);
    assert.ok(tookMs < limits.electionTimeoutMs / 10, `seed ${seed}: ${tookMs} ms`);
    leader.stop();
    await until(world, 10_000, () => answers.length === 10);
    assert.deepEqual(answers.filter((answer) => answer instanceof PawlError), [], `seed ${seed}`);
  }
});
