// Owns: a copy of the state database, made while checkpoints go on: which keys are read when, and when the copy is whole. Chunks on their
// way are copychunk.ts's, laying them down is statestage.ts's.
// (Y1) All keys are read once, in order, in closed pages. Whatever a checkpoint writes or deletes behind the place of that reading is
//      dirty, and read again afterwards, or before it goes on if that is much; a key that is gone by then is deleted in the copy too
//      (H10c).
// (Y2) The copy is whole in a turn in which all was read, nothing is dirty and no batch is in flight: it then equals the database right
//      after the newest checkpoint.
//      A state that changes faster than it is sent is never whole: after so many checkpoints or dirty keys the copy is refused.
// (Y3) No iterator and no LevelDB snapshot lives from one page to the next, and nothing is held back meanwhile: neither checkpoints nor
//      the log know of the copy.
// (Y4) Every value's seal is checked here, so that damage is named where it is and never sent on.

import { PawlError, assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { checkValue } from "./checkpointformat.ts";
import { compareUtf8 } from "./coldrows.ts";
import { opBytes } from "./copychunk.ts";
import { BESIDE } from "./installmark.ts";
import type { Chunk, CopyEnd } from "./copychunk.ts";
import type { KvOp } from "./disk.ts";
import type { Follower, StateStore } from "./state.ts";

export class StateCopy implements Follower {
  /** Bytes of keys and values in all chunks so far. */
  bytes = 0;
  private readonly store: StateStore;
  private readonly id: string;
  private readonly dirty = new Set<string>();
  /** All keys up to here were read. */
  private after = "";
  private isReading = false;
  private isScanned = false;
  /** Checkpoints since the copy was begun. */
  private checkpoints = 0;
  private chunks = 0;
  private ops = 0;
  private state: "going" | "whole" | "ended" = "going";
  private refusal: PawlError | undefined;
  private woken: (() => void) | undefined;

  /** `id` names the copy: no other one ever has it. Throws PawlError("unavailable") before the first checkpoint. */
  constructor(store: StateStore, id: string) {
    if (store.checkpointed === undefined) throw new PawlError("unavailable", "there is no checkpoint yet; try again in a few seconds");
    this.store = store;
    this.id = id;
    store.followers.add(this);
  }

  /**
   * The next chunk, or undefined after the last one. One call at a time. Throws PawlError "overloaded" when too much changed meanwhile:
   * the copy is over then, and another one may be begun; "quarantined" when a stored value fails its checks.
   */
  async next(maxBytes: number = limits.copyChunkBytes): Promise<Chunk | undefined> {
    if (this.state === "whole") return undefined;
    const ops: KvOp[] = [];
    for (let room = maxBytes; room > 0; ) {
      this.mustGoOn();
      const isCrowded = this.dirty.size > limits.copyDirtyKeysMax / 2;
      if (!this.isScanned && !isCrowded) room -= await this.readOn(room, ops);
      else if (this.dirty.size > 0) room -= await this.readAgain(room, ops);
      else if (this.store.writing) await new Promise<void>((resolve) => (this.woken = resolve));
      else return this.chunk(ops, this.finish(ops));
    }
    this.mustGoOn();
    return this.chunk(ops, undefined);
  }

  /** Gives up, or does nothing when the copy is whole. */
  end(): void {
    if (this.state === "whole") return;
    this.state = "ended";
    this.leave();
  }

  wrote(ops: readonly KvOp[]): void {
    for (const op of ops) {
      const key = "put" in op ? op.put : op.del;
      if (key.startsWith(BESIDE)) continue;
      if (this.isScanned || this.isReading || compareUtf8(key, this.after) <= 0) this.dirty.add(key);
    }
    this.checkpoints++;
    this.wake();
    if (this.dirty.size <= limits.copyDirtyKeysMax && this.checkpoints <= limits.copyCheckpointsMax) return;
    this.refusal = new PawlError("overloaded", "the state changed faster than it was copied; begin another copy when there is less to do");
    this.leave();
  }

  private mustGoOn(): void {
    assert(this.state !== "ended", "the copy was given up");
    if (this.refusal !== undefined) throw this.refusal;
  }

  private async readOn(room: number, ops: KvOp[]): Promise<number> {
    assert(!this.isReading, "one call of next() at a time");
    this.isReading = true;
    const rows = await this.store.kv.page({ gt: this.after, limit: limits.copyPageRows, maxBytes: room });
    this.isReading = false;
    let bytes = 0;
    for (const [key, value] of rows) {
      this.after = key;
      if (!key.startsWith(BESIDE)) bytes += this.take(key, value, ops);
    }
    this.isScanned = rows.length === 0;
    return bytes;
  }

  /** Reads by key hold the loop, each a little: only so many in a turn. */
  private async readAgain(room: number, ops: KvOp[]): Promise<number> {
    let bytes = 0;
    let gets = 0;
    for (const key of this.dirty) {
      if (bytes >= room || gets++ === limits.copyGetsPerTurnMax) break;
      this.dirty.delete(key);
      bytes += this.take(key, this.store.kv.get(key), ops);
    }
    if (gets > limits.copyGetsPerTurnMax) await new Promise<void>(this.store.soon);
    return bytes;
  }

  private take(key: string, value: Uint8Array | undefined, ops: KvOp[]): number {
    if (value !== undefined) checkValue(key, value);
    const op: KvOp = value === undefined ? { del: key } : { put: key, value };
    ops.push(op);
    return opBytes(op);
  }

  /** Only in a turn in which the copy is whole (Y2). */
  private finish(ops: readonly KvOp[]): CopyEnd {
    const { checkpointed } = this.store;
    assert(checkpointed !== undefined, "a copy begins with a checkpoint");
    const { number, appliedIndex, appliedTerm, membership } = checkpointed;
    this.state = "whole";
    this.leave();
    const bytes = this.bytes + ops.reduce((sum, op) => sum + opBytes(op), 0);
    return { checkpoint: number, index: appliedIndex, term: appliedTerm, membership, ops: this.ops + ops.length, bytes };
  }

  private chunk(ops: readonly KvOp[], end: CopyEnd | undefined): Chunk {
    this.ops += ops.length;
    this.bytes += ops.reduce((sum, op) => sum + opBytes(op), 0);
    return { copy: this.id, number: this.chunks++, ops, end };
  }

  private leave(): void {
    this.store.followers.delete(this);
    this.dirty.clear();
    this.wake();
  }

  private wake(): void {
    this.woken?.();
    this.woken = undefined;
  }
}
