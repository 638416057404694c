// Owns: from an answer that is not a success to the PawlError that it stands for.

import { PawlError } from "../base/errors.ts";
import type { ErrorCode, Outcome } from "../base/errors.ts";

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  "invalid", "unprocessable", "too_large", "unauthorized", "forbidden", "not_found", "exists", "conflict", "change_pending",
  "would_lose_quorum", "unknown_member", "already_member", "not_ready", "key_reused", "gone", "overloaded",
  "capacity", "disk_full", "history_incomplete", "no_quorum", "not_leader", "unavailable", "timeout", "config", "too_new",
  "quarantined", "io",
]);

/** For answers of proxies and the like, which know nothing of Pawl. */
const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 410: "gone", 413: "too_large",
  422: "unprocessable",   429: "overloaded", 502: "unavailable", 503: "unavailable", 504: "timeout", 507: "capacity",
};

/** The failure behind a status and a body. Without a word about the outcome of a change, only a refusal by status is believed to be one. */
export function failureOf(status: number, body: string, isChange: boolean): PawlError {
  const problem = problemOf(body);
  const code = textOf(problem["code"]);
  const known = code !== undefined && codes.has(code) ? (code as ErrorCode) : (codeOfStatus[status] ?? "io");
  const said = problem["outcome"];
  const silent: Outcome = isChange && status >= 500 ? "unknown" : "rejected";
  return new PawlError(known, textOf(problem["detail"]) ?? `the server answered with status ${status}`, {
    field: textOf(problem["field"]),
    outcome: said === "rejected" || said === "unknown" ? said : silent,
  });
}

function problemOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    // Not JSON, so not from Pawl: the status alone speaks.
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
