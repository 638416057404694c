// Every stored or sent form of another version is refused by that name, and never as damage (H14): who is told to resynchronise a node
// whose data are whole loses them for nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checksum } from "../../src/base/checksum.ts";
import { readHeader } from "../../src/jobs/command.ts";
import { versionIn } from "../../src/jobs/state.ts";
import { decodeMembership } from "../../src/raft/membership.ts";
import { decodeHeader, decodeSummary, encodeHeader, encodeSummary, keys } from "../../src/storage/checkpointformat.ts";
import { decodeChunk, encodeChunk } from "../../src/storage/copychunk.ts";
import { HashSum } from "../../src/jobs/hashsum.ts";
import { Block, encodeBlock } from "../../src/storage/historyblock.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { decodeStage, encodeStage, markKeys } from "../../src/storage/installmark.ts";
import { decodeWrite } from "../../src/storage/logformat.ts";
import { SEAL_BYTES, sealed } from "../../src/storage/quarantine.ts";

const NEWER = 9;

/** The value of another version, whole by its seal. */
function newer(key: string, value: Uint8Array): Uint8Array {
  const content = value.slice(0, value.length - SEAL_BYTES);
  content[0] = NEWER;
  return sealed(key, content);
}

const position = { number: 1, index: 1, term: 1, vote: "", checksum: 1 };
const applied = { appliedIndex: 1, appliedTerm: 1, position };
const sweep = { sweepFrom: 1, sweepTable: 0, sweepPage: 0, neededFrom: 1, headersFrom: 1 };
const header = { number: 1, previousSeal: 0, ...applied, ...sweep, summarySeal: 1, deltas: [], pages: [], coldSum: new HashSum() };
const summary = { scalars: new Uint8Array(3), membership: { index: 1, bytes: new Uint8Array() }, marks: noHistory, tables: [] };

/** The last four bytes of a chunk are the CRC of all before them. */
function newerChunk(): Uint8Array {
  const bytes = encodeChunk({ copy: "c", number: 0, ops: [], end: undefined });
  bytes[0] = NEWER;
  new DataView(bytes.buffer).setUint32(bytes.length - 4, checksum(bytes.subarray(0, bytes.length - 4)), true);
  return bytes;
}

function newerBlock(): Uint8Array {
  const columns = Array.from({ length: 16 }, () => new Float64Array(1));
  const block = encodeBlock({ name: "day", offset: 0, day: 1 }, columns, 1, []).bytes;
  block[3] = 48 + NEWER;
  const at = 92 - 4;
  new DataView(block.buffer, block.byteOffset).setUint32(at, checksum(block.subarray(0, at), checksum("day@0")), true);
  return block;
}

const forms: readonly (readonly [string, () => unknown])[] = [
  ["a write of the log", () => decodeWrite(1, Uint8Array.of(NEWER, 0, 0, 0))],
  ["an entry of the log", () => readHeader(Uint8Array.of(NEWER, 0, 0, 0))],
  ["a membership", () => decodeMembership(Uint8Array.of(NEWER, 0, 0, 0))],
  ["the header of a checkpoint", () => decodeHeader(keys.header(1), newer(keys.header(1), encodeHeader(header)), undefined)],
  ["the summary of a checkpoint", () => decodeSummary(keys.summary(1), newer(keys.summary(1), encodeSummary(keys.summary(1), summary)))],
  ["the scalars of a state", () => versionIn(Uint8Array.of(NEWER, 0, 0, 0))],
  ["a stage", () => decodeStage(newer(markKeys.stage, encodeStage({ copy: "c", next: 1, end: undefined })))],
  ["a chunk of a copy", () => decodeChunk(newerChunk())],
  ["a block of history", () => new Block("day", 0, newerBlock())],
];

for (const [name, read] of forms) {
  test(`${name} of another version is refused, and what to do is said`, () => {
    assert.throws(read, { code: "too_new", message: /form(at)? 9\b.*upgrade/ }, name);
  });
}
