// `pawl dev` as a process: what it prints, that the cluster behind it outlives its leader, and that nothing of it is left behind.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { Pawl, processesNaming, temporaryFolder, until } from "../support/processes.ts";

async function firedAfter(client: Client, sinceMs: number): Promise<boolean> {
  const found = await client.executions.page({ status: "completed", from: new Date(sinceMs).toISOString() }).catch(() => undefined);
  return new Set(found?.items.map((execution) => execution.job_id)).size >= 2;
}

test("it prints the API, fires its samples, outlives its leader, and Ctrl-C ends all of it with 0", async (t) => {
  const started: Pawl[] = [];
  const home = temporaryFolder(t, () => Promise.all(started.map((pawl) => pawl.kill("SIGTERM"))));
  const tmp = join(home, "tmp");
  mkdirSync(tmp);
  const dev = new Pawl(["dev"], { HOME: home, TMPDIR: tmp });
  started.push(dev);
  const tokenFile = await until("it prints where the token is", 60_000, () => {
    assert.ok(dev.isRunning, dev.tail);
    return /^token: (.*)$/m.exec(dev.stdout)?.[1];
  });
  const servers = [...dev.stdout.matchAll(/^http:\/\/127\.0\.0\.1:\d+$/gm)].map(([address]) => address);
  assert.equal(servers.length, 3);
  const client = createClient({ servers, token: readFileSync(tokenFile, "utf8").trim() });
  t.after(() => client.close());
  for (const job of ["every-2s", "once"]) {
    await until(`${job} fires`, 20_000, () => new RegExp(`^\\S+ ${job} completed node=`, "m").test(dev.stdout));
  }
  const pids = processesNaming(tmp);
  assert.equal(pids.length, 3);

  const leaderPid = Number(await until("it tells how", 10_000, () => /Kill the leader: kill -9 (\d+)/.exec(dev.stdout)?.[1]));
  assert.ok(pids.includes(leaderPid));
  const killedMs = Date.now();
  process.kill(leaderPid, "SIGKILL");
  await until("the others fire", 20_000, () => firedAfter(client, killedMs));
  assert.match(await until("it says so", 10_000, () => /leader: node-[abc]; (node-[abc]) is down/.exec(dev.stdout)?.[0]), /is down/);

  dev.child.kill("SIGINT");
  assert.deepEqual(await dev.ended, { code: 0, signal: null }, dev.tail);
  assert.deepEqual(processesNaming(tmp), []);
  assert.equal(dev.stderr, "");
  assert.deepEqual([existsSync(tokenFile), existsSync(join(home, ".pawl", "dev.json"))], [false, false], "its folder and note are gone");
});

test("the nodes end by themselves when `pawl dev` is killed", async (t) => {
  const started: Pawl[] = [];
  const home = temporaryFolder(t, async () => {
    await Promise.all(started.map((pawl) => pawl.kill("SIGKILL")));
    for (const pid of processesNaming(home)) process.kill(pid, "SIGKILL");
  });
  const dev = new Pawl(["dev", "--nodes", "2", "--data-dir", join(home, "data")], { HOME: home });
  started.push(dev);
  await until("it is ready", 60_000, () => {
    assert.ok(dev.isRunning, dev.tail);
    return /^token: /m.test(dev.stdout);
  });
  const pids = processesNaming(`${home}/data/node-`);
  assert.equal(pids.length, 2);
  await dev.kill("SIGKILL");
  await until("no node is left", 30_000, () => processesNaming(home).length === 0);
});
