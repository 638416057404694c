// Owns: cold rows: what is stored but not needed to fire a job, by text keys. What changed since the last finished checkpoint is in
// memory here; state.ts writes it. Which rows there are is the business of src/jobs.
// (X1) Reads go through the active set, then the frozen one, then what was read lately and was not changed since, then the database;
//      deletions are kept in the sets (H10b, c).
// (X2) The frozen set is dropped only when its checkpoint is durable, so a row is never in neither place.
// (X3) Stored values are sealed over key and value; every read checks it.
// (X4) Each checkpoint tells the sum over the seals of all rows that are stored with it, so that one that is lost or stale is found by
//      reading them all (scrub.ts). It is kept up to date by the seal of what a change replaces: it is known if that was read lately,
//      else it is read just before the change is written.
// (X5) A row that was added, by whoever knows that there is none, replaces nothing: a look for it costs as much as the rest of its way.
//      One that goes again before a checkpoint leaves no trace. A row of the frozen set is stored before the active one is frozen.
//      To add is one push onto a list (addedrows.ts): each job that ends does it twice.

import { assert } from "../base/errors.ts";
import { Kept } from "../base/kept.ts";
import { HashSum } from "../jobs/hashsum.ts";
import { limits } from "../limits.ts";
import { AddedRows } from "./addedrows.ts";
import { quarantined, sealIn, sealed, unsealed } from "./quarantine.ts";
import type { Kv, KvOp, KvRange } from "./disk.ts";

export type ColdRange = Omit<KvRange, "reverse">;

/** What is said of a row that is removed. */
const REMOVED = null;
type Change = Uint8Array | typeof REMOVED;

type StoredRow = { readonly row: Uint8Array; readonly seal: number };

/** A key is in at most one of `added` and `changed`. */
class Changes {
  /** Rows of keys that the database has none for (X5). */
  readonly added = new AddedRows();
  readonly changed = new Map<string, Change>();
  /** Seals of the stored rows that these changes replace, as far as they are known (X4). */
  readonly replaces = new Map<string, number>();

  of(key: string): Change | undefined {
    return this.added.get(key) ?? this.changed.get(key);
  }
}

const PREFIX = "x/";
/** Sorts behind every key with the prefix. */
const END = "x0";
const STORE = "state";
const WELL_FORMED = "a key must have a UTF-8 form";
/** So many keys more than are asked for are gathered before those behind are left out. */
const CUT_EVERY = 1_024;

export class ColdRows {
  private readonly kv: Kv;
  private active = new Changes();
  private frozen = new Changes();
  /** Read lately and not changed since: a one-shot's definition is read when it starts and when it ends, in one row with others. */
  private readonly recent = new Kept<string, StoredRow>(limits.recentRowsMaxBytes, ({ row }) => row.length);
  /** Bytes of keys and values put since the last freeze; at least 1 for each change. */
  changedBytes = 0;
  /** Of the rows of the newest durable checkpoint, and of the one that is being written (X4). */
  sum = new HashSum();
  nextSum = new HashSum();
  /** Seals of the stored values that the newest checkpoint replaced or deleted, by their keys. */
  readonly replaced = new Map<string, number>();

  constructor(kv: Kv) {
    this.kv = kv;
  }

  /** The row, or undefined. Throws PawlError("quarantined") when the stored value is damaged. */
  get(key: string): Uint8Array | undefined {
    const change = this.changeOf(key);
    if (change !== undefined) return change ?? undefined;
    const recent = this.recent.get(key);
    if (recent !== undefined) return recent.row;
    const value = this.kv.get(PREFIX + key);
    if (value === undefined) return undefined;
    const row = unsealed(STORE, PREFIX + key, value);
    this.recent.add(key, { row, seal: sealIn(value) });
    return row;
  }

  /** What the sets say of a row, the newer one first. */
  private changeOf(key: string): Change | undefined {
    const { active, frozen } = this;
    const change = active.of(key);
    return change === undefined ? frozen.of(key) : change;
  }

  /** Keeps `value` itself, which must not change from now on. */
  put(key: string, value: Uint8Array): void {
    if (!this.active.added.replace(key, value)) this.changed(key, value);
    this.changedBytes += key.length + value.length + 1;
  }

  /** (X5) */
  add(key: string, value: Uint8Array): void {
    if (this.active.changed.has(key)) return this.put(key, value);
    assert(key.isWellFormed(), WELL_FORMED);
    this.active.added.add(key, value);
    this.changedBytes += key.length + value.length + 1;
  }

  del(key: string): void {
    this.changedBytes += key.length + 1;
    if (this.active.added.delete(key)) return;
    this.changed(key, REMOVED);
    this.changedBytes += key.length + 1;
  }

  private changed(key: string, change: Change): void {
    assert(key.isWellFormed(), WELL_FORMED);
    const stored = this.recent.get(key);
    if (stored !== undefined) {
      this.recent.forget(key);
      this.active.replaces.set(key, stored.seal);
    }
    this.active.changed.set(key, change);
  }

  /** Up to `limit` rows in order of their UTF-8 bytes. Each is as it is at some moment between call and answer. */
  async page(range: ColdRange): Promise<[string, Uint8Array][]> {
    const out: [string, Uint8Array][] = [];
    let from: ColdRange = range;
    while (out.length < range.limit) {
      const asked = range.limit - out.length;
      const rows = await this.kv.page({ ...stored(from), limit: asked });
      const last = rows.length < asked ? undefined : (rows.at(-1) as [string, Uint8Array])[0].slice(PREFIX.length);
      // From here to the end of the turn the sets cannot change, so rows and sets fit together (X2).
      out.push(...this.merged(rows, from, last, asked));
      if (last === undefined) break;
      from = { ...range, gte: undefined, gt: last };
    }
    return out.slice(0, range.limit);
  }

  /** Rows put or removed since the last freeze. */
  changedRows(): number {
    return this.active.added.size + this.active.changed.size;
  }

  /** The active set becomes the frozen one. */
  freeze(): void {
    assert(this.frozen.added.size + this.frozen.changed.size === 0, "one checkpoint at a time");
    this.frozen = this.active;
    this.active = new Changes();
    this.changedBytes = 0;
    this.nextSum = this.sum.copy();
    this.replaced.clear();
  }

  /** What the checkpoint must write, one by one; each value is sealed when it is asked for. To be read to its end, once. */
  *frozenOps(): Generator<KvOp> {
    const { added, changed } = this.frozen;
    for (const [key, value] of added) yield this.sealedPut(PREFIX + key, value);
    for (const [key, value] of changed) {
      const storedKey = PREFIX + key;
      const old = this.sealReplaced(key, storedKey);
      if (old !== undefined) {
        this.replaced.set(storedKey, old);
        this.nextSum.remove(old);
      }
      yield value === REMOVED ? { del: storedKey } : this.sealedPut(storedKey, value);
    }
  }

  private sealedPut(storedKey: string, row: Uint8Array): KvOp {
    const value = sealed(storedKey, row);
    this.nextSum.add(sealIn(value));
    return { put: storedKey, value };
  }

  /** Of the stored row that the frozen set replaces; undefined when there is none. */
  private sealReplaced(key: string, storedKey: string): number | undefined {
    const known = this.frozen.replaces.get(key);
    if (known !== undefined) return known;
    const old = this.kv.get(storedKey);
    return old && sealIn(old);
  }

  /** The checkpoint that holds the frozen set is durable. */
  thaw(): void {
    this.frozen = new Changes();
    this.sum = this.nextSum;
  }

  /** Stored rows with the sets laid over them, up to and including `last`. Of more than `limit` rows some behind the first ones lack. */
  private merged(
    rows: readonly [string, Uint8Array][], range: ColdRange, last: string | undefined, limit: number,
  ): [string, Uint8Array][] {
    const found = new Map<string, Uint8Array>();
    for (const [storedKey, value] of rows) {
      const key = keyOf(storedKey);
      const whole = unsealed(STORE, storedKey, value);
      if (this.changeOf(key) === undefined) found.set(key, whole);
    }
    for (const key of this.firstPut(range, last, limit)) found.set(key, this.changeOf(key) as Uint8Array);
    return [...found].sort(([a], [b]) => compareUtf8(a, b));
  }

  /**
   * The first keys of a range up to `last` that the sets put. They may hold a hundred thousand in the range: what lies behind the first
   * ones is left out as they are gone through, since to sort them all took 50 ms and more of one turn.
   */
  private firstPut(range: ColdRange, last: string | undefined, limit: number): string[] {
    let first: string[] = [];
    let bound = last;
    const prefix = sharedPrefix(range);
    const cut = (): void => {
      first = first.sort(compareUtf8).slice(0, limit);
      if (first.length === limit) bound = first[limit - 1];
    };
    const { active, frozen } = this;
    for (const changes of [frozen.added, frozen.changed, active.added, active.changed]) {
      const isFrozen = changes === frozen.added || changes === frozen.changed;
      for (const [key, value] of changes) {
        if (value === REMOVED || !key.startsWith(prefix)) continue;
        if (!within(key, range) || (bound !== undefined && compareUtf8(key, bound) > 0)) continue;
        if (isFrozen && active.of(key) !== undefined) continue;
        first.push(key);
        if (first.length >= limit + CUT_EVERY) cut();
      }
    }
    cut();
    return first;
  }
}

function keyOf(storedKey: string): string {
  if (!storedKey.startsWith(PREFIX)) throw quarantined(STORE, `unknown key ${JSON.stringify(storedKey)}`);
  return storedKey.slice(PREFIX.length);
}

function stored({ gt, gte, lt }: ColdRange): Omit<KvRange, "limit"> {
  const lower = gt !== undefined ? { gt: PREFIX + gt } : { gte: PREFIX + (gte ?? "") };
  return { ...lower, lt: lt === undefined ? END : PREFIX + lt };
}

function within(key: string, { gt, gte, lt }: ColdRange): boolean {
  if (gt !== undefined ? compareUtf8(key, gt) <= 0 : gte !== undefined && compareUtf8(key, gte) < 0) return false;
  return lt === undefined || compareUtf8(key, lt) < 0;
}

/** What every key of the range begins with. */
function sharedPrefix({ gt, gte, lt = "" }: ColdRange): string {
  const lower = gt ?? gte ?? "";
  let length = 0;
  while (length < lower.length && lower[length] === lt[length]) length++;
  return lower.slice(0, length);
}

/** Order of the UTF-8 bytes of two well-formed texts: that of UTF-16 units, except that surrogates come after all others. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
