// Owns: how a failure looks in HTTP: problem+json as in RFC 9457, and the one table from code to status. What failed and why is
// said by whoever threw.
// (A4) Every answer of a change that is not a success carries its outcome (P2). What is not a PawlError is a failure of this node
//      in the middle of its work, so its outcome is unknown.
// (A5) The text of an unexpected failure goes to the log, never to the caller.

import { BugError, PawlError } from "../base/errors.ts";
import type { ErrorCode, Outcome } from "../base/errors.ts";

/** Status and title of every code; codes are part of the API, titles are for people. */
export const problems: Readonly<Record<ErrorCode, { readonly status: number; readonly title: string }>> = {
  invalid: { status: 400, title: "The request is malformed" },
  unprocessable: { status: 422, title: "The request can never be done" },
  too_large: { status: 413, title: "Too large" },
  unauthorized: { status: 401, title: "A bearer token is needed" },
  forbidden: { status: 403, title: "Not allowed" },
  not_found: { status: 404, title: "Not found" },
  exists: { status: 409, title: "It exists already" },
  conflict: { status: 409, title: "The present state forbids it" },
  change_pending: { status: 409, title: "Another change of the members is not finished" },
  would_lose_quorum: { status: 409, title: "Too few voters would be left" },
  unknown_member: { status: 404, title: "Not a member of the cluster" },
  already_member: { status: 409, title: "It is a member already" },
  not_ready: { status: 409, title: "The member has not caught up" },
  key_reused: { status: 422, title: "The Idempotency-Key was used for another request" },
  gone: { status: 410, title: "No longer kept" },
  overloaded: { status: 429, title: "Too many requests" },
  capacity: { status: 507, title: "The cluster is full" },
  disk_full: { status: 507, title: "Disks are nearly full" },
  no_quorum: { status: 503, title: "No majority of the cluster can be reached" },
  not_leader: { status: 503, title: "No leader" },
  history_incomplete: { status: 503, title: "History is being fetched" },
  unavailable: { status: 503, title: "Not available now" },
  timeout: { status: 504, title: "No answer in time" },
  config: { status: 500, title: "Wrong configuration" },
  too_new: { status: 500, title: "Written by a newer version" },
  quarantined: { status: 500, title: "Stored data failed its checks" },
  io: { status: 500, title: "A disk or a link failed" },
};

/** The codes of what Fastify refuses by itself. */
const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: "invalid", 404: "not_found", 413: "too_large", 414: "too_large", 503: "unavailable",
};

const RETRY_AFTER_SECONDS: Readonly<Record<number, string>> = { 429: "1", 503: "1" };

export type FieldError = { readonly field: string; readonly detail: string };

/** A refusal of input in which more than one field may be wrong; `field` is the first. */
export class InputError extends PawlError {
  readonly errors: readonly FieldError[];

  constructor(code: "invalid" | "unprocessable", errors: readonly FieldError[]) {
    const [first] = errors;
    super(code, first === undefined ? "the input does not fit its schema" : first.detail, { field: first?.field || undefined });
    this.errors = errors;
  }
}

/** A refusal that has a status of its own (405, 415, 421 ...), with headers that belong to it. */
export class HttpRefusal extends PawlError {
  readonly status: number;
  readonly title: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: ErrorCode, title: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, detail);
    this.status = status;
    this.title = title;
    this.headers = headers;
  }
}

export function unsupported(form: string): HttpRefusal {
  return new HttpRefusal(415, "invalid", "Unsupported media type", `send the body as ${form}`);
}

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode | "internal";
  readonly field?: string;
  readonly errors?: readonly FieldError[];
  readonly outcome?: Outcome;
};

export type ProblemAnswer = {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
  /** True when the log must hear of it: not a refusal but a failure of this node. */
  readonly unexpected: boolean;
};

/** The answer to whatever was thrown. `isChange` adds the outcome (A4). */
export function problemOf(error: unknown, isChange: boolean): ProblemAnswer {
  const known = error instanceof PawlError ? error : refusalOfFastify(error);
  if (known === undefined) return internal(isChange);
  const { status, title } = known instanceof HttpRefusal ? known : problems[known.code];
  const retryAfter = RETRY_AFTER_SECONDS[status];
  const own = known instanceof HttpRefusal ? known.headers : {};
  return {
    problem: {
      type: `urn:pawl:problem:${known.code}`,
      title,
      status,
      detail: known.message,
      code: known.code,
      ...(known.field === undefined ? {} : { field: known.field }),
      ...(known instanceof InputError && known.errors.length > 1 ? { errors: known.errors } : {}),
      ...(isChange ? { outcome: known.outcome } : {}),
    },
    headers: retryAfter === undefined ? own : { "retry-after": retryAfter, ...own },
    unexpected: status === 500,
  };
}

function internal(isChange: boolean): ProblemAnswer {
  return {
    problem: {
      type: "urn:pawl:problem:internal",
      title: "This node failed",
      status: 500,
      detail: "an unexpected failure; the log of this node says more",
      code: "internal",
      ...(isChange ? { outcome: "unknown" as const } : {}),
    },
    headers: {},
    unexpected: true,
  };
}

/** What Fastify refuses before a handler runs has a status below 500 and a text that is fit for callers. */
function refusalOfFastify(error: unknown): PawlError | undefined {
  if (!(error instanceof Error) || error instanceof BugError) return undefined;
  const status = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : 500;
  const code = "code" in error && typeof error.code === "string" && error.code.startsWith("FST_") ? error.code : undefined;
  if (code === undefined) return undefined;
  if (status === 415) return unsupported("application/json, a list of jobs as application/x-ndjson");
  const known = codeOfStatus[status];
  return known === undefined ? undefined : new PawlError(known, error.message);
}
