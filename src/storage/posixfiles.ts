// Owns: append-only files below a data directory, through the file system. Databases are in leveldisk.ts.
// (F1) A sync covers the bytes, and the directory entries of files and folders made since the last one.
// (F2) A file with appends that were not synced keeps its descriptor: a write error is then reported to the sync that follows.
// (F3) After an error nothing is tried again: what the file holds is unknown then, and the process ends.
// (F4) To free the blocks of a large file takes long: a removed file is out of the way at once, by another name, and freed beside the loop
//      (freeing.ts). If that fails, or the process ends before, the next process lists it, by that name.

import { closeSync, fdatasync, fsync, ftruncateSync, mkdirSync, openSync, readSync } from "node:fs";
import { readdirSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { PawlError, assert, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { Files } from "./disk.ts";
import { Freeing } from "./freeing.ts";

const syncData = promisify(fdatasync);
const syncAll = promisify(fsync);

type OpenFile = { readonly fd: number; unsynced: boolean; syncing: number };

export class PosixFiles implements Files {
  private readonly root: string;
  private readonly open = new Map<string, OpenFile>();
  /** Directories with entries that were not synced. */
  private readonly changed = new Set<string>();
  /** Names of removed files, until they are freed or for good (F4). */
  private readonly removed = new Set<string>();
  private readonly freeing = new Freeing();

  constructor(root: string) {
    this.root = root;
  }

  append(name: string, data: Uint8Array): void {
    try {
      const file = this.file(name);
      file.unsynced = true;
      for (let at = 0; at < data.length; ) at += writeSync(file.fd, data, at, data.length - at);
    } catch (error) {
      throw this.failure(`writing ${name}`, error);
    }
  }

  sync(names: readonly string[], done: (error?: Error) => void): void {
    const files = names.map((name) => this.file(name));
    const directories = [...this.changed];
    this.changed.clear();
    for (const file of files) {
      file.unsynced = false;
      file.syncing++;
    }
    void this.syncThese(files, directories).then(() => done(), (error: unknown) => done(this.failure("a sync", error)));
  }

  private failure(what: string, error: unknown): PawlError {
    const message = `${this.root}: ${what} failed: ${messageOf(error)}; restart the node once the disk is sound`;
    return new PawlError("io", message, { outcome: "unknown", cause: error });
  }

  private async syncThese(files: readonly OpenFile[], directories: readonly string[]): Promise<void> {
    for (const file of files) {
      await syncData(file.fd);
      file.syncing--;
    }
    for (const directory of directories) {
      const fd = openSync(directory, "r");
      await syncAll(fd).finally(() => closeSync(fd));
    }
  }

  read(name: string, offset: number, length: number): Uint8Array {
    if (!this.open.has(name) && this.size(name) === 0) return new Uint8Array(0);
    const { fd } = this.file(name);
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const count = readSync(fd, out, at, length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return out.subarray(0, at);
  }

  size(name: string): number {
    return statSync(join(this.root, name), { throwIfNoEntry: false })?.size ?? 0;
  }

  truncate(name: string, length: number): void {
    const file = this.file(name);
    file.unsynced = true;
    ftruncateSync(file.fd, length);
  }

  list(folder: string): string[] {
    const path = join(this.root, folder);
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return [];
    return readdirSync(path, { withFileTypes: true })
      .filter((each) => each.isFile() && !this.removed.has(folder + each.name))
      .map((each) => folder + each.name)
      .sort();
  }

  remove(name: string): void {
    const file = this.open.get(name);
    assert(file === undefined || file.syncing === 0, "a file is not removed while it is synced");
    if (file !== undefined) closeSync(file.fd);
    this.open.delete(name);
    const freed = `${name}.removed`;
    renameSync(join(this.root, name), join(this.root, freed));
    this.removed.add(freed);
    const gone = this.freeing.free(join(this.root, freed));
    void gone.then(() => this.removed.delete(freed), () => undefined);
    this.changed.add(dirname(join(this.root, name)));
  }

  close(): void {
    for (const file of this.open.values()) closeSync(file.fd);
    this.open.clear();
  }

  /** The descriptor of a file, made with its folders if it does not exist. The one used last is the last of the map. */
  private file(name: string): OpenFile {
    const known = this.open.get(name);
    if (known !== undefined) {
      this.open.delete(name);
      this.open.set(name, known);
      return known;
    }
    const path = join(this.root, name);
    if (statSync(path, { throwIfNoEntry: false }) === undefined) this.makeFolder(dirname(path));
    if (this.open.size >= limits.dataFilesOpenMax) this.closeOldest();
    const file = { fd: openSync(path, "a+", 0o600), unsynced: false, syncing: 0 };
    this.open.set(name, file);
    return file;
  }

  private makeFolder(path: string): void {
    this.changed.add(path);
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let at = path; at.length >= first.length; at = dirname(at)) this.changed.add(dirname(at));
  }

  private closeOldest(): void {
    for (const [name, file] of this.open) {
      if (file.unsynced || file.syncing > 0) continue;
      closeSync(file.fd);
      this.open.delete(name);
      return;
    }
  }
}
