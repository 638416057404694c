// Owns: whose data directory it is, in <data_dir>/identity.json, and how often that node has started. The directory's other
// contents belong to src/storage.
// (I1) A directory is claimed by one cluster and one node for good; anyone else is refused before anything is touched.
// (I2) `claimIdentity` returns a number that is higher than any it returned before for this directory, and durable.

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, PawlError } from "../base/errors.ts";

type Identity = { readonly cluster: string; readonly node: string; readonly incarnation: number };

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

/** Makes the directory if there is none, durably. Throws as checkIdentity does. */
export function makeDataDir(dataDir: string, clusterName: string, nodeId: string): void {
  checkIdentity(dataDir, clusterName, nodeId);
  attempt(dataDir, () => makeDurableDir(dataDir));
}

/** Makes the directory this node's if it is nobody's, and returns the incarnation of this start, from 1 (I1, I2). */
export function claimIdentity(dataDir: string, clusterName: string, nodeId: string): number {
  makeDataDir(dataDir, clusterName, nodeId);
  return attempt(dataDir, () => raise(dataDir, clusterName, nodeId));
}

function attempt<T>(dataDir: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw new PawlError("io", `${dataDir} cannot be claimed: ${messageOf(error)}; start again once the disk is sound`, { cause: error });
  }
}

function raise(dataDir: string, clusterName: string, nodeId: string): number {
  const incarnation = (readIdentity(dataDir)?.incarnation ?? 0) + 1;
  const identity: Identity = { cluster: clusterName, node: nodeId, incarnation };
  const fresh = join(dataDir, "identity.json.new");
  writeSynced(fresh, `${JSON.stringify(identity)}\n`);
  renameSync(fresh, join(dataDir, "identity.json"));
  syncDir(dataDir);
  return incarnation;
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
    const { cluster, node, incarnation } = value ?? {};
    const sound = typeof cluster === "string" && typeof node === "string" && Number.isSafeInteger(incarnation);
    return sound ? { cluster, node, incarnation: incarnation as number } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function writeSynced(file: string, text: string): void {
  const handle = openSync(file, "w", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Every folder that had to be made is synced into its parent, so that a crash cannot take the whole directory back. */
function makeDurableDir(dataDir: string): void {
  const first = mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let path = dataDir; path.length >= first.length; path = dirname(path)) syncDir(dirname(path));
}

function syncDir(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
