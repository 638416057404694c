// Texts in bytes and hashes of texts: short ones take a shortcut when they are ASCII, and must come out as the encoder would have them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter, utf8Bytes } from "../../src/base/bytes.ts";
import { hashText, mix32 } from "../../src/base/checksum.ts";
import { generator } from "../raft/cluster.ts";

const ALPHABET = ["a", "Z", "0", "-", "\u0000", "\u007f", "\u0080", "é", "€", "𝄞", "\uffff"];

function texts(seed: number, count: number): string[] {
  const random = generator(seed);
  const text = (): string => {
    const exotic = random() < 0.5;
    const length = Math.floor(random() ** 3 * 1500);
    return Array.from({ length }, () => ALPHABET[Math.floor(random() * (exotic ? ALPHABET.length : 6))]).join("");
  };
  return Array.from({ length: count }, text);
}

test("any text comes back as it was, in the bytes that the encoder makes", () => {
  const writer = new ByteWriter();
  for (const text of ["", ...texts(1, 400)]) {
    writer.u8(7);
    writer.string(text);
    writer.u8(8);
    const bytes = writer.copy();
    const expected = utf8Bytes(text);
    assert.deepEqual(bytes.subarray(5, -1), expected);
    const reader = new ByteReader(bytes);
    assert.deepEqual([reader.u8(), reader.string(), reader.u8(), reader.left], [7, text, 8, 0]);
  }
});

test("the hash of a text is that of its UTF-8 bytes", () => {
  const slow = (text: string): number => {
    let hash = 0x811c9dc5;
    for (const byte of utf8Bytes(text)) hash = Math.imul(hash ^ byte, 0x01000193);
    return mix32(hash);
  };
  for (const text of ["", ...texts(2, 400)]) assert.equal(hashText(text), slow(text));
});

test("what was copied or taken does not change with what is written afterwards", () => {
  for (const end of ["copy", "take"] as const) {
    const writer = new ByteWriter(8);
    const made: Uint8Array[] = [];
    for (let i = 0; i < 200; i++) {
      writer.string(`text ${i} ${"x".repeat((i % 7) * 20_000)}`);
      made.push(writer[end]());
      assert.equal(writer.length, 0);
    }
    made.forEach((bytes, i) => assert.ok(new ByteReader(bytes).string().startsWith(`text ${i} `)));
  }
});
