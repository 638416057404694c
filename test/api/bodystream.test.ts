// A body that is read piece by piece: one that breaks off never looks like one that has ended (A19).

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { BodyStream } from "../../src/api/bodystream.ts";
import { TestSystem } from "./harness.ts";

function source(): Readable {
  return new Readable({ read: () => undefined });
}

test("a body that has ended ends, after all of its pieces", async () => {
  const from = source();
  const body = new BodyStream(from, new TestSystem());
  from.push("a");
  assert.equal(String(await body.read()), "a");
  from.push(null);
  assert.equal(await body.read(), undefined);
});

test("a body whose sender has left throws, also where HTTP/2 ends it", async () => {
  const left = source();
  const broken = new BodyStream(left, new TestSystem()).read();
  left.destroy();
  await assert.rejects(broken, { code: "unavailable" });
  const aborted = Object.assign(source(), { aborted: true });
  const ended = new BodyStream(aborted, new TestSystem()).read();
  aborted.push(null);
  await assert.rejects(ended, { code: "unavailable" });
});

test("whoever waits for a piece is let go", async () => {
  const body = new BodyStream(source(), new TestSystem());
  const waiting = body.read();
  body.stop();
  assert.equal(await waiting, undefined);
});
