// Owns: giving the space of large files back to the file system while others are written and synced on it.
// (R1) One file at a time, in slices, each synced. To unlink a file of gigabytes is one change of the file system's journal, and every sync
//      beside it waits for that: for 4 GiB on ext4 the syncs of the log took 96 ms at the 99th percentile, and 16 ms with slices. To wait
//      for each slice also keeps the pace of the disk.

import { open, unlink } from "node:fs/promises";
import { limits } from "../limits.ts";

/** An open file, as far as it is cut down. */
export interface Shrinkable {
  stat(): Promise<{ readonly size: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
}

export class Freeing {
  private last: Promise<void> = Promise.resolve();

  /** Resolves when the file is gone; rejects when it, or what is left of it, stays. */
  free(path: string): Promise<void> {
    const freed = this.last.then(() => freeFile(path));
    this.last = freed.then(
      () => undefined,
      () => undefined,
    );
    return freed;
  }
}

async function freeFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  await shrink(file).finally(() => file.close());
  await unlink(path);
}

/** Down to one slice (R1). */
export async function shrink(file: Shrinkable): Promise<void> {
  for (let { size } = await file.stat(); size > limits.fileFreeSliceBytes; ) {
    size -= limits.fileFreeSliceBytes;
    await file.truncate(size);
    await file.sync();
  }
}
