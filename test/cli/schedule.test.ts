// `pawl schedule next`, in this process and as a program.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fakeServer, ranWith } from "./helpers.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

async function next(...argv: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await ranWith(["schedule", "next", ...argv, "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

test("as a program: JSON for programs, lines for people, no server and no colours", () => {
  const argv = [main, "schedule", "next", "0 9 * * 1-5", "--tz", "Europe/Berlin", "--after", "2026-11-20T08:00:00Z", "--count", "2"];
  const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", FORCE_COLOR: "3" };
  const json = spawnSync(process.execPath, [...argv, "--json"], { encoding: "utf8", env });
  assert.deepEqual([json.status, JSON.parse(json.stdout)], [0, ["2026-11-23T08:00:00.000Z", "2026-11-24T08:00:00.000Z"]]);
  const lines = spawnSync(process.execPath, argv, { encoding: "utf8", env });
  assert.equal(lines.stdout, "2026-11-23T08:00:00.000Z\n2026-11-24T08:00:00.000Z\n");
  const bad = spawnSync(process.execPath, [main, "schedule", "next", "61 * * * *"], { encoding: "utf8", env });
  assert.deepEqual([bad.status, bad.stdout], [2, ""]);
  assert.match(bad.stderr, /^pawl: schedule\.cron: [^\n]+\n$/);
});

test("starts strictly after --after, or after now", async () => {
  assert.deepEqual(await next("*/5 * * * * *", "--after", "2026-11-21T00:00:05Z", "--count", "1"), ["2026-11-21T00:00:10.000Z"]);
  assert.deepEqual(await next("* * * * *", "--count", "1"), ["2026-11-21T09:31:00.000Z"]);
  assert.equal((await next("@daily") as string[]).length, 5);
});

test("the policies for changes of clocks are passed on", async () => {
  const gap = ["30 2 * * *", "--tz", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "1"];
  assert.deepEqual(await next(...gap), ["2026-03-29T01:00:00.000Z"]);
  assert.deepEqual(await next(...gap, "--dst-gap", "skip"), ["2026-03-30T00:30:00.000Z"]);
  const twice = ["30 2 * * *", "--tz", "Europe/Berlin", "--after", "2026-10-24T12:00:00Z", "--count", "2"];
  assert.deepEqual(await next(...twice), ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
  assert.deepEqual(await next(...twice, "--dst-overlap", "second"), ["2026-10-25T01:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
  assert.deepEqual(await next(...twice, "--dst-overlap", "both"), ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]);
});

test("what cannot be is refused with the reason", async () => {
  for (const flag of ["--tz=Mars/Base", "--after=soon", "--count=0", "--dst-gap=x"]) {
    const { code, stdout, stderr } = await ranWith(["schedule", "next", "* * * * *", flag]);
    assert.deepEqual([code, stdout], [2, ""], flag);
    assert.match(stderr, /^(pawl|error): .*(Mars\/Base|--after|--count|--dst-gap)/);
  }
});

test("preview asks the server, and its refusal is the command's", async (t) => {
  const path = "POST /api/v1/schedules/preview";
  const good = await fakeServer(t, { [path]: { body: { results: [{ next: ["2026-11-21T10:00:00.000Z"] }] } } });
  const ran = await ranWith(["schedule", "preview", "@hourly", "--count", "1"], { env: good.env });
  assert.deepEqual(ran, { code: 0, stdout: "2026-11-21T10:00:00.000Z\n", stderr: "" });
  const dst = { gap: "run_at_gap_end", overlap: "first" };
  assert.deepEqual(good.asked[0]?.body, { schedules: [{ cron: "@hourly", timezone: "UTC", dst, count: 1 }] });
  const bad = await fakeServer(t, { [path]: { body: { results: [{ error: { code: "invalid", detail: "not so" } }] } } });
  assert.deepEqual(await ranWith(["schedule", "preview", "x"], { env: bad.env }), { code: 2, stdout: "", stderr: "pawl: not so\n" });
});
