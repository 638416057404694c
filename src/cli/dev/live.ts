// Owns: what `pawl dev` knows of the newest attempts, from the stream of events. Drawing it is screen.ts.
// (E1) Bounded: the oldest attempts are forgotten.

import { limits } from "../../limits.ts";

/** An event as the API sends it; only what is shown here. */
export type LiveEvent = {
  readonly type: string;
  readonly at: string;
  readonly job_id?: string | undefined;
  readonly execution_id?: string | undefined;
  readonly node_id?: string | undefined;
  readonly attempt?: number | undefined;
  readonly fencing_token?: string | undefined;
  readonly lateness_ms?: number | undefined;
};

export type Attempt = {
  readonly executionId: string;
  readonly at: string;
  readonly job: string;
  readonly node: string;
  readonly token: string;
  readonly attempt: number;
  readonly latenessMs: number | undefined;
  outcome: string;
};

const started = "execution.started";

/** Takes in one event; returns the attempt that it began or ended, undefined when it is about something else. */
export function noteEvent(attempts: Attempt[], event: LiveEvent): Attempt | undefined {
  const { type, execution_id: executionId } = event;
  if (executionId === undefined || !type.startsWith("execution.") || type === "execution.queued") return undefined;
  const known = type === started ? undefined : attempts.find((attempt) => attempt.executionId === executionId);
  const outcome = type === started ? "running" : type.slice("execution.".length);
  if (known) {
    known.outcome = outcome;
    return known;
  }
  const attempt: Attempt = {
    executionId,
    at: event.at,
    job: event.job_id ?? "",
    node: event.node_id ?? "",
    token: event.fencing_token ?? "",
    attempt: event.attempt ?? 0,
    latenessMs: event.lateness_ms,
    outcome,
  };
  attempts.unshift(attempt);
  if (attempts.length > limits.devAttemptsMax) attempts.pop();
  return attempt;
}
