// Owns: whose data directory it is, in <data_dir>/identity.json, and how often that node has started. The directory's other
// contents belong to src/storage.
// (I1) A directory is claimed by one cluster and one node for good; anyone else is refused before anything is touched.
// (I2) `claimIdentity` returns an incarnation that is higher than any it returned before for this directory, and durable.
// (I3) A directory that was made to join stays one that joined: its membership comes from the cluster, never from settings. Its
//      incarnations begin with the seconds since 1970, above those of any directory that the node had before.

import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, PawlError } from "../base/errors.ts";
import { syncDir, writeDurably } from "./durable.ts";

type Identity = { readonly cluster: string; readonly node: string; readonly incarnation: number; readonly joined?: true };

export type Claim = {
  /** Number of this start. */
  readonly incarnation: number;
  /** (I3) */
  readonly joined: boolean;
};

/** Throws PawlError("config") when the directory belongs to another cluster or node, or is not one. Reads only. */
export function checkIdentity(dataDir: string, clusterName: string, nodeId: string): void {
  const stats = statSync(dataDir, { throwIfNoEntry: false });
  if (stats && !stats.isDirectory()) throw new PawlError("config", `${dataDir} is not a directory`);
  const identity = readIdentity(dataDir);
  if (!identity || (identity.cluster === clusterName && identity.node === nodeId)) return;
  throw new PawlError(
    "config",
    `${dataDir} holds node "${identity.node}" of cluster "${identity.cluster}", not node "${nodeId}" of cluster "${clusterName}"`,
  );
}

/** Whether a directory was made to join (I3). One that cannot be told is refused by checkIdentity. */
export function hasJoined(dataDir: string): boolean {
  try {
    return readIdentity(dataDir)?.joined === true;
  } catch (error) {
    if (error instanceof PawlError) return false;
    throw error;
  }
}

/** Whether a node lives here, or did. Throws PawlError("config") when that cannot be told. */
export function isClaimed(dataDir: string): boolean {
  return readIdentity(dataDir) !== undefined;
}

/** Makes the directory if there is none, durably. Throws as checkIdentity does. */
export function makeDataDir(dataDir: string, clusterName: string, nodeId: string): void {
  checkIdentity(dataDir, clusterName, nodeId);
  attempt(dataDir, () => makeDurableDir(dataDir));
}

/**
 * Makes the directory this node's if it is nobody's, and counts this start (I1, I2). `joinAtMs` is the time when a new directory is to
 * join a cluster (I3); one that holds a node which did not is refused then.
 */
export function claimIdentity(dataDir: string, clusterName: string, nodeId: string, joinAtMs?: number): Claim {
  makeDataDir(dataDir, clusterName, nodeId);
  const known = readIdentity(dataDir);
  if (known && !known.joined && joinAtMs !== undefined) {
    const next = "start it without --join, or with an empty data_dir";
    throw new PawlError("config", `${dataDir} holds a node that cannot join with what it has; ${next}`);
  }
  return attempt(dataDir, () => raise(dataDir, known ?? unstarted(clusterName, nodeId, joinAtMs)));
}

function unstarted(cluster: string, node: string, joinAtMs: number | undefined): Identity {
  if (joinAtMs === undefined) return { cluster, node, incarnation: 0 };
  return { cluster, node, incarnation: Math.max(0, Math.floor(joinAtMs / 1000)), joined: true };
}

function attempt<T>(dataDir: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw new PawlError("io", `${dataDir} cannot be claimed: ${messageOf(error)}; start again once the disk is sound`, { cause: error });
  }
}

/** Makes the directory that of a node which has not started yet and did not join: its data was restored. */
export function claimRestored(dataDir: string, cluster: string, node: string): void {
  attempt(dataDir, () => write(dataDir, { cluster, node, incarnation: readIdentity(dataDir)?.incarnation ?? 0 }));
}

/** Makes the directory that of a node which joins anew, above all incarnations that it had (I3). */
export function claimRejoining(dataDir: string, cluster: string, node: string, atMs: number): void {
  const before = readIdentity(dataDir)?.incarnation ?? 0;
  const incarnation = Math.max(before, Math.floor(atMs / 1000)) + 1;
  attempt(dataDir, () => write(dataDir, { cluster, node, incarnation, joined: true }));
}

function raise(dataDir: string, before: Identity): Claim {
  const incarnation = before.incarnation + 1;
  write(dataDir, { ...before, incarnation });
  return { incarnation, joined: before.joined === true };
}

function write(dataDir: string, identity: Identity): void {
  writeDurably(join(dataDir, "identity.json"), `${JSON.stringify(identity)}\n`);
}

function readIdentity(dataDir: string): Identity | undefined {
  const file = join(dataDir, "identity.json");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw new PawlError("config", `${file} cannot be read, so whose data this is stays unknown`, { cause: error });
  }
  return parseIdentity(text) ?? damaged(file);
}

function damaged(file: string): never {
  throw new PawlError("config", `${file} is damaged, so whose data this is stays unknown`);
}

function parseIdentity(text: string): Identity | undefined {
  try {
    const value: Partial<Record<keyof Identity, unknown>> | null = JSON.parse(text);
    const { cluster, node, incarnation, joined } = value ?? {};
    const named = typeof cluster === "string" && typeof node === "string";
    if (!named || !Number.isSafeInteger(incarnation) || (joined !== undefined && joined !== true)) return undefined;
    return { cluster, node, incarnation: incarnation as number, ...(joined ? { joined } : {}) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Every folder that had to be made is synced into its parent, so that a crash cannot take the whole directory back. */
function makeDurableDir(dataDir: string): void {
  const first = mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let path = dataDir; path.length >= first.length; path = dirname(path)) syncDir(dirname(path));
}
