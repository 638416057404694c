// Real processes: a node that was away for longer than the log reaches back is sent the whole state, goes on from it after a kill -9 at
// once, and leads.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RealNode } from "../support/processes.ts";
import { layOut, TOKEN, until } from "../support/processes.ts";

const PAYLOAD = { url: "https://example.invalid/", method: "POST", body: "x".repeat(200_000) };
/** 12 MB in all: more than the log that is kept, and enough for a checkpoint. */
const JOBS = 60;
const FAR = "2040-01-01T00:00:00Z";

async function gauge(node: RealNode, name: string): Promise<number> {
  const response = await fetch(`${node.api}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await response.text())?.[1]);
}

test("a node that lacks the log is sent the state, is killed and starts again on it, and leads", { timeout: 180_000 }, async (t) => {
  const { nodes, client } = await layOut(t, ["a", "b", "c"]);
  const settings = { PAWL_STORAGE_LOG_KEEP_MIB: "1" };
  for (const node of nodes) node.start(settings);
  for (const node of nodes) await node.ready();
  const [a, b, c] = nodes as [RealNode, RealNode, RealNode];
  await c.kill("SIGKILL");
  for (let at = 0; at < JOBS; at++) {
    await client.jobs.submit({ job_id: `kept-${at}`, job_type: "http", schedule_time: FAR, payload: PAYLOAD });
  }
  await until("the log is cut", 60_000, async () => {
    await client.jobs.submit({ job_type: "http", schedule_time: FAR, payload: PAYLOAD });
    return (await gauge(a, "pawl_log_first_index")) > 20 && (await gauge(b, "pawl_log_first_index")) > 20;
  });

  c.start(settings);
  await until("c took up a snapshot", 60_000, () => c.process?.stdout.includes("took up a snapshot at index") === true);
  await c.kill("SIGKILL");
  c.start(settings);
  await c.ready();
  assert.ok((await gauge(c, "pawl_log_first_index")) > 20, "it never had the entries before");
  await client.cluster.transfer("c");
  await until("c leads", 30_000, async () => (await client.cluster.status()).leader_id === "c");
  for (let at = 0; at < JOBS; at++) assert.deepEqual((await client.jobs.get(`kept-${at}`)).payload, PAYLOAD);
  await client.jobs.submit({ job_id: "after", job_type: "noop", schedule_time: new Date().toISOString() });
  await until("what is due runs", 30_000, async () => (await client.jobs.get("after")).status === "completed");
});
