// Owns: what an executor is: how the runner calls it and what it answers. How attempts are started, stopped and reported is the
// runner's business (runner.ts); what the single executors do is theirs (noop.ts, http.ts, shell.ts, plugin.ts).
// (E1) An executor ends its run soon after `signal` aborts. It may ignore it, but then nobody waits for it.
// (E2) What `run` throws is a failure of the attempt, never of the node; only a BugError ends the process.

export type OutputStream = "stdout" | "stderr" | "response" | "log";

/** Takes what an attempt writes. Never waits and never throws: what does not fit is dropped and counted (outputs.ts). */
export type OutputSink = { write(stream: OutputStream, data: Uint8Array | string): void };

/** The few calls that Pawl makes on a logger; a pino logger fits. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** One attempt, as an executor sees it. */
export type RunContext = {
  readonly executionId: string;
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  /** Fencing token as decimal text, for targets. */
  readonly token: string;
  readonly tokenCounter: number;
  readonly scheduledAtMs: number;
  readonly payload: unknown;
  /** Aborts at the timeout, at a cancellation, and when the token has become void. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** True for at_most_once: nothing may be sent a second time for any reason. */
  readonly deliverOnce: boolean;
  readonly output: OutputSink;
  readonly logger: Logger;
};

export type RunOutcome = { readonly ok: true } | { readonly ok: false; readonly error: string };

export interface Executor {
  /** The job_type that it runs. */
  readonly type: string;
  /** True when an attempt without details has nothing to do: the runner completes it itself, without calling `run`. */
  readonly instant?: boolean;
  /** Throws PawlError("unprocessable") that names the field ("payload.url") when the payload can never be run. */
  validate(payload: unknown): void;
  run(context: RunContext): Promise<RunOutcome> | RunOutcome;
  /** Ends at once whatever still runs, at the end of the process. */
  close?(): void;
}

export const succeeded: RunOutcome = { ok: true };

export function failedWith(error: string): RunOutcome {
  return { ok: false, error };
}
