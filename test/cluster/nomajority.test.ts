// Who has no majority says so in time: every change that is submitted while there is none has its answer within
// limits.noQuorumAnswerMs, wherever it was when the others fell silent (P8). Whole replicas on a simulated clock, network and disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import type { Replica } from "../../src/cluster/replica.ts";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { WALL_START_MS, World } from "../sim/world.ts";

const SEEDS = 60;
const ids = ["a", "b", "c"];
const none = (): void => undefined;

class Trio {
  readonly world: World;
  readonly network: Network;
  readonly nodes: readonly SimNode[];
  private jobs = 0;

  constructor(seed: number) {
    this.world = new World(seed);
    this.network = new Network(this.world);
    const weather = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
    const fatal = (_: SimNode, error: Error): void => assert.fail(error);
    const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role: none, fault: none, paused: none };
    this.nodes = ids.map((id) => new SimNode(id, ids, this.world, this.network, weather, hooks));
  }

  static async running(seed: number): Promise<Trio> {
    const trio = new Trio(seed);
    await Promise.all(trio.nodes.map((node) => node.start()));
    while (!trio.leader || trio.leader.state.clusterId === "") await trio.pass(100);
    trio.submit(trio.leader, none); // from here on the cluster has a clock to go on from
    await trio.pass(1_000 + 400 * trio.world.random());
    return trio;
  }

  get replicas(): Replica[] {
    return this.nodes.map((node) => node.assembled?.replica as Replica);
  }

  get leader(): Replica | undefined {
    return this.replicas.find((replica) => replica.leads);
  }

  async pass(byMs: number): Promise<void> {
    const untilMs = this.world.nowMs + byMs;
    while (this.world.nowMs < untilMs) {
      this.world.step(untilMs);
      if (this.world.unsettled) await this.world.settle();
    }
  }

  submit(replica: Replica, answered: (text: string, tookMs: number) => void): void {
    const sinceMs = this.world.nowMs;
    const job = spec(at(WALL_START_MS + 86_400_000));
    replica.submit({ kind: "create", jobId: `job-${this.jobs++}`, spec: job }, undefined, 100, (outcome) => {
      const text = outcome instanceof PawlError ? `${outcome.code}/${outcome.outcome}` : outcome.status;
      answered(text, this.world.nowMs - sinceMs);
    });
  }
}

/** The node hears nothing more of `peer`, nor that one of it: it stands still, or its links are cut. */
function silence(trio: Trio, alone: SimNode, peer: SimNode): void {
  if (trio.world.random() < 0.5) return peer.pause(60_000);
  for (const link of [trio.network.link(alone.id, peer.id), trio.network.link(peer.id, alone.id)]) {
    link.cutUntilMs = trio.world.nowMs + 60_000;
  }
}

test("a change that is submitted while the others are silent is answered in time, also when nothing else wakes the node", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const trio = await Trio.running(seed);
    const { world } = trio;
    const alone = trio.nodes[seed % 3] as SimNode;
    const [first, second] = trio.nodes.filter((node) => node !== alone);
    silence(trio, alone, first as SimNode);
    await trio.pass(2_500 * world.random());
    silence(trio, alone, second as SimNode);
    await trio.pass(world.random() < 0.3 ? 0 : 2_500 * world.random());
    const replica = alone.assembled?.replica as Replica;
    let answer = "none";
    const { role } = replica.raft.status();
    trio.submit(replica, (text, tookMs) => (answer = `${text} after ${Math.round(tookMs)} ms`));
    await trio.pass(limits.noQuorumAnswerMs);
    assert.match(answer, /^no_quorum/, `seed ${seed}, ${role}`);
  }
});

test("a change that was passed on to a leader that is cut off is answered soon after another one leads", async () => {
  for (let seed = 1; seed <= SEEDS / 4; seed++) {
    const trio = await Trio.running(seed);
    const leader = trio.leader as Replica;
    const cutOff = trio.nodes.find((node) => node.id === leader.id) as SimNode;
    const [asked] = trio.replicas.filter((replica) => replica !== leader);
    cutOff.pause(60_000);
    let answer = "none";
    trio.submit(asked as Replica, (text) => (answer = text));
    let tookMs = 0;
    for (; !trio.replicas.some((replica) => replica !== leader && replica.leads); tookMs += 20) await trio.pass(20);
    await trio.pass(limits.formerLeaderMs + 2 * limits.heartbeatMs);
    assert.match(answer, /\/unknown$/, `seed ${seed}, another one led after ${tookMs} ms`);
  }
});
