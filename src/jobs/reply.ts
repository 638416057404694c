// Owns: what apply answers to a caller's command. The same on every replica; only the proposer passes it on.

import type { ErrorCode } from "../base/errors.ts";

/** Order is part of the stored form of Idempotency-Keys. */
export const doneWords = [
  "submitted", "updated", "cancelled", "paused", "resumed", "triggered", "cancelling", "confirmed", "changed", "lowered",
] as const;

/** A job of a batch that was refused: its place in the batch, from 0. */
export type RefusedJob = { readonly at: number; readonly code: ErrorCode; readonly message: string };

export type Reply =
  | {
      readonly kind: "done";
      readonly status: (typeof doneWords)[number];
      readonly jobId: string | undefined;
      readonly sequence: number | undefined;
      readonly index: number;
      /** Of a batch of jobs. */
      readonly refused?: readonly RefusedJob[];
    }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string }
  /** What the command was computed from has changed: the leader computes it again (H1). */
  | { readonly kind: "stale" };

export const stale: Reply = { kind: "stale" };

export function refused(code: ErrorCode, message: string): Reply {
  return { kind: "refused", code, message };
}

/** Of a membership entry, which the state only counts. */
export function changedMembers(index: number): Reply {
  return { kind: "done", status: "changed", jobId: undefined, sequence: undefined, index };
}
