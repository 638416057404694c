// What every disk promises (src/storage/disk.ts), as a suite that runs on LevelDB and on the simulated disk alike.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { finished, options, put, write } from "./bench.ts";
import type { Kv, KvOp } from "../../src/storage/disk.ts";
import type { Bench, MakeBench } from "./bench.ts";

export function kvContract(name: string, make: MakeBench): void {
  pagesContract(name, make);
  describe(`${name}: databases`, () => {
    let bench: Bench;
    let kv: Kv;
    beforeEach(async () => {
      bench = make();
      kv = await bench.disk().open("a", options);
    });
    afterEach(() => bench.end());
    const keys = async (range: object): Promise<string[]> => (await kv.page({ limit: 10, ...range })).map(([key]) => key);

    test("a batch is written as a whole and outlives the process", async () => {
      await write(kv, [put("x", 1), put("y", 2), put("z", 3)]);
      await write(kv, [{ del: "y" }, put("x", 4)]);
      await bench.reopen();
      kv = await bench.disk().open("a", options);
      assert.deepEqual(await kv.page({ limit: 10 }), [["x", Uint8Array.of(4)], ["z", Uint8Array.of(3)]]);
      assert.deepEqual([kv.get("x"), kv.get("y")], [Uint8Array.of(4), undefined]);
    });

    test("done comes after the call has returned (D3)", async () => {
      let returned = false;
      await finished((done) => {
        kv.write([put("x", 1)], () => done(returned ? undefined : new Error("done came first")));
        returned = true;
      });
    });

    test("a page waits for the write in flight (D2)", async () => {
      const order: string[] = [];
      const written = write(kv, [put("x", 1)]).then(() => order.push("written"));
      assert.deepEqual(await keys({}), ["x"]);
      order.push("page");
      await written;
      assert.deepEqual(order, ["written", "page"]);
    });

    test("a second write in flight is a bug (D1)", async () => {
      const first = write(kv, [put("x", 1)]);
      await assert.rejects(write(kv, [put("y", 1)]), /in flight/);
      await first;
      assert.deepEqual(await keys({}), ["x"]);
    });
  });

  test(`${name}: databases are apart, listed and removed`, async () => {
    const bench = make();
    const kv = await bench.disk().open("a", options);
    const other = await bench.disk().open("b", options);
    await write(kv, [put("x", 1)]);
    assert.equal(other.get("x"), undefined);
    bench.disk().files.append("h/0/a", Uint8Array.of(1));
    assert.deepEqual(bench.disk().databases(), ["a", "b"]);
    await assert.rejects(async () => bench.disk().remove("b"), /while it is open/);
    await other.close();
    await bench.disk().remove("b");
    await bench.disk().remove("c");
    assert.deepEqual(bench.disk().databases(), ["a"]);
    await bench.reopen();
    assert.deepEqual(bench.disk().databases(), ["a"]);
    assert.deepEqual(await (await bench.disk().open("b", options)).page({ limit: 9 }), [], "made anew, it is empty");
    assert.deepEqual(bench.disk().databases(), ["a", "b"]);
    await bench.end();
  });
}

function pagesContract(name: string, make: MakeBench): void {
  describe(`${name}: pages`, () => {
    let bench: Bench;
    let kv: Kv;
    beforeEach(async () => {
      bench = make();
      kv = await bench.disk().open("a", options);
    });
    afterEach(() => bench.end());
    const keys = async (range: object): Promise<string[]> => (await kv.page({ limit: 10, ...range })).map(([key]) => key);

    test("pages keep to their range, order and limit", async () => {
      await write(kv, ["a", "b", "c", "d", "é", "\u{1f600}", "\uffee"].map((key) => put(key)));
      assert.deepEqual(await keys({ gt: "a", lt: "d" }), ["b", "c"]);
      assert.deepEqual(await keys({ gte: "a", lt: "b" }), ["a"]);
      assert.deepEqual(await keys({ gte: "b", reverse: true, lt: "é", limit: 2 }), ["d", "c"]);
      assert.deepEqual(await keys({ gt: "d" }), ["é", "\uffee", "\u{1f600}"], "by UTF-8 bytes, not by UTF-16 units");
      assert.deepEqual(await keys({ gt: "b", lt: "b" }), []);
    });

    test("a page ends early at its bytes, never before its first row", async () => {
      await write(kv, ["a", "b", "c", "d"].map((key) => ({ put: key, value: new Uint8Array(400) })));
      assert.deepEqual(await keys({ maxBytes: 1 }), ["a"]);
      const few = await keys({ gt: "a", maxBytes: 700 });
      assert.deepEqual(few, ["b", "c"]);
      assert.deepEqual(await keys({ maxBytes: 1e6 }), ["a", "b", "c", "d"]);
    });
  });
}

const op = fc.oneof(
  fc.record({ put: fc.stringMatching(/^[a-e]{1,2}$/), value: fc.uint8Array({ maxLength: 8 }) }),
  fc.record({ del: fc.stringMatching(/^[a-e]{1,2}$/) }),
);

export function kvModel(name: string, make: MakeBench, numRuns: number): void {
  test(`${name}: random batches, pages and restarts agree with a map`, async () => {
    const property = fc.asyncProperty(fc.array(fc.array(op, { maxLength: 6 }), { maxLength: 8 }), fc.nat(8), async (batches, restartAt) => {
      const bench = make();
      const model = new Map<string, Uint8Array>();
      try {
        let kv = await bench.disk().open("a", options);
        for (const [i, ops] of batches.entries()) {
          if (i === restartAt) {
            await bench.reopen();
            kv = await bench.disk().open("a", options);
          }
          await write(kv, ops);
          for (const each of ops) layOn(model, each);
          assert.deepEqual(await kv.page({ limit: 100 }), [...model].sort(([a], [b]) => (a < b ? -1 : 1)));
        }
      } finally {
        await bench.end();
      }
    });
    await fc.assert(property, { numRuns, seed: 20_261_121 });
  });
}

function layOn(model: Map<string, Uint8Array>, each: KvOp): void {
  if ("put" in each) model.set(each.put, each.value);
  else model.delete(each.del);
}

export function filesContract(name: string, make: MakeBench): void {
  describe(`${name}: files`, () => {
    let bench: Bench;
    beforeEach(() => void (bench = make()));
    afterEach(() => bench.end());

    test("appended bytes are there at once, and after a sync in the next process", async () => {
      const { files } = bench.disk();
      files.append("h/0/b", Uint8Array.of(1, 2));
      files.append("h/0/b", Uint8Array.of(3));
      files.append("h/0/a", Uint8Array.of(9));
      files.append("h/1/c", Uint8Array.of(9));
      assert.deepEqual(files.read("h/0/b", 1, 10), Uint8Array.of(2, 3));
      await finished((done) => files.sync(["h/0/b", "h/0/a"], done));
      await bench.reopen();
      assert.deepEqual(bench.disk().files.read("h/0/b", 0, 3), Uint8Array.of(1, 2, 3));
      assert.deepEqual(bench.disk().files.list("h/0/"), ["h/0/a", "h/0/b"]);
    });

    test("what does not exist is empty", () => {
      const { files } = bench.disk();
      assert.deepEqual([files.size("x/y"), files.read("x/y", 0, 4).length, files.list("x/")], [0, 0, []]);
    });

    test("files are cut and removed", async () => {
      const { files } = bench.disk();
      files.append("h/a", Uint8Array.of(1, 2, 3));
      files.append("h/b", Uint8Array.of(1));
      files.truncate("h/a", 1);
      files.append("h/a", Uint8Array.of(7));
      assert.deepEqual(files.read("h/a", 0, 9), Uint8Array.of(1, 7));
      files.remove("h/b");
      assert.deepEqual([files.list("h/"), files.size("h/a"), files.size("h/b")], [["h/a"], 2, 0]);
      await finished((done) => files.sync(["h/a"], done));
    });

    test("many files may be open", async () => {
      const { files } = bench.disk();
      const names = Array.from({ length: 100 }, (_, i) => `h/${String(i).padStart(3, "0")}`);
      for (const round of [1, 2]) for (const each of names) files.append(each, Uint8Array.of(round));
      await finished((done) => files.sync(names, done));
      for (const each of names) files.append(each, Uint8Array.of(3));
      for (const each of names) assert.deepEqual(files.read(each, 0, 9), Uint8Array.of(1, 2, 3));
      assert.deepEqual(files.list("h/"), names);
    });
  });
}
