// What reading and adding cold rows costs: rows that were read lately are given out again until they are changed or make room.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HashSum } from "../../src/jobs/hashsum.ts";
import { ColdRows } from "../../src/storage/coldrows.ts";
import type { Kv, KvOp } from "../../src/storage/disk.ts";
import { sealIn } from "../../src/storage/quarantine.ts";
import { randomOf } from "./bench.ts";

const bytes = (count: number, value = 0): Uint8Array => new Uint8Array(count).fill(value);

/** A database in memory that counts what is read. */
class CountingKv implements Kv {
  readonly rows = new Map<string, Uint8Array>();
  gets = 0;

  get(key: string): Uint8Array | undefined {
    this.gets++;
    return this.rows.get(key)?.slice();
  }

  page(): Promise<[string, Uint8Array][]> {
    return Promise.resolve([]);
  }

  write(ops: readonly KvOp[], done: (error?: Error) => void): void {
    for (const op of ops) {
      if ("put" in op) this.rows.set(op.put, op.value);
      else this.rows.delete(op.del);
    }
    done();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function checkpoint(kv: CountingKv, cold: ColdRows): void {
  cold.freeze();
  kv.write([...cold.frozenOps()], () => undefined);
  cold.thaw();
}

test("a cold row is read once, and anew after it was changed or removed, also behind a checkpoint", () => {
  const kv = new CountingKv();
  const cold = new ColdRows(kv);
  cold.put("a", bytes(3, 1));
  checkpoint(kv, cold);
  const before = kv.gets;
  assert.deepEqual([cold.get("a"), cold.get("a")], [bytes(3, 1), bytes(3, 1)]);
  assert.equal(kv.gets, before + 1);
  cold.put("a", bytes(3, 2));
  assert.deepEqual(cold.get("a"), bytes(3, 2));
  checkpoint(kv, cold);
  assert.deepEqual(cold.get("a"), bytes(3, 2));
  cold.del("a");
  assert.equal(cold.get("a"), undefined);
  checkpoint(kv, cold);
  assert.equal(cold.get("a"), undefined);
});

test("a row that is added is not looked for, and counts as any other (X5)", () => {
  const kv = new CountingKv();
  const [cold, other] = [new ColdRows(kv), new ColdRows(new CountingKv())];
  cold.add("a", bytes(3, 1));
  cold.add("b", bytes(3, 2));
  cold.del("b");
  checkpoint(kv, cold);
  assert.deepEqual([kv.gets, [...kv.rows.keys()]], [0, ["x/a"]], "what went again left no trace");
  cold.del("a");
  cold.add("a", bytes(3, 3));
  checkpoint(kv, cold);
  assert.equal(kv.gets, 1, "what is stored is looked for, since it is replaced");
  cold.del("a");
  cold.freeze();
  cold.add("a", bytes(3, 4));
  const ops = [...cold.frozenOps()];
  assert.deepEqual(ops, [{ del: "x/a" }]);
  kv.write(ops, () => undefined);
  cold.thaw();
  checkpoint(kv, cold);
  const twin = new CountingKv();
  other.put("a", bytes(3, 4));
  checkpoint(twin, other);
  assert.equal(cold.sum.text(), other.sum.text());
});

test("what replaces a row that was read lately looks for nothing, and the sum is that of what is stored (X4)", () => {
  const kv = new CountingKv();
  const cold = new ColdRows(kv);
  cold.put("a", bytes(3, 1));
  cold.put("b", bytes(3, 2));
  checkpoint(kv, cold);
  cold.get("a");
  cold.get("b");
  const before = kv.gets;
  cold.del("a");
  cold.put("b", bytes(3, 3));
  cold.put("b", bytes(3, 4));
  checkpoint(kv, cold);
  assert.equal(kv.gets, before);
  assert.equal(cold.sum.text(), sumOf(kv));
  cold.put("b", bytes(3, 5));
  checkpoint(kv, cold);
  assert.equal(cold.sum.text(), sumOf(kv), "the seal that was known is not that of a later row");
});

test("whatever is read, added, changed and removed around checkpoints, rows and sum are right", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = randomOf(seed);
    const random = (bound: number): number => Math.floor(next() * bound);
    const kv = new CountingKv();
    const cold = new ColdRows(kv);
    const model = new Map<string, Uint8Array>();
    let ops: readonly KvOp[] | undefined;
    for (let step = 0; step < 200; step++) {
      const key = `${random(2) === 0 ? "a" : "b"}${random(2)}`;
      const value = bytes(3, step);
      const dice = random(8);
      if (dice < 2) assert.deepEqual(cold.get(key), model.get(key), `seed ${seed}, step ${step}`);
      else if (dice < 4) {
        if (model.has(key)) cold.put(key, value);
        else cold.add(key, value);
        model.set(key, value);
      } else if (dice < 6) {
        cold.del(key);
        model.delete(key);
      } else if (ops === undefined) {
        cold.freeze();
        ops = [...cold.frozenOps()];
      } else {
        kv.write(ops, () => undefined);
        cold.thaw();
        ops = undefined;
        assert.equal(cold.sum.text(), sumOf(kv), `seed ${seed}, step ${step}`);
      }
    }
  }
});

test("a checkpoint holds every row that was added, once, whatever is read while it is put together", () => {
  const names = ["a1", "a2", "b1", "b2", "c1", "c2"];
  for (let readAt = 0; readAt <= names.length; readAt++) {
    for (const read of names) {
      const kv = new CountingKv();
      const cold = new ColdRows(kv);
      for (const [i, key] of names.entries()) cold.add(key, bytes(1, i));
      cold.get("b1");
      cold.add("b3", bytes(1, 9));
      cold.freeze();
      const ops: KvOp[] = [];
      for (const op of cold.frozenOps()) {
        if (ops.length === readAt) cold.get(read);
        ops.push(op);
      }
      kv.write(ops, () => undefined);
      cold.thaw();
      assert.deepEqual([...kv.rows.keys()].sort(), [...names, "b3"].sort().map((key) => `x/${key}`), `${read} read at ${readAt}`);
      assert.equal(cold.sum.text(), sumOf(kv));
    }
  }
});

test("rows that were added are listed with those that were put, in order, before and while a checkpoint is written", async () => {
  const cold = new ColdRows(new CountingKv());
  for (const key of ["b1", "a2", "b3", "a1"]) cold.add(key, bytes(1, 1));
  cold.put("a3", bytes(1, 2));
  assert.deepEqual(cold.get("b1"), bytes(1, 1));
  cold.add("b2", bytes(1, 3));
  cold.del("b3");
  const keys = async (): Promise<string[]> => (await cold.page({ gte: "a2", lt: "c", limit: 9 })).map(([key]) => key);
  assert.deepEqual(await keys(), ["a2", "a3", "b1", "b2"]);
  cold.freeze();
  cold.del("a2");
  cold.add("a4", bytes(1, 4));
  assert.deepEqual(await keys(), ["a3", "a4", "b1", "b2"]);
});

function sumOf(kv: CountingKv): string {
  const sum = new HashSum();
  for (const value of kv.rows.values()) sum.add(sealIn(value));
  return sum.text();
}
