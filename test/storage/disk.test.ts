// The disk contract on both disks, and what is special to each: owner, lock and damage of the real one, crashes of the simulated one.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { LevelDisk } from "../../src/storage/leveldisk.ts";
import { Crashable, atOnce, levelBench, options, put, simBench, write } from "./bench.ts";
import { filesContract, kvContract, kvModel } from "./contract.ts";

kvContract("leveldisk", levelBench);
kvContract("simdisk", simBench);
kvModel("leveldisk", levelBench, 10);
kvModel("simdisk", simBench, 200);
filesContract("leveldisk", levelBench);
filesContract("simdisk", simBench);

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "pawl-storage-"));
  await run(join(root, "data")).finally(() => rmSync(root, { recursive: true }));
}

describe("leveldisk alone", () => {
  test("only the owner may read the data directory", () =>
    inFolder(async (path) => {
      const disk = new LevelDisk(path, atOnce);
      await disk.open("log", options);
      disk.files.append("h/0/a", Uint8Array.of(1));
      for (const each of ["", "log", "h", "h/0"]) assert.equal(statSync(join(path, each)).mode & 0o777, 0o700, each);
      assert.equal(statSync(join(path, "h/0/a")).mode & 0o777, 0o600);
      await disk.close();
    }));

  test("a large batch is handed over in several turns, and is one batch all the same (L4)", () =>
    inFolder(async (path) => {
      let turns = 0;
      const disk = new LevelDisk(path, (run) => {
        turns++;
        setImmediate(run);
      });
      const kv = await disk.open("state", options);
      await write(kv, [put("small", 1)]);
      assert.equal(turns, 0);
      const value = new Uint8Array(limits.storageSliceBytes / 8);
      const ops = Array.from({ length: 40 }, (_, i) => ({ put: `k${i + 10}`, value }));
      const written = write(kv, ops);
      assert.equal((await kv.page({ gt: "k", lt: "l", limit: 99 })).length, 40, "a page sees all of it or waits");
      await written;
      assert.ok(turns >= 4, `${turns} turns`);
      await disk.close();
    }));

  test("a second opener is told what to do", () =>
    inFolder(async (path) => {
      const disk = new LevelDisk(path, atOnce);
      await disk.open("log", options);
      const second = new LevelDisk(path, atOnce).open("log", options);
      await assert.rejects(second, (error) => error instanceof PawlError && error.code === "config");
      await assert.rejects(new LevelDisk(path, atOnce).open("log", options), /another process/);
      await disk.close();
    }));

  test("a removal that was cut short is finished when the disk is opened next (L5)", () =>
    inFolder(async (path) => {
      let disk = new LevelDisk(path, atOnce);
      await write(await disk.open("state", options), [put("x", 1)]);
      await disk.close();
      renameSync(join(path, "state"), join(path, "state.removed"));
      disk = new LevelDisk(path, atOnce);
      assert.deepEqual([disk.databases(), readdirSync(path)], [[], []]);
      await disk.close();
    }));

  test("LevelDB says nothing of a batch that it dropped: the checks above it are needed", () =>
    inFolder(async (path) => {
      let disk = new LevelDisk(path, atOnce);
      let kv = await disk.open("log", options);
      for (let i = 0; i < 9; i++) await write(kv, [{ put: `k${i}`, value: new Uint8Array(40_000).fill(i) }]);
      await disk.close();
      const log = readdirSync(join(path, "log")).find((each) => each.endsWith(".log")) as string;
      const bytes = readFileSync(join(path, "log", log));
      bytes[150_000] = (bytes[150_000] as number) ^ 1;
      writeFileSync(join(path, "log", log), bytes);
      disk = new LevelDisk(path, atOnce);
      kv = await disk.open("log", options);
      const left = (await kv.page({ limit: 20 })).map(([key]) => key);
      assert.ok(left.length < 9 && left.includes("k8"), left.join());
      await disk.close();
    }));
});

describe("simdisk alone", () => {
  test("a write in flight at a crash survives or vanishes as a whole (M1)", async () => {
    const outcomes = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const crashable = new Crashable(seed);
      const kv = await crashable.disk.open("a", options);
      kv.write([put("x", 1), put("y", 1)], () => assert.fail("completed after the crash"));
      crashable.crash();
      crashable.settle();
      const rows = await (await crashable.disk.open("a", options)).page({ limit: 9 });
      outcomes.add(rows.length);
    }
    assert.deepEqual([...outcomes].sort(), [0, 2]);
  });

  test("of unsynced bytes a prefix survives, of synced bytes all (M1)", () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const crashable = new Crashable(seed);
      crashable.disk.files.append("f", Uint8Array.of(1, 2));
      crashable.disk.files.sync(["f"], () => undefined);
      crashable.disk.files.append("f", Uint8Array.of(3, 4));
      crashable.settle();
      crashable.crash();
      lengths.add(crashable.disk.files.size("f"));
    }
    assert.deepEqual([...lengths].sort(), [2, 3, 4]);
  });

  test("a removal under way at a crash leaves the database whole or gone", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const crashable = new Crashable(seed);
      const kv = await crashable.disk.open("a", options);
      kv.write([put("x", 1)], () => undefined);
      crashable.settle();
      await kv.close();
      void crashable.disk.remove("a");
      crashable.crash();
      const found = crashable.disk.databases();
      const rows = await (await crashable.disk.open("a", options)).page({ limit: 9 });
      outcomes.add(`${found.join()} ${rows.length}`);
    }
    assert.deepEqual([...outcomes].sort(), [" 0", "a 1"]);
  });

  test("batches can be dropped from the middle and the end", async () => {
    const crashable = new Crashable(1);
    const kv = await crashable.disk.open("a", options);
    for (let i = 0; i < 4; i++) {
      kv.write([put(`k${i}`, i), put("last", i)], () => undefined);
      crashable.settle();
    }
    crashable.storage.store("a").dropBatch(1);
    crashable.storage.store("a").dropNewest(1);
    assert.deepEqual(await kv.page({ limit: 9 }), [["k0", Uint8Array.of(0)], ["k2", Uint8Array.of(2)], ["last", Uint8Array.of(2)]]);
  });
});
