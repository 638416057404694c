// Owns: simulated callers of the API that create, change and delete jobs at random nodes with Idempotency-Keys, repeat what was not
// acknowledged, and remember every answer (P1, P2, I11). Each change of a definition writes its own key into the description.

import { PawlError } from "../../src/base/errors.ts";
import { Bulk, BulkWriter } from "../../src/jobs/bulk.ts";
import type { Change, ChangeReply } from "../../src/jobs/views.ts";
import type { ClassSpec, JobSpec, ScheduleSpec } from "../../src/jobs/spec.ts";
import { limits } from "../../src/limits.ts";
import { WALL_START_MS } from "./world.ts";
import type { Process, World } from "./world.ts";
import type { SimNode } from "./node.ts";
import { demand } from "./oracle.ts";
import type { History } from "./history.ts";
import type { Judge } from "./judge.ts";

type Attempted = {
  readonly change: Change;
  readonly key: string;
  readonly beganMs: number;
  tries: number;
  outcome: "waiting" | "done" | "rejected" | "unknown";
  everUnknown: boolean;
  /** The process that was asked; undefined between tries. */
  process: Process | undefined;
  reply: ChangeReply | undefined;
};

type Pace = { readonly gapMs: number; readonly everyMs: number; readonly seconds: readonly number[]; readonly jobsMax: number };

/** Busy ones find what needs many things at once, slow ones give faults time to do their work. */
const paces: readonly Pace[] = [
  { gapMs: 100, everyMs: 1000, seconds: [1, 2, 3, 5], jobsMax: 12 },
  { gapMs: 300, everyMs: 3000, seconds: [2, 5, 10], jobsMax: 10 },
  { gapMs: 800, everyMs: 8000, seconds: [5, 10, 20], jobsMax: 8 },
];

const TRIES_MAX = 6;
/** Jobs in a batch; the largest fill blocks of definitions. */
const BATCHES = [2, 7, 40] as const;

export class Callers {
  readonly attempted: Attempted[] = [];
  private readonly world: World;
  private readonly nodes: readonly SimNode[];
  readonly known: string[] = [];
  /** Told of each change that was acknowledged. */
  acknowledged: (jobId: string, node: SimNode) => void = () => undefined;
  /** Jobs of the changes that were acknowledged last. */
  readonly changed: string[] = [];
  private readonly history: History;
  private quiet = false;
  /** The next change comes just before many jobs are due. */
  private racing = false;
  /** How often jobs are due and callers come, drawn for the whole run. */
  private readonly pace: Pace;
  private quietUntilMs = 0;
  private lastId = 0;
  private readonly executions: string[] = [];

  constructor(world: World, nodes: readonly SimNode[], history: History) {
    this.world = world;
    this.nodes = nodes;
    this.history = history;
    this.pace = world.pick(paces);
  }

  begin(): void {
    if (this.quiet) return;
    if (this.world.chance(0.01)) this.quietUntilMs = this.world.nowMs + this.world.between(1000, 8000);
    if (this.quietUntilMs > this.world.nowMs) return void this.world.at(this.quietUntilMs - this.world.nowMs, () => this.begin());
    const key = `k${this.attempted.length}`;
    this.submit(key, this.change(key));
    this.world.at(this.gap(), () => this.begin());
  }

  private submit(key: string, change: Change): void {
    const attempted: Attempted = {
      change,
      key,
      beganMs: this.world.nowMs,
      tries: 0,
      outcome: "waiting",
      everUnknown: false,
      process: undefined,
      reply: undefined,
    };
    this.attempted.push(attempted);
    this.attempt(attempted);
  }

  /** Some changes come just before or after a whole second, when many jobs are due: that is where races are. */
  private gap(): number {
    const { world } = this;
    if (world.chance(0.85)) return world.between(0, 2 * this.pace.gapMs);
    const secondMs = Math.ceil(world.nowMs / 1000) * 1000 - world.nowMs;
    this.racing = true;
    return Math.max(0, secondMs + world.between(-10, 6));
  }

  stop(): void {
    this.quiet = true;
  }

  private change(key: string): Change {
    const change = this.drawn(key);
    for (const one of each(change)) {
      const schedule = one.kind === "create" ? one.spec.schedule : one.kind === "update" ? one.patch.schedule : undefined;
      if (schedule?.kind === "at" && "jobId" in one) this.history.mayEnd(one.jobId);
    }
    return change;
  }

  private drawn(key: string): Change {
    const { world } = this;
    const racing = this.racing && this.known.length > 0 && world.chance(0.6);
    this.racing = false;
    if (racing) return { kind: "update", jobId: world.pick(this.known), patch: { schedule: this.cron(), description: key } };
    const dice = world.random();
    if (dice < 0.03) return this.createMany(key);
    if (this.known.length < 4 || dice < 0.3) return this.create(key);
    const jobId = world.pick(this.known);
    if (dice < 0.45) return { kind: "update", jobId, patch: { schedule: this.schedule(), description: key } };
    if (dice < 0.5) return { kind: "update", jobId, patch: { payload: { note: world.nowMs }, description: key } };
    if (dice < 0.6) return { kind: "pause", jobId };
    if (dice < 0.75) return { kind: "resume", jobId };
    if (dice < 0.85) return { kind: "trigger", jobId };
    if (dice < 0.9 && this.executions.length > 0) return { kind: "cancel_execution", executionId: world.pick(this.executions) };
    return { kind: "cancel", jobId, running: world.chance(0.5) ? "cancel" : "leave" };
  }

  private create(key: string): Change {
    const jobId = `job-${++this.lastId}`;
    this.known.push(jobId);
    if (this.known.length > this.pace.jobsMax) this.known.shift();
    return { kind: "create", jobId, spec: this.spec(key) };
  }

  /** Some jobs as any other, the rest far from due: they are there to share rows with the others. One id may be taken already. */
  private createMany(key: string): Change {
    const { world } = this;
    const writer = new BulkWriter();
    const count = world.pick(BATCHES);
    for (let i = 0; i < count; i++) {
      const one = this.create(key);
      if (one.kind !== "create") continue;
      const jobId = i === 1 && world.chance(0.3) ? world.pick(this.known) : one.jobId;
      const rare: ScheduleSpec = { kind: "every", everyMs: 86_400_000, anchorMs: 0 };
      writer.add(jobId, i < 3 ? one.spec : { ...one.spec, schedule: rare });
    }
    return { kind: "create_many", batch: writer.take() };
  }

  private schedule(): ScheduleSpec {
    const { world } = this;
    const nowMs = WALL_START_MS + Math.floor(world.nowMs);
    const dice = world.random();
    if (dice < 0.35) return { kind: "at", atMs: nowMs + Math.floor(world.between(-500, 5000)) };
    const everyMs = Math.floor(world.between(1, 4) * this.pace.everyMs);
    if (dice < 0.7) return { kind: "every", everyMs, anchorMs: nowMs + Math.floor(world.between(-5000, 3000)) };
    return this.cron();
  }

  private cron(): ScheduleSpec {
    const seconds = this.world.pick(this.pace.seconds);
    return { kind: "cron", expression: `*/${seconds} * * * * *`, timezone: "UTC", gap: "run_at_gap_end", overlap: "first" };
  }

  private spec(key: string): JobSpec {
    const { world } = this;
    const classSpec: ClassSpec = {
      jobType: "noop",
      priority: world.pick(["high", "medium", "low"]),
      overlap: world.pick(["skip", "allow"]),
      misfire: {
        policy: world.pick(["fire_once", "fire_all", "skip"]),
        withinMs: world.pick([1500, 5000, 60_000]),
        max: world.pick([2, 10]),
      },
      retry: {
        maxAttempts: world.pick([1, 2, 4]),
        backoff: "exponential",
        initialMs: world.pick([200, 4000]),
        maxMs: 8000,
        multiplier: 2,
        jitter: 0.1,
      },
      timeoutMs: world.pick([1000, 5000, 300_000]),
      delivery: world.chance(0.25) ? "at_most_once" : "at_least_once",
      placement: { tags: [], mode: "all" },
      hasPayload: false,
    };
    return {
      schedule: this.schedule(),
      class: classSpec,
      payload: null,
      namespace: "default",
      description: key,
      labels: {},
      paused: world.chance(0.05),
    };
  }

  private attempt(attempted: Attempted): void {
    const { world } = this;
    const up = this.nodes.filter((node) => node.up);
    attempted.tries++;
    if (up.length === 0) return this.again(attempted);
    const node = world.pick(up);
    attempted.process = node.process;
    let answered = false;
    const process = node.process;
    node.assembled?.replica.submit(own(attempted.change), { scope: attempted.key, bodyHash: "b" }, 200, (outcome) => {
      demand(!answered, "P2", `change ${attempted.key} was answered twice`);
      answered = true;
      if (process?.alive) this.answered(attempted, outcome, node);
    });
  }

  private answered(attempted: Attempted, outcome: ChangeReply | PawlError, node: SimNode): void {
    if (!(outcome instanceof PawlError)) {
      attempted.outcome = "done";
      attempted.reply = outcome;
      if (outcome.jobId !== undefined) this.changed.push(outcome.jobId);
      if (this.changed.length > 3) this.changed.shift();
      if (outcome.jobId !== undefined) this.acknowledged(outcome.jobId, node);
      if (outcome.executionId) this.executions.push(outcome.executionId);
      if (this.executions.length > 10) this.executions.shift();
      return this.record(attempted, this.world.nowMs, false);
    }
    if (outcome.outcome === "unknown") attempted.everUnknown = true;
    const final = outcome.outcome === "rejected" && !["no_quorum", "unavailable", "overloaded"].includes(outcome.code);
    if (!final) return this.again(attempted);
    attempted.outcome = "rejected";
    if (outcome.code === "disk_full") this.refusedForSpace(attempted.change);
    if (!attempted.everUnknown && outcome.code === "not_found") this.record(attempted, this.world.nowMs, true);
    else if (attempted.everUnknown) this.record(attempted, Number.POSITIVE_INFINITY, false);
  }

  /** Only what makes the cluster larger is, and only while a disk is nearly full, or was until a moment ago. */
  private refusedForSpace(change: Change): void {
    const isLarger = ["create", "create_many", "update", "trigger"].includes(change.kind);
    demand(isLarger, "disk full", `${change.kind} was refused for want of space`);
    const sinceMs = this.world.nowMs - limits.proposalTimeoutMs - limits.diskToldMaxMs - 2 * limits.diskCheckMs;
    const isFull = this.nodes.some((node) => node.storage.freeBytes < limits.diskReserveEndBytes || node.wasFullAtMs > sinceMs);
    demand(isFull, "disk full", `${change.kind} was refused though no disk is nearly full`);
  }

  /** What everybody may know of a change, for the history. */
  private record({ change: whole, key, beganMs, reply }: Attempted, endedMs: number, refused: boolean): void {
    for (const change of each(whole, reply)) {
      if (!("jobId" in change)) continue;
      const isDefinition = change.kind === "create" || change.kind === "update";
      const text = isDefinition ? { tag: key, paused: change.kind === "create" && change.spec.paused } : {};
      this.history.add(change.jobId, { kind: change.kind, beganMs, endedMs, refused, who: key, ...text });
    }
  }

  private again(attempted: Attempted): void {
    attempted.outcome = attempted.everUnknown ? "unknown" : "rejected";
    if (attempted.tries >= TRIES_MAX || this.quiet) {
      if (attempted.everUnknown) this.record(attempted, Number.POSITIVE_INFINITY, false);
      return;
    }
    attempted.outcome = "waiting";
    attempted.process = undefined;
    this.world.at(this.world.between(50, 1500), () => this.attempt(attempted));
  }

  /** Callers of a node that died hear nothing: the outcome is unknown to them, and they try again. */
  nodeDied(process: Process): void {
    for (const attempted of this.attempted) {
      if (attempted.outcome !== "waiting" || attempted.process !== process) continue;
      attempted.everUnknown = true;
      this.again(attempted);
    }
  }

  /** At the end: what was acknowledged is there, what was rejected never happened, and nobody waits. */
  finished(judge: Judge): void {
    for (const { change, outcome, everUnknown, key, reply } of this.attempted) {
      demand(outcome !== "waiting", "P2", `change ${key} was never answered`);
      if (outcome === "done") for (const one of each(change, reply)) judge.acknowledged(one, key, (reply as ChangeReply).index);
      if (outcome === "rejected" && !everUnknown) for (const one of each(change)) judge.rejected(one, key);
    }
  }
}

/** A change that the core may keep, and write into. */
function own(change: Change): Change {
  return change.kind === "create_many" ? { ...change, batch: change.batch.slice() } : change;
}

type One = Exclude<Change, { kind: "create_many" }>;

/** The changes of single jobs that a change stands for; of a batch those that its reply does not refuse. */
function each(change: Change, reply?: ChangeReply): readonly One[] {
  if (change.kind !== "create_many") return [change];
  const bulk = new Bulk(change.batch);
  const refused = new Set(reply?.refused?.map(({ at }) => at));
  const all = Array.from({ length: bulk.count }, (_, at): One => ({ kind: "create", jobId: bulk.jobId(at), spec: bulk.spec(at) }));
  return all.filter((_, at) => !refused.has(at));
}
