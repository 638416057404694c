// Owns: simulated callers of the API: they create, change and delete jobs at random nodes with Idempotency-Keys, repeat what was not
// acknowledged, and remember every answer for the end (P1, P2, I11).

import { PawlError } from "../../src/base/errors.ts";
import type { Change, ChangeReply } from "../../src/jobs/views.ts";
import type { ClassSpec, JobSpec, ScheduleSpec } from "../../src/jobs/spec.ts";
import { WALL_START_MS } from "./world.ts";
import type { Process, World } from "./world.ts";
import type { SimNode } from "./node.ts";
import { demand } from "./oracle.ts";
import type { Judge } from "./judge.ts";

type Attempted = {
  readonly change: Change;
  readonly key: string;
  tries: number;
  outcome: "waiting" | "done" | "rejected" | "unknown";
  everUnknown: boolean;
  /** The process that was asked; undefined between tries. */
  process: Process | undefined;
  reply: ChangeReply | undefined;
};

const TRIES_MAX = 6;

export class Callers {
  readonly attempted: Attempted[] = [];
  private readonly world: World;
  private readonly nodes: readonly SimNode[];
  private readonly known: string[] = [];
  private quiet = false;
  /** The next change comes just before many jobs are due. */
  private racing = false;
  private lastId = 0;
  private readonly executions: string[] = [];

  constructor(world: World, nodes: readonly SimNode[]) {
    this.world = world;
    this.nodes = nodes;
  }

  begin(meanGapMs: number): void {
    if (this.quiet) return;
    const key = `k${this.attempted.length}`;
    const attempted: Attempted = {
      change: this.change(),
      key,
      tries: 0,
      outcome: "waiting",
      everUnknown: false,
      process: undefined,
      reply: undefined,
    };
    this.attempted.push(attempted);
    this.attempt(attempted);
    this.world.at(this.gap(meanGapMs), () => this.begin(meanGapMs));
  }

  /** Some changes come just before or after a whole second, when many jobs are due: that is where races are. */
  private gap(meanGapMs: number): number {
    const { world } = this;
    if (world.chance(0.85)) return world.between(0, 2 * meanGapMs);
    const secondMs = Math.ceil(world.nowMs / 1000) * 1000 - world.nowMs;
    this.racing = true;
    return Math.max(0, secondMs + world.between(-10, 6));
  }

  stop(): void {
    this.quiet = true;
  }

  private change(): Change {
    const { world } = this;
    const racing = this.racing && this.known.length > 0 && world.chance(0.6);
    this.racing = false;
    if (racing) return { kind: "update", jobId: world.pick(this.known), patch: { schedule: this.cron() } };
    const dice = world.random();
    if (this.known.length < 4 || dice < 0.3) return this.create();
    const jobId = world.pick(this.known);
    if (dice < 0.45) return { kind: "update", jobId, patch: { schedule: this.schedule() } };
    if (dice < 0.5) return { kind: "update", jobId, patch: { payload: { note: world.nowMs } } };
    if (dice < 0.6) return { kind: "pause", jobId };
    if (dice < 0.75) return { kind: "resume", jobId };
    if (dice < 0.85) return { kind: "trigger", jobId };
    if (dice < 0.9 && this.executions.length > 0) return { kind: "cancel_execution", executionId: world.pick(this.executions) };
    return { kind: "cancel", jobId, running: world.chance(0.5) ? "cancel" : "leave" };
  }

  private create(): Change {
    const jobId = `job-${++this.lastId}`;
    this.known.push(jobId);
    if (this.known.length > 12) this.known.shift();
    return { kind: "create", jobId, spec: this.spec() };
  }

  private schedule(): ScheduleSpec {
    const { world } = this;
    const nowMs = WALL_START_MS + Math.floor(world.nowMs);
    const dice = world.random();
    if (dice < 0.35) return { kind: "at", atMs: nowMs + Math.floor(world.between(-500, 5000)) };
    if (dice < 0.7)
      return { kind: "every", everyMs: Math.floor(world.between(1000, 4000)), anchorMs: nowMs + Math.floor(world.between(-5000, 3000)) };
    return this.cron();
  }

  private cron(): ScheduleSpec {
    const seconds = this.world.pick([1, 2, 3, 5]);
    return { kind: "cron", expression: `*/${seconds} * * * * *`, timezone: "UTC", gap: "run_at_gap_end", overlap: "first" };
  }

  private spec(): JobSpec {
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
      description: "",
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
    node.assembled?.replica.submit(attempted.change, { scope: attempted.key, bodyHash: "b" }, 200, (outcome) => {
      demand(!answered, "P2", `change ${attempted.key} was answered twice`);
      answered = true;
      if (process?.alive) this.answered(attempted, outcome);
    });
  }

  private answered(attempted: Attempted, outcome: ChangeReply | PawlError): void {
    if (!(outcome instanceof PawlError)) {
      attempted.outcome = "done";
      attempted.reply = outcome;
      if (outcome.executionId) this.executions.push(outcome.executionId);
      if (this.executions.length > 10) this.executions.shift();
      return;
    }
    if (outcome.outcome === "unknown") attempted.everUnknown = true;
    const final = outcome.outcome === "rejected" && !["no_quorum", "unavailable", "overloaded"].includes(outcome.code);
    if (final) attempted.outcome = "rejected";
    else this.again(attempted);
  }

  private again(attempted: Attempted): void {
    attempted.outcome = attempted.everUnknown ? "unknown" : "rejected";
    if (attempted.tries >= TRIES_MAX || this.quiet) return;
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
      if (change.kind !== "create") continue;
      const index = judge.submitted.get(change.jobId);
      if (outcome === "done")
        demand(index !== undefined && index <= (reply?.index ?? 0), "P1", `${change.jobId} was acknowledged and is not in the log`);
      if (outcome === "rejected" && !everUnknown)
        demand(index === undefined, "I11", `${change.jobId} (${key}) was rejected and happened at ${index}`);
    }
  }
}
