// The exit code of each kind of failure, and what is said of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BugError, PawlError } from "../../src/base/errors.ts";
import { exitCodeMeanings, exitCodeOf, exitCodes } from "../../src/cli/exitcodes.ts";
import { fakeServer, ranWith } from "./helpers.ts";

test("refusals, unknown outcomes and bugs have codes of their own", () => {
  assert.deepEqual(
    [
      new PawlError("conflict", "x"), new PawlError("invalid", "x"), new PawlError("config", "x"), new PawlError("not_found", "x"),
      new PawlError("no_quorum", "x"), new PawlError("no_quorum", "x", { outcome: "unknown" }), new PawlError("timeout", "x"),
      new PawlError("io", "x"), new PawlError("quarantined", "x"), new BugError("x"), new Error("x"), "x",
    ].map(exitCodeOf),
    [1, 2, 2, 4, 5, 3, 3, 74, 74, 70, 70, 70],
  );
  assert.deepEqual(exitCodeMeanings.map(([code]) => code), Object.values(exitCodes), "every code is documented");
});

test("answers of a server become codes and one line", async (t) => {
  const cases: readonly (readonly [number, string, object, number, string])[] = [
    [409, "exists", { outcome: "rejected" }, 1, "pawl: said why\n"],
    [404, "not_found", {}, 4, "pawl: said why\n"],
    [400, "invalid", {}, 2, "pawl: said why\n"],
    [401, "unauthorized", {}, 1, "pawl: said why\n"],
    [503, "no_quorum", { outcome: "rejected" }, 5, "pawl: said why\n"],
    [504, "timeout", { outcome: "unknown" }, 3, "pawl: said why (the outcome is unknown)\n"],
  ];
  for (const [status, code, more, exit, line] of cases) {
    const server = await fakeServer(t, { "POST /api/v1/jobs/a/pause": { status, body: { code, detail: "said\nwhy", ...more } } });
    const ran = await ranWith(["job", "pause", "a"], { env: server.env });
    assert.deepEqual(ran, { code: exit, stdout: "", stderr: line }, code);
    const json = await ranWith(["job", "pause", "a", "--json"], { env: server.env });
    const { error }: { error: { code: string } } = JSON.parse(json.stderr);
    assert.deepEqual([json.code, json.stdout, error.code], [exit, "", code]);
  }
});

test("wrong usage ends with 2, help and version with 0", async () => {
  for (const argv of [[], ["nope"], ["job", "get"], ["job", "ls", "--nope"], ["job", "ls", "--limit", "0"], ["dev", "--nodes", "9"]]) {
    const ran = await ranWith(argv, { env: { PAWL_SERVER: "127.0.0.1:1", PAWL_TOKEN: "x" } });
    assert.deepEqual([ran.code, ran.stdout, ran.stderr !== ""], [2, "", true], argv.join(" "));
  }
  const help = await ranWith(["--help"]);
  assert.equal(help.code, 0);
  for (const [code, meaning] of exitCodeMeanings) assert.match(help.stdout, new RegExp(`^  ${code} +${meaning}$`, "m"));
  assert.match((await ranWith(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
});
