// Owns: one simulated run from a seed: a cluster, its faults, its callers, its judge; then the faults stop and everything must settle.
// The same seed gives the same run, bit for bit.

import { messageOf, PawlError } from "../../src/base/errors.ts";
import { liveState } from "../../src/jobs/livetable.ts";
import { limits } from "../../src/limits.ts";
import { checksum } from "../../src/base/checksum.ts";
import { Callers } from "./callers.ts";
import type { FaceWeather } from "./face.ts";
import { Judge } from "./judge.ts";
import { calm, Network } from "./network.ts";
import { SimNode } from "./node.ts";
import type { DiskWeather } from "./node.ts";
import { demand } from "./oracle.ts";
import { digest } from "./reference.ts";
import { WALL_START_MS, World } from "./world.ts";

export type Faults = {
  readonly crash: boolean;
  readonly partition: boolean;
  readonly oneWay: boolean;
  readonly loss: boolean;
  readonly duplicate: boolean;
  readonly reorder: boolean;
  readonly slowDisk: boolean;
  readonly pause: boolean;
  readonly clock: boolean;
  readonly hungFace: boolean;
  readonly powerCut: boolean;
  /** Most executions take seconds, so that slots run out and executions queue. */
  readonly busy: boolean;
};

export type RunResult = {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly steps: number;
  readonly entries: number;
  readonly starts: number;
  readonly occurrences: number;
  readonly changes: number;
  readonly trace: number;
};

export type RunOptions = {
  readonly seed: number;
  readonly stormMs?: number;
  readonly faults?: Partial<Faults>;
  readonly nodes?: number;
  readonly trace?: (line: string) => void;
};

export class Simulation {
  readonly world: World;
  readonly network: Network;
  readonly nodes: SimNode[] = [];
  readonly judge: Judge;
  readonly callers: Callers;
  readonly faults: Faults;
  private readonly disk: DiskWeather;
  readonly face: FaceWeather;
  private readonly trace: (line: string) => void;
  private steps = 0;
  private traceHash = 0;
  private failure: Error | undefined;
  private storm = true;
  private opening: Promise<void>[] = [];

  constructor(options: RunOptions) {
    const world = new World(options.seed);
    this.world = world;
    this.network = new Network(world);
    this.trace = options.trace ?? (() => undefined);
    const count = options.nodes ?? (world.chance(0.75) ? 3 : 5);
    const ids = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    this.judge = new Judge();
    const drawn = (rate: number): boolean => world.chance(rate);
    this.faults = {
      crash: drawn(0.7),
      partition: drawn(0.5),
      oneWay: drawn(0.4),
      loss: drawn(0.4),
      duplicate: drawn(0.4),
      reorder: drawn(0.3),
      slowDisk: drawn(0.4),
      pause: drawn(0.35),
      clock: drawn(0.35),
      hungFace: drawn(0.4),
      powerCut: drawn(0.3),
      busy: drawn(0.3),
      ...options.faults,
    };
    this.disk = { writeMs: 1, stallRate: this.faults.slowDisk ? 0.01 : 0, stallMs: 1500 };
    this.face = { failRate: 0.15, slowRate: this.faults.busy ? 0.8 : 0.1, slowMs: 6000, hangMs: this.faults.hungFace ? 20_000 : 100 };
    for (const id of ids) this.nodes.push(this.nodeOf(id, ids));
    this.callers = new Callers(world, this.nodes);
  }

  private nodeOf(id: string, ids: readonly string[]): SimNode {
    return new SimNode(id, ids, this.world, this.network, this.disk, this.face, {
      started: (seen) => this.guard(() => this.judge.started(seen)),
      opened: (node) => this.judge.opened(node),
      fatal: (node, error) => this.died(node, error),
      disk: (node, kind, delayMs) => this.aim(node, kind, delayMs),
    });
  }

  private guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.failure ??= error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  /** Crashes are aimed at writes in flight: before, between and right after them. Syncs, which only checkpoints make, more often. */
  private aim(node: SimNode, kind: "write" | "sync", delayMs: number): void {
    const { world } = this;
    if (!this.storm || !this.faults.crash || !world.chance(kind === "sync" ? 0.08 : 0.0005)) return;
    const { process } = node;
    world.at(delayMs * world.between(0, 2.5), () => {
      if (node.process === process) this.crash(node);
    });
  }

  /** Checkpoints come all the time, at any index. */
  private checkpoints(): void {
    const node = this.world.pick(this.nodes);
    if (node.assembled && node.process?.alive) node.assembled.checkpointer.settle().catch(() => undefined);
    if (this.storm) this.world.at(this.world.between(50, 1500), () => this.checkpoints());
  }

  /** A node ended itself. A stalled disk is a reason; a bug or damage is not. */
  private died(node: SimNode, error: Error): void {
    const expected = error instanceof PawlError && error.code === "io";
    if (!expected) this.failure ??= error;
    this.crash(node);
  }

  private crash(node: SimNode): void {
    const { process } = node;
    if (!process) return;
    this.trace(`${this.world.nowMs.toFixed(1)} crash ${node.id}`);
    node.crash();
    this.callers.nodeDied(process);
    for (const other of this.nodes) {
      if (other !== node) this.world.at(this.world.between(0, 30), () => other.assembled?.replica.linkLost(node.id), other.process);
    }
    this.world.at(this.world.between(20, this.world.chance(0.5) ? 200 : 3000), () => this.restart(node));
  }

  private restart(node: SimNode): void {
    if (node.process) return;
    this.trace(`${this.world.nowMs.toFixed(1)} start ${node.id}`);
    this.opening.push(
      node.start().catch((error: unknown) => void (this.failure ??= error instanceof Error ? error : new Error(messageOf(error)))),
    );
  }

  /** Draws one fault every now and then while the storm lasts. */
  private misfortune(): void {
    if (!this.storm) return;
    const { world, faults, network } = this;
    const node = world.pick(this.nodes);
    const other = world.pick(this.nodes);
    const dice = world.random();
    if (faults.powerCut && dice < 0.02) for (const each of this.nodes) this.crash(each);
    else if (faults.crash && dice < 0.3) this.crash(world.chance(0.5) ? (this.leader() ?? node) : node);
    else if (faults.partition && dice < 0.45) this.isolate(node);
    else if (faults.oneWay && dice < 0.55 && node !== other) network.cut(node.id, other.id);
    else if (faults.pause && dice < 0.65) node.pause(world.between(100, 4000));
    else if (faults.pause && dice < 0.67) for (const each of this.nodes) each.pause(world.between(15_000, 20_000));
    else if (faults.clock && dice < 0.75) this.setWrong(node);
    else if (dice < 0.95) network.heal();
    world.at(world.between(200, 3000), () => this.misfortune());
  }

  /** Wall clocks of a minority are wrong. */
  private setWrong(node: SimNode): void {
    const wrong = this.nodes.filter((each) => each !== node && each.wallOffsetMs !== 0);
    const room = wrong.length + 1 <= Math.floor((this.nodes.length - 1) / 2);
    node.wallOffsetMs = room ? this.world.pick([0, 500, -1500, 60_000, -60_000, 3_600_000, 2.3e12]) : 0;
  }

  private leader(): SimNode | undefined {
    return this.nodes.find((node) => node.assembled?.replica.leads);
  }

  isolate(node: SimNode): void {
    for (const other of this.nodes) {
      if (other === node) continue;
      this.network.cut(node.id, other.id);
      this.network.cut(other.id, node.id);
    }
  }

  async until(atMs: number): Promise<void> {
    while (this.world.step(atMs)) {
      this.steps++;
      if (this.opening.length > 0) {
        const opening = this.opening;
        this.opening = [];
        await Promise.all(opening);
      }
      if (this.steps % 4 === 0) for (const node of this.nodes) if (node.up) this.guard(() => this.judge.afterStep(node));
      if (this.steps % 64 === 0) await Promise.resolve();
      if (this.failure) throw this.failure;
    }
  }

  async run(stormMs: number): Promise<void> {
    await this.begin();
    await this.until(stormMs);
    await this.settle(stormMs);
  }

  /** Starts the nodes, the callers and the faults. */
  async begin(): Promise<void> {
    for (const node of this.nodes) this.restart(node);
    const { faults, network, world } = this;
    network.weather = {
      ...calm,
      lossRate: faults.loss ? 0.05 : 0,
      duplicateRate: faults.duplicate ? 0.05 : 0,
      reorderRate: faults.reorder ? 0.1 : 0,
      slowRate: faults.loss ? 0.05 : 0,
      delayMs: world.between(0.1, 5),
    };
    world.at(500, () => this.callers.begin(world.between(30, 250)));
    if (Object.values(faults).some((drawn) => drawn)) world.at(1500, () => this.misfortune());
    world.at(1000, () => this.checkpoints());
  }

  /** Executions that run at this moment, by the log and on a machine, and have minutes left before their timeout. */
  liveRunning(): { sequence: number; token: number }[] {
    const { state } = this.judge.reference;
    const rows: { sequence: number; token: number }[] = [];
    for (let slot = state.live.pool.nextUsed(0); slot !== 0; slot = state.live.pool.nextUsed(slot)) {
      const held = this.nodes.some((node) => node.simFace?.runs(state.live.sequence[slot] as number) === true);
      const patient = state.classOf(state.live.job[slot] as number).spec.timeoutMs > 60_000;
      if (held && patient && state.occupies(slot))
        rows.push({ sequence: state.live.sequence[slot] as number, token: state.live.token[slot] as number });
    }
    return rows;
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

  /** Faults stop: within bounded time there is one leader, everything that was due is recorded, nothing hangs (I3). */
  private async settle(stormMs: number): Promise<void> {
    this.storm = false;
    this.callers.stop();
    this.network.heal();
    this.network.weather = calm;
    Object.assign(this.disk, { stallRate: 0 });
    Object.assign(this.face, { hangMs: 0, slowRate: 0, failRate: 0 });
    for (const node of this.nodes) {
      node.wallOffsetMs = 0;
      if (node.process) node.process.pausedUntilMs = this.world.nowMs;
      if (!node.process) this.restart(node);
    }
    const graceMs = limits.leaseLeaderMs + limits.proposalTimeoutMs + 20_000;
    await this.until(stormMs + graceMs);
    this.finished();
  }

  private finished(): void {
    const leaders = this.nodes.filter((node) => node.assembled?.replica.leads);
    demand(leaders.length === 1, "liveness", `${leaders.length} leaders after the faults stopped`);
    const { state } = this.judge.reference;
    const wallMs = WALL_START_MS + this.world.nowMs;
    for (const node of this.nodes) {
      demand(node.assembled !== undefined, "liveness", `${node.id} is down at the end`);
      const { applied } = node.assembled!.replica.raft.status();
      demand(state.appliedIndex - applied < 500, "liveness", `${node.id} applied ${applied} of ${state.appliedIndex}`);
    }
    this.nothingHangs(wallMs);
    demand(
      state.clockMs <= wallMs + limits.clockAgreementMs,
      "H13",
      `the replicated clock is ${state.clockMs - wallMs} ms ahead of true time`,
    );
    this.judge.oracle.finished(wallMs - 3000);
    this.callers.finished(this.judge);
  }

  /** I3: a live execution is young, or its timer lies ahead. */
  private nothingHangs(wallMs: number): void {
    const { state } = this.judge.reference;
    const { live, nodes } = state;
    for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
      const late = wallMs - (live.timerAtMs[slot] as number);
      const what = `execution ${live.sequence[slot]} in state ${live.state[slot]} is ${Math.round(late)} ms past its timer`;
      demand(late < (live.state[slot] === liveState.queued ? 15_000 : 5000), "I3", what);
      if (!state.occupies(slot) || wallMs - (live.startedAtMs[slot] as number) < 5000) continue;
      const node = this.nodes.find(({ id }) => id === nodes.withSession(live.session[slot] as number)?.id);
      const held = node?.simFace?.holds(live.sequence[slot] as number, live.token[slot] as number) ?? false;
      demand(held, "H6b", `execution ${live.sequence[slot]} is running according to the log, and on no machine`);
    }
  }

  result(seed: number): RunResult {
    this.traceHash = checksum(`${this.steps}/${digest(this.judge.reference.state)}/${this.judge.startCount}/${this.world.random()}`);
    return {
      seed,
      simulatedMs: this.world.nowMs,
      steps: this.steps,
      entries: this.judge.reference.state.appliedIndex,
      starts: this.judge.startCount,
      occurrences: this.judge.oracle.occurrences,
      changes: this.callers.attempted.length,
      trace: this.traceHash,
    };
  }
}

/** Runs one seed; throws at the first violation. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const simulation = new Simulation(options);
  await simulation.run(options.stormMs ?? 20_000);
  return simulation.result(options.seed);
}
