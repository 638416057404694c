// The file of a backup: what is laid down from it is what was copied; cut short, flipped, mixed up or added to, it is refused by name
// and place.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { BackupFile, layBackup, verifyBackup, writeBackup } from "../../src/storage/backup.ts";
import { isQuarantine, simBench } from "./bench.ts";
import { Receiver, Sender } from "./copies.ts";
import type { Chunk } from "../../src/storage/copychunk.ts";
import type { Model } from "./tables.ts";

const header = { cluster: "prod", clusterId: "c-1", version: "0.1.0", takenAtMs: 1_790_000_000_123 };
const FRAME_HEAD_BYTES = 5;
const CRC_BYTES = 4;
const START_BYTES = 9;

function sourceOf(chunks: readonly Chunk[]): { next(): Promise<Chunk | undefined> } {
  const left = [...chunks];
  return { next: async () => left.shift() };
}

/** Where each frame begins, and the end of the file. */
function framesOf(bytes: Buffer): number[] {
  const starts = [START_BYTES];
  for (let at = START_BYTES; at < bytes.length; starts.push(at)) at += FRAME_HEAD_BYTES + bytes.readUInt32LE(at + 1) + CRC_BYTES;
  return starts;
}

let folder: string;
let path: string;
let bytes: Buffer;
let chunks: Chunk[];
let model: Model;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "pawl-backup-"));
  path = join(folder, "a.backup");
  const sender = await Sender.open(simBench().disk(), 2, 15);
  chunks = await sender.copy("copy", 1500, 0.3);
  model = sender.modelAt(chunks);
  const file = await BackupFile.create(path);
  await writeBackup(file, header, sourceOf(chunks));
  await file.finish();
  bytes = readFileSync(path);
});
after(() => rmSync(folder, { recursive: true }));
const verify = (content: Uint8Array): Promise<unknown> => {
  const other = join(folder, "other");
  writeFileSync(other, content);
  return verifyBackup(other);
};
const names = (pattern: RegExp): ((error: unknown) => boolean) => isQuarantine(new RegExp(`backup .*, byte \\d+: ${pattern.source}`));

describe("a whole backup", () => {
  test("is verified with its counts, and tells how far it is", async () => {
    const seen: number[] = [];
    const summary = await verifyBackup(path, (at) => seen.push(at));
    assert.deepEqual(summary, { header, end: chunks.at(-1)?.end, chunks: chunks.length, fileBytes: bytes.length });
    assert.deepEqual([seen.length, seen.at(-1)], [chunks.length + 1, bytes.length]);
    assert.ok(bytes.length < (summary.end.bytes * 3) / 4, `${bytes.length} bytes for ${summary.end.bytes}`);
  });

  test("is laid down and put to use, also when a crash came between", async () => {
    const receiver = await Receiver.open(1);
    for (const chunk of chunks.slice(0, 3)) await receiver.lay(chunk);
    await receiver.crash();
    await receiver.crashable.finish(layBackup(path, receiver.stage, () => undefined));
    await receiver.crashable.finish(receiver.install());
    await receiver.crash();
    await receiver.check(model, "restored");
  });

  test("has its name only when it is whole, and takes nobody's place (V3)", async () => {
    const third = join(folder, "third");
    const file = await BackupFile.create(third);
    await file.write(Uint8Array.of(1));
    assert.equal(existsSync(third), false);
    await file.abandon();
    assert.deepEqual([existsSync(third), existsSync(`${third}.part`)], [false, false]);
    const again = await BackupFile.create(path);
    await again.write(Uint8Array.of(1));
    await assert.rejects(again.finish(), (error) => error instanceof PawlError && error.code === "exists");
    assert.deepEqual(readFileSync(path), bytes);
    const nowhere = BackupFile.create(join(folder, "none", "a"));
    await assert.rejects(nowhere, (error) => error instanceof PawlError && error.code === "io");
  });
});

describe("a backup that is not whole", () => {
  test("cut short anywhere is refused", async () => {
    for (let length = 0; length < bytes.length; length += 1 + (length % 61)) {
      await assert.rejects(verify(bytes.subarray(0, length)), names(/./));
    }
    for (const start of framesOf(bytes).slice(0, -1)) {
      await assert.rejects(verify(bytes.subarray(0, start)), names(/the file ends here/));
    }
  });

  test("with a flipped bit anywhere is refused", async () => {
    for (let at = 0; at < bytes.length; at += 1 + (at % 41)) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << (at & 7));
      await assert.rejects(verify(flipped), names(/./), `byte ${at}`);
    }
  });

  test("with something behind it, or of another kind, is refused", async () => {
    await assert.rejects(verify(Buffer.concat([bytes, Buffer.of(0)])), names(/something follows the trailer/));
    await assert.rejects(verify(Buffer.from("a text, not a backup")), names(/this is no backup of Pawl/));
    const newer = Buffer.from(bytes);
    newer[8] = 9;
    await assert.rejects(verify(newer), { code: "too_new", message: /^the backup .*: format 9 is not known.*upgrade Pawl/ });
    await assert.rejects(verifyBackup(join(folder, "none")), /cannot be opened/);
  });

  test("with sound frames left out, doubled or in another order is refused", async () => {
    const starts = framesOf(bytes);
    const frames = starts.slice(0, -1).map((start, i) => bytes.subarray(start, starts[i + 1]));
    const put = (order: readonly number[]): Buffer =>
      Buffer.concat([bytes.subarray(0, START_BYTES), ...order.map((i) => frames[i] as Buffer)]);
    const all = frames.map((_, i) => i);
    await verify(put(all));
    await assert.rejects(verify(put(all.filter((i) => i !== 2))), names(/chunk 2 is here, 1 is due/));
    await assert.rejects(verify(put([0, 1, 1, ...all.slice(2)])), names(/chunk 0 is here, 1 is due/));
    await assert.rejects(verify(put([0, 2, 1, ...all.slice(3)])), names(/chunk 1 is here, 0 is due/));
    await assert.rejects(verify(put(all.slice(1))), names(/a frame of kind 1 is due/));
    await assert.rejects(verify(put(all.filter((i) => i !== all.length - 2))), names(/a frame of kind 2 is due/));
  });

  test("with the header of another one is refused by the hash over all", async () => {
    const other = join(folder, "second");
    const file = await BackupFile.create(other);
    await writeBackup(file, { ...header, clusterId: "c-2" }, sourceOf(chunks));
    await file.finish();
    const foreign = readFileSync(other);
    assert.equal(foreign.length, bytes.length);
    const [start, second] = framesOf(bytes) as [number, number];
    await assert.rejects(verify(Buffer.concat([foreign.subarray(0, second), bytes.subarray(second)])), names(/the hash of the whole file/));
    assert.ok(start < second);
  });

});
