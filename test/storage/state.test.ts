// Checkpoints: what is loaded is what was frozen, on both disks; a model under crashes; every kind of damage (H8); one turn, one
// batch, slices of bounded length.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { ColumnTable } from "../../src/jobs/columns.ts";
import { limits } from "../../src/limits.ts";
import { compareUtf8 } from "../../src/storage/coldrows.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { encodeDelta, encodePage, encodeSummary, keys } from "../../src/storage/checkpointformat.ts";
import { StateStore } from "../../src/storage/state.ts";
import { Crashable, atOnce, finished, isQuarantine, levelBench, options, randomOf, simBench } from "./bench.ts";
import { Replica, emptyModel, logAt, momentAt } from "./tables.ts";
import type { Kv, KvOp } from "../../src/storage/disk.ts";
import type { SimStore } from "../support/simdisk.ts";
import type { MakeBench } from "./bench.ts";
import type { Model } from "./tables.ts";

function contract(name: string, make: MakeBench): void {
  test(`${name}: state outlives the process over many sweeps`, async () => {
    const bench = make();
    const random = randomOf(7);
    let replica = await Replica.open(await bench.disk().open("state", options), atOnce);
    await replica.check(emptyModel, "empty");
    for (let step = 0; step < 24; step++) {
      replica.change(random);
      const model = replica.freeze();
      replica.change(random);
      await finished((done) => replica.store.commit(done));
      await replica.checkCold(replica.cold, `live, step ${step}`);
      if (step % 3 !== 2) continue;
      await bench.reopen();
      replica = await Replica.open(await bench.disk().open("state", options), atOnce, model.cold);
      await replica.check(model, `step ${step}`);
    }
    await bench.end();
  });
}

contract("leveldisk", levelBench);
contract("simdisk", simBench);

/** A replica on a disk that can crash. Slices of a commit run when the test says so, like completions. */
class Rig {
  readonly crashable: Crashable;
  readonly slices: (() => void)[] = [];
  replica: Replica;
  kv: Kv;

  private constructor(crashable: Crashable, kv: Kv, replica: Replica) {
    this.crashable = crashable;
    this.kv = kv;
    this.replica = replica;
  }

  static async make(seed: number): Promise<Rig> {
    const crashable = new Crashable(seed);
    const kv = await crashable.disk.open("state", options);
    const rig: Rig = new Rig(crashable, kv, await Replica.open(kv, (run) => void rig.slices.push(run)));
    return rig;
  }

  async reopen(cold: ReadonlyMap<string, number>): Promise<void> {
    this.slices.length = 0;
    this.kv = await this.crashable.disk.open("state", options);
    this.replica = await Replica.open(this.kv, (run) => void this.slices.push(run), cold);
  }

  runSlices(): void {
    for (let run = this.slices.shift(); run !== undefined; run = this.slices.shift()) run();
  }

  checkpoint(): Model {
    const model = this.replica.freeze();
    this.replica.store.commit(() => undefined);
    this.runSlices();
    this.crashable.settle();
    return model;
  }

  get store(): SimStore {
    return this.crashable.storage.store("state");
  }
}

test("random changes, checkpoints and crashes: the newest durable checkpoint is loaded, whole", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const rig = await Rig.make(seed);
    const random = randomOf(seed + 1000);
    let durable = emptyModel;
    for (let step = 0; step < 25; step++) {
      rig.replica.change(random);
      if (random() < 0.7) {
        durable = rig.checkpoint();
        continue;
      }
      const next = rig.replica.freeze();
      rig.replica.store.commit(() => undefined);
      if (random() < 0.6) rig.runSlices();
      rig.replica.change(random);
      rig.crashable.crash();
      await rig.reopen(durable.cold);
      if (rig.replica.applied === next.applied) durable = next;
      await rig.reopen(durable.cold);
      await rig.replica.check(durable, `seed ${seed}, step ${step}`);
    }
  }
});

test("cold rows are read through what is not yet stored, deletions included (H10b)", async () => {
  const rig = await Rig.make(1);
  const { cold } = rig.replica.store;
  const text = async (range: object): Promise<string> =>
    (await cold.page({ limit: 9, ...range })).map(([key, value]) => key + value[0]).join(" ");
  for (const key of ["a", "b", "c", "d"]) cold.put(key, Uint8Array.of(1));
  rig.checkpoint();
  cold.put("b", Uint8Array.of(2));
  cold.del("c");
  cold.put("e", Uint8Array.of(2));
  rig.replica.freeze();
  cold.del("a");
  cold.put("c", Uint8Array.of(3));
  cold.put("\u{1f600}", Uint8Array.of(3));
  cold.put("\uffee", Uint8Array.of(3));
  const all = "b2 c3 d1 e2 \uffee3 \u{1f600}3";
  assert.equal(await text({}), all);
  assert.deepEqual([cold.get("a"), cold.get("b")?.[0], cold.get("c")?.[0]], [undefined, 2, 3]);
  assert.deepEqual([await text({ limit: 2 }), await text({ limit: 3 })], ["b2 c3", "b2 c3 d1"]);
  for (const range of [{ gt: "b", limit: 2 }, { gte: "c", lt: "e" }]) assert.equal(await text(range), "c3 d1");
  rig.replica.store.commit(() => undefined);
  rig.runSlices();
  const during = text({});
  rig.crashable.settle();
  assert.equal(await during, all);
  assert.equal(await text({}), all);
  assert.deepEqual([cold.get("a"), cold.get("b")?.[0], cold.get("c")?.[0]], [undefined, 2, 3]);
});

test("a deletion of rows that fill a page does not end the page early", async () => {
  const rig = await Rig.make(1);
  const { cold } = rig.replica.store;
  for (let i = 0; i < 50; i++) cold.put(`k${i + 10}`, Uint8Array.of(i));
  rig.checkpoint();
  for (let i = 0; i < 40; i++) cold.del(`k${i + 10}`);
  const rows = await cold.page({ limit: 4 });
  assert.deepEqual(rows.map(([key]) => key), ["k50", "k51", "k52", "k53"]);
});

test("pages of cold rows are those of a plain table, however many rows are stored, frozen and new", async () => {
  const random = randomOf(20261121);
  const rig = await Rig.make(1);
  const { cold } = rig.replica.store;
  const table = new Map<string, Uint8Array>();
  const change = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const key = `${["a/", "b/", "b/\uffee", "c/"][Math.floor(random() * 4)]}${Math.floor(random() * 3_000)}`;
      const isPut = random() < 0.7;
      if (isPut) table.set(key, Uint8Array.of(i & 0xff));
      else table.delete(key);
      if (isPut) cold.put(key, Uint8Array.of(i & 0xff));
      else cold.del(key);
    }
  };
  change(3_000);
  rig.checkpoint();
  change(6_000);
  rig.replica.freeze();
  change(6_000);
  const keys = [...table.keys()].sort(compareUtf8);
  for (const [gt, lt] of [["", "~"], ["b/", "b0"], ["b/1", "b/2"], ["b/", "b/\u{1f600}"], ["a/5", "c/1"], ["d", "e"]] as const) {
    for (const limit of [1, 10, 1_000, 20_000]) {
      const wanted = keys.filter((key) => compareUtf8(key, gt) > 0 && compareUtf8(key, lt) < 0).slice(0, limit);
      const rows = await cold.page({ gt, lt, limit });
      assert.deepEqual(rows, wanted.map((key) => [key, table.get(key)]), `${limit} behind ${gt}`);
    }
  }
});

test("a checkpoint above the durable log is a bug (S2, H8d)", async () => {
  const { store } = (await Rig.make(1)).replica;
  assert.throws(() => store.freeze(momentAt(5, logAt(4)), noHistory), /durable only up to 4/);
});

test("a checkpoint is one batch with all of its parts (S1)", async () => {
  const rig = await Rig.make(1);
  const batches: (readonly KvOp[])[] = [];
  const write = rig.kv.write.bind(rig.kv);
  rig.kv.write = (ops, done) => {
    batches.push(ops);
    write(ops, done);
  };
  rig.replica.tables.set(1, 5);
  rig.replica.changeCold("k1", 4);
  rig.checkpoint();
  const kinds = batches.map((ops) => ops.map((op) => ("put" in op ? op.put : op.del).slice(0, 2)).join(" "));
  assert.deepEqual(kinds, ["d/ p/ x/ s/ c/"]);
});

test("what is frozen does not change while it is encoded, and slices are bounded", async () => {
  const rig = await Rig.make(1);
  const { store, tables } = rig.replica;
  for (let row = 1; row <= 50; row++) tables.set(row, row);
  const big = new Uint8Array(limits.storageSliceBytes / 4);
  for (let i = 0; i < 20; i++) store.cold.put(`big${i}`, big);
  const scalars = Uint8Array.of(1);
  const model = rig.replica.model();
  store.freeze({ ...momentAt(0), scalars }, noHistory);
  scalars[0] = 2;
  store.commit(() => undefined);
  let slices = 0;
  for (let run = rig.slices.shift(); run !== undefined; run = rig.slices.shift()) {
    run();
    slices++;
    for (let row = 1; row <= 50; row++) tables.set(row, 1000 + row + slices);
  }
  assert.ok(slices >= 5, `${slices} slices`);
  rig.crashable.settle();
  await rig.reopen(model.cold);
  assert.deepEqual([...rig.replica.tables.values], model.values);
  assert.deepEqual(rig.replica.store.restored?.scalars, Uint8Array.of(1));
});

test("a checkpoint takes a bounded number of turns, however large it is", async () => {
  const rig = await Rig.make(1);
  const { store } = rig.replica;
  const row = new Uint8Array(limits.batchSliceBytes);
  for (let i = 0; i < 8 * limits.batchTurnsMax; i++) store.cold.put(`k${i}`, row);
  store.freeze(momentAt(0), noHistory);
  store.commit(() => undefined);
  let turns = 0;
  for (let run = rig.slices.shift(); run !== undefined; run = rig.slices.shift(), turns++) run();
  assert.ok(turns > limits.batchTurnsMax / 2 && turns <= limits.batchTurnsMax + 1, `${turns} turns`);
});

test("changes and headers that are no longer needed are deleted", async () => {
  const rig = await Rig.make(1);
  const random = randomOf(3);
  for (let i = 0; i < 200; i++) {
    rig.replica.change(random);
    rig.checkpoint();
  }
  const count = (prefix: string): number => rig.store.keys().filter((key) => key.startsWith(prefix)).length;
  assert.ok(count("d/") < 40, `${count("d/")} deltas`);
  assert.deepEqual([count("s/"), count("c/")], [1, 200]);
});

/** A table of small pages of 16 rows; a checkpoint after each of so many changes of one row; what is then found at open. */
async function changedSlowly(capacity: number, checkpoints: number, rowOf: (number: number) => number): Promise<number> {
  const crashable = new Crashable(1);
  const opened = async (): Promise<{ values: Uint32Array; rows: ColumnTable; store: StateStore }> => {
    const values = new Uint32Array(capacity + 1);
    const rows = new ColumnTable("jobs", capacity, [values], 64);
    return { values, rows, store: await StateStore.open(await crashable.disk.open("state", options), [rows], (run) => run()) };
  };
  const { values, rows, store } = await opened();
  let deltasMost = 0;
  for (let number = 1; number <= checkpoints; number++) {
    values[rowOf(number)] = number;
    rows.touch(rowOf(number));
    store.freeze(momentAt(number), noHistory);
    store.commit(() => undefined);
    crashable.settle();
    if (number % 64 !== 0) continue;
    deltasMost = Math.max(deltasMost, crashable.storage.store("state").keys().filter((key) => key.startsWith("d/")).length);
  }
  crashable.crash();
  assert.deepEqual((await opened()).values, values);
  return deltasMost;
}

test("a large state that hardly changes is whole however many checkpoints a sweep of it would take (S6)", async () => {
  const { checkpointHeadersKept: kept, sweepCheckpointsMax } = limits;
  const capacity = 16 * 2 * kept;
  const deltasMost = await changedSlowly(capacity, kept + 100, (number) => (number === 1 ? capacity : 7 * number));
  assert.ok(deltasMost <= 2 * sweepCheckpointsMax, `${deltasMost} deltas`);
});

test("a table that grows faster than a sweep of it goes on keeps the headers that a start needs (S6)", async () => {
  const { checkpointHeadersKept: kept, sweepCheckpointsMax } = limits;
  const grown = (number: number): number => Math.ceil(16 * 600 * (1 + 1 / sweepCheckpointsMax) ** number);
  const deltasMost = await changedSlowly(grown(kept + 100), kept + 100, grown);
  assert.ok(deltasMost > kept, `${deltasMost} deltas`);
});

const CHECKPOINTS = 30;

async function checkpointed(seed: number): Promise<[Rig, Model[]]> {
  const rig = await Rig.make(seed);
  const random = randomOf(seed);
  const models: Model[] = [];
  for (let i = 0; i < CHECKPOINTS; i++) {
    rig.replica.change(random);
    models.push(rig.checkpoint());
  }
  return [rig, models];
}

describe("lost and exchanged parts of the state are known (H8)", () => {
  let rig: Rig;
  let models: Model[];
  const reopened = (): Promise<void> => rig.reopen(new Map());
  const needed = (): string[] => rig.store.keys().filter((key) => !key.startsWith("x/"));
  beforeEach(async () => {
    [rig, models] = await checkpointed(5);
    await reopened();
    assert.ok((rig.replica.store.restored?.sweep.neededFrom as number) > 1, "a sweep has ended");
  });

  test("a batch lost in the middle, wherever it was", async () => {
    for (let at = 0; at < CHECKPOINTS - 1; at++) {
      const batch = rig.store.batches[at] as readonly KvOp[];
      rig.store.dropBatch(at);
      await assert.rejects(reopened(), isQuarantine(/must be resynchronised/), `batch ${at}`);
      rig.store.batches.splice(at, 0, batch);
    }
  });

  test("the newest batches lost: an older state, whole, from which the log is replayed", async () => {
    for (let lost = 1; lost < CHECKPOINTS; lost++) {
      rig.store.dropNewest(1);
      const model = models[CHECKPOINTS - 1 - lost] as Model;
      await rig.reopen(model.cold);
      await rig.replica.check(model, `${lost} lost`);
    }
  });

  test("a sound value that is not the one of its checkpoint", async () => {
    const [newest] = rig.store.keys().filter((key) => key.startsWith("s/")) as [string];
    const delta = rig.store.keys().filter((key) => key.startsWith("d/")).at(-1) as string;
    const [other] = await checkpointed(6);
    const none = { scalars: new Uint8Array(), membership: { index: 0, bytes: new Uint8Array() }, marks: noHistory, tables: [] };
    const values: [string, Uint8Array | undefined, RegExp][] = [
      [keys.header(3), other.store.get(keys.header(3)), /follows another checkpoint/],
      [newest, encodeSummary(newest, none), /not the one of its checkpoint/],
      [delta, encodeDelta(delta, { table: 0, rows: new Uint32Array(), bytes: new Uint8Array() }), /not the one of its checkpoint/],
      ["p/jobs/0000000f", encodePage("p/jobs/0000000f", 9, new Uint8Array(200)), /named by no checkpoint/],
    ];
    for (const [key, value, pattern] of values) {
      const own = rig.store.get(key);
      rig.store.overwrite(key, value);
      await assert.rejects(reopened(), isQuarantine(pattern), key);
      rig.store.overwrite(key, own);
    }
    await reopened();
  });

  test("values without any checkpoint", async () => {
    for (const key of rig.store.keys().filter((each) => each.startsWith("c/"))) rig.store.overwrite(key, undefined);
    await assert.rejects(reopened(), isQuarantine(/is there, but no checkpoint/));
  });

  test("any value missing", async () => {
    for (const key of needed()) {
      const value = rig.store.get(key);
      rig.store.overwrite(key, undefined);
      await assert.rejects(reopened(), isQuarantine(/missing|should with/), key);
      rig.store.overwrite(key, value);
    }
    await reopened();
  });
});

describe("damaged parts of the state are known (H8)", () => {
  let rig: Rig;
  const reopened = (): Promise<void> => rig.reopen(new Map());
  const needed = (): string[] => rig.store.keys().filter((key) => !key.startsWith("x/"));
  beforeEach(async () => {
    [rig] = await checkpointed(5);
    await reopened();
  });

  test("a flipped bit in any value", async () => {
    for (const key of needed()) {
      const bits = (rig.store.get(key) as Uint8Array).length * 8;
      for (const bit of [0, 75, bits >> 1, bits - 1]) {
        rig.store.flipBit(key, bit);
        await assert.rejects(reopened(), isQuarantine(/./), `${key} bit ${bit}`);
        rig.store.flipBit(key, bit);
      }
    }
    await reopened();
  });

  test("a flipped bit in any key: the value is elsewhere", async () => {
    for (const key of needed()) {
      for (const to of [`${key.slice(0, -1)}z`, key.replace(/^./, "~")]) {
        rig.store.moveKey(key, to);
        await assert.rejects(reopened(), isQuarantine(/./), `${key} to ${to}`);
        rig.store.moveKey(to, key);
      }
    }
    await reopened();
  });

  test("a stale base page, sound in itself", async () => {
    const key = "p/jobs/00000000";
    const old = rig.store.get(key);
    const random = randomOf(6);
    for (let i = 0; i < 30; i++) {
      rig.replica.change(random);
      rig.checkpoint();
    }
    await reopened();
    rig.store.overwrite(key, old);
    await assert.rejects(reopened(), isQuarantine(/p\/jobs\/00000000 is of checkpoint \d+, the newest to write it was/));
  });

  test("a checkpoint split over two batches, whichever part survives", async () => {
    rig.replica.change(randomOf(8));
    rig.checkpoint();
    const [whole] = rig.store.batches.slice(-1) as [readonly KvOp[]];
    for (let at = 1; at < whole.length; at++) {
      for (const part of [whole.slice(0, at), whole.slice(at)]) {
        if (part.every((op) => "del" in op || op.put.startsWith("x/"))) continue;
        rig.store.dropNewest(1);
        rig.store.commit(part);
        await assert.rejects(reopened(), isQuarantine(/./), `${at} of ${whole.length}`);
      }
    }
  });

});

describe("damage outside the tables is known too (H8)", () => {
  let rig: Rig;
  beforeEach(async () => {
    [rig] = await checkpointed(5);
    await rig.reopen(new Map());
  });

  test("a damaged cold row, in value or key, at read", async () => {
    const key = rig.store.keys().find((each) => each.startsWith("x/")) as string;
    rig.store.flipBit(key, 3);
    assert.throws(() => rig.replica.store.cold.get(key.slice(2)), isQuarantine(/fails its checksum/));
    await assert.rejects(rig.replica.store.cold.page({ limit: 99 }), isQuarantine(/fails its checksum/));
    rig.store.flipBit(key, 3);
    rig.store.moveKey(key, "x/k~");
    assert.throws(() => rig.replica.store.cold.get("k~"), isQuarantine(/fails its checksum/));
  });

  test("tables of another shape", async () => {
    const { jobs } = rig.replica.tables;
    await assert.rejects(StateStore.open(rig.kv, [jobs], atOnce), isQuarantine(/tables are stored as jobs\(10 x 20\),live/));
  });
});
