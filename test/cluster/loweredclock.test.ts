// H13 with whole replicas on a simulated clock: three nodes that start in 2099, as machines without a clock of their own may, and whose
// clocks are then corrected. An operator sets the cluster's clock back, and jobs run at their times again, whoever leads afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import type { Replica } from "../../src/cluster/replica.ts";
import type { Change } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import { everySecond, spec } from "../jobs/machine.ts";
import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { WALL_START_MS, World } from "../sim/world.ts";

const AHEAD_MS = Date.UTC(2099, 0, 1) - WALL_START_MS;
const none = (): void => undefined;

class Cluster {
  readonly world: World;
  readonly nodes: readonly SimNode[];

  constructor(seed: number, ids: readonly string[]) {
    this.world = new World(seed);
    const network = new Network(this.world);
    const weather = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
    const fatal = (_: SimNode, error: Error): void => assert.fail(error);
    const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role: none, fault: none, paused: none };
    this.nodes = ids.map((id) => new SimNode(id, ids, this.world, network, weather, hooks));
  }

  async pass(byMs: number): Promise<void> {
    const untilMs = this.world.nowMs + byMs;
    while (this.world.nowMs < untilMs) {
      this.world.step(untilMs);
      if (this.world.unsettled) await this.world.settle();
    }
  }

  get replicas(): Replica[] {
    return this.nodes.flatMap((node) => (node.assembled ? [node.assembled.replica] : []));
  }

  get leader(): SimNode {
    return this.nodes.find((node) => node.assembled?.replica.leads) as SimNode;
  }

  get trueMs(): number {
    return WALL_START_MS + this.world.nowMs;
  }

  /** What a node that does not lead, if there is one, was answered. */
  async ask(change: Change): Promise<string> {
    let answer = "none";
    const asked = this.replicas.find((replica) => !replica.leads) ?? (this.replicas[0] as Replica);
    asked.submit(change, undefined, 100, (outcome) => {
      answer = outcome instanceof PawlError ? `${outcome.code}: ${outcome.message}` : outcome.status;
    });
    await this.pass(1_000);
    return answer;
  }

  /** The leader has other changes in hand all the time. */
  flood(): void {
    const { replica } = this.leader.assembled as NonNullable<SimNode["assembled"]>;
    for (let ms = 0; ms < 500; ms++) {
      this.world.at(ms, () => replica.submit({ kind: "pause", jobId: "nobody" }, undefined, 100, none), this.leader.process);
    }
  }

  async restartLeader(): Promise<void> {
    const { leader } = this;
    leader.crash();
    // It loads what it has stored in turns of its own, so time must go on meanwhile.
    void leader.start();
    while (!this.leader) await this.pass(10);
  }

  create(jobId: string): Promise<string> {
    return this.ask({ kind: "create", jobId, spec: spec(everySecond) });
  }

  /** Times of what ran, oldest first. */
  get ran(): number[] {
    const { history } = this.leader.assembled as NonNullable<SimNode["assembled"]>;
    return history.scan({ limit: 1_000 }).rows.map(({ scheduledAtMs }) => scheduledAtMs).reverse();
  }
}

for (const ids of [["a"], ["a", "b", "c"]]) {
  test(`${ids.length} nodes that started in 2099: set back, jobs run at their times, none twice, also after a restart`, async () => {
    const cluster = new Cluster(7, ids);
    for (const node of cluster.nodes) node.setWall(AHEAD_MS, 0);
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.pass(8_000);
    assert.equal(await cluster.create("ran"), "submitted");
    await cluster.pass(5_000);
    assert.match(await cluster.ask({ kind: "lower_clock" }), /^conflict: the cluster's clock is not ahead/);
    for (const node of cluster.nodes) node.setWall(0, 0);
    await cluster.pass(limits.clockSampleMaxMs);
    assert.equal(await cluster.create("quiet"), "submitted");
    const early = cluster.ran.length;
    await cluster.pass(5_000);
    assert.ok(early > 0 && cluster.ran.length === early, "the clock stands: nothing runs any more");
    assert.match(await cluster.ask({ kind: "lower_clock" }), /^conflict: 1 jobs have run/);
    assert.equal(await cluster.ask({ kind: "cancel", jobId: "ran", running: "cancel" }), "cancelled");
    cluster.flood();
    assert.equal(await cluster.ask({ kind: "lower_clock" }), "lowered");
    await cluster.restartLeader(); // it finds the entry in its log, behind a checkpoint of 2099
    await cluster.pass(10_000);
    for (const { state } of cluster.replicas) {
      assert.ok(Math.abs(state.clockMs - cluster.trueMs) < 3_000, "the clock goes on from the wall clocks");
    }
    await cluster.restartLeader(); // by now the checkpoint is one of after it
    await cluster.pass(15_000);
    // In order of their due times: what a node that was restarted had begun ends later than what came next.
    const times = cluster.ran.slice(early).filter((atMs) => atMs < WALL_START_MS + AHEAD_MS).sort((a, b) => a - b);
    assert.ok(times.length > 15, `${times.length} ran`);
    assert.deepEqual(times, [...new Set(times)], "each time once");
    assert.ok(cluster.trueMs - (times.at(-1) as number) < 3_000, "up to now");
    while (new Set(cluster.replicas.map(({ state }) => state.appliedIndex)).size > 1) await cluster.pass(1);
    assert.equal(new Set(cluster.replicas.map(({ state }) => state.hash().hash)).size, 1, "all replicas hold the same");
  });
}
