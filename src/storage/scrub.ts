// Owns: reading again, slowly and while the node works, everything that this node has stored, so that damage is known before the copy
// is needed: the state database (StateScrub) and the log (LogScrub). How fast, and what becomes of a node with damage, is the caller's.
// (B1) What must be there is not taken from what is there: the seal of the newest header is in memory, each header names the one before
//      it and all values of its checkpoint, and the newest names the sum over all cold rows.
// (B2) Checkpoints go on meanwhile. What they write behind the reading position is read again before the end; of cold rows, which are
//      many, what they replaced is taken out of the sum and what they wrote is read in the next round.
// (B3) The first damage is thrown as PawlError("quarantined"). Nothing is repaired.

import { assert } from "../base/errors.ts";
import { HashSum } from "../jobs/hashsum.ts";
import { limits } from "../limits.ts";
import { STORE, checkValue, decodeHeader, keys } from "./checkpointformat.ts";
import { compareUtf8 } from "./coldrows.ts";
import { BESIDE } from "./installmark.ts";
import { quarantined, sealIn, unsealed } from "./quarantine.ts";
import type { KvOp } from "./disk.ts";
import type { RaftLog } from "./log.ts";
import type { Follower, StateStore } from "./state.ts";

const COLD = "x/";

/** What one round knows. */
class Round {
  /** Seals of all values that checkpoints need, besides cold rows, by key; and which of them have not been met yet. */
  readonly expected: Map<string, number>;
  readonly unmet: Set<string>;
  /** Keys behind the reading position that a checkpoint has written since. */
  readonly again = new Set<string>();
  /** Of the cold rows up to the reading position, as they are stored now. */
  readonly coldSum = new HashSum();
  cursor = "";
  isRead = false;

  constructor(expected: Map<string, number>) {
    this.expected = expected;
    this.unmet = new Set(expected.keys());
  }

  isBehind(key: string): boolean {
    return this.isRead || compareUtf8(key, this.cursor) <= 0;
  }

  meet(key: string, value: Uint8Array): void {
    if (key.startsWith(BESIDE)) return void unsealed(STORE, key, value);
    checkValue(key, value);
    const seal = sealIn(value);
    if (key.startsWith(COLD)) return this.coldSum.add(seal);
    this.compare(key, seal);
    this.unmet.delete(key);
  }

  compare(key: string, seal: number): void {
    const expected = this.expected.get(key);
    if (expected === undefined) throw quarantined(STORE, `${key} is named by no checkpoint`);
    if (expected !== seal) throw quarantined(STORE, `${key} is not the one that its checkpoint wrote`);
  }

  wrote(op: KvOp): void {
    const key = "put" in op ? op.put : op.del;
    if (key.startsWith(BESIDE)) return;
    this.expected.delete(key);
    this.unmet.delete(key);
    this.again.delete(key);
    if (!("put" in op)) return;
    this.expected.set(key, sealIn(op.value));
    if (!this.isBehind(key)) this.unmet.add(key);
    else if (!this.isRead) this.again.add(key);
  }

  wroteCold(op: KvOp, replaced: number | undefined): void {
    if (!this.isBehind("put" in op ? op.put : op.del)) return;
    if (replaced !== undefined) this.coldSum.remove(replaced);
    if ("put" in op) this.coldSum.add(sealIn(op.value));
  }
}

/** Rounds over the state database of a running node. */
export class StateScrub implements Follower {
  /** Finished without damage. */
  rounds = 0;
  private readonly store: StateStore;
  private round: Round | undefined;

  constructor(store: StateStore) {
    this.store = store;
  }

  /** Reads about `maxBytes` more, one call at a time. True when that was the end of a round. */
  async step(maxBytes: number): Promise<boolean> {
    const round = this.round ?? this.begin();
    if (round === undefined) return false;
    if (!round.isRead) {
      const rows = await this.store.kv.page({ gt: round.cursor, limit: limits.scrubPageRows, maxBytes });
      for (const [key, value] of rows) round.meet(key, value);
      round.cursor = rows.at(-1)?.[0] ?? round.cursor;
      round.isRead = rows.length === 0;
      return false;
    }
    if (this.store.writing) return false;
    this.readAgain(round, maxBytes);
    return round.again.size === 0 && this.end(round);
  }

  /** Gives up the round that is under way. */
  stop(): void {
    this.store.followers.delete(this);
    this.round = undefined;
  }

  wrote(ops: readonly KvOp[]): void {
    const { round } = this;
    assert(round !== undefined, "a round follows the checkpoints");
    for (const op of ops) {
      const key = "put" in op ? op.put : op.del;
      if (key.startsWith(COLD)) round.wroteCold(op, this.store.cold.replaced.get(key));
      else round.wrote(op);
    }
  }

  /** Undefined while there is nothing to look at, or while it is being changed. */
  private begin(): Round | undefined {
    if (this.store.writing || this.store.checkpointed === undefined) return undefined;
    this.round = new Round(expectedValues(this.store));
    this.store.followers.add(this);
    return this.round;
  }

  private readAgain(round: Round, maxBytes: number): void {
    let bytes = 0;
    for (const key of round.again) {
      if (bytes >= maxBytes) return;
      round.again.delete(key);
      const value = this.store.kv.get(key);
      if (value === undefined) throw missing(key);
      round.meet(key, value);
      bytes += value.length;
    }
  }

  private end(round: Round): boolean {
    for (const key of round.unmet) throw missing(key);
    if (round.coldSum.text() !== this.store.cold.sum.text()) {
      throw quarantined(STORE, "the cold rows are not those that the checkpoints wrote: one is missing, too many or stale");
    }
    this.stop();
    this.rounds++;
    return true;
  }
}

function missing(key: string): Error {
  return quarantined(STORE, `${key} is missing`);
}

/** The seal of every value that checkpoints need, besides cold rows, from the newest header backwards (B1). */
function expectedValues(store: StateStore): Map<string, number> {
  const expected = new Map<string, number>();
  const newest = store.checkpointed?.number ?? 0;
  let seal = store.headerSeal;
  let neededFrom = 0;
  for (let number = newest, oldest = number; number >= oldest; number--) {
    const key = keys.header(number);
    const value = store.kv.get(key);
    if (value === undefined) throw missing(key);
    const header = decodeHeader(key, value, undefined);
    expected.set(key, seal);
    if (number === newest) {
      ({ headersFrom: oldest, neededFrom } = header);
      expected.set(keys.summary(number), header.summarySeal);
    }
    seal = header.previousSeal;
    if (number < neededFrom) continue;
    for (const [i, delta] of header.deltas.entries()) expected.set(keys.delta(number, i), delta);
    for (const { table, page, seal: ofPage } of header.pages) {
      const pageKey = keys.page(store.tables[table]?.name ?? "", page);
      if (!expected.has(pageKey)) expected.set(pageKey, ofPage);
    }
  }
  return expected;
}

/** Rounds over the log of a running node: every write that is kept, its seal and its entries, and the chain up to the newest. */
export class LogScrub {
  rounds = 0;
  private readonly log: RaftLog;
  private next = 0;
  private seal: number | undefined;

  constructor(log: RaftLog) {
    this.log = log;
  }

  /** Reads about `maxBytes` more. True when that was the end of a round. */
  step(maxBytes: number): boolean {
    const { number: newest, checksum } = this.log.position();
    if (this.next < this.log.firstWrite) this.goTo(this.log.firstWrite);
    for (let bytes = 0; bytes < maxBytes && this.next <= newest; this.next++) {
      const write = this.log.check(this.next);
      if (write !== undefined && this.seal !== undefined && write.previousSeal !== this.seal) {
        throw quarantined("raft log", `write ${this.next} follows another one than is stored before it`);
      }
      this.seal = write?.seal;
      bytes += write?.bytes ?? 0;
    }
    if (this.next <= newest) return false;
    if (this.seal !== undefined && this.seal !== checksum) throw quarantined("raft log", `write ${newest} is not the one that was written`);
    this.goTo(0);
    this.rounds++;
    return true;
  }

  private goTo(number: number): void {
    this.next = number;
    this.seal = undefined;
  }
}
