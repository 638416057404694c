// Owns: messages through the wire form: what is sent arrives, and nothing malformed gets past.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { PawlError } from "../../src/base/errors.ts";
import type { Message } from "../../src/raft/types.ts";
import { decodeMessage, encodeMessage } from "../../src/raft/wire.ts";

const seed = 20_261_121;
const natural = fc.maxSafeNat();
const index = fc.nat(2 ** 40);
const entryKind = fc.constantFrom("command" as const, "membership" as const);
const entries = fc.array(fc.record({ term: natural, kind: entryKind, data: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 6 });

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ kind: fc.constant("pre_vote" as const), term: natural, lastIndex: natural, lastTerm: natural, round: natural }),
  fc.record({ kind: fc.constant("pre_vote_reply" as const), term: natural, granted: fc.boolean(), round: natural }),
  fc.record({ kind: fc.constant("vote" as const), term: natural, lastIndex: natural, lastTerm: natural, transfer: fc.boolean() }),
  fc.record({ kind: fc.constant("vote_reply" as const), term: natural, granted: fc.boolean() }),
  fc.record({ term: natural, prevIndex: index, prevTerm: natural, commit: natural, entries }).map((append) => ({
    ...append,
    kind: "append" as const,
    entries: append.entries.map((entry, i) => ({ ...entry, index: append.prevIndex + 1 + i })),
  })),
  fc.record({
    kind: fc.constant("append_reply" as const),
    term: natural,
    accepted: fc.boolean(),
    match: natural,
    hintIndex: natural,
    hintTerm: natural,
  }),
  fc.record({ kind: fc.constant("heartbeat" as const), term: natural, commit: natural, round: natural, leaderCommit: natural }),
  fc.record({ kind: fc.constant("heartbeat_reply" as const), term: natural, round: natural, lastIndex: natural, commit: natural }),
  fc.record({ kind: fc.constant("read_index" as const), term: natural, context: natural }),
  fc.record({ kind: fc.constant("read_index_reply" as const), term: natural, context: natural, index: natural, ok: fc.boolean() }),
  fc.record({ kind: fc.constant("timeout_now" as const), term: natural }),
);

function refused(value: unknown): void {
  assert.throws(() => decodeMessage(value), (error) => error instanceof PawlError && error.code === "invalid");
}

/** fast-check makes some records without a prototype. */
function plain(value: Message): Message {
  if (value.kind !== "append") return { ...value };
  return { ...value, entries: value.entries.map((one) => ({ ...one, data: Uint8Array.from(one.data) })) };
}

test("every message arrives as it was sent, also through packed bytes", () => {
  const packr = new Packr();
  const property = fc.property(message, (sent) => {
    assert.deepEqual(plain(decodeMessage(encodeMessage(sent))), plain(sent));
    assert.deepEqual(plain(decodeMessage(packr.unpack(packr.pack(encodeMessage(sent))))), plain(sent));
  });
  fc.assert(property, { numRuns: 2000, seed });
});

test("a field of the wrong type, a missing one and one too many are refused", () => {
  const wrong = fc.constantFrom<unknown>(-1, 1.5, Number.NaN, 2 ** 53, "1", null, undefined, {}, ["1"], [{}], 1n);
  const property = fc.property(message, fc.nat(20), wrong, (sent, at, value) => {
    const array = encodeMessage(sent);
    refused([...array, 0]);
    refused(array.slice(0, -1));
    const place = at % array.length;
    refused(array.with(place, value));
  });
  fc.assert(property, { numRuns: 3000, seed });
});

test("anything at all is a message or refused", () => {
  const property = fc.property(fc.anything(), fc.array(fc.anything(), { maxLength: 8 }), fc.nat(12), (value, fields, kind) => {
    for (const attempt of [value, fields, [kind, ...fields]]) {
      try {
        assert.ok(decodeMessage(attempt).term >= 0);
      } catch (error) {
        assert.ok(error instanceof PawlError && error.code === "invalid", String(error));
      }
    }
  });
  fc.assert(property, { numRuns: 3000, seed });
});

test("columns of unequal length and data that is no bytes are refused", () => {
  refused([4, 1, 0, 0, 0, [1], [0], []]);
  refused([4, 1, 0, 0, 0, [], [0], [new Uint8Array(1)]]);
  refused([4, 1, 0, 0, 0, [1], [], [new Uint8Array(1)]]);
  refused([4, 1, 0, 0, 0, [1], [2], [new Uint8Array(1)]]);
  refused([4, 1, 0, 0, 0, [1], [0], ["text"]]);
  refused([4, 1, Number.MAX_SAFE_INTEGER, 0, 0, [1], [0], [new Uint8Array(1)]]);
});
