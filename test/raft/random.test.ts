// Owns: random runs of whole clusters with every fault the core must bear: lost, doubled, reordered messages, cut links, slow and
// dying disks, crashes, clocks that jump. Safety is checked after every event; at the end, with all faults gone, the cluster must work.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeId } from "../../src/raft/types.ts";
import { type Flying, SimCluster, type SimNode } from "./cluster.ts";

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 600);
const FIRST = Number(process.env["RAFT_SEED"] ?? 1);
const STEPS = 2000;

type Pending = { readonly node: NodeId; readonly index: number; readonly term: number; readonly data: number };

class RandomRun {
  readonly cluster: SimCluster;
  readonly random: () => number;
  readonly ids: NodeId[];
  proposals = 0;
  contexts = 0;
  readonly proposed: Pending[] = [];
  /** By context: the highest index committed anywhere when the read was asked. */
  readonly asked = new Map<number, number>();
  readonly askers = new Map<number, NodeId>();
  readonly answered = new Set<number>();

  constructor(seed: number) {
    const shapes: [number, number][] = [[1, 0], [3, 0], [3, 1], [5, 0], [2, 0]];
    const [voters, learners] = shapes[seed % shapes.length] as [number, number];
    this.ids = Array.from({ length: voters + learners }, (_, i) => String(i + 1));
    const membership = { voters: [this.ids.slice(0, voters)], learners: this.ids.slice(voters) };
    const small = seed % 3 === 0;
    this.cluster = new SimCluster(membership, seed, {
      appendMaxBytes: small ? 60 : 1 << 20,
      logCacheMaxBytes: small ? 50 : 1 << 20,
      uncommittedMaxBytes: 200,
      appendsInFlightMax: 1 + (seed % 3),
    });
    this.random = this.cluster.random;
    for (const id of this.ids) this.cluster.start(id);
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)] as T;
  }

  step(): void {
    const { cluster } = this;
    const dice = this.random() * 100;
    const node = cluster.node(this.pick(this.ids));
    if (dice < 45) for (let left = Math.floor(this.random() * 8); left >= 0; left--) this.message();
    else if (dice < 65) this.clock(node);
    else if (dice < 80) this.propose(this.random() < 0.7 ? this.pick([...this.cluster.leaders(), node]) : node);
    else if (dice < 86) this.read(node);
    else if (dice < 97) this.disk(node);
    else if (dice < 98) this.power(node);
    else this.rare(node);
    this.checkReads();
  }

  message(): void {
    const { flying } = this.cluster;
    if (flying.length === 0) return;
    const at = this.random() < 0.85 ? 0 : Math.floor(this.random() * flying.length);
    const chosen = flying[at] as Flying;
    const fate = this.random();
    if (fate >= 0.05) flying.splice(at, 1);
    if (fate < 0.9) this.cluster.deliver(chosen);
    if (flying.length > 200) flying.splice(0, 100);
  }

  clock(node: SimNode): void {
    // Mostly time passes for all; now and then one node's clock jumps.
    const ms = this.random() * 120;
    for (const other of this.cluster.running) this.cluster.advance(other, Math.floor(other.nowMs + ms * (0.8 + 0.4 * this.random())));
    if (node.raft !== undefined && this.random() < 0.05) this.cluster.advance(node, Math.floor(node.nowMs + this.random() * 2000));
  }

  propose(node: SimNode): void {
    if (node.raft === undefined) return;
    const data = ++this.proposals;
    const answer = node.core.propose(new Uint8Array(new Uint32Array([data, seedOf(data)]).buffer), node.nowMs);
    if (!("refused" in answer)) this.proposed.push({ node: node.id, ...answer, data });
    this.cluster.pump(node);
  }

  read(node: SimNode): void {
    if (node.raft === undefined) return;
    const context = ++this.contexts;
    this.asked.set(context, this.cluster.invariants.committedIndex);
    this.askers.set(context, node.id);
    node.core.readIndex(context, node.nowMs);
    this.cluster.pump(node);
  }

  disk(node: SimNode): void {
    if (node.raft === undefined) return;
    if (node.diskHeld && node.store.pending !== undefined) this.cluster.land(node);
    node.diskHeld = this.random() < (node.diskHeld ? 0.5 : 0.2);
    this.cluster.pump(node);
  }

  power(node: SimNode): void {
    for (const other of this.cluster.nodes.values()) if (other.raft === undefined) return this.cluster.start(other.id);
    if (node.raft === undefined) return;
    // What was asked of a node that dies is never answered.
    for (const [context, asker] of this.askers) if (asker === node.id) this.asked.delete(context);
    // A checkpoint of the state machine never runs ahead of the log's disk.
    if (this.random() < 0.5) node.store.appliedIndex = Math.min(node.core.status().applied, node.store.lastIndex);
    if (node.store.appliedIndex > node.core.status().durableIndex) node.store.appliedIndex = 0;
    this.cluster.crash(node.id, this.random() < 0.3);
  }

  rare(node: SimNode): void {
    const { cluster } = this;
    const other = this.pick(this.ids);
    const dice = this.random();
    if (dice < 0.2) cluster.cut.add(`${node.id}>${other}`);
    else if (dice < 0.4) this.isolate(this.pick([node, ...cluster.leaders(), ...cluster.leaders()]).id);
    else if (dice < 0.65) cluster.cut.clear();
    else if (node.raft === undefined) return;
    else if (dice < 0.8) node.core.unreachable(other);
    else if (dice < 0.9) node.core.transfer(other, node.nowMs);
    else if (dice < 0.92) node.core.stepDown(node.nowMs);
    if (node.raft !== undefined) cluster.pump(node);
  }

  /** In one direction or in both, mostly instead of earlier cuts. */
  isolate(id: NodeId): void {
    const { cut } = this.cluster;
    if (this.random() < 0.7) cut.clear();
    const ways = this.random();
    for (const other of this.ids) {
      if (ways < 0.8) cut.add(`${id}>${other}`);
      if (ways > 0.2) cut.add(`${other}>${id}`);
    }
  }

  checkReads(): void {
    for (const node of this.cluster.running) {
      for (const done of node.reads.splice(0)) {
        this.askers.delete(done.context);
        assert.ok(this.asked.has(done.context) && !this.answered.has(done.context), `read ${done.context} was answered twice`);
        this.answered.add(done.context);
        const floor = this.asked.get(done.context) as number;
        if ("index" in done) assert.ok(done.index >= floor, `stale read: answered ${done.index}, ${floor} was committed before`);
      }
    }
  }

  /** All faults end: one leader, equal logs, everything answered. */
  finish(): void {
    const { cluster } = this;
    cluster.cut.clear();
    for (const node of cluster.nodes.values()) {
      node.diskHeld = false;
      if (node.raft === undefined) cluster.start(node.id);
      if (node.store.pending !== undefined) cluster.land(node);
      cluster.pump(node);
    }
    cluster.run(8000, 25);
    const leaders = cluster.leaders();
    assert.equal(leaders.length, 1, "one leader when all is well");
    const leader = leaders[0] as SimNode;
    this.propose(leader);
    for (const node of cluster.running) this.read(node);
    cluster.run(500, 25);
    this.checkReads();
    const commit = leader.core.status().commit;
    assert.equal(commit, leader.core.status().lastIndex);
    for (const node of cluster.running) {
      assert.equal(node.core.status().applied, commit, `node ${node.id} has applied everything`);
      assert.equal(node.core.status().invalidMessages, 0);
    }
    for (const context of this.asked.keys()) assert.ok(this.answered.has(context), `read ${context} was never answered`);
  }
}

function seedOf(value: number): number {
  return Math.imul(value, 0x9e3779b1) >>> 0;
}

test("random runs keep every invariant and recover", () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const run = new RandomRun(seed);
    try {
      for (let step = 0; step < STEPS; step++) run.step();
      run.finish();
    } catch (error) {
      throw new Error(`seed ${seed} (replay with RAFT_SEED=${seed} RAFT_SEEDS=1)`, { cause: error });
    }
  }
});
