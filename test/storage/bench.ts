// What the suites of this folder run on: one process's disk, that can be closed and opened again, on LevelDB and in memory alike;
// and small helpers to wait for completions and to expect quarantine.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PawlError } from "../../src/base/errors.ts";
import { LevelDisk } from "../../src/storage/leveldisk.ts";
import { SimStorage } from "../support/simdisk.ts";
import type { Disk, Kv, KvOp } from "../../src/storage/disk.ts";

export const options = { writeBufferBytes: 1 << 20, openFilesMax: 64, compression: true };

export type Bench = {
  readonly disk: () => Disk;
  /** Ends the process in good order and starts another on the same data. */
  readonly reopen: () => Promise<void>;
  readonly end: () => Promise<void>;
};

export type MakeBench = () => Bench;

export const atOnce = (run: () => void): void => void setImmediate(run);

export function levelBench(): Bench {
  const root = mkdtempSync(join(tmpdir(), "pawl-storage-"));
  let disk = new LevelDisk(join(root, "data"), atOnce);
  return {
    disk: () => disk,
    async reopen() {
      await disk.close();
      disk = new LevelDisk(join(root, "data"), atOnce);
    },
    async end() {
      await disk.close();
      rmSync(root, { recursive: true });
    },
  };
}

export function simBench(): Bench {
  const storage = new SimStorage(randomOf(1));
  let disk = storage.disk((_, run) => void setImmediate(run));
  return {
    disk: () => disk,
    async reopen() {
      await disk.close();
      disk = storage.disk((_, run) => void setImmediate(run));
    },
    end: () => disk.close(),
  };
}

/** A simulated disk whose completions run when the test says so, and that can crash. */
export class Crashable {
  readonly storage: SimStorage;
  private pending: (() => void)[] = [];
  disk: Disk;

  constructor(seed: number) {
    this.storage = new SimStorage(randomOf(seed));
    this.disk = this.view();
  }

  private view(): Disk {
    return this.storage.disk((_, run) => void this.pending.push(run));
  }

  /** Runs completions, and those that they lead to, until there are none. */
  settle(): void {
    for (let run = this.pending.shift(); run !== undefined; run = this.pending.shift()) run();
  }

  /** Runs the oldest completion alone. */
  step(): void {
    this.pending.shift()?.();
  }

  /** What `task` resolves to, while completions run. */
  async finish<T>(task: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    task.then(over, over);
    while (!isOver) {
      await new Promise<void>(atOnce);
      this.settle();
    }
    return task;
  }

  crash(): void {
    this.storage.crash();
    this.pending = [];
    this.disk = this.view();
  }
}

/** Uniform in [0, 1), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Waits for the completion of what `start` starts. */
export function finished(start: (done: (error?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error === undefined ? resolve() : reject(error))));
}

export function write(kv: Kv, ops: readonly KvOp[]): Promise<void> {
  return finished((done) => kv.write(ops, done));
}

export const put = (key: string, ...bytes: number[]): KvOp => ({ put: key, value: Uint8Array.from(bytes) });

export function isQuarantine(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PawlError, String(error));
    assert.equal(error.code, "quarantined", error.message);
    assert.match(error.message, pattern);
    return true;
  };
}
