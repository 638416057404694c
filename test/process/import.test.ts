// A list of jobs into a real node that is killed in its middle: every line is one job in the end, however often it was sent.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Pawl, TOKEN, layOut, until } from "../support/processes.ts";

const LINES = 24_000;

test("kill -9 in the middle of an import: it goes on by itself, and every line is one job", async (t) => {
  const { nodes: [node], client, folder } = await layOut(t, ["a"]);
  assert.ok(node);
  node.start();
  await node.ready();
  const file = join(folder, "jobs.ndjson");
  // Without ids: a line that is done twice would be two jobs.
  const line = (at: number): string => JSON.stringify({ job_type: "noop", schedule: { cron: "0 0 1 1 *" }, labels: { line: String(at) } });
  writeFileSync(file, Array.from({ length: LINES }, (_, at) => line(at)).join("\n"));
  const env = { PAWL_SERVER: node.api, PAWL_TOKEN: TOKEN };
  const first = new Pawl(["job", "import", file, "--parallel", "2"], env);
  t.after(() => first.kill("SIGKILL"));
  await until("the first jobs are there", 60_000, async () => (await client.jobs.page({ limit: 1 })).items.length > 0);
  await node.kill("SIGKILL");
  node.start();
  await node.ready();
  const { code } = await first.ended;
  assert.equal(code, 0, first.tail);
  const again = new Pawl(["job", "import", file, "--from", "5000", "--json"], env);
  assert.equal((await again.ended).code, 0, again.tail);
  assert.deepEqual(JSON.parse(again.stdout), { lines: LINES, submitted: LINES - 4608, refused: 0, errors: [] });
  const seen = new Map<string, number>();
  for await (const { labels } of client.jobs.list({ limit: 1_000 })) {
    const name = labels["line"] ?? "";
    seen.set(name, (seen.get(name) ?? 0) + 1);
  }
  assert.equal(seen.size, LINES);
  assert.deepEqual([...seen].filter(([, count]) => count !== 1), []);
});
