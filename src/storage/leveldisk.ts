// Owns: the disk of a real node: LevelDB databases (through classic-level) and append-only files below one data directory.
// What is stored is the business of log.ts, state.ts and history.ts.
// (L1) Of classic-level only getSync, a chained batch with sync, and an iterator that lives for one page are used: a snapshot or
//      iterator that is open while keys are overwritten lets LevelDB 1.20 return stale values (google/leveldb issue 320), and
//      clear() and the asynchronous reads hold one inside.
// (L2) One lock per database keeps pages and writes apart, and puts writes in order: unawaited writes overtake each other in the
//      thread pool.
// (L3) LevelDB 1.20 does not sync the directory when it starts a new write-ahead file. A write is done only when the directory
//      has been synced as well, if it changed.
// (L4) A large batch is handed over in slices, a turn of the loop each: classic-level copies every value within the call.
// (L5) A database is renamed, durably, before its files are removed: no crash leaves a part of it under its name. LevelDB would open
//      what is left and say nothing.

import { ClassicLevel } from "classic-level";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { open, rename, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PawlError, assert, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { PosixFiles } from "./posixfiles.ts";
import type { Disk, Files, Kv, KvOp, KvOptions, KvRange, Soon } from "./disk.ts";

/** Ends the name of a folder whose database was removed. */
const REMOVED = ".removed";

type Level = ClassicLevel<string, Uint8Array>;

export class LevelDisk implements Disk {
  readonly files: Files;
  private readonly root: string;
  private readonly posix: PosixFiles;
  private readonly opened = new Map<string, LevelKv>();
  private readonly soon: Soon;

  /** `root` is made, readable by its owner alone, if it does not exist. */
  constructor(root: string, soon: Soon) {
    this.root = root;
    this.soon = soon;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (const name of this.folders()) if (name.endsWith(REMOVED)) rmSync(join(root, name), { recursive: true });
    this.posix = new PosixFiles(root);
    this.files = this.posix;
  }

  /** Throws PawlError: "config" when another process holds the database, "quarantined" when LevelDB finds it damaged, "io" else. */
  async open(name: string, options: KvOptions): Promise<Kv> {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const level: Level = new ClassicLevel(path, {
      keyEncoding: "utf8",
      valueEncoding: "view",
      compression: options.compression,
      writeBufferSize: options.writeBufferBytes,
      maxOpenFiles: options.openFilesMax,
    });
    try {
      await level.open();
      await syncDirectory(path);
      await syncDirectory(dirname(path));
    } catch (error) {
      throw openError(path, error);
    }
    const kv = new LevelKv(path, level, this.soon, () => this.opened.delete(name));
    this.opened.set(name, kv);
    return kv;
  }

  databases(): string[] {
    return this.folders().filter((name) => !name.endsWith(REMOVED) && existsSync(join(this.root, name, "LOCK"))).sort();
  }

  async remove(name: string): Promise<void> {
    assert(!this.opened.has(name), `${name} is removed while it is open`);
    const path = join(this.root, name);
    if (!existsSync(path)) return;
    try {
      await rename(path, path + REMOVED);
      await syncDirectory(this.root);
      await rm(path + REMOVED, { recursive: true });
    } catch (error) {
      const message = `${path} cannot be removed: ${messageOf(error)}; restart the node once the disk is sound`;
      throw new PawlError("io", message, { cause: error });
    }
  }

  private folders(): string[] {
    return readdirSync(this.root, { withFileTypes: true }).filter((each) => each.isDirectory()).map(({ name }) => name);
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.root);
    return bavail * bsize;
  }

  async close(): Promise<void> {
    for (const kv of [...this.opened.values()]) await kv.close();
    this.posix.close();
  }
}

class LevelKv implements Kv {
  private readonly path: string;
  private readonly level: Level;
  private last: Promise<unknown> = Promise.resolve();
  private writing = false;
  private readonly soon: Soon;
  private readonly closed: () => void;
  private directoryChangedNs: bigint;

  constructor(path: string, level: Level, soon: Soon, closed: () => void) {
    this.soon = soon;
    this.closed = closed;
    this.path = path;
    this.level = level;
    this.directoryChangedNs = changedNs(path);
  }

  get(key: string): Uint8Array | undefined {
    try {
      const value = this.level.getSync(key);
      return value === undefined ? undefined : plain(value);
    } catch (error) {
      throw readError(this.path, error);
    }
  }

  page(range: KvRange): Promise<[string, Uint8Array][]> {
    return this.locked(() => this.readPage(range));
  }

  write(ops: readonly KvOp[], done: (error?: Error) => void): void {
    assert(!this.writing, "one write per database is in flight (D1)");
    this.writing = true;
    const settle = (error?: Error): void => {
      this.writing = false;
      done(error);
    };
    const failed = (error: unknown): void => {
      const message = `${this.path}: write failed: ${messageOf(error)}; restart the node once the disk is sound`;
      settle(new PawlError("io", message, { outcome: "unknown", cause: error }));
    };
    void this.locked(() => this.writeBatch(ops)).then(() => settle(), failed);
  }

  async close(): Promise<void> {
    await this.locked(() => this.level.close());
    this.closed();
  }

  /** Runs tasks one after the other (L2); a failed task is its caller's to handle and does not stop the next. */
  private locked<T>(task: () => Promise<T>): Promise<T> {
    const result = this.last.then(task, task);
    this.last = result;
    return result;
  }

  private async readPage(range: KvRange): Promise<[string, Uint8Array][]> {
    const { gt, gte, lt, limit, reverse, maxBytes = Number.POSITIVE_INFINITY } = range;
    const bounds = { ...(gt !== undefined && { gt }), ...(gte !== undefined && { gte }), ...(lt !== undefined && { lt }) };
    const highWaterMarkBytes = Math.min(limits.storageSliceBytes, maxBytes);
    const iterator = this.level.iterator({ ...bounds, limit, reverse: reverse ?? false, highWaterMarkBytes });
    try {
      const rows: [string, Uint8Array][] = [];
      for (let bytes = 0; rows.length < limit && bytes < maxBytes; ) {
        const part = await iterator.nextv(limit - rows.length);
        if (part.length === 0) break;
        for (const [key, value] of part) {
          rows.push([key, plain(value)]);
          bytes += key.length + value.length;
        }
      }
      return rows;
    } catch (error) {
      throw readError(this.path, error);
    } finally {
      await iterator.close();
    }
  }

  private async writeBatch(ops: readonly KvOp[]): Promise<void> {
    const batch = this.level.batch();
    const sliceBytes = Math.max(limits.batchSliceBytes, ops.reduce((sum, op) => sum + costOf(op), 0) / limits.batchTurnsMax);
    let used = 0;
    for (const op of ops) {
      if (used >= sliceBytes) {
        used = 0;
        await new Promise<void>(this.soon);
      }
      if ("put" in op) batch.put(op.put, op.value);
      else batch.del(op.del);
      used += costOf(op);
    }
    await batch.write({ sync: true });
    const changed = changedNs(this.path);
    if (changed === this.directoryChangedNs) return;
    await syncDirectory(this.path);
    this.directoryChangedNs = changed;
  }
}

function costOf(op: KvOp): number {
  return limits.storageRowCostBytes + ("put" in op ? op.value.length : 0);
}

/** classic-level hands out Buffers, whose slice() shares memory where that of a Uint8Array copies. */
function plain(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}

function changedNs(path: string): bigint {
  return statSync(path, { bigint: true }).mtimeNs;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function openError(path: string, error: unknown): PawlError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { code?: unknown }).code;
  if (code === "LEVEL_LOCKED") {
    return new PawlError("config", `${path} is used by another process: stop it or give this node another data directory`, { cause });
  }
  if (code === "LEVEL_CORRUPTION") {
    const next = "this node must be resynchronised with `pawl resync`";
    return new PawlError("quarantined", `${path} is damaged (${messageOf(cause)}): ${next}`, { cause });
  }
  return new PawlError("io", `${path} cannot be opened: ${messageOf(cause)}`, { cause });
}

function readError(path: string, error: unknown): PawlError {
  const damaged = (error as { code?: unknown }).code === "LEVEL_CORRUPTION";
  const advice = damaged ? "is damaged; this node must be resynchronised with `pawl resync`" : "cannot be read";
  return new PawlError(damaged ? "quarantined" : "io", `${path} ${advice}: ${messageOf(error)}`, { cause: error });
}
