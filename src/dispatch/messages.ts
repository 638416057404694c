// Owns: what a node as worker and the leader say to each other beside the log. Nothing here starts an execution: a node starts only
// what it has itself applied (H6). Every message of a leader carries its term; a lower one than the receiver's is ignored.

import { PawlError } from "../base/errors.ts";
import type { HeldAttempt } from "../jobs/command.ts";
import { resultsAreWhole } from "../jobs/items.ts";
import type { SessionMessage } from "../worker/session.ts";

export type WorkerMessage = SessionMessage;

export type LeaderMessage =
  | { readonly kind: "beat_reply"; readonly term: number; readonly session: number; readonly sentAtMs: number; readonly alive: boolean }
  /** A new leader asks what a session holds, once the node has applied `index`. */
  | { readonly kind: "reconcile"; readonly term: number; readonly session: number; readonly index: number };

export function encodeWorkerMessage(message: WorkerMessage): unknown[] {
  switch (message.kind) {
    case "join":
      return ["join", message.node, message.incarnation, message.slots, [...message.tags], message.known, flat(message.held)];
    case "beat":
      return ["beat", message.node, message.session, message.sentAtMs, message.wallMs, message.leaving, message.diskLow === true];
    case "results":
      return ["results", message.session, message.items];
    case "held":
      return ["held", message.term, message.session, flat(message.held)];
  }
}

export function encodeLeaderMessage(message: LeaderMessage): unknown[] {
  return message.kind === "beat_reply"
    ? ["beat_reply", message.term, message.session, message.sentAtMs, message.alive]
    : ["reconcile", message.term, message.session, message.index];
}

function flat(held: readonly HeldAttempt[]): number[] {
  return held.flatMap((attempt) => [attempt.sequence, attempt.token]);
}

export function decodeWorkerMessage(value: readonly unknown[]): WorkerMessage {
  const [kind, a, b, c, d, e, f] = value;
  switch (kind) {
    case "join":
      return { kind, node: text(a), incarnation: number(b), slots: number(c), tags: list(d).map(text), known: number(e), held: heldOf(f) };
    case "beat":
      return { kind, node: text(a), session: number(b), sentAtMs: number(c), wallMs: number(d), leaving: e === true, diskLow: f === true };
    case "results":
      return { kind, session: number(a), items: resultItems(bytes(b)) };
    case "held":
      return { kind, term: number(a), session: number(b), held: heldOf(c) };
    default:
      throw new PawlError("invalid", "unknown message of a worker");
  }
}

export function decodeLeaderMessage(value: readonly unknown[]): LeaderMessage {
  const [kind, a, b, c, d] = value;
  if (kind === "beat_reply") return { kind, term: number(a), session: number(b), sentAtMs: number(c), alive: d === true };
  if (kind === "reconcile") return { kind, term: number(a), session: number(b), index: number(c) };
  throw new PawlError("invalid", "unknown message of a leader");
}

/** Items are read without further checks: their lengths must add up. */
function resultItems(items: Uint8Array): Uint8Array {
  if (!resultsAreWhole(items)) throw new PawlError("invalid", "result items end in the middle");
  return items;
}

function heldOf(value: unknown): HeldAttempt[] {
  const numbers = list(value).map(number);
  return Array.from({ length: numbers.length >> 1 }, (_, i) => ({
    sequence: numbers[2 * i] as number,
    token: numbers[2 * i + 1] as number,
  }));
}

function number(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) throw new PawlError("invalid", "expected a non-negative number");
  return value;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new PawlError("invalid", "expected a text");
  return value;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new PawlError("invalid", "expected a list");
  return value as unknown[];
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new PawlError("invalid", "expected bytes");
  return value;
}
