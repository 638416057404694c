// Owns: a disk in memory, for the simulator and for tests. A SimStorage is what would be on the platters: it outlives crashes and can
// be damaged. A SimDisk is one process's view of it: after crash() it is dead, and a new view is opened on the same storage.
// (M1) Nothing is durable before the completion that the caller's `schedule` runs; a crash lets a write in flight survive or vanish
//      as a whole, and of bytes appended since the last finished sync a random prefix.
// (M2) Completions run one by one, each after the promises that the one before settled have run, as in a real process.
// (M3) A dead view refuses everything: what a crashed process still wants to run is the simulator's to drop.
// (M4) All choices come from the generator that is handed in, so that a run repeats from its seed.
// (M5) A write that fails may or may not be on the platters; a view whose fuse has burnt down loses its power at that very operation.

import { assert } from "../../src/base/errors.ts";
import type { Disk, Files, Kv, KvOp, KvRange } from "../../src/storage/disk.ts";

/** Runs completions later, with an error when the disk reports one: "write" for batches, "sync" for files. */
export type Schedule = (delayClass: "write" | "sync", run: (error?: Error) => void) => void;

/** Thrown at the operation at which the power goes (M5). */
export class PowerCut extends Error {}

/** Batches kept one by one, so that each can still be dropped; older ones are merged. */
const BATCHES_KEPT = 256;

export class SimStorage {
  readonly stores = new Map<string, SimStore>();
  readonly files = new Map<string, SimFile>();
  /** Files that were removed, and may be back after a crash. */
  readonly removed = new Map<string, SimFile>();
  /** Databases whose removal is under way: whole or gone after a crash. */
  readonly removing = new Map<string, SimStore>();
  /** What a process is told of free space; nothing fails for want of it. */
  freeBytes = Number.POSITIVE_INFINITY;
  readonly random: () => number;
  private current: SimDisk | undefined;

  constructor(random: () => number) {
    this.random = random;
  }

  /** A view for one process. The view before must have been closed, or crashed. */
  disk(schedule: Schedule): SimDisk {
    assert(this.current === undefined || this.current.dead, "the storage is in use by another process");
    this.current = new SimDisk(this, schedule);
    return this.current;
  }

  /** What is stored under this name, to look at or to damage. */
  store(name: string): SimStore {
    let store = this.stores.get(name);
    if (store === undefined) this.stores.set(name, (store = new SimStore()));
    return store;
  }

  /** Ends the process that uses the storage, and loses what was not durable (M1). */
  crash(): void {
    this.current?.die();
    for (const [name, store] of this.stores) {
      if (store.inFlight !== undefined && this.random() < 0.5) store.commit(store.inFlight);
      store.inFlight = undefined;
      if (store.batches.length === 0 && store.base.size === 0 && !store.created) this.stores.delete(name);
    }
    for (const [name, store] of this.removing) {
      if (this.random() < 0.5) this.stores.set(name, store);
    }
    this.removing.clear();
    for (const [name, file] of this.removed) {
      if (!this.files.has(name) && this.random() < 0.5) this.files.set(name, file);
    }
    this.removed.clear();
    for (const [name, file] of this.files) {
      const kept = file.synced + Math.floor(this.random() * (file.length - file.synced + 1));
      file.length = kept;
      file.synced = kept;
      if (kept === 0) this.files.delete(name);
    }
  }
}

/** One database: a base and the newest batches, in the order in which they were written. */
export class SimStore {
  readonly base = new Map<string, Uint8Array>();
  readonly batches: (readonly KvOp[])[] = [];
  inFlight: readonly KvOp[] | undefined;
  /** Whether a process has made it; else it was only looked at. */
  created = false;
  isOpen = false;
  private view = new Map<string, Uint8Array>();
  private sorted: string[] | undefined = [];

  commit(ops: readonly KvOp[]): void {
    const own = ops.map((op) => ("put" in op ? { put: op.put, value: op.value.slice() } : op));
    this.batches.push(own);
    this.lay(own, this.view, true);
    if (this.batches.length > BATCHES_KEPT) this.lay(this.batches.shift() as readonly KvOp[], this.base, false);
  }

  private lay(ops: readonly KvOp[], view: Map<string, Uint8Array>, sort: boolean): void {
    for (const op of ops) {
      const key = "put" in op ? op.put : op.del;
      if (sort && "put" in op !== view.has(key)) this.resort(key, "put" in op);
      if ("put" in op) view.set(op.put, op.value);
      else view.delete(op.del);
    }
  }

  private resort(key: string, isNew: boolean): void {
    const last = this.sorted?.at(-1);
    if (isNew && this.sorted !== undefined && (last === undefined || compareKeys(last, key) < 0)) this.sorted.push(key);
    else this.sorted = undefined;
  }

  get(key: string): Uint8Array | undefined {
    return this.view.get(key)?.slice();
  }

  keys(): readonly string[] {
    this.sorted ??= [...this.view.keys()].sort(compareKeys);
    return this.sorted;
  }

  /** Damage: a batch in the middle is lost while later ones survive. 0 is the oldest that is still known by itself. */
  dropBatch(at: number): void {
    assert(at >= 0 && at < this.batches.length, "no such batch");
    this.batches.splice(at, 1);
    this.rebuild();
  }

  /** Damage: the newest batches are lost. */
  dropNewest(count: number): void {
    assert(count <= this.batches.length, "not so many batches are known");
    this.batches.splice(this.batches.length - count);
    this.rebuild();
  }

  /** Damage: any change that leaves no trace. */
  overwrite(key: string, value: Uint8Array | undefined): void {
    this.commit([value === undefined ? { del: key } : { put: key, value }]);
  }

  flipBit(key: string, bit: number): void {
    const value = this.get(key);
    assert(value !== undefined && bit < value.length * 8, "no such bit");
    value[bit >> 3] = (value[bit >> 3] as number) ^ (1 << (bit & 7));
    this.overwrite(key, value);
  }

  /** Damage: a bit of the key: the value is under another key now. */
  moveKey(from: string, to: string): void {
    const value = this.get(from);
    assert(value !== undefined, "no such key");
    this.commit([{ del: from }, { put: to, value }]);
  }

  private rebuild(): void {
    this.view = new Map(this.base);
    this.sorted = undefined;
    for (const ops of this.batches) this.lay(ops, this.view, false);
  }
}

/** Bytes [0, length) are visible, [0, synced) would survive a crash. */
export class SimFile {
  data = new Uint8Array(64);
  length = 0;
  synced = 0;

  append(bytes: Uint8Array): void {
    const needed = this.length + bytes.length;
    if (needed > this.data.length) {
      const bigger = new Uint8Array(Math.max(needed, this.data.length * 2));
      bigger.set(this.data);
      this.data = bigger;
    }
    this.data.set(bytes, this.length);
    this.length = needed;
  }

  truncate(length: number): void {
    this.length = Math.min(this.length, length);
    this.synced = Math.min(this.synced, length);
  }
}

export class SimDisk implements Disk {
  readonly files: Files;
  dead = false;
  /** Operations that are still carried out before the power goes. */
  fuse = Number.POSITIVE_INFINITY;
  /** Told when a promise of this disk settles, for a world that must know when to let what waits for it go on. */
  settles: (rows?: number) => void = () => undefined;
  private readonly storage: SimStorage;
  private readonly schedule: Schedule;

  constructor(storage: SimStorage, schedule: Schedule) {
    this.storage = storage;
    this.schedule = schedule;
    this.files = new SimFiles(storage, this);
  }

  async open(name: string): Promise<Kv> {
    this.mustLive();
    this.settles();
    assert(!this.storage.removing.has(name), `${name} is opened while it is removed`);
    const store = this.storage.store(name);
    store.created = true;
    store.isOpen = true;
    return new SimKv(store, this);
  }

  async freeBytes(): Promise<number> {
    return this.storage.freeBytes;
  }

  databases(): string[] {
    this.mustLive();
    return [...this.storage.stores].filter(([, store]) => store.created).map(([name]) => name).sort();
  }

  remove(name: string): Promise<void> {
    this.mustLive();
    const store = this.storage.stores.get(name);
    if (store === undefined) return Promise.resolve();
    assert(!store.isOpen, `${name} is removed while it is open`);
    this.storage.stores.delete(name);
    this.storage.removing.set(name, store);
    return new Promise((resolve) => {
      this.later("sync", () => {
        this.storage.removing.delete(name);
        this.settles();
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.die();
  }

  die(): void {
    this.dead = true;
    for (const store of this.storage.stores.values()) store.isOpen = false;
  }

  /** A process that has died must not touch the storage any more (M3). */
  mustLive(): void {
    assert(!this.dead, "the disk is closed");
    if (--this.fuse < 0) throw new PowerCut("the power is gone");
  }

  /** Whether what a failed write held came through all the same. */
  survives(): boolean {
    return this.storage.random() < 0.5;
  }

  /** Runs `run` as a completion, unless the process has died by then. */
  later(delayClass: "write" | "sync", run: (error?: Error) => void): void {
    this.schedule(delayClass, (error) => {
      if (!this.dead) run(error);
    });
  }
}

class SimKv implements Kv {
  private readonly store: SimStore;
  private readonly disk: SimDisk;
  private waiting: (() => void)[] = [];

  constructor(store: SimStore, disk: SimDisk) {
    this.store = store;
    this.disk = disk;
  }

  get(key: string): Uint8Array | undefined {
    this.disk.mustLive();
    return this.store.get(key);
  }

  async page(range: KvRange): Promise<[string, Uint8Array][]> {
    this.disk.mustLive();
    while (this.store.inFlight !== undefined) await new Promise<void>((resume) => this.waiting.push(resume));
    const keys = this.store.keys();
    const rows: [string, Uint8Array][] = [];
    const count = keys.length;
    const first = firstInRange(keys, range);
    const step = range.reverse === true ? -1 : 1;
    const { limit, maxBytes = Number.POSITIVE_INFINITY } = range;
    for (let i = first, bytes = 0; i >= 0 && i < count && rows.length < limit && bytes < maxBytes; i += step) {
      const key = keys[i] as string;
      if (!inRange(key, range)) break;
      const value = this.store.get(key) as Uint8Array;
      rows.push([key, value]);
      bytes += key.length + value.length;
    }
    this.disk.settles(rows.length);
    return rows;
  }

  write(ops: readonly KvOp[], done: (error?: Error) => void): void {
    this.disk.mustLive();
    assert(this.store.inFlight === undefined, "one write per database is in flight (D1)");
    this.store.inFlight = ops;
    this.disk.later("write", (error) => {
      if (error === undefined || this.disk.survives()) this.store.commit(ops);
      this.store.inFlight = undefined;
      for (const resume of this.waiting.splice(0)) resume();
      this.disk.settles();
      done(error);
    });
  }

  async close(): Promise<void> {
    assert(this.store.inFlight === undefined, "closed while a write is in flight");
    this.store.isOpen = false;
  }
}

function firstInRange(keys: readonly string[], range: KvRange): number {
  const below = (key: string): boolean =>
    range.reverse === true
      ? range.lt === undefined || compareKeys(key, range.lt) < 0
      : (range.gt !== undefined && compareKeys(key, range.gt) <= 0) || (range.gte !== undefined && compareKeys(key, range.gte) < 0);
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (below(keys[middle] as string)) low = middle + 1;
    else high = middle;
  }
  return range.reverse === true ? low - 1 : low;
}

function inRange(key: string, { gt, gte, lt }: KvRange): boolean {
  if (gt !== undefined && compareKeys(key, gt) <= 0) return false;
  if (gte !== undefined && compareKeys(key, gte) < 0) return false;
  return lt === undefined || compareKeys(key, lt) < 0;
}

function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

class SimFiles implements Files {
  private readonly storage: SimStorage;
  private readonly disk: SimDisk;

  constructor(storage: SimStorage, disk: SimDisk) {
    this.storage = storage;
    this.disk = disk;
  }

  append(name: string, data: Uint8Array): void {
    this.disk.mustLive();
    let file = this.storage.files.get(name);
    if (file === undefined) this.storage.files.set(name, (file = new SimFile()));
    file.append(data);
  }

  sync(names: readonly string[], done: (error?: Error) => void): void {
    this.disk.mustLive();
    const covered = names.flatMap((name) => {
      const file = this.storage.files.get(name);
      return file === undefined ? [] : [{ file, length: file.length }];
    });
    this.disk.later("sync", (error) => {
      if (error !== undefined) return done(error);
      for (const { file, length } of covered) file.synced = Math.max(file.synced, Math.min(length, file.length));
      done();
    });
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const file = this.storage.files.get(name);
    return file === undefined ? new Uint8Array(0) : file.data.slice(offset, Math.max(offset, Math.min(offset + length, file.length)));
  }

  size(name: string): number {
    return this.storage.files.get(name)?.length ?? 0;
  }

  truncate(name: string, length: number): void {
    this.disk.mustLive();
    this.storage.files.get(name)?.truncate(length);
  }

  list(folder: string): string[] {
    return [...this.storage.files.keys()].filter((name) => name.startsWith(folder) && !name.slice(folder.length).includes("/")).sort();
  }

  remove(name: string): void {
    this.disk.mustLive();
    const file = this.storage.files.get(name);
    if (file !== undefined) this.storage.removed.set(name, file);
    this.storage.files.delete(name);
  }
}
