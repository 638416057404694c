// Owns: one simulated run from a seed: a cluster, the faults that the seed has drawn, its callers, its judge; then the faults stop and
// everything must settle (ending.ts). The same seed gives the same run, bit for bit.

import { messageOf, PawlError } from "../../src/base/errors.ts";
import { entryKinds } from "../../src/raft/wire.ts";
import { Callers } from "./callers.ts";
import { settle } from "./ending.ts";
import type { FaceWeather } from "./face.ts";
import type { Fault, Field } from "./faults/fault.ts";
import { menu } from "./faults/menu.ts";
import { History } from "./history.ts";
import { Judge } from "./judge.ts";
import { Network } from "./network.ts";
import type { Memberships } from "./memberships.ts";
import { SimNode } from "./node.ts";
import { Operator } from "./operator.ts";
import { Readers } from "./readers.ts";
import { World } from "./world.ts";

export type RunResult = {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly steps: number;
  readonly entries: number;
  readonly starts: number;
  readonly occurrences: number;
  readonly changes: number;
  readonly reads: number;
  readonly faults: Readonly<Record<string, number>>;
  /** A number over all that happened, in order. */
  readonly trace: number;
};

export type RunOptions = {
  readonly seed: number;
  readonly stormMs?: number;
  /** Names of classes of faults; drawn if absent. */
  readonly faults?: readonly string[];
  readonly nodes?: number;
  readonly trace?: (line: string) => void;
};

/** Turns of promises that an open needs at most, as long as it does not wait for the disk. */
const OPEN_TURNS = 5000;
/** By src/cluster/frames.ts. */
const SNAPSHOT_FRAME = "s";

export class Simulation implements Field {
  readonly world: World;
  readonly network: Network;
  readonly nodes: SimNode[] = [];
  readonly judge: Judge;
  readonly operator: Operator;
  votersMin: number;
  readonly callers: Callers;
  readonly readers: Readers;
  readonly history = new History();
  readonly face: FaceWeather = { failRate: 0.15, slowRate: 0.1, slowMs: 6000, hangMs: 100 };
  readonly counts = new Map<string, number>();
  storming = true;
  private readonly faults: readonly Fault[];
  private readonly trace: ((line: string) => void) | undefined;
  private readonly writeWatches: Parameters<Field["onWrite"]>[0][] = [];
  private readonly snapshotWatches: Parameters<Field["onSnapshot"]>[0][] = [];
  private readonly answerWatches: Parameters<Field["onAcknowledged"]>[0][] = [];
  private readonly downWatches: Parameters<Field["onDown"]>[0][] = [];
  private steps = 0;
  private hash = 0;
  private failure: Error | undefined;
  private opening: Promise<void>[] = [];

  constructor(options: RunOptions) {
    const world = new World(options.seed);
    this.world = world;
    this.network = new Network(world);
    this.trace = options.trace;
    const count = options.nodes ?? (world.chance(0.75) ? 3 : 5);
    const ids = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    this.votersMin = count;
    this.judge = new Judge(world, ids);
    this.operator = new Operator(this);
    const drawn = menu.filter(({ name, chance }) => options.faults?.includes(name) ?? world.chance(chance));
    this.tell(`faults: ${drawn.map(({ name }) => name).join(", ")}`);
    this.faults = drawn.map((each) => each.draw(world));
    for (const id of ids) this.nodes.push(this.nodeOf(id, ids));
    this.callers = new Callers(world, this.nodes, this.history);
    const { known, changed } = this.callers;
    this.readers = new Readers(world, this.nodes, known, changed, this.history, this.judge, (check) => this.guard(check));
    this.callers.acknowledged = (jobId, node) => {
      this.readers.acknowledged(jobId);
      for (const watch of this.answerWatches) watch(node);
    };
  }

  private nodeOf(id: string, ids: readonly string[]): SimNode {
    return new SimNode(id, ids, this.world, this.network, this.face, {
      capabilitiesOf: (id) => {
        const node = this.nodes.find((each) => each.id === id && each.up);
        return node && { stateVersion: node.versions.max, entryKinds };
      },
      started: (seen) => this.guard(() => this.judge.target.started(seen)),
      votes: (node) => node.observe(() => this.guard(() => this.judge.votes(node))),
      opened: (node) => node.observe(() => this.guard(() => this.judge.opened(node))),
      sent: (node, to, message) => this.sent(node, to, message),
      fatal: (node, error) => this.died(node, error),
      disk: (node, kind, delayMs) => {
        for (const watch of this.writeWatches) watch(node, kind, delayMs);
      },
      role: (node, text) => {
        this.tell(`${node.id} ${text}`);
        if (text.startsWith("leader")) this.readers.leads(node);
      },
      fault: (node, what) => this.note(what, node),
      paused: (untilMs) => this.judge.disturbed(untilMs),
      unlinked: (from, peers) => this.unlinked(from, peers),
    });
  }

  private tell(line: string): void {
    this.trace?.(`${this.world.nowMs.toFixed(1).padStart(9)} ${line}`);
  }

  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.failure ??= error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  // What faults may do.

  note(what: string, node?: SimNode): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    this.tell(`${node?.id ?? "--"} ${what}`);
  }

  onWrite(watch: Parameters<Field["onWrite"]>[0]): void {
    this.writeWatches.push(watch);
  }

  onSnapshot(watch: Parameters<Field["onSnapshot"]>[0]): void {
    this.snapshotWatches.push(watch);
  }

  private sent(node: SimNode, to: string, message: readonly unknown[]): void {
    node.observe(() => this.guard(() => this.judge.sent(node, to, message)));
    if (message[0] !== SNAPSHOT_FRAME || this.snapshotWatches.length === 0) return;
    const other = this.nodes.find(({ id }) => id === to);
    if (other) for (const watch of this.snapshotWatches) watch(node, other);
  }

  onAcknowledged(watch: Parameters<Field["onAcknowledged"]>[0]): void {
    this.answerWatches.push(watch);
  }

  onDown(watch: Parameters<Field["onDown"]>[0]): void {
    this.downWatches.push(watch);
  }

  leader(): SimNode | undefined {
    return this.nodes.find((node) => node.assembled?.replica.leads);
  }

  get members(): Memberships {
    return this.judge.memberships;
  }

  newcomer(): SimNode {
    const node = this.nodeOf(`n${this.nodes.length + 1}`, []);
    this.nodes.push(node);
    this.world.at(this.world.between(0, 1000), () => this.restart(node));
    return node;
  }

  retire(node: SimNode): void {
    node.retired = true;
    this.note("stopped for ever", node);
    this.crash(node);
  }

  /** The other ends hear of it a little later. */
  private unlinked(node: SimNode, peers: readonly string[]): void {
    for (const peer of this.nodes) {
      if (!peers.includes(peer.id)) continue;
      this.world.at(this.world.between(0, 30), () => peer.linkLost(node.id), peer.process);
    }
  }

  reset(a: SimNode, b: SimNode): void {
    for (const [node, peer] of [[a, b], [b, a]] as const) {
      this.world.at(this.world.between(0, 30), () => node.linkLost(peer.id), node.process);
    }
  }

  crash(node: SimNode, downMs?: number): void {
    const { process } = node;
    if (!process) return;
    this.tell(`${node.id} is down`);
    node.crash();
    this.callers.nodeDied(process);
    this.operator.nodeDied(process);
    for (const other of this.nodes) {
      if (other !== node) this.world.at(this.world.between(0, 30), () => other.linkLost(node.id), other.process);
    }
    for (const watch of this.downWatches) watch(node);
    this.world.at(downMs ?? this.world.between(20, this.world.chance(0.5) ? 200 : 3000), () => this.restart(node));
  }

  // Life and death of nodes.

  restart(node: SimNode): void {
    if (node.process || node.lost || node.retired) return;
    this.tell(`${node.id} starts`);
    this.opening.push(node.start());
  }

  /** A node ended itself, or could not be opened. The disk is a reason, and so is data that was damaged; a bug is not. */
  private died(node: SimNode, error: Error): void {
    const isPower = node.isPowerless(error);
    const isDisk = error instanceof PawlError && error.code === "io";
    const isDamage = error instanceof PawlError && error.code === "quarantined" && node.damaged;
    if (!isPower && !isDisk && !isDamage) this.failure ??= error;
    this.note(isPower ? "power gone at an operation" : isDamage ? "damage found" : "ended by its disk", node);
    if (isDamage) node.lost = true;
    this.crash(node);
    if (isDamage) this.operator.repair(node);
  }

  /** Checkpoints come all the time, at any index. */
  private checkpoints(): void {
    const node = this.world.pick(this.nodes);
    const isFree = node.process?.alive === true && node.process.pausedUntilMs <= this.world.nowMs;
    if (node.assembled && isFree) {
      const { checkpointer } = node.assembled;
      this.world.inside(node.process as NonNullable<typeof node.process>, () => void checkpointer.settle().catch(() => undefined));
    }
    if (this.storming) this.world.at(this.world.between(50, 1500), () => this.checkpoints());
  }

  // Time.

  async until(atMs: number): Promise<void> {
    const { world } = this;
    while (this.step(atMs)) {
      this.steps++;
      this.hash = Math.imul(this.hash ^ Math.floor(world.nowMs * 1024), 0x9e3779b1) + this.steps;
      if (this.opening.length > 0) await this.open();
      if (this.nodes.some(({ starting }) => starting)) world.promised();
      const { ran } = world;
      if (ran) for (const node of this.nodes) if (node.process === ran) node.observe(() => this.guard(() => this.judge.afterEvent(node)));
      if (world.unsettled) await world.settle();
      if (this.steps % 64 === 0) await Promise.resolve();
      if (this.failure) throw this.failure;
    }
  }

  /** Opening takes no time, but where it waits for the disk; a node whose power goes meanwhile never comes to its end. */
  private async open(): Promise<void> {
    const opening = Promise.all(this.opening.splice(0));
    let isDone = false;
    void opening.then(() => (isDone = true));
    for (let turns = 0; !isDone && turns < OPEN_TURNS; turns++) await undefined;
  }

  /** One event; one at which the power goes ends the node that it belongs to. */
  private step(untilMs: number): boolean {
    const { world } = this;
    try {
      return world.step(untilMs);
    } catch (error) {
      const node = this.nodes.find(({ process }) => process !== undefined && process === world.ran);
      if (!node?.isPowerless(error as Error)) throw error;
      this.died(node, error as Error);
      return true;
    }
  }

  async run(stormMs: number): Promise<void> {
    await this.begin();
    await this.until(stormMs);
    await settle(this, this.faults);
  }

  /** Starts the faults, the nodes and the callers. */
  async begin(): Promise<void> {
    const { world } = this;
    for (const fault of this.faults) fault.begin(this);
    for (const node of this.nodes) this.restart(node);
    world.at(500, () => this.callers.begin());
    world.at(700, () => this.readers.begin(world.between(50, 800)));
    world.at(1000, () => this.checkpoints());
  }

  /** The code with which a node answers a change within `withinMs`, or "nothing". */
  async askedAt(node: SimNode, withinMs: number): Promise<string> {
    let code = "nothing";
    node.assembled?.replica.submit({ kind: "pause", jobId: "job-1" }, undefined, 100, (outcome) => {
      code = outcome instanceof PawlError ? outcome.code : outcome.status;
    });
    await this.until(this.world.nowMs + withinMs);
    return code;
  }

  result(seed: number): RunResult {
    return {
      seed,
      simulatedMs: this.world.nowMs,
      steps: this.steps,
      entries: this.judge.reference.state.appliedIndex,
      starts: this.judge.target.count,
      occurrences: this.judge.oracle.occurrences,
      changes: this.callers.attempted.length,
      reads: this.readers.counts.linearizable + this.readers.counts.stale + this.readers.counts.pages,
      faults: this.injected(),
      trace: this.hash >>> 0,
    };
  }

  private injected(): Record<string, number> {
    const { sent: _sent, ...frames } = this.network.counts;
    const named = Object.entries(frames).map(([what, count]) => [`frames ${what}`, count] as const);
    return Object.fromEntries([...this.counts, ...named.filter(([, count]) => count > 0)]);
  }
}

/** Runs one seed; throws at the first violation. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const simulation = new Simulation(options);
  await simulation.run(options.stormMs ?? 20_000);
  return simulation.result(options.seed);
}
