// Owns: the attempts that this node runs: starting, stopping, the timeout, and that each of them is reported once. What they do
// is the executors' business; which of them may start is decided by the state machine and passed on by the core thread, with
// the session and its lease; re-sending results until they are acknowledged is the session's.
// (R1) Exactly one result of each (sequence, token) ever leaves. What user code says after that is dropped.
// (R2) A token starts at most once. Tokens rise in the order in which batches arrive (P7), so that a token that is not above all
//      of the earlier batches is a repetition: ignored without a memory of single attempts.
// (R3) Nothing starts after the batch's `notAfterMs`, looked at for every single start, nor after its stop has arrived, even when
//      the stop came first: it is reported as not_started.
// (R4) A newer token of a held execution makes the older attempt void: it is aborted and reported before the newer one starts.
// (R5) At any moment a token that was taken is held, or its result has been handed to `report`: `held` reports what is pending first.
// (R6) A start without details of an instant type costs no promise, no timer and no object.

import type { System, Timer } from "../system.ts";
import type { Executor, Logger, RunContext, RunOutcome } from "./executor.ts";
import type { OutputStore } from "./outputs.ts";
import type { StartDetails } from "./startdetails.ts";
import type { ResultBatch, StartBatch, StopBatch } from "./types.ts";
import { BugError, assert, messageOf } from "../base/errors.ts";
import { Histogram } from "../base/histogram.ts";
import { tokenText } from "../base/token.ts";
import { limits } from "../limits.ts";
import { failedWith } from "./executor.ts";
import { ResultColumns, outcomeIndex } from "./results.ts";
import { detailsOf, hasDetails } from "./startdetails.ts";

export type RunnerOptions = {
  readonly executors: ReadonlyMap<string, Executor>;
  /** What the leader plans with. Here at most twice as many run, counting those that were aborted and do not end. */
  readonly slots: number;
  readonly shard: number;
  readonly system: System;
  readonly report: (batch: ResultBatch) => void;
  readonly outputs: OutputStore;
  readonly logger: Logger;
};

export type HeldAttempt = { readonly sequence: number; readonly token: number };

/** One attempt whose executor did not answer at once. */
type Attempt = {
  readonly sequence: number;
  readonly token: number;
  readonly startAtMs: number;
  /** Monotonic. */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly controller: AbortController;
  timer: Timer | undefined;
  /** Why it was aborted, and so how it ends. */
  verdict: "timeout" | "cancelled" | undefined;
  reported: boolean;
};

export class Runner {
  /** Of first attempts, from the due time to the call of the executor, in whole milliseconds. */
  readonly lateness = new Histogram(1, 60_000);
  private readonly options: RunnerOptions;
  private readonly results: ResultColumns;
  /** By sequence: only one attempt of an execution is held at a time (R4). */
  private readonly attempts = new Map<number, Attempt>();
  /** Tokens whose stop came before their start, oldest first (R3). */
  private readonly stopsAhead = new Set<number>();
  /** The highest token of all batches so far (R2). */
  private newestToken = -1;
  /** Calls of `run` that have not returned, with those whose attempt was already reported. */
  private running = 0;
  private refusing = false;
  private idle: (() => void) | undefined;

  constructor(options: RunnerOptions) {
    this.options = options;
    this.results = new ResultColumns(options.system, options.report);
  }

  /** Starts what the batch holds, as far as it still may start; results come by `report`, never from within this call's turn
   *  unless a batch of results is full. */
  start(batch: StartBatch): void {
    const { system, executors } = this.options;
    const types = batch.typeNames.map((name) => executors.get(name));
    const instant = types.map((executor) => executor?.instant === true);
    const { count, sequences, tokens, attempts: attemptColumn, scheduledAtMs, types: typeColumn, details, notAfterMs } = batch;
    const { results, attempts, stopsAhead, lateness } = this;
    const before = this.newestToken;
    let newest = before;
    let late = this.refusing || system.monotonicMs() > notAfterMs;
    let wallMs = system.wallMs();
    results.reserve(count);
    for (let i = 0; i < count; i++) {
      const sequence = sequences[i] as number;
      const token = tokens[i] as number;
      if (token <= newest && (token <= before || tokens.indexOf(token) < i)) continue;
      if (token > newest) newest = token;
      if (attempts.size > 0 && attempts.has(sequence)) this.supersede(sequence);
      if (late || (stopsAhead.size > 0 && stopsAhead.has(token))) {
        results.add(sequence, token, outcomeIndex.not_started, 0, 0, undefined);
      } else if (instant[typeColumn[i] as number] === true && !hasDetails(details, i)) {
        if (attemptColumn[i] === 1) lateness.add(wallMs - (scheduledAtMs[i] as number));
        results.add(sequence, token, outcomeIndex.completed, wallMs, wallMs, undefined);
      } else {
        this.launch(batch, i, types[typeColumn[i] as number]);
        // User code has run meanwhile: the clocks are looked at again (R3).
        late = this.refusing || system.monotonicMs() > notAfterMs;
        wallMs = system.wallMs();
      }
    }
    this.newestToken = newest;
    this.forgetStops();
  }

  /** Aborts what is held; what is not yet known here will not start. What has ended is left as it is. */
  stop(batch: StopBatch): void {
    for (let i = 0; i < batch.sequences.length; i++) {
      const token = batch.tokens[i] as number;
      const attempt = this.attempts.get(batch.sequences[i] as number);
      if (attempt?.token === token) this.abort(attempt, "cancelled", `stopped: ${batch.reason}`);
      else if (token > this.newestToken) this.stopsAhead.add(token);
    }
    this.forgetStops();
  }

  /** What runs and has not been reported (R5). */
  held(): HeldAttempt[] {
    this.results.flush();
    return [...this.attempts.values()].map(({ sequence, token }) => ({ sequence, token }));
  }

  /** Starts nothing more and waits until nothing is held, or for `timeoutMs`. What is left then is left running, for `close`. */
  drain(timeoutMs: number): Promise<void> {
    this.refusing = true;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.idle = undefined;
        this.results.flush();
        resolve();
      };
      const timer = this.options.system.after(timeoutMs, end);
      this.idle = end;
      if (this.attempts.size === 0) end();
    });
  }

  /** Aborts everything and reports nothing of it: the cluster learns it from the end of the session. */
  close(): void {
    this.results.flush();
    this.refusing = true;
    for (const attempt of this.attempts.values()) {
      attempt.timer?.cancel();
      attempt.reported = true;
      attempt.controller.abort(new Error("the node stops"));
    }
    this.attempts.clear();
    for (const executor of this.options.executors.values()) executor.close?.();
    this.idle?.();
  }

  private launch(batch: StartBatch, i: number, executor: Executor | undefined): void {
    const { system, logger } = this.options;
    const sequence = batch.sequences[i] as number;
    const token = batch.tokens[i] as number;
    if (this.running >= 2 * this.options.slots) {
      logger.warn({ sequence, running: this.running }, "no free slot: too much user code does not end after its abort");
      this.results.add(sequence, token, outcomeIndex.not_started, 0, 0, undefined);
      return;
    }
    const startAtMs = system.wallMs();
    const deadlineMs = system.monotonicMs() + (batch.timeoutsMs[i] as number);
    if (executor === undefined) {
      const type = batch.typeNames[batch.types[i] as number];
      const unknown = `no executor for job_type "${type}" on this node: add its plugin or place the job by tags`;
      this.add(sequence, token, failedWith(unknown), startAtMs);
      return;
    }
    const details = detailsOf(batch.details, i, sequence);
    if (details === undefined) {
      logger.error({ sequence }, "the definition that this execution is pinned to is not on this node");
      this.results.add(sequence, token, outcomeIndex.not_started, 0, 0, undefined);
      return;
    }
    if (batch.attempts[i] === 1) this.lateness.add(startAtMs - (batch.scheduledAtMs[i] as number));
    const controller = new AbortController();
    const answer = this.call(executor, this.contextOf(batch, i, details, controller.signal));
    if (!(answer instanceof Promise)) {
      this.add(sequence, token, answer, startAtMs);
      return;
    }
    const timeoutMs = batch.timeoutsMs[i] as number;
    const attempt: Attempt = {
      sequence, token, startAtMs, deadlineMs, timeoutMs, controller, timer: undefined, verdict: undefined, reported: false,
    };
    this.attempts.set(sequence, attempt);
    this.running++;
    this.watch(attempt);
    void answer.then((outcome) => this.settle(attempt, outcome), (error: unknown) => this.settle(attempt, failureOf(error)));
  }

  private contextOf(batch: StartBatch, i: number, details: StartDetails, signal: AbortSignal): RunContext {
    const attempt = batch.attempts[i] as number;
    const token = batch.tokens[i] as number;
    return {
      executionId: details.executionId,
      jobId: details.jobId,
      attempt,
      token: tokenText(token, this.options.shard),
      tokenCounter: token,
      scheduledAtMs: batch.scheduledAtMs[i] as number,
      payload: details.payload,
      signal,
      timeoutMs: batch.timeoutsMs[i] as number,
      deliverOnce: details.deliverOnce,
      output: this.options.outputs.open(details.executionId, attempt),
      logger: this.options.logger,
    };
  }

  private call(executor: Executor, context: RunContext): Promise<RunOutcome> | RunOutcome {
    try {
      return executor.run(context);
    } catch (error) {
      return failureOf(error);
    }
  }

  /** Wakes at the deadline; looks at the clock, because a timer may be cut short. */
  private watch(attempt: Attempt): void {
    const { system } = this.options;
    attempt.timer = system.after(attempt.deadlineMs - system.monotonicMs(), () => {
      if (system.monotonicMs() < attempt.deadlineMs) this.watch(attempt);
      else this.abort(attempt, "timeout", `timed out after ${attempt.timeoutMs} ms`);
    });
  }

  /** Tells the user code to end, and ends the attempt without it when it does not within the grace (R1). */
  private abort(attempt: Attempt, verdict: "timeout" | "cancelled", reason: string): void {
    if (attempt.verdict !== undefined) return;
    attempt.verdict = verdict;
    attempt.timer?.cancel();
    attempt.timer = this.options.system.after(limits.killGraceMs, () => {
      const { sequence } = attempt;
      this.options.logger.warn({ sequence, verdict }, "the attempt does not end after its abort; its late result will be dropped");
      this.finish(attempt, failedWith(`${reason}, and did not end within ${limits.killGraceMs} ms`));
    });
    attempt.controller.abort(new Error(reason));
  }

  private supersede(sequence: number): void {
    const attempt = this.attempts.get(sequence);
    assert(attempt !== undefined, "only a held attempt is superseded");
    this.abort(attempt, "cancelled", "stopped: a newer token was started");
    this.finish(attempt, failedWith("stopped: a newer token was started"));
  }

  private settle(attempt: Attempt, outcome: RunOutcome): void {
    this.running--;
    this.finish(attempt, outcome);
  }

  private finish(attempt: Attempt, outcome: RunOutcome): void {
    if (attempt.reported) return;
    attempt.reported = true;
    attempt.timer?.cancel();
    this.attempts.delete(attempt.sequence);
    this.add(attempt.sequence, attempt.token, outcome, attempt.startAtMs, attempt.verdict, attempt.timeoutMs);
    if (this.attempts.size === 0) this.idle?.();
  }

  /** A cancellation that came too late changes nothing: done is done. A deadline that passed is a timeout whatever came after it. */
  private add(sequence: number, token: number, outcome: RunOutcome, startAtMs: number, verdict?: Attempt["verdict"], timeoutMs = 0): void {
    const endAtMs = this.options.system.wallMs();
    const unsuccessful = verdict === "cancelled" ? outcomeIndex.cancelled : outcomeIndex.failed;
    if (verdict === "timeout") {
      this.results.add(sequence, token, outcomeIndex.timeout, startAtMs, endAtMs, `timed out after ${timeoutMs} ms`);
    } else if (outcome.ok) {
      this.results.add(sequence, token, outcomeIndex.completed, startAtMs, endAtMs, undefined);
    } else {
      this.results.add(sequence, token, unsuccessful, startAtMs, endAtMs, outcome.error);
    }
  }

  /** A stop whose token cannot start any more (R2) need not be remembered; beyond the bound the oldest go first. */
  private forgetStops(): void {
    if (this.stopsAhead.size === 0) return;
    for (const token of this.stopsAhead) {
      if (token <= this.newestToken || this.stopsAhead.size > limits.stopsAheadMax) this.stopsAhead.delete(token);
    }
  }
}

function failureOf(error: unknown): RunOutcome {
  if (error instanceof BugError) throw error;
  return failedWith(messageOf(error));
}
