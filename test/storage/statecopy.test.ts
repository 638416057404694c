// Copies of a state: what is put to use equals the state at its checkpoint while the sender goes on (H10c); a transfer is broken and gone
// on with; crashes at every write; what is lost, changed or mixed up is known.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { decodeChunk, encodeChunk } from "../../src/storage/copychunk.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { StateCopy } from "../../src/storage/statecopy.ts";
import { StateStage } from "../../src/storage/statestage.ts";
import { atOnce, isQuarantine, levelBench, options, randomOf, simBench } from "./bench.ts";
import { Receiver, Sender } from "./copies.ts";
import { Replica, logAt } from "./tables.ts";
import type { Chunk } from "../../src/storage/copychunk.ts";
import type { KvOp } from "../../src/storage/disk.ts";
import type { SimStore } from "../support/simdisk.ts";
import type { MakeBench } from "./bench.ts";

const refused = (code: string, pattern: RegExp) => (error: unknown): boolean =>
  error instanceof PawlError && error.code === code && (assert.match(error.message, pattern), true);

function contract(name: string, make: MakeBench, seeds: number): void {
  test(`${name}: a copy made under checkpoints equals the state right after its last one, deletions included`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const bench = make();
      const sender = await Sender.open(bench.disk(), seed, 1 + (seed % 40));
      const chunks = (await sender.copy(`copy ${seed}`, 100 + seed * 37, (seed % 4) / 4)).map((chunk) => decodeChunk(encodeChunk(chunk)));
      const model = sender.modelAt(chunks);
      await bench.reopen();
      const stage = await StateStage.open(bench.disk(), 2);
      for (const chunk of chunks) await stage.lay(chunk);
      const { jobs, live } = sender.replica.tables;
      await stage.verify([jobs, live]);
      await stage.complete(logAt(model.applied), noHistory);
      const copied = await Replica.open(await bench.disk().open("state-2", options), atOnce, model.cold);
      await copied.check(model, `seed ${seed}`);
      await bench.end();
    }
  });
}

contract("leveldisk", levelBench, 6);
contract("simdisk", simBench, 80);

test("a copy is whole only at the end of a checkpoint, and holds what that deleted (Y1, Y2)", async () => {
  const sender = await Sender.open(simBench().disk(), 1, 1);
  const { cold } = sender.replica.store;
  cold.put("gone", Uint8Array.of(1));
  await sender.checkpoint();
  const copy = new StateCopy(sender.replica.store, "a");
  const chunks: Chunk[] = [];
  while (!chunks.some(({ ops }) => ops.some((op) => "put" in op && op.put === "x/gone"))) chunks.push((await copy.next(1)) as Chunk);
  cold.del("gone");
  await sender.checkpoint();
  for (let chunk = await copy.next(1); chunk !== undefined; chunk = await copy.next(1)) chunks.push(chunk);
  const end = chunks.at(-1)?.end;
  assert.deepEqual([end?.checkpoint, end?.ops], [3, chunks.reduce((sum, { ops }) => sum + ops.length, 0)]);
  assert.ok(chunks.some(({ ops }) => ops.some((op) => "del" in op && op.del === "x/gone")), "the deletion is sent");
});

test("a copy that falls too far behind is refused, and another one may be begun", async () => {
  const sender = await Sender.open(simBench().disk(), 1, 5);
  const copy = new StateCopy(sender.replica.store, "a");
  await copy.next(1);
  copy.wrote(Array.from({ length: limits.copyDirtyKeysMax + 1 }, (_, i) => ({ del: `c/${String(i).padStart(9)}` })));
  await assert.rejects(copy.next(), refused("overloaded", /begin another copy/));
  assert.equal(sender.replica.store.followers.size, 0);
  const chunks = await sender.copy("b", 1000);
  assert.equal(chunks.at(-1)?.end?.checkpoint, 5);
});

test("much that has changed behind the reading is sent before the reading goes on", async () => {
  const sender = await Sender.open(simBench().disk(), 1, 5);
  for (let i = 0; i < 6; i++) sender.replica.store.cold.put(`large${i}`, new Uint8Array(limits.copyChunkBytes));
  await sender.checkpoint();
  const copy = new StateCopy(sender.replica.store, "a");
  await copy.next(1);
  const many = Math.floor(limits.copyDirtyKeysMax * 0.4);
  for (let round = 0; round < 4; round++) {
    copy.wrote(Array.from({ length: many }, (_, i) => ({ del: `a/${round}/${i}` })));
    await copy.next(many * 8);
  }
  while ((await copy.next()) !== undefined);
});

test("keys are read again a bounded number in a turn", async () => {
  const sender = await Sender.open(simBench().disk(), 1, 1);
  const { kv } = sender.replica.store;
  const copy = new StateCopy(sender.replica.store, "a");
  await copy.next(1);
  copy.wrote(Array.from({ length: 5 * limits.copyGetsPerTurnMax }, (_, i) => ({ del: `a/${i}` })));
  const get = kv.get.bind(kv);
  let inTurn = 0;
  let most = 0;
  kv.get = (key) => {
    if (inTurn++ === 0) setImmediate(() => (inTurn = 0));
    most = Math.max(most, inTurn);
    return get(key);
  };
  while ((await copy.next()) !== undefined);
  assert.equal(most, limits.copyGetsPerTurnMax);
});

test("a copy that is sent more slowly than the state changes does not go on for ever", async () => {
  const sender = await Sender.open(simBench().disk(), 1, 1);
  const copy = new StateCopy(sender.replica.store, "a");
  await copy.next(1);
  for (let i = 0; i < limits.copyCheckpointsMax; i++) copy.wrote([{ put: "c/00000000000001", value: new Uint8Array() }]);
  await copy.next(1);
  await sender.checkpoint();
  await assert.rejects(copy.next(1), refused("overloaded", /begin another copy/));
});

test("there is nothing to copy before the first checkpoint; a copy that was given up follows no more", async () => {
  const bench = simBench();
  const replica = await Replica.open(await bench.disk().open("state-1", options), atOnce);
  assert.throws(() => new StateCopy(replica.store, "a"), refused("unavailable", /no checkpoint yet/));
  const sender = await Sender.open(simBench().disk(), 1, 2);
  const copy = new StateCopy(sender.replica.store, "a");
  assert.equal(sender.replica.store.followers.size, 1);
  copy.end();
  assert.equal(sender.replica.store.followers.size, 0);
  await assert.rejects(copy.next(), /given up/);
});

test("damage at the sender is named there and not sent (Y4)", async () => {
  const receiver = await Receiver.open(1);
  await receiver.layAll(await (await Sender.open(simBench().disk(), 3, 9)).copy("a", 500));
  const store = receiver.crashable.storage.store("state-2");
  await receiver.crashable.finish(receiver.install());
  await receiver.crash();
  for (const key of store.keys().filter((each) => !each.startsWith("m/"))) {
    store.flipBit(key, 5);
    const copy = new StateCopy(receiver.replica.store, "b");
    const all = async (): Promise<void> => {
      while ((await copy.next()) !== undefined);
    };
    await assert.rejects(all(), isQuarantine(/fails its checksum/), key);
    copy.end();
    store.flipBit(key, 5);
  }
});

test("a copied state can be copied on, without what stands beside it", async () => {
  const receiver = await Receiver.open(1);
  const first = await Sender.open(simBench().disk(), 3, 9);
  await receiver.layAll(await first.copy("a", 500));
  await receiver.crashable.finish(receiver.install());
  await receiver.crash();
  const second = new Sender(receiver.replica, 5);
  const chunks = await second.copy("b", 700);
  assert.ok(chunks.every(({ ops }) => ops.every((op) => !("put" in op ? op.put : op.del).startsWith("m/"))));
  const third = await Receiver.open(2);
  await third.layAll(chunks);
  await third.crashable.finish(third.install());
  await third.crash();
  await third.check(first.models.get(9) as never, "third");
});

describe("chunks as bytes", () => {
  const ops: KvOp[] = [{ put: "x/é", value: Uint8Array.of(1, 2, 3) }, { del: "p/jobs/00000000" }, { put: "c/1", value: new Uint8Array() }];
  const membership = { index: 7, bytes: Uint8Array.of(9) };
  const end = { checkpoint: 5, index: 2 ** 40, term: 3, membership, ops: 3, bytes: 2 ** 41 };

  test("come back as they were", () => {
    for (const chunk of [{ copy: "a", number: 0, ops, end: undefined }, { copy: "ü/7", number: 2 ** 33, ops: [], end }]) {
      assert.deepEqual(decodeChunk(encodeChunk(chunk)), chunk);
    }
  });

  test("a flipped bit, a missing or an added byte is refused", () => {
    const bytes = encodeChunk({ copy: "a", number: 3, ops, end });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.throws(() => decodeChunk(flipped), refused("invalid", /fails its checksum/));
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeChunk(bytes.subarray(0, length)), refused("invalid", /./));
    }
    assert.throws(() => decodeChunk(Uint8Array.of(...bytes, 0)), refused("invalid", /fails its checksum/));
  });

  test("random bytes and foreign keys are refused", () => {
    const random = randomOf(4);
    for (let i = 0; i < 2000; i++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256));
      assert.throws(() => decodeChunk(bytes), refused("invalid", /./));
    }
    const foreign = encodeChunk({ copy: "a", number: 0, ops: [{ put: "m/install", value: new Uint8Array() }], end: undefined });
    assert.throws(() => decodeChunk(foreign), refused("invalid", /unknown key "m\/install"/));
  });
});

async function someSteps(receiver: Receiver, count: number): Promise<void> {
  for (let step = 0; step < count; step++) {
    for (let i = 0; i < 12; i++) await new Promise<void>(atOnce);
    receiver.crashable.step();
  }
  await new Promise<void>(atOnce);
}

describe("laying a copy down", () => {
  let sender: Sender;
  let chunks: Chunk[];
  beforeEach(async () => {
    sender = await Sender.open(simBench().disk(), 4, 12);
    chunks = await sender.copy("first", 900, 0.5);
    assert.ok(chunks.length > 8);
  });

  test("only the chunk that is due is taken; a refused one changes nothing (Z2)", async () => {
    const receiver = await Receiver.open(1);
    const lay = (chunk: Chunk | undefined): Promise<void> => receiver.lay(chunk as Chunk);
    await assert.rejects(lay(chunks[1]), refused("conflict", /chunk 1 of copy first came, but none was begun/));
    await lay(chunks[0]);
    await assert.rejects(lay(chunks[0]), refused("conflict", /chunk 0 of copy first came, where 1 is due/));
    await assert.rejects(lay(chunks[2]), refused("conflict", /where 1 is due/));
    await assert.rejects(lay({ ...(chunks[1] as Chunk), copy: "other" }), refused("conflict", /where 1 is due of copy first/));
    const [both, second] = [receiver.stage.lay(chunks[1] as Chunk), receiver.stage.lay(chunks[2] as Chunk)];
    await assert.rejects(second, refused("conflict", /still being laid down/));
    await receiver.crashable.finish(both);
    await receiver.layAll(chunks);
    await assert.rejects(lay({ ...(chunks.at(-1) as Chunk), number: chunks.length }), refused("conflict", /which is whole/));
    await receiver.crashable.finish(receiver.install());
    await receiver.crash();
    await receiver.check(sender.modelAt(chunks), "laid down");
  });

  test("another copy begins from nothing, also when the one before was whole", async () => {
    for (const before of [3, chunks.length]) {
      const receiver = await Receiver.open(1);
      for (const chunk of chunks.slice(0, before)) await receiver.lay(chunk);
      await sender.checkpoint();
      const others = await sender.copy(`second ${before}`, 700);
      await receiver.lay(others[0] as Chunk);
      assert.deepEqual([receiver.stage.copy, receiver.stage.next, receiver.stage.end], [`second ${before}`, 1, undefined]);
      await receiver.layAll(others);
      await receiver.crashable.finish(receiver.install());
      await receiver.crash();
      await receiver.check(sender.modelAt(others), `after ${before}`);
    }
  });

});

describe("putting a copy to use", () => {
  let sender: Sender;
  let chunks: Chunk[];
  beforeEach(async () => {
    sender = await Sender.open(simBench().disk(), 4, 12);
    chunks = await sender.copy("first", 900, 0.5);
  });

  test("two copies in succession are put to use one after the other", async () => {
    const receiver = await Receiver.open(1);
    for (const round of [1, 2, 3]) {
      await sender.checkpoint();
      const next = await sender.copy(`round ${round}`, 700, 0.3);
      await receiver.layAll(next);
      await receiver.crashable.finish(receiver.install());
      await receiver.crash();
      await receiver.check(sender.modelAt(next), `round ${round}`);
      assert.deepEqual([receiver.log.stateNumber, receiver.crashable.disk.databases()], [round + 1, ["log", `state-${round + 1}`]]);
    }
  });

  test("a power cut at every write on the way: what was acknowledged stays, and the state is the old or the new one", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const receiver = await Receiver.open(seed);
      const random = randomOf(seed);
      const model = sender.modelAt(chunks);
      let acknowledged = 0;
      while (receiver.log.stateNumber === 1) {
        const isWhole = receiver.stage.next === chunks.length;
        const task = isWhole ? receiver.install() : receiver.stage.lay(chunks[receiver.stage.next] as Chunk);
        task.catch(() => undefined);
        await someSteps(receiver, random() < 0.5 ? Math.floor(random() * 4) : 9);
        acknowledged = isWhole ? 0 : Math.max(acknowledged, receiver.stage.next);
        await receiver.crash();
        if (receiver.log.stateNumber === 1 && !isWhole) assert.ok(receiver.stage.next >= acknowledged, `seed ${seed}`);
      }
      await receiver.check(model, `seed ${seed}`);
      assert.deepEqual([receiver.log.lastIndex, receiver.log.hardState.commit], [model.applied, model.applied]);
    }
  });

  test("a state is none before it is whole and put to use (Z4)", async () => {
    const receiver = await Receiver.open(1);
    for (const chunk of chunks) await receiver.lay(chunk);
    await receiver.stage.close();
    const kv = await receiver.crashable.disk.open("state-2", options);
    await assert.rejects(Replica.open(kv, atOnce), isQuarantine(/begun here and never finished/));
    await kv.close();
    await receiver.crash();
    assert.deepEqual([receiver.stage.copy, receiver.stage.next], ["first", chunks.length], "it is found again");
    await receiver.crashable.finish(receiver.stage.discard());
    assert.deepEqual([receiver.stage.copy, receiver.crashable.disk.databases()], [undefined, ["log", "state-1"]]);
  });
});

describe("lost and changed parts of a copy are known (H8)", () => {
  let receiver: Receiver;
  let chunks: Chunk[];
  const store = (): SimStore => receiver.crashable.storage.store("state-2");
  beforeEach(async () => {
    const sender = await Sender.open(simBench().disk(), 6, 20);
    chunks = await sender.copy("a", 900, 0.4);
    receiver = await Receiver.open(1);
    await receiver.layAll(chunks);
  });

  test("a batch that vanished before the copy was put to use, wherever it was, cold rows alone too", async () => {
    await receiver.verified();
    for (let at = 0; at < chunks.length; at++) {
      const batch = store().batches[at] as readonly KvOp[];
      store().dropBatch(at);
      const isLast = at === chunks.length - 1;
      if (!isLast) await assert.rejects(receiver.verified(), refused("invalid", /a part of a copy is lost/), `chunk ${at}`);
      store().batches.splice(at, 0, batch);
    }
    store().dropNewest(2);
    await receiver.crash();
    assert.equal(receiver.stage.next, chunks.length - 2, "the newest ones are laid down again");
    await receiver.layAll(chunks);
    await receiver.verified();
  });

  test("a batch that vanished afterwards", async () => {
    await receiver.crashable.finish(receiver.install());
    await receiver.crash();
    for (let at = 0; at <= chunks.length; at++) {
      const batch = store().batches[at] as readonly KvOp[];
      store().dropBatch(at);
      await assert.rejects(receiver.crash(), isQuarantine(/a part of a copy is lost|never finished/), `batch ${at}`);
      store().batches.splice(at, 0, batch);
    }
    store().dropNewest(0);
    await receiver.crash();
  });

  test("a flipped bit in any value", async () => {
    for (const key of store().keys().filter((each) => each !== "m/stage")) {
      store().flipBit(key, 5);
      await assert.rejects(receiver.verified(), refused("invalid", /begin another one/), key);
      store().flipBit(key, 5);
    }
    await receiver.verified();
    store().flipBit("m/stage", 5);
    await receiver.crash();
    assert.equal(receiver.stage.copy, undefined, "nobody knows how far it is");
  });

});

describe("a copy that is not what it says, and a log that does not fit to it, are known (H8)", () => {
  let receiver: Receiver;
  let chunks: Chunk[];
  beforeEach(async () => {
    const sender = await Sender.open(simBench().disk(), 6, 20);
    chunks = await sender.copy("a", 900, 0.4);
    receiver = await Receiver.open(1);
    await receiver.layAll(chunks);
  });

  test("another checkpoint than the last chunk speaks of, and tables of another shape", async () => {
    const last = chunks.at(-1) as Chunk;
    const { end } = last as { end: NonNullable<Chunk["end"]> };
    const others = [{ index: 1 }, { term: 77 }, { checkpoint: 2 }, { membership: { index: 0, bytes: new Uint8Array() } }];
    for (const other of others) {
      const copy = JSON.stringify(other);
      for (const chunk of chunks) await receiver.lay({ ...chunk, copy, end: chunk.end && { ...end, ...other } });
      await assert.rejects(receiver.verified(), refused("invalid", /as the last chunk says/), copy);
    }
    await assert.rejects(receiver.stage.verify([]), refused("invalid", /tables are stored as/));
  });

  test("the log lost the write that names the state, after the state before was removed (N3)", async () => {
    await receiver.crashable.finish(receiver.install());
    await receiver.crash();
    receiver.crashable.storage.store("log").dropNewest(1);
    await assert.rejects(receiver.crash(), isQuarantine(/names state-1, but only state-2 is there: acknowledged writes are lost/));
  });

  test("the log is held against the place where it began for the state, until the first own checkpoint and after it (I2)", async () => {
    await receiver.crashable.finish(receiver.install());
    await receiver.crash();
    const { logPosition, historyMarks, copied } = receiver.replica.store.restored as NonNullable<Replica["store"]["restored"]>;
    assert.deepEqual(logPosition, receiver.log.position());
    assert.deepEqual([historyMarks, copied?.chunks], [noHistory, chunks.length]);
    receiver.replica.changeCold("k1", 3);
    receiver.replica.freeze();
    receiver.replica.store.commit(() => undefined);
    receiver.crashable.settle();
    receiver.crashable.crash();
    const again = await Replica.open(await receiver.crashable.disk.open("state-2", options), atOnce);
    assert.deepEqual(again.store.restored?.logPosition, logAt(again.applied), "its own header counts");
  });
});

test("records of the chunks go when no batch of the copy can vanish any more (I1)", async () => {
  const receiver = await Receiver.open(1);
  await receiver.layAll(await (await Sender.open(simBench().disk(), 4, 3)).copy("a", 300));
  await receiver.crashable.finish(receiver.install());
  await receiver.crash();
  const beside = (): number => receiver.crashable.storage.store("state-2").keys().filter((key) => key.startsWith("m/")).length;
  const checkpoint = (): void => {
    receiver.replica.freeze();
    receiver.replica.store.commit(() => undefined);
    receiver.crashable.settle();
  };
  for (let i = 1; i < limits.checkpointHeadersKept; i++) checkpoint();
  assert.ok(beside() > 3, `${beside()}`);
  checkpoint();
  assert.equal(beside(), 0);
  const again = await Replica.open(await receiver.crashable.disk.open("state-2", options), atOnce);
  assert.equal(again.store.restored?.copied, undefined);
});
