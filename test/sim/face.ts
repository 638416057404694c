// Owns: the simulated face of a node: "runs" what it is handed, for a while, with an outcome, and reports. It stands where the runner
// and user code stand in a real node, and notes every start for the judge.

import { resultOutcome } from "../../src/jobs/items.ts";
import type { ResultBatch, StartBatch, StopBatch } from "../../src/worker/types.ts";
import type { Process, World } from "./world.ts";

export type StartSeen = { readonly sequence: number; readonly token: number; readonly node: string; readonly atMs: number };

export type FaceWeather = { failRate: number; slowRate: number; slowMs: number; hangMs: number };

type Attempt = { readonly token: number; startAtMs: number; done: boolean };

export class SimFace {
  private readonly world: World;
  private readonly process: Process;
  private readonly node: string;
  private readonly weather: FaceWeather;
  private readonly report: (batch: ResultBatch) => void;
  private readonly wallMs: () => number;
  private readonly started: (seen: StartSeen) => void;
  private readonly attempts = new Map<number, Attempt>();
  private readonly stopped = new Set<number>();
  private readonly waiting = new Set<number>();

  constructor(
    world: World,
    process: Process,
    node: string,
    weather: FaceWeather,
    wallMs: () => number,
    report: (batch: ResultBatch) => void,
    started: (seen: StartSeen) => void,
  ) {
    this.world = world;
    this.process = process;
    this.node = node;
    this.weather = weather;
    this.wallMs = wallMs;
    this.report = report;
    this.started = started;
  }

  start(batch: StartBatch): void {
    const { world } = this;
    const lateMs = world.chance(0.02) ? this.weather.hangMs * world.random() : world.between(0, 2);
    for (let i = 0; i < batch.count; i++) {
      const sequence = batch.sequences[i] as number;
      const token = batch.tokens[i] as number;
      const timeoutMs = batch.timeoutsMs[i] as number;
      this.waiting.add(token);
      world.at(lateMs, () => this.begin(sequence, token, timeoutMs, batch.notAfterMs), this.process);
    }
  }

  private begin(sequence: number, token: number, timeoutMs: number, notAfterMs: number): void {
    const { world, weather } = this;
    this.waiting.delete(token);
    const monotonicMs = this.process.monotonicMs(world.nowMs);
    if (monotonicMs > notAfterMs || this.stopped.has(token)) return this.result(sequence, token, resultOutcome.notStarted, 0, "");
    const startAtMs = this.wallMs();
    const attempt: Attempt = { token, startAtMs, done: false };
    this.attempts.set(sequence, attempt);
    this.started({ sequence, token, node: this.node, atMs: world.nowMs });
    const durationMs = world.chance(weather.slowRate) ? world.between(500, weather.slowMs) : world.between(0, 40);
    const failed = world.chance(weather.failRate);
    world.at(
      Math.min(durationMs, timeoutMs),
      () => {
        if (attempt.done) return;
        attempt.done = true;
        const outcome = durationMs > timeoutMs ? resultOutcome.timeout : failed ? resultOutcome.failed : resultOutcome.completed;
        this.result(sequence, token, outcome, startAtMs, failed ? "it failed" : "");
      },
      this.process,
    );
  }

  /** Whether an execution is under way here. */
  runs(sequence: number): boolean {
    return this.attempts.get(sequence)?.done === false;
  }

  /** Whether an attempt is here: waiting to begin, running, or ended and not yet reported. */
  holds(sequence: number, token: number): boolean {
    return this.attempts.get(sequence)?.token === token || this.waiting.has(token);
  }

  stop(batch: StopBatch): void {
    batch.sequences.forEach((sequence, i) => {
      const token = batch.tokens[i] as number;
      const attempt = this.attempts.get(sequence);
      if (!attempt || attempt.token !== token || attempt.done) return void this.stopped.add(token);
      attempt.done = true;
      this.world.at(
        this.world.between(0, 20),
        () => this.result(sequence, token, resultOutcome.cancelled, attempt.startAtMs, ""),
        this.process,
      );
    });
  }

  private result(sequence: number, token: number, outcome: number, startAtMs: number, error: string): void {
    this.report({
      count: 1,
      sequences: Float64Array.of(sequence),
      tokens: Float64Array.of(token),
      outcomes: Uint8Array.of(outcome),
      startAtMs: Float64Array.of(startAtMs),
      endAtMs: Float64Array.of(startAtMs === 0 ? 0 : this.wallMs()),
      errors: error === "" ? undefined : [error],
    });
  }
}
