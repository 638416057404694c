// A removed file gives its space back in slices, each synced before the next, one file after the other.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { Freeing, shrink } from "../../src/storage/freeing.ts";

const SLICE = limits.fileFreeSliceBytes;

/** What was done to a file of this size. */
async function shrunk(size: number): Promise<string[]> {
  const done: string[] = [];
  const file = {
    stat: async () => ({ size }),
    truncate: async (to: number) => void done.push(String(to)),
    sync: async () => void done.push("sync"),
  };
  await shrink(file);
  return done;
}

test("a file shrinks to one slice, and each slice is synced", async () => {
  assert.deepEqual(await shrunk(0), []);
  assert.deepEqual(await shrunk(SLICE), []);
  assert.deepEqual(await shrunk(3 * SLICE - 5), [String(2 * SLICE - 5), "sync", String(SLICE - 5), "sync"]);
});

test("files go one after the other, also when one of them cannot", async () => {
  const root = mkdtempSync(join(tmpdir(), "pawl-storage-"));
  const [large, small] = [join(root, "large"), join(root, "small")];
  for (const path of [large, small]) writeFileSync(path, "x");
  truncateSync(large, 2 * SLICE + 1);
  const freeing = new Freeing();
  const order: string[] = [];
  const gone = [large, join(root, "none"), small].map((path) =>
    freeing.free(path).then(
      () => order.push("gone"),
      () => order.push(`${existsSync(large)} ${existsSync(small)}`),
    ),
  );
  await Promise.all(gone);
  assert.deepEqual(order, ["gone", "false true", "gone"]);
  assert.deepEqual([existsSync(large), existsSync(small)], [false, false]);
  rmSync(root, { recursive: true });
});
