// Owns: random runs of whole clusters with every fault the core must bear: lost, doubled, reordered messages, cut links, slow and
// dying disks, crashes, clocks that jump, logs that are compacted, snapshots, members that come and go. Safety is checked after every
// event; at the end, with all faults gone, the cluster must work.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MembershipAt, NodeId } from "../../src/raft/types.ts";
import { decodeMembership } from "../../src/raft/membership.ts";
import { type Flying, SimCluster, type SimNode } from "./cluster.ts";

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 400);
const FIRST = Number(process.env["RAFT_SEED"] ?? 1);
const STEPS = 2000;

type Pending = { readonly node: NodeId; readonly index: number; readonly term: number; readonly data: number };

class RandomRun {
  readonly cluster: SimCluster;
  readonly random: () => number;
  readonly ids: NodeId[];
  /** Whether members change in this run. */
  readonly changes: boolean;
  proposals = 0;
  contexts = 0;
  readonly proposed: Pending[] = [];
  /** By context: the highest index committed anywhere when the read was asked. */
  readonly asked = new Map<number, number>();
  readonly askers = new Map<number, NodeId>();
  readonly answered = new Set<number>();

  constructor(seed: number) {
    const shapes = [[1, 0, 0], [3, 0, 0], [3, 1, 0], [5, 0, 0], [2, 0, 0], [3, 0, 2], [1, 0, 3], [4, 1, 1], [3, 1, 3]] as const;
    const [voters, learners, spare] = shapes[seed % shapes.length] as (typeof shapes)[number];
    this.ids = Array.from({ length: voters + learners + spare }, (_, i) => String(i + 1));
    const founders = { voters: [this.ids.slice(0, voters)], learners: this.ids.slice(voters, voters + learners) };
    this.changes = seed % 4 !== 0;
    const small = seed % 3 === 0;
    const options = {
      appendMaxBytes: small ? 60 : 1 << 20,
      logCacheMaxBytes: small ? 50 : 1 << 20,
      uncommittedMaxBytes: 200,
      appendsInFlightMax: 1 + (seed % 3),
    };
    this.cluster = new SimCluster(founders, seed, options, this.ids.slice(voters + learners));
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
    else if (dice < 95.4) this.disk(node);
    else if (dice < 96.4) this.compact(node);
    else if (dice < 97) this.change(node);
    else if (dice < 98) this.power(node);
    else this.rare(node);
    this.deliverSnapshots(0.1);
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
    if (this.random() < 0.3) node.core.commitMayWait(node.nowMs + Math.floor(this.random() * 200));
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
    this.forgetReads(node.id);
    if (this.random() < 0.5) this.cluster.checkpoint(node);
    this.cluster.crash(node.id, this.random() < 0.3);
    const floor = this.changes && this.random() < 0.5 ? this.mayLose(node.id) : undefined;
    if (floor !== undefined) this.cluster.wipe(node.id, floor);
  }

  /** What was asked of a node that dies is never answered. */
  forgetReads(id: NodeId): void {
    for (const [context, asker] of this.askers) if (asker === id) this.asked.delete(context);
  }

  /** A checkpoint, and some of what it holds leaves the log. */
  compact(node: SimNode): void {
    if (node.raft === undefined || !this.cluster.checkpoint(node)) return;
    const { base, appliedIndex } = node.store;
    node.store.compact(appliedIndex - Math.floor(this.random() ** 2 * (appliedIndex - base.index)));
  }

  /** Any change that a leader might be asked for, except that nobody becomes a voter who has nothing yet. */
  change(node: SimNode): void {
    const asked = this.pick([...this.cluster.leaders(), node]);
    if (!this.changes || asked.raft === undefined) return;
    const { voters, learners } = asked.core.membership().membership;
    const now = voters.at(-1) ?? [];
    const able = this.ids.filter((id) => now.includes(id) || (learners.includes(id) && this.cluster.node(id).store.lastIndex > 0));
    const wild = this.random() < 0.3;
    const one = this.pick(this.ids);
    const isVoter = (id: NodeId): boolean => (wild ? this.random() < 0.6 : now.includes(id) !== (id === one));
    const next = able.filter((id) => isVoter(id));
    const rest = this.ids.filter((id) => !next.includes(id) && this.random() < 0.6);
    const places = new Map(next.map((id) => [id, `place of ${id}`]));
    asked.core.changeMembership({ voters: next, learners: rest, places }, asked.nowMs);
    this.cluster.pump(asked);
  }

  /**
   * A disk may be lost once a change is committed after which the node is no voter, and nothing newer makes it one again. The founding
   * membership is in no log: a node that lost its disk would not hear of it. Returns the term in which that was committed: the node must
   * be told, or it could lead in that term twice, and leaders of earlier ones could have its acknowledgements a second time.
   */
  mayLose(id: NodeId): number | undefined {
    const known: MembershipAt[] = [];
    let newest: MembershipAt = { index: 0, membership: this.cluster.membership };
    let term = 0;
    for (const { raft, store } of this.cluster.nodes.values()) {
      if (raft === undefined) {
        known.push(store.membership);
        for (const { index, data } of store.membershipEntries()) known.push({ index, membership: decodeMembership(data) });
        continue;
      }
      const committed = raft.membershipAt(raft.status().commit);
      known.push(raft.membership());
      if (committed.index <= newest.index) continue;
      newest = committed;
      term = this.cluster.invariants.termOfCommit(committed.index) as number;
    }
    const isVoter = known.some(({ index, membership }) => index >= newest.index && membership.voters.flat().includes(id));
    return newest.index === 0 || isVoter ? undefined : term;
  }

  /** What leaders asked for arrives, or fails; from a leader of an earlier term nothing is taken. */
  deliverSnapshots(chance: number): void {
    for (const leader of this.cluster.leaders()) {
      if (leader.snapshots.length === 0 || this.random() >= chance) continue;
      const to = leader.snapshots.shift() as NodeId;
      const receiver = this.cluster.node(to).raft?.status();
      const fails = this.random() < 0.2 || receiver === undefined || receiver.term > leader.core.status().term;
      if (!fails && this.cluster.checkpoint(leader) && this.cluster.install(leader.id, to)) this.forgetReads(to);
      leader.raft?.snapshotFailed(to);
      if (leader.raft !== undefined) this.cluster.pump(leader);
    }
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
    for (const leader of cluster.leaders()) for (const { id } of leader.core.status().peers) leader.core.snapshotFailed(id);
    for (let passed = 0; passed < 9000; passed += 100) {
      cluster.run(100, 25);
      this.deliverSnapshots(1);
    }
    const leaders = cluster.leaders();
    assert.equal(leaders.length, 1, "one leader when all is well");
    const leader = leaders[0] as SimNode;
    this.propose(leader);
    for (const node of cluster.running) this.read(node);
    cluster.run(1500, 25);
    this.checkReads();
    const commit = leader.core.status().commit;
    assert.equal(commit, leader.core.status().lastIndex);
    const { index, membership } = leader.core.membership();
    assert.ok(index <= commit && membership.voters.length === 1, "no change is under way");
    assert.ok(membership.voters.flat().includes(leader.id), "the leader is a voter");
    const members = [...membership.voters.flat(), ...membership.learners];
    for (const node of cluster.running) {
      if (!members.includes(node.id)) continue;
      assert.deepEqual(node.core.membership(), leader.core.membership());
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
