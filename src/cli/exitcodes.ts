// Owns: the exit codes of every command, and the one table from refusals to them. The texts are the README's.

import { BugError, PawlError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";

export const exitCodes = {
  ok: 0,
  refused: 1,
  usage: 2,
  unknown: 3,
  notFound: 4,
  unavailable: 5,
  bug: 70,
  disk: 74,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What each code says, in the order of `pawl --help`. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.ok, "done"],
  [exitCodes.refused, "refused or failed; nothing was changed"],
  [exitCodes.usage, "wrong usage or configuration; nothing was touched"],
  [exitCodes.unknown, "the outcome of a change is unknown; asking again with the same key is safe"],
  [exitCodes.notFound, "no such job, execution or node"],
  [exitCodes.unavailable, "no server, no majority, overloaded, or disks nearly full; try again later"],
  [exitCodes.bug, "a bug in Pawl"],
  [exitCodes.disk, "a disk failed or stored data is damaged"],
];

const byCode: Readonly<Record<ErrorCode, ExitCode>> = {
  invalid: exitCodes.usage,
  unprocessable: exitCodes.refused,
  too_large: exitCodes.refused,
  unauthorized: exitCodes.refused,
  forbidden: exitCodes.refused,
  not_found: exitCodes.notFound,
  exists: exitCodes.refused,
  conflict: exitCodes.refused,
  change_pending: exitCodes.refused,
  would_lose_quorum: exitCodes.refused,
  unknown_member: exitCodes.notFound,
  already_member: exitCodes.refused,
  not_ready: exitCodes.refused,
  key_reused: exitCodes.refused,
  gone: exitCodes.notFound,
  overloaded: exitCodes.unavailable,
  capacity: exitCodes.refused,
  disk_full: exitCodes.unavailable,
  history_incomplete: exitCodes.unavailable,
  no_quorum: exitCodes.unavailable,
  not_leader: exitCodes.unavailable,
  unavailable: exitCodes.unavailable,
  timeout: exitCodes.unknown,
  config: exitCodes.usage,
  too_new: exitCodes.usage,
  quarantined: exitCodes.disk,
  io: exitCodes.disk,
};

/** The exit code of whatever was thrown. An unknown outcome is said before anything else. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof BugError || !(error instanceof PawlError)) return exitCodes.bug;
  return error.outcome === "unknown" ? exitCodes.unknown : byCode[error.code];
}

/** The exit code of a node that cannot go on. What became of changes is for their callers; whoever starts nodes must hear of the disk. */
export function nodeExitCodeOf(error: unknown): ExitCode {
  const disk = error instanceof PawlError && (error.code === "io" || error.code === "quarantined");
  return disk ? exitCodes.disk : exitCodeOf(error);
}
