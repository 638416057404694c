// Owns: what replicas say to each other, as the positional arrays that src/net carries: consensus, forwarded changes and their answers,
// workers and their leader, snapshots, history, sums of states. Whatever does not decode is dropped and counted: a peer cannot make this
// node fail.

import { PawlError } from "../base/errors.ts";
import type { ErrorCode, Outcome } from "../base/errors.ts";
import type { LeaderMessage, WorkerMessage } from "../dispatch/messages.ts";
import { decodeLeaderMessage, decodeWorkerMessage, encodeLeaderMessage, encodeWorkerMessage } from "../dispatch/messages.ts";
import { Bulk } from "../jobs/bulk.ts";
import type { KeyUse } from "../jobs/command.ts";
import type { Change, ChangeReply } from "../jobs/views.ts";
import type { Message } from "../raft/types.ts";
import { decodeMessage, encodeMessage } from "../raft/wire.ts";
import { decodeHistoryFrame, encodeHistoryFrame } from "./historyfetch.ts";
import type { HistoryFrame } from "./historyfetch.ts";
import type { ForwardId, Order } from "./proposals.ts";
import { decodeSnapshotFrame, encodeSnapshotFrame } from "./snapshotframes.ts";
import type { SnapshotFrame } from "./snapshotframes.ts";
import type { HashFrame } from "./statehashes.ts";

export type Frame =
  | { readonly kind: "raft"; readonly message: Message }
  | {
      readonly kind: "change";
      readonly id: ForwardId;
      readonly change: Change | Order;
      readonly key: KeyUse | undefined;
      readonly bytes: number;
    }
  | { readonly kind: "answer"; readonly id: ForwardId; readonly outcome: ChangeReply | PawlError }
  | { readonly kind: "worker"; readonly message: WorkerMessage }
  | { readonly kind: "leader"; readonly message: LeaderMessage }
  | { readonly kind: "snapshot"; readonly message: SnapshotFrame }
  | { readonly kind: "history"; readonly message: HistoryFrame }
  | { readonly kind: "hash"; readonly message: HashFrame };

type Failed = { readonly code: ErrorCode; readonly message: string; readonly outcome: Outcome; readonly field?: string | undefined };

export function encodeFrame(frame: Frame): unknown[] {
  switch (frame.kind) {
    case "raft":
      return ["r", ...encodeMessage(frame.message)];
    case "change":
      if (frame.change.kind === "create_many")
        return ["b", frame.id.birth, frame.id.number, frame.change.batch, JSON.stringify({ key: frame.key })];
      return ["c", frame.id.birth, frame.id.number, JSON.stringify({ change: frame.change, key: frame.key })];
    case "answer":
      return [
        "a",
        frame.id.birth,
        frame.id.number,
        JSON.stringify(frame.outcome instanceof PawlError ? { failed: failedOf(frame.outcome) } : { reply: frame.outcome }),
      ];
    case "worker":
      return ["w", ...encodeWorkerMessage(frame.message)];
    case "leader":
      return ["l", ...encodeLeaderMessage(frame.message)];
    case "snapshot":
      return ["s", ...encodeSnapshotFrame(frame.message)];
    case "history":
      return ["e", ...encodeHistoryFrame(frame.message)];
    case "hash":
      return ["h", frame.message.kind, frame.message.index, frame.message.hash];
  }
}

function failedOf(error: PawlError): Failed {
  return { code: error.code, message: error.message, outcome: error.outcome, field: error.field };
}

/** As decodeFrame(), but undefined where a peer sent what makes no sense. */
export function readableFrame(value: readonly unknown[]): Frame | undefined {
  try {
    return decodeFrame(value);
  } catch (error) {
    if (error instanceof PawlError) return undefined;
    throw error;
  }
}

export function decodeFrame(value: readonly unknown[]): Frame {
  const [kind, ...rest] = value;
  switch (kind) {
    case "r":
      return { kind: "raft", message: decodeMessage(rest) };
    case "c": {
      const { change, key } = parsed(rest[2]) as { change: Change | Order; key?: KeyUse };
      return { kind: "change", id: forwardId(rest), change, key, bytes: (rest[2] as string).length };
    }
    case "b": {
      const { key } = parsed(rest[3]) as { key?: KeyUse };
      const batch = bytesIn(rest[2]);
      return { kind: "change", id: forwardId(rest), change: { kind: "create_many", batch }, key, bytes: batch.length };
    }
    case "a":
      return { kind: "answer", id: forwardId(rest), outcome: outcomeOf(parsed(rest[2])) };
    case "w":
      return { kind: "worker", message: decodeWorkerMessage(rest) };
    case "l":
      return { kind: "leader", message: decodeLeaderMessage(rest) };
    case "s":
      return { kind: "snapshot", message: decodeSnapshotFrame(rest) };
    case "e":
      return { kind: "history", message: decodeHistoryFrame(rest) };
    case "h":
      return { kind: "hash", message: hashFrame(rest) };
    default:
      throw new PawlError("invalid", "unknown frame; the other node may run a newer Pawl");
  }
}

function outcomeOf(value: unknown): ChangeReply | PawlError {
  const { reply, failed } = value as { reply?: ChangeReply; failed?: Failed };
  if (reply) return reply;
  if (!failed) throw new PawlError("invalid", "an answer without outcome");
  return new PawlError(failed.code, failed.message, { outcome: failed.outcome, field: failed.field });
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string") throw new PawlError("invalid", "expected a text");
  try {
    return JSON.parse(value) as unknown;
  } catch (error) {
    throw new PawlError("invalid", "expected JSON", { cause: error });
  }
}

/** A copy: the bytes of a frame are the link's, and a batch is changed. */
function bytesIn(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new PawlError("invalid", "expected bytes");
  new Bulk(value);
  return new Uint8Array(value);
}

function forwardId(rest: readonly unknown[]): ForwardId {
  return { birth: identifier(rest[0]), number: identifier(rest[1]) };
}

function hashFrame([kind, index, hash]: readonly unknown[]): HashFrame {
  const isKnown = (kind === "sum" || kind === "diverged") && typeof hash === "string";
  if (!isKnown) throw new PawlError("invalid", "malformed word about a state's sum; the other node may run a newer Pawl");
  return { kind, index: identifier(index), hash };
}

function identifier(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new PawlError("invalid", "expected a number");
  return value;
}

/** Entries and callers' changes may be large; heartbeats, votes and leases must not wait behind them. Nothing waits behind a snapshot. */
export function laneOf(frame: Frame): "control" | "bulk" | "snapshot" {
  if (frame.kind === "snapshot") return frame.message.kind === "chunk" || frame.message.kind === "offer" ? "snapshot" : "control";
  if (frame.kind === "raft") return frame.message.kind === "append" ? "bulk" : "control";
  if (frame.kind === "history") return frame.message.kind === "rows" ? "bulk" : "control";
  return frame.kind === "change" || frame.kind === "answer" ? "bulk" : "control";
}
