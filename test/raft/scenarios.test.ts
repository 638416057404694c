// Owns: the list of the scenarios 1 to 74 that the consensus core and its driver are held to: each is a play or a test of this folder
// that begins with its number, or is named here with the place that has it.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const here = new URL("./", import.meta.url);
const root = new URL("../../", import.meta.url);
const COUNT = 74;

const noLease = "a read always asks a quorum: there are no lease reads (src/raft/reads.ts)";

/** Number to where it is tested, or why there is nothing to test. */
const elsewhere: Readonly<Record<number, { readonly file: string } | { readonly reason: string }>> = {
  53: { file: "test/cluster/snapshot.test.ts" }, // a crash while a snapshot is being laid down
  61: { reason: noLease },
  62: { reason: noLease },
  74: { file: "test/net/handshake.test.ts" }, // another cluster's name
};

function numbersIn(folder: string, ending: string, pattern: RegExp): number[] {
  const files = readdirSync(new URL(folder, here)).filter((file) => file.endsWith(ending));
  return files.flatMap((file) => {
    const text = readFileSync(new URL(`${folder}${file}`, here), "utf8");
    return [...text.matchAll(pattern)].map((match) => Number(match[1]));
  });
}

test("every scenario has its play, its test or its place", () => {
  const played = new Set([...numbersIn("./plays/", ".txt", /^play (\d+) /gm), ...numbersIn("./", ".test.ts", /^test\("(\d+) /gm)]);
  for (let number = 1; number <= COUNT; number++) {
    const place = elsewhere[number];
    assert.ok(played.has(number) !== (place !== undefined), `scenario ${number} is tested nowhere, or in two places`);
    if (place !== undefined && "file" in place) assert.ok(existsSync(new URL(place.file, root)), `${place.file} is gone`);
  }
  for (const number of played) assert.ok(number >= 1 && number <= COUNT, `there is no scenario ${number}`);
});
