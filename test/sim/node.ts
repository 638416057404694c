// Owns: one node of the simulated cluster: the real replica (src/cluster) on a simulated disk, network and clock, with a simulated
// face. It can be started, crashed, paused; its storage outlives it.

import { assemble } from "../../src/cluster/assemble.ts";
import type { Assembled } from "../../src/cluster/assemble.ts";
import { WorkerSession } from "../../src/worker/session.ts";
import { SimStorage } from "../support/simdisk.ts";
import { SimFace } from "./face.ts";
import type { FaceWeather, StartSeen } from "./face.ts";
import type { Network } from "./network.ts";
import { Process, seeded } from "./world.ts";
import type { World } from "./world.ts";

export const capacity = { jobsMax: 60, liveMax: 90 } as const;
export const SLOTS = 2;

export type DiskWeather = { writeMs: number; stallRate: number; stallMs: number };

export interface NodeHooks {
  started(seen: StartSeen): void;
  fatal(node: SimNode, error: Error): void;
  opened(node: SimNode): void;
  /** A write or sync was begun that will complete after `delayMs`. */
  disk(node: SimNode, kind: "write" | "sync", delayMs: number): void;
}

export class SimNode {
  readonly id: string;
  readonly storage: SimStorage;
  wallOffsetMs = 0;
  driftRate = 0;
  process: Process | undefined;
  simFace: SimFace | undefined;
  session: WorkerSession | undefined;
  assembled: Assembled | undefined;
  starting = false;
  private incarnation = 0;
  private readonly world: World;
  private readonly network: Network;
  private readonly members: readonly string[];
  private readonly hooks: NodeHooks;
  private readonly disk: DiskWeather;
  private readonly face: FaceWeather;

  constructor(
    id: string,
    members: readonly string[],
    world: World,
    network: Network,
    disk: DiskWeather,
    face: FaceWeather,
    hooks: NodeHooks,
  ) {
    this.id = id;
    this.members = members;
    this.world = world;
    this.network = network;
    this.disk = disk;
    this.face = face;
    this.hooks = hooks;
    this.storage = new SimStorage(seeded(Math.floor(world.random() * 2 ** 32)));
  }

  get up(): boolean {
    return this.assembled !== undefined;
  }

  async start(): Promise<void> {
    const { world } = this;
    const process = new Process(world.between(0, 1e6));
    this.process = process;
    this.starting = true;
    this.incarnation++;
    const wallOffset = (): number => this.wallOffsetMs + this.driftRate * world.nowMs;
    const system = world.systemOf(process, wallOffset, seeded(Math.floor(world.random() * 2 ** 32)));
    const disk = this.storage.disk((kind, run) => {
      const delayMs = this.writeDelayMs(kind);
      world.at(delayMs, run, process);
      this.hooks.disk(this, kind, delayMs);
    });
    const assembled = await assemble({
      id: this.id,
      incarnation: this.incarnation,
      founders: this.members.map((id) => ({ id, peer: `${id}:1`, api: `${id}:2` })),
      joining: false,
      system,
      disk,
      capacity,
      transport: { send: (to, lane, message) => process.alive && this.network.send(this.id, to, lane, message) },
      events: {
        fatal: (error) => this.hooks.fatal(this, error),
        role: () => undefined,
        members: () => undefined,
        events: () => undefined,
        alarm: () => undefined,
      },
    });
    this.starting = false;
    if (!process.alive) return;
    this.assembled = assembled;
    const { replica } = assembled;
    const face = new SimFace(
      world,
      process,
      this.id,
      this.face,
      () => system.wallMs(),
      (batch) => replica.results(batch),
      (seen) => this.hooks.started(seen),
    );
    this.simFace = face;
    const session = new WorkerSession({ node: this.id, incarnation: this.incarnation, slots: SLOTS, tags: [] }, replica.state, {
      toLeader: (message) => replica.toLeader(message),
      start: (batch) => face.start(batch),
      stop: (batch) => face.stop(batch),
    });
    this.network.attach(this.id, (from, message) => {
      if (process.alive) world.at(0, () => replica.receive(from, message), process);
    });
    this.session = session;
    replica.start(session);
    this.hooks.opened(this);
  }

  private writeDelayMs(kind: string): number {
    const { world, disk } = this;
    if (world.chance(disk.stallRate)) return disk.stallMs * world.random();
    return disk.writeMs * (0.3 + world.random()) * (kind === "write" ? 1 : 1.5);
  }

  /** kill -9 with power cut: what was not durable is lost. */
  crash(): void {
    if (!this.process) return;
    this.process.alive = false;
    this.process = undefined;
    this.assembled = undefined;
    this.starting = false;
    this.network.detach(this.id);
    this.storage.crash();
  }

  pause(forMs: number): void {
    if (this.process) this.process.pausedUntilMs = this.world.nowMs + forMs;
  }
}
