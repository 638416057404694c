// Owns: the three families of failure. A bug is an `assert` that ends the process; a refusal is a `PawlError` with a stable
// code; an outcome that nobody can know is a `PawlError` with outcome "unknown". Edges map codes to HTTP status and exit code.

/** Every code that a caller may rely on. Messages may change, codes may not. */
export type ErrorCode =
  | "invalid" // a field has a wrong shape or type (400)
  | "unprocessable" // well-formed, but can never be done (422)
  | "too_large" // 413
  | "unauthorized" // 401
  | "forbidden" // 403
  | "not_found" // 404
  | "exists" // 409
  | "conflict" // 409: the thing changed or is in a state that forbids it
  | "change_pending" // 409: another change of the members is not finished
  | "would_lose_quorum" // 409: without force
  | "unknown_member" // 404
  | "already_member" // 409: with other addresses
  | "not_ready" // 409: a member that has not caught up
  | "key_reused" // 422: same Idempotency-Key, other body
  | "gone" // 410: aged out
  | "overloaded" // 429: a bound in limits.ts was reached
  | "capacity" // 507: a replicated capacity was reached
  | "disk_full" // 507: disks are nearly full; deleting and cancelling go on
  | "history_incomplete" // 503: this node still fetches records that it lacks
  | "no_quorum" // 503
  | "not_leader" // 503: internal, answered by forwarding
  | "unavailable" // 503: starting, stopping, or no leader yet
  | "timeout" // 504: the outcome of a change is unknown
  | "config" // exit code 2
  | "too_new" // written by a newer Pawl: this node must be upgraded
  | "quarantined" // stored data failed its checks
  | "io"; // a disk or socket failed

/** What is known of a change that was not acknowledged: nothing happened and never will, or nobody can tell. */
export type Outcome = "rejected" | "unknown";

export type ErrorDetails = {
  readonly field?: string | undefined;
  readonly outcome?: Outcome | undefined;
  readonly cause?: unknown;
};

export class PawlError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly outcome: Outcome;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "PawlError";
    this.code = code;
    this.field = details.field;
    this.outcome = details.outcome ?? "rejected";
  }
}

export class BugError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BugError";
  }
}

/**
 * States what must hold. A failure is a bug in Pawl: it is never caught to go on, the process ends. The message is put together before
 * it is known to be needed, a tenth of a microsecond for each number in it: what is called for every row tests, then throws itself.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** For the branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new BugError(`unreachable: ${String(value)}`);
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
