// A state that begins another cluster, on simulated disks: restored from a backup, and by force out of what is left (H5, H15). Whatever a
// crash makes of it on the way, the disk holds what it held, can be restored into again, or is whole.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import type { ErrorCode } from "../../src/base/errors.ts";
import { tokenFloorAt } from "../../src/base/token.ts";
import type { Heir } from "../../src/cluster/heir.ts";
import { beginBlank } from "../../src/cluster/offlineblank.ts";
import { restoreBackup } from "../../src/cluster/offlinerestore.ts";
import { Tally } from "../../src/cluster/outlook.ts";
import { Remains } from "../../src/cluster/remains.ts";
import { openStored } from "../../src/cluster/stored.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import type { State } from "../../src/jobs/state.ts";
import { limits } from "../../src/limits.ts";
import { decodeMembership, encodeMembership, nobody } from "../../src/raft/membership.ts";
import { Raft } from "../../src/raft/raft.ts";
import type { Message } from "../../src/raft/types.ts";
import { openLog } from "../../src/storage/log.ts";
import type { Disk } from "../../src/storage/disk.ts";
import type { RaftLog } from "../../src/storage/log.ts";
import { hourly, HOUR, NOON, plainClass, spec } from "../jobs/machine.ts";
import { atOnce, finished, options as kvOptions, randomOf, simBench } from "../storage/bench.ts";
import { SimStorage } from "../support/simdisk.ts";
import type { SimDisk } from "../support/simdisk.ts";
import { capacity, heirOf, Kept, useOf } from "./kept.ts";

const once = { ...plainClass.retry, maxAttempts: 3 };
const jobSpec = (delivery: "at_least_once" | "at_most_once") => spec(hourly, { delivery, retry: once });
const BEGIN_MS = NOON + 2 * HOUR;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pawl-carried-"));
  file = join(folder, "a.backup");
});
afterEach(() => rmSync(folder, { recursive: true }));

async function backedUp(): Promise<Kept> {
  const kept = await Kept.open(simBench().disk());
  await kept.found(jobSpec);
  await kept.backup(file);
  return kept;
}

const refusedAs = (code: ErrorCode, pattern: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof PawlError, String(error));
  assert.deepEqual([error.code, pattern.test(error.message)], [code, true], error.message);
  return true;
};

/** What the ordinary start makes of a disk: state and members once all that is known to be committed is applied. */
async function started(disk: Disk): Promise<{ state: State; voters: unknown; hard: unknown; close(): Promise<void> }> {
  const stored = await openStored(disk, capacity, atOnce, () => new Tally());
  const { log, state } = stored;
  for (const { index, kind, data } of log.entries(state.appliedIndex + 1, log.hardState.commit, 1e9)) {
    applyEntry(state, index, kind === "command" ? data : new Uint8Array(0));
  }
  const voters = log.membershipEntries().map(({ data }) => decodeMembership(data).voters);
  return { state, voters, hard: log.hardState, close: () => stored.close() };
}

const restored = (disk: Disk, heir: Heir) => restoreBackup(useOf(disk), file, heir, () => undefined);

test("H15: a backup begins a cluster of one voter, whose past is unknown and whose tokens are newer, by the ordinary start", async () => {
  const kept = await backedUp();
  const disk = simBench().disk();
  const heir = heirOf("d", { atMs: BEGIN_MS });
  const { outlook, backup } = await restored(disk, heir);
  const index = kept.stored.state.appliedIndex;
  assert.deepEqual([backup.header.cluster, backup.end.index], ["test", index]);
  const tokenCounter = tokenFloorAt(BEGIN_MS);
  const live = { goOn: 1, unknown: 1, cancelled: 0 };
  assert.deepEqual(outlook, { jobs: 2, unsureJobs: 2, unsureFromMs: NOON + HOUR, ...live, tokenCounter });
  const { state, voters, hard, close } = await started(disk);
  assert.deepEqual([voters, hard], [[[["d"]]], { term: 4, vote: "d", commit: index + 2 }]);
  assert.deepEqual([state.clusterId, state.idSpace, state.unsureUntilMs, state.tokenCounter], ["new-d", "space", BEGIN_MS, tokenCounter]);
  await close();
  await assert.rejects(restored(disk, heir), refusedAs("exists", /restore into an empty data directory/));
});

test("H15: with --catch-up nothing is unsure; a token floor that is asked for counts", async () => {
  await backedUp();
  const floor = tokenFloorAt(BEGIN_MS) + 77;
  const { outlook } = await restored(simBench().disk(), heirOf("d", { atMs: BEGIN_MS, catchUp: true, tokenFloor: floor }));
  assert.deepEqual([outlook.unsureJobs, outlook.unsureFromMs, outlook.tokenCounter], [0, undefined, floor]);
});

test("H5: a clock behind the backup is refused, and leaves a disk that can be restored into", async () => {
  await backedUp();
  const disk = simBench().disk();
  await assert.rejects(restored(disk, heirOf("d", { atMs: NOON - 1 })), refusedAs("conflict", /clock is behind/));
  await disk.close();
  const { outlook } = await restored(simBench().disk(), heirOf("d", { atMs: NOON }));
  assert.equal(outlook.jobs, 2);
});

test("a restore that is cut at any operation of the disk is whole, or can be done again", async () => {
  await backedUp();
  let wholes = 0;
  let agains = 0;
  for (let at = 0; ; at++) {
    const storage = new SimStorage(randomOf(at));
    const view = (): SimDisk => storage.disk((_, run) => atOnce(() => run()));
    const disk = view();
    disk.fuse = at;
    const isDone = await restored(disk, heirOf("d", { atMs: BEGIN_MS })).then(() => true, () => false);
    storage.crash();
    const next = view();
    const log = await openLog(await next.open("log"));
    const begun = log.position().number > 0;
    next.die();
    const after = view();
    if (!begun) await restored(after, heirOf("d", { atMs: BEGIN_MS }));
    if (begun) wholes++;
    else agains++;
    const { state, voters } = await started(after);
    assert.deepEqual([state.clusterId, voters], ["new-d", [[["d"]]]], `cut at ${at}`);
    after.die();
    if (isDone) break;
  }
  assert.ok(wholes > 3 && agains > 10, `${wholes} whole, ${agains} again`);
});

test("H5b: one backup restored twice, with zombies of the first life and of both restores: the newest has the highest token", async () => {
  const kept = await backedUp();
  /** The newest token after one more attempt of the job that runs at least once. */
  const nextToken = (state: State): number => {
    const slot = state.live.pool.nextUsed(0);
    return Math.max(state.tokenCounter, state.live.token[slot] as number);
  };
  const lives: number[] = [];
  await kept.fire("at_least_once", NOON + 9 * HOUR, kept.stored.state.nodes.find("a")?.session ?? 0);
  lives.push(nextToken(kept.stored.state));
  for (const [name, atMs] of [["d", BEGIN_MS], ["e", BEGIN_MS + 1000]] as const) {
    const disk = simBench().disk();
    await restored(disk, heirOf(name, { atMs }));
    const { state } = await started(disk);
    // A zombie that issued as many tokens as it can in the second until the next restore.
    lives.push(nextToken(state), nextToken(state) + 1_000_000);
  }
  assert.deepEqual([...lives].sort((a, b) => a - b), lives);
  assert.equal(new Set(lives).size, lives.length);
});

test("by force: the whole log counts, the node is the only voter of another cluster, and misfires decide on what was due", async () => {
  const disk = simBench().disk();
  const kept = await Kept.open(disk);
  await kept.found(jobSpec);
  await kept.entry([{ kind: "nodeUp", node: "b", incarnation: 2, slots: 1, tags: [], held: [] }]);
  await kept.entry([{ kind: "nodeUp", node: "c", incarnation: 2, slots: 1, tags: [], held: [] }], false);
  const { lastIndex } = kept.stored.log;
  await kept.stored.close();
  const remains = await Remains.open(useOf(disk), heirOf("a", { atMs: BEGIN_MS }));
  const { term, commit, checkpointIndex, newestMs, clusterId, voters, outlook } = remains;
  assert.deepEqual([term, remains.lastIndex, commit, checkpointIndex], [3, lastIndex, lastIndex - 1, lastIndex - 2]);
  assert.deepEqual([newestMs, clusterId, voters], [NOON, "old", ["a", "b", "c"]]);
  assert.deepEqual([outlook.jobs, outlook.unsureJobs, outlook.goOn, outlook.unknown], [2, 0, 1, 1]);
  await remains.close();
  const untouched = await started(disk);
  assert.deepEqual([untouched.state.clusterId, untouched.voters], ["old", []]);
  await untouched.close();
  const forced = await Remains.open(useOf(disk), heirOf("a", { atMs: BEGIN_MS }));
  await forced.force();
  await forced.close();
  const { state, voters: after, hard } = await started(disk);
  assert.deepEqual([after, hard], [[[["a"]]], { term: 4, vote: "a", commit: lastIndex + 2 }]);
  assert.deepEqual([state.clusterId, state.unsureUntilMs, state.nodes.find("c") === undefined], ["new-a", 0, false]);
  assert.equal(state.tokenCounter, tokenFloorAt(BEGIN_MS));
});

test("by force: nothing to go on from, and a clock that is behind, are refused", async () => {
  const empty = simBench().disk();
  await assert.rejects(Remains.open(useOf(empty), heirOf("a")), refusedAs("conflict", /no cluster was founded/));
  const disk = simBench().disk();
  const kept = await Kept.open(disk);
  await kept.found(jobSpec);
  await kept.stored.close();
  await assert.rejects(Remains.open(useOf(disk), heirOf("a", { atMs: NOON - 1 })), refusedAs("conflict", /clock is behind/));
});

/** Takes a message, stores what it asks for, and gives the answers. */
async function answers(raft: Raft, log: RaftLog, message: Message, nowMs: number): Promise<Message[]> {
  raft.step("b", message, nowMs);
  const said: Message[] = [];
  while (raft.hasReady()) {
    const { write, messages } = raft.take(nowMs);
    said.push(...messages.map((each) => each.message));
    if (write === undefined) continue;
    await finished((done) => log.write(write, done));
    raft.persisted(write.number, nowMs);
  }
  return said;
}

test("H8: a voter that lost its data never votes again in a term up to the one in which it was demoted", async () => {
  const disk = simBench().disk();
  await beginBlank(useOf(disk), "a", 7);
  const kv = await disk.open("log", kvOptions);
  let log = await openLog(kv);
  const { electionTimeoutMs, heartbeatMs, appendsInFlightMax, appendMaxBytes, uncommittedMaxBytes, logCacheMaxBytes } = limits;
  const bounds = { appendsInFlightMax, appendMaxBytes, uncommittedMaxBytes, logCacheMaxBytes, readsWaitingMax: limits.readsWaitingMax };
  const raftOptions = { id: "a", electionTimeoutMs, heartbeatMs, ...bounds, random: () => 0.5 };
  const restart = (): Raft =>
    new Raft(raftOptions, { hardState: log.hardState, log, appliedIndex: 0, membership: nobody, joining: true }, 0);
  let raft = restart();
  const data = encodeMembership({ voters: [["b", "c"]], learners: ["a"], places: new Map() });
  const entries = [{ index: 1, term: 4, kind: "membership" as const, data }];
  const taken = await answers(raft, log, { kind: "append", term: 7, prevIndex: 0, prevTerm: 0, entries, commit: 0 }, 1);
  assert.deepEqual(taken.map((each) => each.kind === "append_reply" && each.accepted), [true]);
  // It forgets who leads in term 7, not that it has voted.
  log = await openLog(kv);
  raft = restart();
  const granted: [number, boolean][] = [];
  for (const term of [5, 6, 7, 8]) {
    const asked = { kind: "vote", term, lastIndex: 9, lastTerm: 4, transfer: false } as const;
    for (const each of await answers(raft, log, asked, 10 * electionTimeoutMs)) {
      if (each.kind === "vote_reply") granted.push([term, each.granted]);
    }
  }
  assert.deepEqual(granted.filter(([, isGranted]) => isGranted), [[8, true]]);
  assert.ok(granted.some(([term]) => term === 7), "it was asked and refused");
});
