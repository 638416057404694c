// Owns: one node of the simulated cluster: the real replica (src/cluster) on a simulated disk, network and clock, with a simulated
// face. It can be started, crashed, paused; its storage outlives it.

import { PawlError } from "../../src/base/errors.ts";
import { assemble } from "../../src/cluster/assemble.ts";
import type { Assembled } from "../../src/cluster/assemble.ts";
import type { Pace } from "../../src/cluster/pace.ts";
import type { FoundStored } from "../../src/cluster/stored.ts";
import type { Voter } from "../../src/cluster/voter.ts";
import type { Answered, Consistency, Query } from "../../src/jobs/views.ts";
import { ownVersions } from "../../src/jobs/versions.ts";
import type { Versions } from "../../src/jobs/versions.ts";
import { limits } from "../../src/limits.ts";
import type { Circle } from "../../src/raft/types.ts";
import type { Capabilities } from "../../src/net/identity.ts";
import type { RaftLog } from "../../src/storage/log.ts";
import type { System } from "../../src/system.ts";
import { WorkerSession } from "../../src/worker/session.ts";
import type { ResultBatch } from "../../src/worker/types.ts";
import { PowerCut, SimStorage } from "../support/simdisk.ts";
import type { SimDisk, SimFile } from "../support/simdisk.ts";
import { layBlank } from "./blank.ts";
import { SimFace } from "./face.ts";
import type { FaceWeather, StartSeen } from "./face.ts";
import type { Network } from "./network.ts";
import { Process, seeded } from "./world.ts";
import type { World } from "./world.ts";

export const capacity = { jobsMax: 60, liveMax: 90 } as const;
export const SLOTS = 2;
export const RETENTION_DAYS = 2;
/** So little that who is away for some seconds needs a snapshot. */
const logBounds = { keepBytes: 8_000, maxBytes: 24_000 } as const;
/** Every row of a checkpoint takes a turn. */
const upkeep = { stateUpkeepMs: 700, agingPageMs: 150, historyDropMs: 2_000, batchSliceBytes: 1, batchTurnsMax: Number.POSITIVE_INFINITY };
/** What takes hours on a real node. */
const pace: Pace = { firstMarkMs: 1_500, markMs: 4_000, scrubFirstStepMs: 30, scrubStepMs: 150, scrubRestMs: 3_000, ...upkeep };

export type DiskWeather = {
  writeMs: number;
  stallRate: number;
  stallMs: number;
  failRate: number;
  /** What is not answered any more. */
  hung: "none" | "write" | "sync" | "all";
  /** So long the rows of a state take to load. */
  loadMs: number;
};

export const calmDisk: DiskWeather = { loadMs: 0, writeMs: 1, stallRate: 0, stallMs: 0, failRate: 0, hung: "none" };

export interface NodeHooks {
  /** What a node that is linked says of itself. */
  capabilitiesOf?(id: string): Capabilities | undefined;
  started(seen: StartSeen): void;
  /** The node ended itself, or could not be opened. */
  fatal(node: SimNode, error: Error): void;
  /** It votes from here on, be its state loaded or not. */
  votes?(node: SimNode): void;
  opened(node: SimNode): void;
  /** A frame leaves the node. */
  sent(node: SimNode, to: string, message: readonly unknown[]): void;
  /** A write or sync was begun that will complete after `delayMs`. */
  disk(node: SimNode, kind: "write" | "sync", delayMs: number): void;
  role(node: SimNode, text: string): void;
  fault(node: SimNode, what: string): void;
  paused(untilMs: number): void;
  /** The node is linked with these no longer. */
  unlinked?(node: SimNode, peers: readonly string[]): void;
}

/** A frame of a leader, when it came and when it had left. */
export type Heard = { readonly atMs: number; readonly sentMs: number };

const HEARD_KEPT = 400;

export class SimNode {
  readonly id: string;
  storage: SimStorage;
  readonly disk: DiskWeather = { ...calmDisk };
  /** Rate of the monotonic clock, from the next start on. */
  rate = 1;
  /** As of Process. */
  private slowRate = 0;
  /** Operations of the disk before the power goes in the next life. */
  fuseAtStart = Number.POSITIVE_INFINITY;
  /** What its build understands, from the next start on. */
  versions: Versions = ownVersions;
  /** Its data was damaged; an open must find it, that of the log before it votes, or what serves it may; found so, it stays down. */
  damaged = false;
  mustBeFound: "no" | "before it votes" | "before it opens" = "no";
  /** Damage that no open sees: what is stored under these keys now, until something else is. */
  unread: { readonly store: string; readonly values: ReadonlyMap<string, string> } | undefined;
  /** The same of a file of the history. */
  unreadBytes: { readonly file: SimFile; readonly from: number; readonly text: string } | undefined;
  lost = false;
  wasFullAtMs = Number.NEGATIVE_INFINITY;
  /** It was removed, and is not started again. */
  retired = false;
  /** It was asked to be a member, later than to leave. */
  wanted = false;
  process: Process | undefined;
  simFace: SimFace | undefined;
  assembled: Assembled | undefined;
  /** What it takes part with from its start on, and what it takes part with before its state is loaded. */
  voting: { readonly voter: Voter; readonly log: RaftLog; readonly appliedIndex: number } | undefined;
  private session: WorkerSession | undefined;
  starting = false;
  heard: Heard[] = [];
  private wall = { stepMs: 0, driftRate: 0, sinceMs: 0 };
  private incarnation = 0;
  private births = 0;
  private view: SimDisk | undefined;
  private system: System | undefined;
  private held: (() => void)[] = [];
  private readonly world: World;
  private readonly network: Network;
  /** Those of its settings; none for a node that joins, or joins again. */
  private founders: readonly string[];
  /** The node was wiped after it was committed in this term that it is no voter any more. */
  private blankTerm: number | undefined;
  private readonly hooks: NodeHooks;
  private readonly face: FaceWeather;

  constructor(id: string, founders: readonly string[], world: World, network: Network, face: FaceWeather, hooks: NodeHooks) {
    this.id = id;
    this.founders = founders;
    this.world = world;
    this.network = network;
    this.face = face;
    this.hooks = hooks;
    this.storage = new SimStorage(seeded(Math.floor(world.random() * 2 ** 32)));
  }

  get up(): boolean {
    return this.assembled !== undefined;
  }

  /** It was not among the founders, or was wiped. */
  get joins(): boolean {
    return this.founders.length === 0;
  }

  /** So much is free on its disk. */
  fill(freeBytes: number): void {
    this.storage.freeBytes = freeBytes;
    if (freeBytes < limits.diskReserveBytes) this.wasFullAtMs = this.world.nowMs;
  }

  get wallIsWrong(): boolean {
    return this.wall.stepMs !== 0 || this.wall.driftRate !== 0;
  }

  /** The wall clock shows this much more than the true time, and drifts from there. */
  setWall(stepMs: number, driftRate: number): void {
    this.wall = { stepMs, driftRate, sinceMs: this.world.nowMs };
  }

  private wallOffsetMs(): number {
    const { stepMs, driftRate, sinceMs } = this.wall;
    return stepMs + driftRate * (this.world.nowMs - sinceMs);
  }

  async start(): Promise<void> {
    const { world } = this;
    const process = new Process(world.between(0, 1e6), world.nowMs, this.rate);
    process.slowRate = this.slowRate;
    this.process = process;
    this.starting = true;
    this.incarnation++;
    this.heard = [];
    const system = world.systemOf(process, () => this.wallOffsetMs(), seeded(Math.floor(world.random() * 2 ** 32)));
    this.system = system;
    if (this.blankTerm !== undefined) await layBlank(this.storage, this.id, this.blankTerm);
    this.blankTerm = undefined;
    this.view = this.storage.disk((kind, run) => this.complete(process, kind, run));
    this.view.settles = (rows) => world.promised(rows);
    this.view.fuse = this.fuseAtStart;
    this.fuseAtStart = Number.POSITIVE_INFINITY;
    let assembled: Assembled;
    try {
      assembled = await this.assemble(process, system, this.view);
    } catch (error) {
      this.starting = false;
      if (process.alive) this.hooks.fatal(this, error as Error);
      return;
    }
    this.starting = false;
    if (!process.alive) return;
    this.assembled = assembled;
    this.takePart(process, system, assembled);
  }

  /** Its disk is lost: the next start is on an empty one. It was committed in `term` that it is no voter; undefined if it never was one. */
  wipe(term: number | undefined): void {
    this.storage = new SimStorage(seeded(Math.floor(this.world.random() * 2 ** 32)));
    this.founders = [];
    this.blankTerm = term;
    this.damaged = this.lost = false;
    this.mustBeFound = "no";
    this.unread = undefined;
  }

  private membersAre({ index, ids }: Circle): void {
    const gone = this.network.goBy(this.id, index, [...ids]);
    for (const peer of gone) this.linkLost(peer);
    this.hooks.unlinked?.(this, gone);
  }

  private assemble(process: Process, system: System, disk: SimDisk): Promise<Assembled> {
    return assemble({
      id: this.id,
      birth: ++this.births,
      founders: this.founders.map((id) => ({ id, peer: `${id}:1`, api: `${id}:2` })),
      joining: this.joins,
      system,
      disk,
      capacity,
      transport: {
        send: (to, lane, message) => {
          if (!process.alive) return false;
          this.hooks.sent(this, to, message);
          return this.network.send(this.id, to, lane, message);
        },
      },
      events: {
        fatal: (error) => {
          if (process.alive) this.hooks.fatal(this, error);
        },
        role: (status) => this.hooks.role(this, `${status.role} of term ${status.term}`),
        members: (at) => this.membersAre(at),
        events: () => undefined,
        alarm: () => undefined,
        replaced: () => void this.replace(process, system, disk),
      },
      logBounds,
      pace,
      retentionDays: RETENTION_DAYS,
      versions: this.versions,
      votes: (voter, found) => this.votes(process, voter, found),
      capabilitiesOf: (id) => this.hooks.capabilitiesOf?.(id),
    });
  }

  /** A snapshot took the place of state and log. */
  private async replace(process: Process, system: System, disk: SimDisk): Promise<void> {
    const { assembled, session } = this;
    this.assembled = undefined;
    this.voting = undefined;
    this.unread = undefined;
    try {
      await assembled?.close();
      const next = await this.assemble(process, system, disk);
      if (!process.alive || !session) return;
      this.assembled = next;
      session.stateReplaced(next.replica.state);
      next.replica.start(session);
    } catch (error) {
      if (process.alive) this.hooks.fatal(this, error as Error);
      return;
    }
    this.hooks.fault(this, "installed snapshot");
    this.hooks.opened(this);
  }

  /** What comes from the other nodes is heard from here on; loading the state takes a moment at times. */
  private async votes(process: Process, voter: Voter, { log, state }: FoundStored): Promise<void> {
    const { world, disk } = this;
    this.voting = { voter, log, appliedIndex: state.appliedIndex };
    this.hooks.votes?.(this);
    this.network.attach(this.id, (from, message, sentMs) => {
      if (!process.alive) return;
      const receive = (): void => {
        if (isFromLeader(message)) this.hear(sentMs);
        if (this.assembled) this.assembled.replica.receive(from, message);
        else this.voting?.voter.receive(from, message);
        if (message[0] !== "r") world.promised();
      };
      if (process.pausedUntilMs > world.nowMs) world.at(0, receive, process);
      else world.inside(process, receive);
    });
    if (disk.loadMs === 0) return;
    this.hooks.fault(this, "slow load");
    await new Promise<void>((resolve) => void world.at(disk.loadMs, resolve, process));
  }

  private takePart(process: Process, system: System, { replica }: Assembled): void {
    const { world } = this;
    const report = (batch: ResultBatch): void => this.assembled?.replica.results(batch);
    const face = new SimFace(world, process, this.id, this.face, () => system.wallMs(), report, (seen) => this.hooks.started(seen));
    this.simFace = face;
    const session = new WorkerSession({ node: this.id, incarnation: this.incarnation, slots: SLOTS, tags: [] }, replica.state, {
      toLeader: (message) => this.assembled?.replica.toLeader(message) ?? false,
      start: (batch) => face.start(batch),
      stop: (batch) => face.stop(batch),
    });
    this.session = session;
    replica.start(session);
    this.hooks.opened(this);
  }

  linkLost(peer: string): void {
    if (this.assembled) this.assembled.replica.linkLost(peer);
    else this.voting?.voter.linkLost(peer);
  }

  private hear(sentMs: number): void {
    this.heard.push({ atMs: this.world.nowMs, sentMs });
    if (this.heard.length > HEARD_KEPT) this.heard.splice(0, HEARD_KEPT / 2);
  }

  /** A completion of the disk: late, failed, or not before the disk returns. */
  private complete(process: Process, kind: "write" | "sync", run: (error?: Error) => void): void {
    const { world, disk } = this;
    if (disk.hung === "all" || disk.hung === kind) return void this.held.push(() => world.at(0, run, process));
    const isStalled = disk.stallRate > 0 && world.chance(disk.stallRate);
    const usualMs = disk.writeMs * (0.3 + world.random()) * (kind === "write" ? 1 : 1.5);
    const delayMs = isStalled ? 10 + disk.stallMs * world.random() : usualMs;
    const fails = disk.failRate > 0 && world.chance(disk.failRate);
    if (fails) this.hooks.fault(this, `failed ${kind}`);
    if (isStalled) this.hooks.fault(this, "stalled disk");
    let isDone = false;
    const complete = (): void => {
      if (isDone) return;
      isDone = true;
      run(fails ? new PawlError("io", "EIO: simulated", { outcome: "unknown" }) : undefined);
      world.promised();
    };
    if (isStalled) this.held.push(() => world.at(0, complete, process));
    world.at(delayMs, complete, process);
    this.hooks.disk(this, kind, delayMs);
  }

  /** A hung or stalled disk answers what it was asked. */
  diskReturns(): void {
    this.disk.hung = "none";
    for (const run of this.held.splice(0)) run();
  }

  /** The power goes at the operation of the disk that comes after so many others. */
  setFuse(operations: number): void {
    if (this.view) this.view.fuse = operations;
  }

  /** Looks at the node without being one of its operations. */
  observe(look: () => void): void {
    const { view } = this;
    const fuse = view?.fuse ?? 0;
    if (view) view.fuse = Number.POSITIVE_INFINITY;
    look();
    if (view) view.fuse = fuse;
  }

  /** Whether an error is no more than the power that has gone. */
  isPowerless(error: Error): boolean {
    return error instanceof PowerCut || (this.view !== undefined && this.view.fuse < 0);
  }

  /** A question of a caller of this node, answered as src/cluster/host.ts does. */
  async ask(query: Exclude<Query, { kind: "cluster" }>, consistency: Consistency): Promise<Answered> {
    const { replica, queries } = this.assembled as Assembled;
    if (consistency === "linearizable") await this.readPoint();
    this.world.promised();
    const ageMs = replica.ageMs();
    const answer = await queries.answer(query);
    return { answer, appliedIndex: replica.state.appliedIndex, ageMs };
  }

  private readPoint(): Promise<void> {
    const { world, assembled, system } = this;
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        world.promised();
        reject(new PawlError("no_quorum", "no majority confirmed the leader in time"));
      };
      const timer = (system as System).after(limits.noQuorumAnswerMs, refuse);
      (assembled as Assembled).replica.readPoint((index) => {
        timer.cancel();
        world.promised();
        if (index === undefined) refuse();
        else resolve();
      });
    });
  }

  /** Its process has come upon an error that it must not outlive. */
  failed(error: Error): void {
    this.hooks.fatal(this, error);
  }

  /** kill -9 with power cut: what was not durable is lost. */
  crash(): void {
    if (!this.process) return;
    this.process.alive = false;
    this.process = undefined;
    this.assembled = undefined;
    this.voting = undefined;
    this.simFace = undefined;
    this.starting = false;
    this.held = [];
    this.disk.hung = "none";
    this.network.detach(this.id);
    this.storage.crash();
  }

  slow(rate: number): void {
    this.slowRate = rate;
    if (this.process) this.process.slowRate = rate;
  }

  pause(forMs: number): void {
    if (!this.process) return;
    this.process.pausedUntilMs = Math.max(this.process.pausedUntilMs, this.world.nowMs + forMs);
    this.hooks.paused(this.process.pausedUntilMs);
  }
}

const leaderKinds = new Set([4, 6]);

/** Appends and heartbeats, by their numbers in src/raft/wire.ts. */
function isFromLeader(message: readonly unknown[]): boolean {
  return message[0] === "r" && leaderKinds.has(message[1] as number);
}
