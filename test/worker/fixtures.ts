// Owns: what the tests of this room share: a clock that the test moves, batches, and a runner whose results are collected.

import fs from "node:fs";
import type { System, Timer } from "../../src/system.ts";
import type { Executor, Logger, OutputStream, RunContext, RunOutcome } from "../../src/worker/executor.ts";
import type { DetailColumns, StartDetails } from "../../src/worker/startdetails.ts";
import type { ResultBatch, StartBatch, StopBatch } from "../../src/worker/types.ts";
import { specBytes } from "../../src/jobs/specform.ts";
import { realSystem } from "../../src/system.ts";
import { OutputStore } from "../../src/worker/outputs.ts";
import { Runner } from "../../src/worker/runner.ts";
import { DetailsWriter } from "../../src/worker/startdetails.ts";
import { at, spec } from "../jobs/machine.ts";
import { outcomes } from "../../src/worker/types.ts";

type Waiting = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** Time stands still until `advance`; what was asked for soon runs at `turn`. */
export class TestSystem implements System {
  now = 1_000;
  private order = 0;
  private readonly timers = new Set<Waiting>();
  private later: (() => void)[] = [];

  wallMs(): number {
    return 1_800_000_000_000 + this.now;
  }

  monotonicMs(): number {
    return this.now;
  }

  random(): number {
    return 0.5;
  }

  after(delayMs: number, run: () => void): Timer {
    const waiting = { atMs: this.now + delayMs, order: this.order++, run };
    this.timers.add(waiting);
    return { cancel: () => void this.timers.delete(waiting) };
  }

  soon(run: () => void): void {
    this.later.push(run);
  }

  get timersCount(): number {
    return this.timers.size;
  }

  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.now = Math.max(this.now, due.atMs);
      due.run();
    }
    this.now = end;
  }

  turn(): void {
    const ready = this.later;
    this.later = [];
    for (const run of ready) run();
  }
}

/** Lets everything that promises wait for happen, without a clock. */
export function settled(): Promise<void> {
  return new Promise((resolve) => realSystem.soon(resolve));
}

export const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

export type Start = {
  readonly sequence: number;
  readonly token: number;
  readonly type?: string;
  readonly attempt?: number;
  readonly timeoutMs?: number;
  readonly details?: Partial<Omit<StartDetails, "executionId">> | undefined;
};

function detailsFor(starts: readonly Start[]): DetailColumns {
  const writer = new DetailsWriter(starts.length);
  for (const { details } of starts) {
    const { jobId = "job", payload = null, deliverOnce = false } = details ?? {};
    const of = spec(at(0), { delivery: deliverOnce ? "at_most_once" : "at_least_once" }, { payload });
    writer.add(details && { jobId, specJson: specBytes(of) });
  }
  return writer.take("x");
}

export function startBatch(starts: readonly Start[], notAfterMs = Number.POSITIVE_INFINITY): StartBatch {
  const typeNames = [...new Set(starts.map(({ type }) => type ?? "noop"))];
  return {
    count: starts.length,
    sequences: Float64Array.from(starts, ({ sequence }) => sequence),
    tokens: Float64Array.from(starts, ({ token }) => token),
    attempts: Uint16Array.from(starts, ({ attempt }) => attempt ?? 1),
    scheduledAtMs: Float64Array.from(starts, () => 1_800_000_000_000),
    timeoutsMs: Float64Array.from(starts, ({ timeoutMs }) => timeoutMs ?? 60_000),
    types: Uint16Array.from(starts, ({ type }) => typeNames.indexOf(type ?? "noop")),
    typeNames,
    notAfterMs,
    details: detailsFor(starts),
  };
}

export function stopBatch(sequence: number, token: number, reason: StopBatch["reason"] = "cancelled"): StopBatch {
  return { sequences: [sequence], tokens: [token], reason };
}

export type Row = { sequence: number; token: number; outcome: string; startAtMs: number; endAtMs: number; error: string | undefined };

export function rowsOf(batch: ResultBatch): Row[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    sequence: batch.sequences[i] as number,
    token: batch.tokens[i] as number,
    outcome: outcomes[batch.outcomes[i] as number] as string,
    startAtMs: batch.startAtMs[i] as number,
    endAtMs: batch.endAtMs[i] as number,
    error: batch.errors?.[i],
  }));
}

/** An executor whose attempts end when the test says so. */
export class HandMade implements Executor {
  readonly type: string;
  readonly contexts: RunContext[] = [];
  private readonly ends: ((outcome: RunOutcome) => void)[] = [];
  private readonly fails: ((error: Error) => void)[] = [];

  constructor(type = "hand") {
    this.type = type;
  }

  validate(): void {}

  run(context: RunContext): Promise<RunOutcome> {
    this.contexts.push(context);
    return new Promise((resolve, reject) => {
      this.ends.push(resolve);
      this.fails.push(reject);
    });
  }

  end(at: number, outcome: RunOutcome = { ok: true }): Promise<void> {
    this.ends[at]?.(outcome);
    return settled();
  }

  fail(at: number, error: Error): Promise<void> {
    this.fails[at]?.(error);
    return settled();
  }
}

export function runnerWith(executors: readonly Executor[], slots = 100) {
  const system = new TestSystem();
  const batches: ResultBatch[] = [];
  const outputs = new OutputStore();
  const runner = new Runner({
    executors: new Map(executors.map((executor) => [executor.type, executor])),
    slots, shard: 3, system, outputs, logger: silent, report: (batch) => batches.push(batch),
  });
  const rows = (): Row[] => {
    system.turn();
    return batches.flatMap(rowsOf);
  };
  return { system, runner, outputs, batches, rows };
}

/** A context for calling an executor without a runner. */
export function contextOf(payload: unknown, overrides: Partial<RunContext> = {}) {
  const written: { stream: OutputStream; text: string }[] = [];
  const controller = new AbortController();
  const context: RunContext = {
    executionId: "space-1z", jobId: "job-a", attempt: 2, token: "451", tokenCounter: 7, scheduledAtMs: Date.UTC(2026, 10, 21, 9, 30),
    payload, signal: controller.signal, timeoutMs: 60_000, deliverOnce: false, logger: silent,
    output: { write: (stream, data) => void written.push({ stream, text: Buffer.from(data as Uint8Array).toString() }) },
    ...overrides,
  };
  const text = (stream: OutputStream): string => written.filter((each) => each.stream === stream).map((each) => each.text).join("");
  return { context, controller, text };
}

const EXITING = 4;

/** Whether a process still runs. One that the kernel is taking down has closed its files already, but may not yet look dead. */
export function isAlive(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, , , , , , flags] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state !== "Z" && (Number(flags) & EXITING) === 0;
  } catch {
    return false;
  }
}
