// What the face adds to a scrape, of this very process and of real files.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Histogram } from "../../src/base/histogram.ts";
import { FaceMetrics } from "../../src/facemetrics.ts";
import { realSystem } from "../../src/system.ts";
import { families } from "../support/exposition.ts";
import { toldMetrics } from "../support/told.ts";

test("files are added up by what is stored in them, and a folder that is not there is empty", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "pawl-face-"));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const put = (folder: string, bytes: number): void => {
    mkdirSync(join(dataDir, folder), { recursive: true });
    writeFileSync(join(dataDir, folder, `${bytes}`), Buffer.alloc(bytes));
  };
  put("state-1", 1_000);
  put("state-2", 10);
  put("history/0", 500);
  put("tls", 7);
  const face = new FaceMetrics(realSystem, new Histogram(1, 60_000), dataDir);
  const [text, again] = await Promise.all([face.text(), face.text()]);
  const { samples } = families(text).get("pawl_stored_bytes") ?? assert.fail("it is told");
  assert.deepEqual([...samples.values()], [0, 1_010, 500]);
  assert.deepEqual(families(again).get("pawl_stored_bytes")?.samples, samples);
});

test("the whole scrape can be read, and memory is told in bytes", async () => {
  const told = families(await toldMetrics());
  const value = (name: string, label = ""): number => told.get(name)?.samples.get(name + label) ?? Number.NaN;
  const resident = value("pawl_process_resident_memory_bytes");
  assert.ok(resident > 20e6 && value("pawl_core_heap_used_bytes") > 1e6 && value("pawl_core_heap_used_bytes") < resident);
  assert.ok(value("pawl_process_cpu_seconds_total") > 0);
  if (process.platform !== "linux") return;
  const parts = ["anon", "file", "shmem"].map((kind) => value("pawl_resident_bytes", `{kind="${kind}"}`));
  const sum = parts.reduce((all, part) => all + part, 0);
  assert.ok(Math.abs(sum - resident) < 0.2 * resident, `${parts} of ${resident}`);
  assert.ok(value("pawl_process_open_fds") > 3);
});
