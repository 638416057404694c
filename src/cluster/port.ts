// Owns: what the core thread and the face say to each other. Batches: one message per turn and direction for changes, one per log entry
// for starts and results. Plain data that structured cloning carries; errors travel as their parts.

import { PawlError } from "../base/errors.ts";
import type { ErrorCode, Outcome } from "../base/errors.ts";
import type { KeyUse } from "../jobs/command.ts";
import type { Answered, ChangeReply, Consistency, MembershipRequest, Query } from "../jobs/views.ts";
import type { ResultBatch, StartBatch, StopBatch } from "../worker/types.ts";

export type SentError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: Outcome;
  readonly field?: string | undefined;
};

export function sendable(error: PawlError): SentError {
  return { code: error.code, message: error.message, outcome: error.outcome, field: error.field };
}

export function received(error: SentError): PawlError {
  return new PawlError(error.code, error.message, { outcome: error.outcome, field: error.field });
}

/** `text` is the JSON of the Change: one text is carried at a fraction of what its objects would cost, and its length is known. */
export type ChangeRequest = { readonly id: number; readonly text: string; readonly key: KeyUse | undefined };

/** About what the change with this text takes in the log: its definition, whose class and schedule are there a second time, and its key. */
export function bytesOf(text: string): number {
  return text.length + CHANGE_COST_BYTES;
}

const CHANGE_COST_BYTES = 512;
export type ChangeOutcome = { readonly id: number; readonly reply?: ChangeReply; readonly error?: SentError };

export type LogPart = {
  readonly attempt: number;
  readonly stream: "stdout" | "stderr" | "response" | "log";
  readonly text: string;
  readonly truncated: boolean;
};

export type FaceToCore =
  | { readonly kind: "changes"; readonly changes: readonly ChangeRequest[] }
  /** New jobs in the form of src/jobs/bulk.ts; the buffer changes hands. Answered like a change. */
  | { readonly kind: "bulk"; readonly id: number; readonly batch: Uint8Array; readonly key: KeyUse | undefined }
  | { readonly kind: "query"; readonly id: number; readonly query: Query; readonly consistency: Consistency }
  | { readonly kind: "membership"; readonly id: number; readonly request: MembershipRequest }
  /** Hand leadership to this member, or to whoever is furthest. */
  | { readonly kind: "transfer"; readonly id: number; readonly to: string | undefined }
  | { readonly kind: "results"; readonly batch: ResultBatch }
  | { readonly kind: "metrics"; readonly id: number }
  /** Output kept by another node. */
  | { readonly kind: "logs"; readonly id: number; readonly node: string; readonly executionId: string }
  /** Output kept here, asked for by another node. */
  | { readonly kind: "logs_found"; readonly peer: string; readonly id: number; readonly parts: readonly LogPart[] | undefined }
  /** The first chunk of a new backup, and the next one; it ends with its last chunk or by "backup_end". */
  | { readonly kind: "backup_begin"; readonly id: number }
  | { readonly kind: "backup_next"; readonly id: number }
  | { readonly kind: "backup_end"; readonly id: number }
  | { readonly kind: "hand_over" }
  /** Whether somebody waits for "events". */
  | { readonly kind: "want_events"; readonly wanted: boolean }
  /** Answered by the core's loop with "alive". */
  | { readonly kind: "ask_alive" }
  | { readonly kind: "stop" };

export type CoreToFace =
  | { readonly kind: "opened" }
  | { readonly kind: "alive" }
  | { readonly kind: "changed"; readonly outcomes: readonly ChangeOutcome[] }
  | { readonly kind: "answered"; readonly id: number; readonly answered?: Answered; readonly error?: SentError }
  /** The outcome of "membership" and "transfer": done unless there is an error. */
  | { readonly kind: "cluster_changed"; readonly id: number; readonly error?: SentError }
  /** No bytes: there are no more, or the backup has failed. */
  | { readonly kind: "backup_chunk"; readonly id: number; readonly bytes?: Uint8Array | undefined; readonly error?: SentError }
  | { readonly kind: "start"; readonly batch: StartBatch }
  | { readonly kind: "stop_attempts"; readonly batch: StopBatch }
  | { readonly kind: "metrics"; readonly id: number; readonly text: string }
  | { readonly kind: "logs"; readonly id: number; readonly parts: readonly LogPart[] | undefined }
  | { readonly kind: "find_logs"; readonly peer: string; readonly id: number; readonly executionId: string }
  /** Whether this node can serve: it has a leader and has applied what that leader committed before. */
  | { readonly kind: "standing"; readonly ready: boolean; readonly reason: string; readonly leader: string | undefined }
  /** There may be new ones; said only while they are wanted, and once when they begin to be. */
  | { readonly kind: "events" }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "failed"; readonly error: SentError; readonly isBug: boolean }
  | { readonly kind: "stopped" };

/** What the core thread is started with. */
export type CoreOptions = {
  readonly node: string;
  readonly incarnation: number;
  readonly dataDir: string;
  readonly cluster: string;
  readonly version: string;
  /** It has its membership from the cluster alone, never from its settings: `members` are whom it may ask. */
  readonly joining: boolean;
  readonly logKeepBytes: number;
  readonly members: readonly { readonly id: string; readonly host: string; readonly port: number; readonly api: string }[];
  readonly listen: { readonly host: string; readonly port: number };
  readonly tlsDir: string | undefined;
  /** How long ended executions are kept. */
  readonly retentionDays: number;
  readonly slots: number;
  readonly tags: readonly string[];
};
