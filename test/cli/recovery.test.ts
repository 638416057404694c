// The commands for a data directory without a node: what they refuse, what they leave, and that done again they come to their end.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { claimIdentity } from "../../src/config/identity.ts";
import { checkStandstill, readStandstill, writeStandstill } from "../../src/config/standstill.ts";
import { limits } from "../../src/limits.ts";
import { holdDirectory } from "../../src/storage/hold.ts";
import { LevelDisk } from "../../src/storage/leveldisk.ts";
import { openLog } from "../../src/storage/log.ts";
import { hourly, spec } from "../jobs/machine.ts";
import { atOnce, options as kvOptions } from "../storage/bench.ts";
import { Kept } from "../cluster/kept.ts";
import { fakeServer, folder, NOW_MS, ranWith } from "./helpers.ts";
import type { FakeServer } from "./helpers.ts";

const capacity = { jobsMax: limits.jobsMax, liveMax: limits.liveExecutionsMax };

type Place = { readonly dir: string; readonly dataDir: string; readonly flags: readonly string[] };

function placed(t: TestContext, ids: readonly string[] = ["a", "b"]): Place {
  const dir = folder(t);
  writeFileSync(join(dir, "admin.token"), "a-token-for-tests-0123456789");
  const members = ids.map((id, at) => `[[cluster.members]]\nid = "${id}"\npeer = "127.0.0.1:${1 + at}"\napi = "127.0.0.1:${11 + at}"\n`);
  const own = `[node]\nid = "a"\ndata_dir = "data"\n[auth]\nadmin_token_file = "admin.token"\n[cluster]\nname = "test"\n`;
  writeFileSync(join(dir, "a.toml"), own + members.join(""));
  return { dir, dataDir: join(dir, "data"), flags: ["--config", join(dir, "a.toml")] };
}

async function backupIn(dir: string, clockMs = NOW_MS - 60_000): Promise<string> {
  const disk = new LevelDisk(join(dir, "origin"), atOnce);
  const kept = await Kept.open(disk, capacity, clockMs);
  await kept.found((delivery) => spec(hourly, { delivery }));
  const file = join(dir, "a.pawl");
  await kept.backup(file);
  await disk.close();
  return file;
}

async function logOf(dataDir: string): Promise<unknown> {
  const disk = new LevelDisk(dataDir, atOnce);
  const { hardState, lastIndex } = await openLog(await disk.open("log", kvOptions));
  await disk.close();
  return { hardState, lastIndex };
}

test("restore makes an empty directory that of a node which has not started, and refuses any other", async (t) => {
  const { dir, dataDir, flags } = placed(t);
  const file = await backupIn(dir);
  mkdirSync(join(dataDir, "history"), { recursive: true });
  const strange = await ranWith(["restore", file, ...flags]);
  assert.deepEqual([strange.code, /is not empty, it holds history/.test(strange.stderr)], [1, true], strange.stderr);
  const { dataDir: empty, flags: others, dir: elsewhere } = placed(t);
  const missing = await ranWith(["restore", join(dir, "none"), ...others]);
  assert.deepEqual([missing.code, readStandstill(empty)], [74, undefined], missing.stderr);
  const late = join(elsewhere, "late");
  mkdirSync(late);
  const behind = await ranWith(["restore", await backupIn(late, NOW_MS + 1), ...others]);
  assert.deepEqual([behind.code, /clock is behind/.test(behind.stderr)], [1, true], behind.stderr);
  assert.throws(() => checkStandstill(empty), /a restore was begun here and is not finished; run `pawl restore` again/);
  const again = await ranWith(["restore", file, "--json", "--token-floor", "99999999999999999", ...others]);
  assert.equal(again.code, 0, again.stderr);
  const { jobs, executions, tokens_above: above, cluster_id: from } = JSON.parse(again.stdout);
  assert.deepEqual([jobs, executions, from], [2, { go_on: 1, unknown: 1, cancelled: 0 }, "old"]);
  assert.ok(BigInt(above) >= 99999999999999999n);
  assert.equal(readStandstill(empty), undefined);
  assert.equal(readFileSync(join(empty, "identity.json"), "utf8"), '{"cluster":"test","node":"a","incarnation":0}\n');
  const twice = await ranWith(["restore", file, ...others]);
  assert.deepEqual([twice.code, /is not empty/.test(twice.stderr)], [1, true]);
});

test("a restore that left an installed state behind is done again from nothing", async (t) => {
  const { dir, dataDir, flags } = placed(t);
  const file = await backupIn(dir);
  assert.equal((await ranWith(["restore", file, ...flags])).code, 0);
  writeStandstill(dataDir, { atMs: NOW_MS, reason: "cut", by: "restore" });
  const again = await ranWith(["restore", file, ...flags]);
  assert.deepEqual([again.code, readStandstill(dataDir)], [0, undefined], again.stderr);
});

test("recover tells, and changes nothing without --yes; without a node, or on damage, it refuses", async (t) => {
  const { dir, dataDir, flags } = placed(t);
  const recover = ["recover", "--force-new-cluster", ...flags];
  const none = await ranWith(recover);
  assert.deepEqual([none.code, /holds no node/.test(none.stderr), existsSync(dataDir)], [2, true, false], none.stderr);
  assert.equal((await ranWith(["restore", await backupIn(dir), ...flags])).code, 0);
  const before = await logOf(dataDir);
  const told = await ranWith(recover);
  assert.deepEqual([told.code, await logOf(dataDir)], [1, before], told.stderr);
  assert.match(told.stdout, /may be lost: what the others held beyond that/);
  writeStandstill(dataDir, { atMs: NOW_MS, reason: "a row is bad", by: "damage" });
  const damaged = await ranWith([...recover, "--yes"]);
  assert.deepEqual([damaged.code, await logOf(dataDir)], [74, before]);
  assert.match(damaged.stderr, /a row is bad; run `pawl resync`/);
});

function cluster(role: string | undefined, term = 7): object {
  const members = [{ id: "b", role: "leader" }, ...(role === undefined ? [] : [{ id: "a", role }])];
  const up = members.map((each) => ({ ...each, state: "up" }));
  return { cluster_id: "c1", name: "test", term, leader_id: "b", commit_index: 9, members: up };
}

/** Whoever asks for the status is answered with one after the other, the last one for ever. */
function server(t: TestContext, ...statuses: readonly object[]): Promise<FakeServer> {
  let looked = 0;
  const status = {
    get body() {
      return statuses[Math.min(looked++, statuses.length - 1)];
    },
  };
  const demoted = { status: 202, body: cluster("learner") };
  return fakeServer(t, { "GET /api/v1/cluster": status, "POST /api/v1/cluster/members/a/demote": demoted });
}

function used(place: Place): void {
  claimIdentity(place.dataDir, "test", "a");
  for (const name of ["log", "state-1", "history", "shell", "damaged-old"]) mkdirSync(join(place.dataDir, name));
  for (const name of ["log", "state-1"]) writeFileSync(join(place.dataDir, name, "row"), name);
}

test("H8: resync has the node demoted first, takes its data out, and leaves one that joins and has voted up to that term", async (t) => {
  const place = placed(t);
  used(place);
  const fake = await server(t, cluster("voter"), cluster("voter"), cluster("learner"));
  const { code, stdout, stderr } = await ranWith(["resync", ...place.flags], { env: fake.env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /a is a learner without data: start it with `pawl start`/);
  assert.deepEqual(fake.asked.map(({ method, url }) => `${method} ${url}`), [
    "GET /api/v1/cluster", "POST /api/v1/cluster/members/a/demote?force=true", "GET /api/v1/cluster", "GET /api/v1/cluster",
  ]);
  const aside = readdirSync(place.dataDir).filter((name) => name.startsWith("damaged-"));
  assert.deepEqual(aside.map((name) => readdirSync(join(place.dataDir, name)).sort()), [["history", "log", "state-1"]]);
  assert.ok(existsSync(join(place.dataDir, "shell")));
  assert.deepEqual(await logOf(place.dataDir), { hardState: { term: 7, vote: "a", commit: 0 }, lastIndex: 0 });
  const claim = claimIdentity(place.dataDir, "test", "a");
  assert.deepEqual([claim.joined, claim.incarnation > NOW_MS / 1000, readStandstill(place.dataDir)], [true, true, undefined]);
});

test("H8: resync that was cut goes on with the folder that it began, and never moves what it made itself", async (t) => {
  const place = placed(t);
  used(place);
  const aside = "damaged-begun";
  mkdirSync(join(place.dataDir, aside, "log"), { recursive: true });
  writeFileSync(join(place.dataDir, aside, "log", "row"), "the damaged one");
  writeStandstill(place.dataDir, { atMs: NOW_MS, reason: "cut", by: "resync", aside });
  const fake = await server(t, cluster("learner"));
  assert.equal((await ranWith(["resync", ...place.flags], { env: fake.env })).code, 0);
  assert.deepEqual(fake.asked.map(({ method }) => method), ["GET", "GET"], "a learner is not demoted again");
  assert.equal(readFileSync(join(place.dataDir, aside, "log", "row"), "utf8"), "the damaged one");
  assert.deepEqual(readdirSync(join(place.dataDir, aside)).sort(), ["history", "log", "state-1"]);
  const second = await ranWith(["resync", "--discard", "--json", ...place.flags], { env: fake.env });
  assert.deepEqual([second.code, JSON.parse(second.stdout).kept_in], [0, null]);
  assert.deepEqual(readdirSync(place.dataDir).filter((name) => name.startsWith("damaged-")), []);
});

test("resync touches nothing when the others do not answer, do not know the node, or when it is alone or runs", async (t) => {
  const place = placed(t);
  used(place);
  const refused = async (env: Record<string, string>, code: number, pattern: RegExp, flags = place.flags): Promise<void> => {
    const done = await ranWith(["resync", ...flags], { env });
    assert.deepEqual([done.code, pattern.test(done.stderr)], [code, true], done.stderr);
    assert.equal(readFileSync(join(place.dataDir, "log", "row"), "utf8"), "log");
    assert.equal(readStandstill(place.dataDir), undefined);
  };
  await refused((await server(t, cluster(undefined))).env, 4, /a is not a member of the cluster: empty its data directory/);
  await refused((await server(t, cluster("voter"))).env, 3, /a still votes/);
  const alone = { ...cluster("leader"), members: [{ id: "a", role: "leader", state: "up" }] };
  await refused((await server(t, alone)).env, 1, /nobody has its data; restore a backup/);
  await refused((await fakeServer(t, {})).env, 4, /status 404/);
  const hold = await holdDirectory(place.dataDir);
  await refused((await server(t, cluster("voter"))).env, 2, /is used by another process/);
  await hold.release();
  const single = placed(t, ["a"]);
  used(single);
  await refused({}, 2, /a is the only member in its settings: name another one with --server/, single.flags);
});

test("no node starts on a directory that must not be started on, nor when the note cannot be read", { timeout: 30_000 }, async (t) => {
  const place = placed(t);
  used(place);
  writeStandstill(place.dataDir, { atMs: NOW_MS, reason: "a block of history fails its checksum", by: "damage" });
  const { code, stderr } = await ranWith(["start", ...place.flags]);
  assert.equal(code, 74);
  assert.match(stderr, /must not be started on since 2026-.*: a block of history fails its checksum; run `pawl resync`/);
  writeFileSync(join(place.dataDir, "quarantined.json"), "{");
  assert.throws(() => checkStandstill(place.dataDir), /cannot be understood/);
});
