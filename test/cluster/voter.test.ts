// A node votes, keeps and acknowledges what a leader sends while its state is still being loaded; it leads only after that. Whole
// replicas on a simulated clock, network and disk.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { WALL_START_MS, World } from "../sim/world.ts";

const none = (): void => undefined;
const ids = ["a", "b", "c"];
const LOAD_MS = 60_000;

let world: World;
let nodes: SimNode[];
let roles: string[];

beforeEach(async () => {
  world = new World(7);
  const network = new Network(world);
  const weather = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
  const fatal = (_: SimNode, error: Error): void => assert.fail(error);
  const role = ({ id }: SimNode, text: string): void => void roles.push(`${id} ${text}`);
  const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role, fault: none, paused: none };
  nodes = ids.map((id) => new SimNode(id, ids, world, network, weather, hooks));
  roles = [];
  await Promise.all(nodes.map((node) => node.start()));
  await pass(5_000);
  assert.equal((await submitted("first")).length, 1);
});

async function pass(byMs: number): Promise<void> {
  const untilMs = world.nowMs + byMs;
  while (world.nowMs < untilMs) {
    world.step(untilMs);
    if (nodes.some(({ starting }) => starting)) world.promised();
    if (world.unsettled) await world.settle();
  }
}

const leader = (): SimNode | undefined => nodes.find((node) => node.assembled?.replica.leads);
const followers = (): SimNode[] => nodes.filter((node) => node !== leader());

/** Creates a job on the leader; what was answered within two seconds. */
async function submitted(jobId: string): Promise<string[]> {
  const answers: string[] = [];
  const change = { kind: "create", jobId, spec: spec(at(WALL_START_MS + 86_400_000)) } as const;
  const answered = (outcome: object): void => void answers.push("status" in outcome ? String(outcome.status) : String(outcome));
  leader()?.assembled?.replica.submit(change, undefined, 100, answered);
  await pass(2_000);
  return answers;
}

function loadsFor(node: SimNode, ms: number): void {
  node.crash();
  node.disk.loadMs = ms;
  void node.start();
}

test("a node that loads is a majority's second half: what it acknowledges is committed, and it applies it once it has loaded", async () => {
  const [loading, other] = followers() as [SimNode, SimNode];
  loadsFor(loading, LOAD_MS);
  other.crash();
  await pass(3_000);
  assert.deepEqual(await submitted("second"), ["submitted"]);
  assert.equal(loading.up, false);
  await pass(LOAD_MS);
  const { state } = loading.assembled?.replica ?? {};
  assert.deepEqual([state?.jobs.pool.count, state?.appliedIndex], [2, leader()?.assembled?.replica.state.appliedIndex]);
});

test("a write that is in flight when the state is loaded is acknowledged all the same", async () => {
  const [loading, other] = followers() as [SimNode, SimNode];
  loadsFor(loading, 4_000);
  other.crash();
  await pass(3_500);
  loading.disk.writeMs = 1_000;
  assert.deepEqual(await submitted("second"), ["submitted"]);
  assert.equal(loading.up, true);
});

test("a node that loads elects another one, and never stands for election itself", async () => {
  const [loading, other] = followers() as [SimNode, SimNode];
  const former = leader() as SimNode;
  loadsFor(loading, LOAD_MS);
  await pass(1_000);
  former.crash();
  await pass(6_000);
  assert.equal(leader(), other, "elected by the vote of the one that loads");
  assert.deepEqual(await submitted("second"), ["submitted"]);
  other.crash();
  roles = [];
  await pass(LOAD_MS / 2);
  const { role, term } = loading.voting?.voter.raft.status() ?? {};
  assert.deepEqual([role, roles], ["follower", []], `of term ${term}`);
  void former.start();
  await pass(8_000);
  assert.equal(leader(), undefined, "the former leader lacks what was committed without it");
  await pass(LOAD_MS);
  assert.equal(leader(), loading);
});

test("a node that loads does not take over when the leader asks it to", async () => {
  const [loading] = followers() as [SimNode];
  const former = leader() as SimNode;
  loadsFor(loading, LOAD_MS);
  await pass(1_000);
  former.assembled?.replica.submit({ kind: "transfer", to: loading.id }, undefined, 0, none);
  await pass(20);
  assert.equal(former.assembled?.replica.raft.status().transferringTo, loading.id);
  await pass(3 * limits.electionTimeoutMs);
  assert.equal(leader(), former);
});

test("where all nodes load, the first that has loaded leads at once: its time ran out long ago", async () => {
  for (const [at, node] of nodes.entries()) loadsFor(node, 10_000 + 2_000 * at);
  await pass(9_900);
  assert.equal(leader(), undefined);
  await pass(500);
  assert.equal(leader(), nodes[0]);
});
