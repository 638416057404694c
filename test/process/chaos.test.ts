// The short form of the chaos run (test/chaos, `npm run chaos`): three real nodes linked by relays on loopback, callers in a process of
// their own, and one fault after the other. Whatever a machine is, the invariants must hold; how long each took is only told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { faultOf } from "../chaos/faults/index.ts";
import { run } from "../chaos/run.ts";
import { noDiskFaults } from "../chaos/shim/diskfaults.ts";
import { tableOf } from "../chaos/table.ts";
import { seeded } from "../schedule/random.ts";

const SEED = 1;
const AT_LEAST = 50;
const always = ["kill-leader", "pause-leader-2s", "cut-leader-out", "kill-all"];

test("under faults of processes, links and disks nothing acknowledged is lost and nothing is done twice", async (t) => {
  const withoutDisk = noDiskFaults();
  const names = withoutDisk === undefined ? ["fsync-error-leader", ...always] : always;
  const missing = withoutDisk === undefined ? [] : [{ fault: "fsync-error-leader", reason: withoutDisk }];
  const report = await run({
    stage: {
      ids: ["a", "b", "c"], network: "relay", random: seeded(SEED),
      withDiskFaults: withoutDisk === undefined, withFakeClocks: false, withSmallDisk: false,
    },
    load: { processes: 1, loops: 3, paceMs: 40, seed: SEED },
    next: ({ length }) => (length < names.length ? faultOf(names[length] ?? "") : undefined),
    tell: (line) => t.diagnostic(line),
    keep: false,
  });
  for (const line of tableOf(report, missing).split("\n")) t.diagnostic(line);
  assert.deepEqual(report.findings, []);
  // Far fewer than even a slow machine makes: a run in which nothing happened proves nothing.
  assert.ok(report.changes >= AT_LEAST && report.executions >= AT_LEAST, `${report.changes} changes, ${report.executions} executions`);
});
