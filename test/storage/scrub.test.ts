// The scrubber: a sound disk is never called damaged, whatever is written meanwhile; every kind of damage is found in a round (H8).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openLog } from "../../src/storage/log.ts";
import { decodeWrite, encodeWrite, writeKey } from "../../src/storage/logformat.ts";
import { unsealed } from "../../src/storage/quarantine.ts";
import { LogScrub, StateScrub } from "../../src/storage/scrub.ts";
import { entry, hard, logWrite, range } from "./entries.ts";
import { Crashable, atOnce, finished, isQuarantine, levelBench, options, randomOf, simBench } from "./bench.ts";
import { Replica } from "./tables.ts";
import type { Kv } from "../../src/storage/disk.ts";
import type { RaftLog } from "../../src/storage/log.ts";
import type { SimStore } from "../support/simdisk.ts";
import type { MakeBench } from "./bench.ts";

/** A replica whose completions and slices run when the test says so, after some checkpoints. */
class Rig {
  readonly crashable: Crashable;
  readonly slices: (() => void)[];
  readonly replica: Replica;
  readonly scrub: StateScrub;
  readonly random: () => number;

  private constructor(crashable: Crashable, slices: (() => void)[], replica: Replica, seed: number) {
    this.crashable = crashable;
    this.slices = slices;
    this.replica = replica;
    this.scrub = new StateScrub(replica.store);
    this.random = randomOf(seed + 99);
  }

  static async make(seed: number, checkpoints: number): Promise<Rig> {
    const crashable = new Crashable(seed);
    const slices: (() => void)[] = [];
    const replica = await Replica.open(await crashable.disk.open("state", options), (run) => void slices.push(run));
    const rig = new Rig(crashable, slices, replica, seed);
    for (let i = 0; i < checkpoints; i++) rig.checkpoint();
    return rig;
  }

  checkpoint(): void {
    this.replica.change(this.random);
    this.begin();
    this.settle();
  }

  begin(): void {
    this.replica.freeze();
    this.replica.store.commit(() => undefined);
  }

  settle(): void {
    for (let run = this.slices.shift(); run !== undefined; run = this.slices.shift()) run();
    this.crashable.settle();
  }

  get disk(): SimStore {
    return this.crashable.storage.store("state");
  }

  keys(prefix: string): string[] {
    return this.disk.keys().filter((key) => key.startsWith(prefix));
  }

  /** Up to the end of a round, with small steps. */
  async round(bytes = 300): Promise<void> {
    for (let steps = 0; steps < 10_000; steps++) if (await this.scrub.step(bytes)) return;
    throw new Error("the round finds no end");
  }
}

function contract(name: string, make: MakeBench): void {
  test(`${name}: a sound state is sound, also after a restart and while checkpoints go on`, async () => {
    const bench = make();
    const random = randomOf(5);
    let replica = await Replica.open(await bench.disk().open("state", options), atOnce);
    let scrub = new StateScrub(replica.store);
    assert.equal(await scrub.step(1), false, "nothing is stored yet");
    for (let step = 0; step < 12; step++) {
      replica.change(random);
      replica.freeze();
      const committed = finished((done) => replica.store.commit(done));
      for (let i = 0; i < 4; i++) await scrub.step(200);
      await committed;
      if (step % 4 !== 3) continue;
      const { rounds } = scrub;
      while (scrub.rounds < rounds + 2) await scrub.step(1000);
      const { cold } = replica;
      await bench.reopen();
      replica = await Replica.open(await bench.disk().open("state", options), atOnce, cold);
      scrub = new StateScrub(replica.store);
    }
    await bench.end();
  });
}

contract("leveldisk", levelBench);
contract("simdisk", simBench);

test("checkpoints at any point of a round, begun or finished between any two steps, are no damage", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const rig = await Rig.make(seed, 1 + (seed % 7));
    let busy = false;
    for (let steps = 0; rig.scrub.rounds < 3; steps++) {
      assert.ok(steps < 5_000, "rounds end");
      const draw = steps > 1_000 ? 1 : rig.random();
      if (draw < 0.15) rig.replica.change(rig.random);
      if (draw < 0.1 && !busy) {
        rig.begin();
        busy = true;
      }
      if (draw < 0.3) rig.slices.shift()?.();
      const step = rig.scrub.step(1 + Math.floor(rig.random() * 400));
      if (busy && (draw >= 0.3 || rig.replica.store.writing)) {
        rig.settle();
        busy = false;
      }
      await step;
    }
  }
});

test("a round may end while a checkpoint is half made", async () => {
  const rig = await Rig.make(1, 3);
  const big = new Uint8Array(1.2 * 2 ** 20);
  for (const key of ["a", "b", "c"]) rig.replica.store.cold.put(key, big);
  rig.replica.change(rig.random);
  rig.begin();
  for (let slice = rig.slices.shift(); slice !== undefined; slice = rig.slices.shift()) {
    slice();
    if (!rig.replica.store.writing) await rig.round();
  }
  assert.ok(rig.scrub.rounds > 1, "the checkpoint takes several turns");
  rig.settle();
  await rig.round();
});

function everyDamage(): Record<string, (rig: Rig) => void> {
  const damages: Record<string, (rig: Rig) => void> = {};
  for (const [what, prefix] of Object.entries({ header: "c/", summary: "s/", delta: "d/", page: "p/", "cold row": "x/" })) {
    const pick = (rig: Rig): string => rig.keys(prefix)[Math.floor(rig.random() * rig.keys(prefix).length)] as string;
    damages[`a flipped bit of a ${what}`] = (rig) => {
      const key = pick(rig);
      rig.disk.flipBit(key, Math.floor(rig.random() * (rig.disk.get(key) as Uint8Array).length * 8));
    };
    damages[`a flipped bit of the key of a ${what}`] = (rig) => {
      const key = pick(rig);
      const flipped = String.fromCharCode(key.charCodeAt(key.length - 1) ^ 64);
      rig.disk.moveKey(key, key.slice(0, -1) + flipped);
    };
    damages[`a lost ${what}`] = (rig) => rig.disk.overwrite(pick(rig), undefined);
  }
  for (const prefix of ["p/", "x/"]) {
    damages[`a stale value under ${prefix}`] = (rig) => {
      const before = new Map(rig.keys(prefix).map((key) => [key, rig.disk.get(key) as Uint8Array]));
      for (let i = 0; i < 30; i++) rig.checkpoint();
      const changed = [...before].find(([key, value]) => {
        const now = rig.disk.get(key);
        return now !== undefined && Buffer.compare(now, value) !== 0;
      });
      rig.disk.overwrite(...(changed as [string, Uint8Array]));
    };
  }
  damages["a delta that is no longer needed is back"] = (rig) => {
    const [key] = rig.keys("d/") as [string];
    const value = rig.disk.get(key);
    for (let i = 0; i < 40; i++) rig.checkpoint();
    assert.equal(rig.disk.get(key), undefined);
    rig.disk.overwrite(key, value);
  };
  damages["a deleted cold row that is back"] = (rig) => {
    rig.replica.changeCold("gone", 1);
    rig.checkpoint();
    const value = rig.disk.get("x/gone");
    rig.replica.changeCold("gone", undefined);
    rig.checkpoint();
    rig.disk.overwrite("x/gone", value);
  };
  damages["a batch lost in the middle"] = (rig) => rig.disk.dropBatch(rig.disk.batches.length - 2);
  damages["the newest batch lost while the process lives"] = (rig) => rig.disk.dropNewest(1);
  return damages;
}

describe("every kind of damage is found", () => {
  for (const [what, damage] of Object.entries(everyDamage())) {
    test(what, async () => {
      for (let seed = 1; seed <= 8; seed++) {
        const rig = await Rig.make(seed, 6);
        await rig.round();
        damage(rig);
        await assert.rejects(() => rig.round(), isQuarantine(/resynchronised/), `${what}, seed ${seed}`);
      }
    });
  }

  test("what a checkpoint wrote behind the reading position is read again, cold rows in the next round", async () => {
    for (const prefix of ["d/", "p/", "x/"]) {
      const rig = await Rig.make(3, 6);
      while (rig.scrub.rounds === 0 && rig.keys("x/").length > 0) await rig.scrub.step(300);
      for (let i = 0; i < 200; i++) await rig.scrub.step(100_000_000);
      await rig.round();
      await rig.scrub.step(100_000_000);
      rig.replica.changeCold("k1", 77);
      rig.checkpoint();
      const written = rig.disk.batches.at(-1)?.flatMap((op) => ("put" in op && op.put.startsWith(prefix) ? [op.put] : [])) ?? [];
      rig.disk.flipBit(written[0] as string, 9);
      const rounds = async (): Promise<void> => {
        await rig.round();
        assert.equal(prefix, "x/");
        await rig.round();
      };
      await assert.rejects(rounds, isQuarantine(/resynchronised/));
    }
  });
});

/** A database in which what a write in flight deletes is gone at once. */
function hasty(kv: Kv): Kv {
  const gone = new Set<string>();
  return {
    get: (key) => (gone.has(key) ? undefined : kv.get(key)),
    page: (range) => kv.page(range),
    write: (ops, done) => {
      for (const op of ops) if ("del" in op) gone.add(op.del);
      kv.write(ops, done);
    },
    close: () => kv.close(),
  };
}

describe("the log", () => {
  async function logged(): Promise<{ log: RaftLog; store: SimStore; crashable: Crashable }> {
    const crashable = new Crashable(1);
    const log = await openLog(hasty(await crashable.disk.open("log", options)));
    for (let number = 1; number <= 9; number++) {
      log.write(logWrite(hard(1, "a"), range(number * 3 - 2, number * 3, 1)), () => undefined);
      crashable.settle();
    }
    return { log, store: crashable.storage.store("log"), crashable };
  }

  function round(scrub: LogScrub): void {
    for (let steps = 0; steps < 100; steps++) if (scrub.step(100)) return;
    throw new Error("the round finds no end");
  }

  test("a sound log is sound while it grows and is cut", async () => {
    const { log, crashable } = await logged();
    const scrub = new LogScrub(log);
    round(scrub);
    for (let number = 10; number < 40; number++) {
      log.compact(log.lastIndex - 6, log.position().number - 1);
      log.write(logWrite(hard(1, "a", log.lastIndex), [entry(log.lastIndex + 1, 1)]), () => undefined);
      round(new LogScrub(log));
      scrub.step(60);
      crashable.settle();
      scrub.step(60);
    }
    assert.ok(log.firstWrite > 10 && scrub.rounds > 5);
    round(scrub);
  });

  test("a flipped value, a flipped key, a lost and an exchanged write are found", async () => {
    const damages: ((store: SimStore) => void)[] = [
      (store) => store.flipBit(writeKey(4), 77),
      (store) => store.moveKey(writeKey(4), "x"),
      (store) => store.overwrite(writeKey(1), undefined),
      (store) => store.overwrite(writeKey(9), undefined),
      (store) => store.dropBatch(5),
    ];
    for (const damage of damages) {
      const { log, store } = await logged();
      const scrub = new LogScrub(log);
      round(scrub);
      damage(store);
      assert.throws(() => round(scrub), isQuarantine(/resynchronised/));
    }
    const { log, store } = await logged();
    const key = writeKey(9);
    const newest = decodeWrite(9, unsealed("raft log", key, store.get(key) as Uint8Array));
    store.overwrite(key, encodeWrite(key, { ...newest, hardState: hard(1, "z") }));
    assert.throws(() => round(new LogScrub(log)), isQuarantine(/resynchronised/), "another vote than was written");
    for (const number of [5, 9]) {
      const [one, other] = [await logged(), await logged()];
      const foreign = await openLog(await other.crashable.disk.open("other", options));
      for (let at = 1; at <= number; at++) {
        foreign.write(logWrite(hard(2, "b"), range(at * 3 - 2, at * 3, 2)), () => undefined);
        other.crashable.settle();
      }
      one.store.overwrite(writeKey(number), other.crashable.storage.store("other").get(writeKey(number)));
      assert.throws(() => round(new LogScrub(one.log)), isQuarantine(/resynchronised/), `write ${number} is of another log`);
    }
  });
});
