// Owns: what is done to the data directory of a node while the node does not run: restoring a backup into it, going on by force from what
// it holds, and emptying it for a new copy. What is written into log and state is src/cluster's; this file knows which directory may be
// used, and in which order its parts change.
// (O1) The directory is held from before anything in it changes: no node and no second command uses it meanwhile.
// (O2) What would leave half of something behind is announced first by a note that no node starts on (config/standstill.ts); doing the
//      same again after a crash comes to its end.
// (O3) Everything is durable before it is said to be done.

import { readdirSync } from "node:fs";
import { formatAddress } from "./base/address.ts";
import { PawlError } from "./base/errors.ts";
import type { DiskUse, Heir } from "./cluster/heir.ts";
import { beginBlank } from "./cluster/offlineblank.ts";
import { clearRestore, restoreBackup } from "./cluster/offlinerestore.ts";
import type { RestoredBackup } from "./cluster/offlinerestore.ts";
import { Remains } from "./cluster/remains.ts";
import type { Config } from "./config.ts";
import { claimRejoining, claimRestored, isClaimed, makeDataDir } from "./config/identity.ts";
import { checkStandstill, clearStandstill, readStandstill, writeStandstill } from "./config/standstill.ts";
import { limits } from "./limits.ts";
import { takeOut } from "./storage/aside.ts";
import { BackupFile, verifyBackup } from "./storage/backup.ts";
import type { BackupSummary } from "./storage/backup.ts";
import { holdDirectory } from "./storage/hold.ts";
import { LevelDisk } from "./storage/leveldisk.ts";
import type { System } from "./system.ts";

export type { Outlook } from "./cluster/outlook.ts";
export type { RestoredBackup } from "./cluster/offlinerestore.ts";
export type { Remains } from "./cluster/remains.ts";
export type { BackupSummary } from "./storage/backup.ts";
export { verifyBackup } from "./storage/backup.ts";

export type CarryOptions = {
  /** Tokens are above this counter besides. */
  readonly tokenFloor: number;
  readonly catchUp: boolean;
};

const CLUSTER_ID_CHARS = 20;
/** What may be in a directory that counts as empty: what an operator puts there before the first start. */
const PUT_BEFORE: ReadonlySet<string> = new Set(["lock", "tls", "admin.token"]);

/** Writes what `source` gives into a file that has its name when it is whole, checked and durable. */
export async function saveBackup(
  path: string, source: AsyncIterable<Uint8Array>, progress: (bytes: number) => void,
): Promise<BackupSummary> {
  const file = await BackupFile.create(path);
  try {
    let bytes = 0;
    for await (const piece of source) {
      await file.write(piece);
      bytes += piece.length;
      progress(bytes);
    }
    const summary = await file.verify();
    await file.finish();
    return summary;
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

/** Makes of a backup, in an empty data directory, the first node of a cluster of its own. */
export async function restore(
  config: Config, file: string, options: CarryOptions, system: System, progress: (bytes: number) => void,
): Promise<RestoredBackup> {
  const { dataDir, id } = config.node;
  if (config.cluster.join) throw new PawlError("config", "cluster.join: a restored node begins its cluster; restore without it");
  return onDirectory(config, system, async (use) => {
    const isAgain = readStandstill(dataDir)?.by === "restore";
    if (!isAgain) mustBeEmpty(dataDir);
    await verifyBackup(file);
    writeStandstill(dataDir, { atMs: system.wallMs(), reason: "a restore was begun here and is not finished", by: "restore" });
    if (isAgain) await clearRestore(use.disk);
    const done = await restoreBackup(use, file, heirOf(config, options, system), progress);
    claimRestored(dataDir, config.cluster.name, id);
    clearStandstill(dataDir);
    return done;
  });
}

function mustBeEmpty(dataDir: string): void {
  const stray = readdirSync(dataDir).find((name) => !PUT_BEFORE.has(name));
  if (stray === undefined) return;
  throw new PawlError("exists", `${dataDir} is not empty, it holds ${stray}: restore into an empty data directory`);
}

/** Makes of this node the only voter of a new cluster, if `decide` says so to what is left of the old one. */
export async function recover(
  config: Config, options: CarryOptions, system: System, decide: (remains: Remains) => boolean,
): Promise<boolean> {
  const { dataDir } = config.node;
  if (!isClaimed(dataDir)) throw new PawlError("config", `${dataDir} holds no node: name the data directory of one that is left`);
  return onDirectory(config, system, async (use) => {
    checkStandstill(dataDir);
    const remains = await Remains.open(use, heirOf(config, options, system));
    const isWanted = decide(remains);
    if (isWanted) await remains.force();
    await remains.close();
    return isWanted;
  });
}

/**
 * Takes the node's data out, for another copy from the other members. `demoted` is run first, while the directory is held, and gives a
 * term at or after the one in which it was committed that the node votes no more: as if it had voted in all up to that one, it then
 * joins. Gives the folder with what was there, undefined when it was deleted.
 */
export async function resync(
  config: Config, keep: boolean, system: System, demoted: () => Promise<number>,
): Promise<string | undefined> {
  const { dataDir, id } = config.node;
  if (!isClaimed(dataDir)) throw new PawlError("config", `${dataDir} holds no node: to have one, start it with \`pawl start --join\``);
  return onDirectory(config, system, async (use) => {
    const term = await demoted();
    const aside = keep ? asideOf(dataDir, system) : undefined;
    const atMs = system.wallMs();
    writeStandstill(dataDir, { atMs, reason: "a resync was begun here and is not finished", by: "resync", aside });
    await takeOut(dataDir, aside);
    await beginBlank(use, id, term);
    claimRejoining(dataDir, config.cluster.name, id, atMs);
    clearStandstill(dataDir);
    return aside;
  });
}

function asideOf(dataDir: string, system: System): string {
  const begun = readStandstill(dataDir);
  if (begun?.by === "resync" && begun.aside !== undefined) return begun.aside;
  return `damaged-${new Date(system.wallMs()).toISOString().replaceAll(/[:.]/g, "-")}`;
}

/** (O1) */
async function onDirectory<T>(config: Config, system: System, run: (use: DiskUse) => Promise<T>): Promise<T> {
  const { dataDir, id } = config.node;
  makeDataDir(dataDir, config.cluster.name, id);
  const hold = await holdDirectory(dataDir);
  const soon = (then: () => void): void => system.soon(then);
  const disk = new LevelDisk(dataDir, soon);
  try {
    return await run({ disk, soon, capacity: { jobsMax: limits.jobsMax, liveMax: limits.liveExecutionsMax } });
  } finally {
    await disk.close();
    await hold.release();
  }
}

function heirOf({ node, peer, api, cluster }: Config, { tokenFloor, catchUp }: CarryOptions, system: System): Heir {
  const own = cluster.members.find(({ id }) => id === node.id);
  const self = { id: node.id, peer: formatAddress(own?.peer ?? peer), api: own?.api ?? formatAddress(api) };
  const letter = (): string => Math.floor(system.random() * 36).toString(36);
  const clusterId = Array.from({ length: CLUSTER_ID_CHARS }, letter).join("");
  return { self, clusterId, atMs: system.wallMs(), tokenFloor, catchUp };
}
