// Backups as a replica makes them: chunk by chunk as they are asked for, so many at once, and given up when nobody reads on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { Backups } from "../../src/cluster/backups.ts";
import { limits } from "../../src/limits.ts";
import { decodeChunk } from "../../src/storage/copychunk.ts";
import { hourly, spec } from "../jobs/machine.ts";
import { atOnce, simBench } from "../storage/bench.ts";
import { Kept } from "./kept.ts";

type Sent = { readonly id: number; readonly bytes: Uint8Array | undefined; readonly code: string | undefined };

class Asked {
  readonly sent: Sent[] = [];
  readonly failures: Error[] = [];
  readonly kept: Kept;
  readonly backups: Backups;
  checkpoints = 0;
  private idle: (() => void) | undefined;

  private constructor(kept: Kept) {
    this.kept = kept;
    this.backups = new Backups({
      name: "backup.a.1",
      store: kept.stored.store,
      checkpointed: async () => {
        this.checkpoints++;
        await kept.checkpoint();
      },
      send: (id, bytes, error) => void this.sent.push({ id, bytes, code: error?.code }),
      failed: (error) => void this.failures.push(error),
      after: (delayMs, run) => {
        assert.equal(delayMs, limits.backupIdleMs);
        this.idle = run;
        return { cancel: () => (this.idle = undefined) };
      },
    });
  }

  static async open(): Promise<Asked> {
    const kept = await Kept.open(simBench().disk());
    await kept.found((delivery) => spec(hourly, { delivery }));
    return new Asked(kept);
  }

  get isIdle(): boolean {
    return this.idle !== undefined;
  }

  /** For long. */
  nobodyAsks(): void {
    this.idle?.();
  }

  get followers(): number {
    return this.kept.stored.store.followers.size;
  }

  /** Waits until so many messages were sent. */
  async until(count: number): Promise<Sent | undefined> {
    for (let turns = 0; this.sent.length < count && turns < 1000; turns++) await new Promise<void>(atOnce);
    assert.equal(this.sent.length, count);
    return this.sent.at(-1);
  }
}

test("a backup holds what was applied when it was asked, and ends by itself", async () => {
  const asked = await Asked.open();
  await asked.kept.entry([{ kind: "nodeUp", node: "b", incarnation: 1, slots: 1, tags: [], held: [] }]);
  const { appliedIndex } = asked.kept.stored.state;
  asked.backups.begin(1);
  const first = await asked.until(1);
  assert.equal(decodeChunk(first?.bytes as Uint8Array).end?.index, appliedIndex, "it is small: one chunk");
  asked.backups.next(1);
  assert.deepEqual(await asked.until(2), { id: 1, bytes: undefined, code: undefined });
  assert.deepEqual([asked.checkpoints, asked.followers, asked.failures], [1, 0, []]);
});

test("so many at once; one that nobody reads on makes room", async () => {
  const asked = await Asked.open();
  for (let id = 1; id <= limits.backupsMax + 1; id++) {
    asked.backups.begin(id);
    await asked.until(id);
  }
  assert.deepEqual(asked.sent.map(({ code }) => code), [...Array.from({ length: limits.backupsMax }, () => undefined), "overloaded"]);
  asked.backups.end(1);
  asked.backups.begin(9);
  assert.equal((await asked.until(limits.backupsMax + 2))?.code, undefined);
});

test("one of several chunks that nobody reads on is given up: checkpoints do not go on to follow it", async () => {
  const asked = await Asked.open();
  for (let at = 0; at < 3; at++) asked.kept.stored.cold.put(`big/${at}`, new Uint8Array(limits.copyChunkBytes));
  await asked.kept.entry([{ kind: "nodeUp", node: "b", incarnation: 1, slots: 1, tags: [], held: [] }]);
  asked.backups.begin(1);
  assert.equal(decodeChunk((await asked.until(1))?.bytes as Uint8Array).end, undefined);
  assert.equal(asked.followers, 1);
  asked.backups.end(1);
  assert.equal(asked.followers, 0);
});

test("one that is not asked on for is given up after a while, and not begun again in its middle", async () => {
  const asked = await Asked.open();
  for (let at = 0; at < 3; at++) asked.kept.stored.cold.put(`big/${at}`, new Uint8Array(limits.copyChunkBytes));
  await asked.kept.entry([{ kind: "nodeUp", node: "b", incarnation: 1, slots: 1, tags: [], held: [] }]);
  asked.backups.begin(1);
  await asked.until(1);
  asked.backups.next(1);
  assert.equal(asked.isIdle, false, "it was asked in time");
  await asked.until(2);
  asked.nobodyAsks();
  assert.equal(asked.followers, 0);
  asked.backups.next(1);
  assert.deepEqual(await asked.until(3), { id: 1, bytes: undefined, code: "unavailable" });
});

test("one that is ended while a chunk is made sends nothing and leaves nothing behind", async () => {
  const asked = await Asked.open();
  asked.backups.begin(1);
  asked.backups.end(1);
  for (let turns = 0; turns < 50; turns++) await new Promise<void>(atOnce);
  assert.deepEqual([asked.sent, asked.followers, asked.failures], [[], 0, []]);
});

test("when the replica ends, all backups are given up by name, after what they read", async () => {
  const asked = await Asked.open();
  asked.backups.begin(1);
  await asked.until(1);
  asked.backups.begin(2);
  await asked.backups.stop();
  assert.deepEqual(asked.sent.slice(1).map(({ id, code }) => [id, code]), [[1, "unavailable"], [2, "unavailable"]]);
  for (let turns = 0; turns < 50; turns++) await new Promise<void>(atOnce);
  assert.deepEqual([asked.sent.length, asked.followers, asked.failures], [3, 0, []]);
});

test("damage that shows on the way is the node's own (B3)", async () => {
  const asked = await Asked.open();
  const { kv } = asked.kept.stored.store;
  const real = kv.page.bind(kv);
  kv.page = async (range) => (await real(range)).map(([key, value]) => [key, value.map((byte, at) => (at === 0 ? byte ^ 1 : byte))]);
  asked.backups.begin(1);
  for (let turns = 0; turns < 200 && asked.failures.length === 0; turns++) await new Promise<void>(atOnce);
  const [failure] = asked.failures;
  assert.ok(failure instanceof PawlError && failure.code === "quarantined", String(failure));
  assert.deepEqual([asked.sent, asked.followers], [[], 0]);
});
