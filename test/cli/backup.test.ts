// `pawl backup`: what comes is kept only when it is whole; what went wrong is told by its exit code, and leaves no file.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fakeServer, folder, ranWith } from "./helpers.ts";

test("what is no backup, is refused or cannot be written leaves no file", async (t) => {
  const dir = folder(t);
  const file = join(dir, "a.pawl");
  const route = "GET /api/v1/cluster/backup";
  const told = async (status: number, body: unknown, at = file): Promise<unknown[]> => {
    const fake = await fakeServer(t, { [route]: { status, body } });
    const { code, stderr } = await ranWith(["backup", at], { env: fake.env });
    return [code, stderr.trimEnd().replaceAll(dir, ""), readdirSync(dir)];
  };
  const [code, message, left] = await told(200, { not: "a backup" });
  assert.deepEqual([code, left], [74, []]);
  assert.match(String(message), /a\.pawl\.part, byte 0: this is no backup of Pawl/);
  const busy = { code: "overloaded", detail: "2 backups are being made of this node" };
  assert.deepEqual(await told(429, busy), [5, "pawl: 2 backups are being made of this node", []]);
  assert.equal((await told(200, {}, join(dir, "none", "a")))[0], 74);
  assert.equal((await ranWith(["backup"])).code, 2);
});

test("a file that is there stays as it is", async (t) => {
  const dir = folder(t);
  const file = join(dir, "text");
  writeFileSync(file, "not a backup");
  const { code, stderr } = await ranWith(["backup", "verify", file]);
  assert.deepEqual([code, /byte 0: this is no backup of Pawl/.test(stderr)], [74, true], stderr);
  assert.equal((await ranWith(["backup", "verify", join(dir, "none")])).code, 74);
});
