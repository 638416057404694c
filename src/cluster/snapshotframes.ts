// Owns: what two replicas say to each other while one gets a snapshot from the other, as positional arrays. The leader offers a copy, the
// other says which chunk it wants, and so on until all are there; what a chunk holds is src/storage/copychunk.ts.
// (P1) Every word names the copy, so that what belongs to an earlier one is known for it (raft.md trap 54).
// (P2) The receiver's word decides where a copy goes on, since only it knows what it has on disk: a break costs the chunk on its way.

import { PawlError } from "../base/errors.ts";

export type SnapshotFrame =
  | { readonly kind: "offer"; readonly term: number; readonly copy: string }
  | { readonly kind: "chunk"; readonly term: number; readonly copy: string; readonly number: number; readonly bytes: Uint8Array }
  /** All chunks before `next` are on disk. */
  | { readonly kind: "want"; readonly copy: string; readonly next: number }
  /** This copy is of no use: it is not needed, or its chunks do not fit. */
  | { readonly kind: "decline"; readonly copy: string; readonly reason: string };

export function encodeSnapshotFrame(frame: SnapshotFrame): unknown[] {
  switch (frame.kind) {
    case "offer":
      return [frame.kind, frame.copy, frame.term];
    case "chunk":
      return [frame.kind, frame.copy, frame.term, frame.number, frame.bytes];
    case "want":
      return [frame.kind, frame.copy, frame.next];
    case "decline":
      return [frame.kind, frame.copy, frame.reason];
  }
}

export function decodeSnapshotFrame(value: readonly unknown[]): SnapshotFrame {
  const [kind, copy, first, number, bytes] = value;
  if (typeof copy !== "string") throw invalid();
  if (kind === "offer") return { kind, copy, term: natural(first) };
  if (kind === "want") return { kind, copy, next: natural(first) };
  if (kind === "decline" && typeof first === "string") return { kind, copy, reason: first };
  if (kind === "chunk" && bytes instanceof Uint8Array) return { kind, copy, term: natural(first), number: natural(number), bytes };
  throw invalid();
}

function natural(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw invalid();
  return value;
}

function invalid(): PawlError {
  return new PawlError("invalid", "malformed word about a snapshot; the other node may run a newer Pawl");
}
