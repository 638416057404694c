// Owns: a cluster of Raft cores with simulated disks, links and clocks, moved by hand. Nothing happens by itself: messages wait until
// they are delivered, writes until they land (unless a disk is left running), time until it is moved. The invariants are checked after
// every event.

import { assert } from "../../src/base/errors.ts";
import { Raft } from "../../src/raft/raft.ts";
import { nobody } from "../../src/raft/membership.ts";
import type { Entry, Membership, MembershipAt, Message, NodeId, RaftOptions, ReadDone, Ready } from "../../src/raft/types.ts";
import { Invariants, type Observed } from "./invariants.ts";
import { SimDisk, type SimSnapshot } from "./sim-disk.ts";

export type Flying = { readonly from: NodeId; readonly to: NodeId; readonly message: Message };

/** Small, fast and good enough to draw from: mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class SimNode implements Observed {
  readonly id: NodeId;
  readonly store: SimDisk;
  /** New or wiped: what it was before is not known. */
  joining = false;
  raft: Raft | undefined;
  /** Writes stay in flight until they are landed by hand. */
  diskHeld = false;
  nowMs = 0;
  readonly appliedEntries: Entry[] = [];
  readonly reads: ReadDone[] = [];
  readonly roles: string[] = [];
  /** Peers named as in need of a snapshot, as often as they were. */
  readonly snapshots: NodeId[] = [];
  lastReady: Ready | undefined;

  constructor(id: NodeId, membership: MembershipAt) {
    this.id = id;
    this.store = new SimDisk(membership);
  }

  get status() {
    return this.raft?.status();
  }

  termAt(index: number): number | undefined {
    return this.raft?.term(index);
  }

  get disk() {
    const { store } = this;
    const { term, vote } = store.hardState;
    const holds = (index: number, wanted: number): boolean => index < store.base.index || store.term(index) === wanted;
    return { term, vote, lastIndex: store.lastIndex, holds };
  }

  get membership(): MembershipAt | undefined {
    return this.raft?.membership();
  }

  get core(): Raft {
    assert(this.raft !== undefined, `node ${this.id} is down`);
    return this.raft;
  }
}

export type Founders = Pick<Membership, "voters" | "learners">;
export type ClusterOptions = Partial<Omit<RaftOptions, "id" | "random">>;

export class SimCluster {
  readonly membership: Membership;
  readonly nodes = new Map<NodeId, SimNode>();
  readonly invariants: Invariants;
  readonly options: Omit<RaftOptions, "id" | "random">;
  flying: Flying[] = [];
  /** Links "from>to" on which everything sent is lost. */
  readonly cut = new Set<string>();
  readonly random: () => number;
  /** Filters what is sent; false loses it. */
  passes: (flying: Flying) => boolean = () => true;
  /** Off for tests whose made-up messages tell untruths on purpose. */
  checked = true;
  /** Bytes fetched at once for applying. */
  applyMaxBytes = 1 << 20;

  /** `spare` nodes are there, but start as joining ones. */
  constructor(founders: Founders, seed: number, options: ClusterOptions = {}, spare: readonly NodeId[] = []) {
    const membership = { ...founders, places: new Map<NodeId, string>() };
    this.membership = membership;
    this.random = generator(seed);
    this.options = {
      electionTimeoutMs: 1000,
      heartbeatMs: 100,
      appendsInFlightMax: 2,
      appendMaxBytes: 1 << 20,
      uncommittedMaxBytes: 1 << 20,
      logCacheMaxBytes: 1 << 20,
      readsWaitingMax: 100,
      ...options,
    };
    this.invariants = new Invariants(this.options.appendsInFlightMax);
    const founded = { index: 0, membership };
    for (const id of [...new Set([...membership.voters.flat(), ...membership.learners])]) this.nodes.set(id, new SimNode(id, founded));
    for (const id of spare) this.nodes.set(id, new SimNode(id, nobody));
    for (const id of spare) this.node(id).joining = true;
  }

  node(id: NodeId): SimNode {
    const node = this.nodes.get(id);
    assert(node !== undefined, `there is no node ${id}`);
    return node;
  }

  get running(): SimNode[] {
    return [...this.nodes.values()].filter((node) => node.raft !== undefined);
  }

  start(id: NodeId): void {
    const node = this.node(id);
    const { hardState, appliedIndex, membership } = node.store;
    const { joining } = node;
    const options: RaftOptions = { ...this.options, id, random: this.random };
    node.raft = new Raft(options, { hardState, log: node.store, appliedIndex, membership, joining }, node.nowMs);
    node.appliedEntries.length = appliedIndex;
    this.invariants.restarted(id, appliedIndex);
    this.pump(node);
  }

  /** The node is gone at once; its write in flight is lost unless `landed`. */
  crash(id: NodeId, landed: boolean): void {
    const node = this.node(id);
    if (landed && node.store.pending !== undefined) node.store.land();
    node.store.pending = undefined;
    node.raft = undefined;
    node.reads.length = 0;
    node.snapshots.length = 0;
    node.roles.length = 0;
    this.invariants.restarted(id, node.store.appliedIndex);
  }

  /** The state as it is now is on disk; false while the log's disk is behind it. */
  checkpoint(node: SimNode): boolean {
    const { applied, durableIndex } = node.core.status();
    if (applied > Math.min(durableIndex, node.store.lastIndex)) return false;
    node.store.checkpoint(applied, node.core.membershipAt(applied));
    return true;
  }

  /** The snapshot of `from`'s newest checkpoint arrives at `to`, whose replica is opened anew from it. False if it brings nothing. */
  install(from: NodeId, to: NodeId): boolean {
    const { store } = this.node(from);
    const node = this.node(to);
    if (!node.core.installable(store.appliedIndex, store.term(store.appliedIndex) as number)) {
      this.pump(node);
      return false;
    }
    const { term, vote } = node.core.status();
    this.crash(to, false);
    // The one batch that installs a snapshot carries what the core knows of term and vote, durable before or not.
    node.store.hardState = { ...node.store.hardState, term, vote };
    this.installed(from, to);
    this.start(to);
    return true;
  }

  /** `to`, which is down, has installed the snapshot of `from`'s newest checkpoint. */
  installed(from: NodeId, to: NodeId): void {
    const { store, appliedEntries } = this.node(from);
    const node = this.node(to);
    const { appliedIndex: index, membership } = store;
    const snapshot: SimSnapshot = { index, term: store.term(index) as number, membership };
    node.store.install(snapshot);
    node.appliedEntries.splice(0, node.appliedEntries.length, ...appliedEntries.slice(0, index));
  }

  /** A node that is down loses its disk, and is told `term`. Its links are new ones: what was on the way to and from it is gone. */
  wipe(id: NodeId, term = 0): void {
    const node = this.node(id);
    assert(node.raft === undefined, "only a node that is down is wiped");
    node.store.wipe(nobody, term);
    node.joining = true;
    this.flying = this.flying.filter(({ from, to }) => from !== id && to !== id);
    this.invariants.wiped(id);
  }

  /** Does everything that the node's core asks for, until it asks for nothing more. */
  pump(node: SimNode): void {
    for (let round = 0; node.core.hasReady(); round++) {
      assert(round < 1000, "a core asks for ever");
      const ready = node.core.take(node.nowMs);
      node.lastReady = ready;
      for (const { to, message } of ready.messages) this.send(node, to, message);
      if (ready.write !== undefined) node.store.start(ready.write);
      this.applyUpTo(node, ready.commit);
      node.reads.push(...ready.reads);
      node.snapshots.push(...ready.snapshots);
      if (ready.role !== undefined) node.roles.push(`${ready.role.role}@${ready.role.term}`);
      if (this.checked) this.invariants.observe(node, this.nodes);
      if (node.store.pending !== undefined && !node.diskHeld) this.land(node);
    }
    if (this.checked) this.invariants.observe(node, this.nodes);
  }

  private send(node: SimNode, to: NodeId, message: Message): void {
    if (this.checked) this.invariants.sent(node, to, message);
    const flying = { from: node.id, to, message };
    if (!this.cut.has(`${node.id}>${to}`) && this.passes(flying)) this.flying.push(flying);
  }

  private applyUpTo(node: SimNode, commit: number): void {
    let next = (node.core.status().applied ?? 0) + 1;
    while (next <= commit) {
      const entries = node.core.entriesToApply(next, commit, this.applyMaxBytes);
      for (const entry of entries) {
        if (this.checked) this.invariants.applied(node.id, entry);
        node.appliedEntries[entry.index - 1] = entry;
      }
      next += entries.length;
      node.core.applied(next - 1);
    }
  }

  /** The node's write in flight becomes durable. */
  land(node: SimNode): void {
    const number = node.store.land();
    node.core.persisted(number, node.nowMs);
  }

  deliver(flying: Flying): void {
    const node = this.node(flying.to);
    if (node.raft === undefined || this.cut.has(`${flying.from}>${flying.to}`)) return;
    node.core.step(flying.from, flying.message, node.nowMs);
    this.pump(node);
  }

  /** Delivers what is under way, and what follows from it, until it is quiet. */
  settle(): void {
    for (let count = 0; this.flying.length > 0; count++) {
      assert(count < 200_000, "messages do not end");
      this.deliver(this.flying.shift() as Flying);
    }
  }

  /** Moves one node's clock, ticking at each of its deadlines. */
  advance(node: SimNode, toMs: number): void {
    while (node.raft !== undefined && node.core.nextDeadlineMs() <= toMs) {
      node.nowMs = Math.max(node.nowMs, node.core.nextDeadlineMs());
      node.core.tick(node.nowMs);
      this.pump(node);
    }
    node.nowMs = Math.max(node.nowMs, toMs);
  }

  /** Moves all clocks in small steps; everything sent arrives within a step. */
  run(forMs: number, stepMs = 10): void {
    for (let passed = 0; passed < forMs; passed += stepMs) {
      for (const node of this.nodes.values()) this.advance(node, node.nowMs + stepMs);
      this.settle();
    }
  }

  leaders(): SimNode[] {
    return this.running.filter((node) => node.core.status().role === "leader");
  }
}
