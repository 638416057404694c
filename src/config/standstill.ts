// Owns: why no node may be started on a data directory, in <data_dir>/quarantined.json: what it serves from was found damaged, or what was
// begun on it while no node ran is not finished. What is done about it is src/offline.ts's.
// (Q1) It is durable before anything that it speaks of, and goes last. A file that cannot be read counts as one.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PawlError } from "../base/errors.ts";
import { removeDurably, writeDurably } from "./durable.ts";

export type Standstill = {
  readonly atMs: number;
  readonly reason: string;
  /** What was begun and is to be done again; "damage" when a node found its data damaged. */
  readonly by: "damage" | "restore" | "resync";
  /** Folder into which a resync moves what was damaged. */
  readonly aside?: string | undefined;
};

function fileOf(dataDir: string): string {
  return join(dataDir, "quarantined.json");
}

export function readStandstill(dataDir: string): Standstill | undefined {
  let text: string;
  try {
    text = readFileSync(fileOf(dataDir), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw new PawlError("io", `${fileOf(dataDir)} cannot be read; start again once the disk is sound`, { cause: error });
  }
  return parsed(text) ?? { atMs: 0, reason: `${fileOf(dataDir)} cannot be understood`, by: "damage" };
}

function parsed(text: string): Standstill | undefined {
  try {
    const value: Partial<Record<keyof Standstill, unknown>> | null = JSON.parse(text);
    const { atMs, reason, by, aside } = value ?? {};
    const isKnown = by === "damage" || by === "restore" || by === "resync";
    if (typeof atMs !== "number" || typeof reason !== "string" || !isKnown) return undefined;
    return { atMs, reason, by, aside: typeof aside === "string" ? aside : undefined };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function writeStandstill(dataDir: string, standstill: Standstill): void {
  writeDurably(fileOf(dataDir), `${JSON.stringify(standstill)}\n`);
}

export function clearStandstill(dataDir: string): void {
  removeDurably(fileOf(dataDir));
}

const nextSteps: Readonly<Record<Standstill["by"], string>> = {
  damage: "run `pawl resync` to have this node resynchronised from the other members",
  restore: "run `pawl restore` again",
  resync: "run `pawl resync` again",
};

/** Throws PawlError("quarantined") when no node may be started on the directory. */
export function checkStandstill(dataDir: string): void {
  const found = readStandstill(dataDir);
  if (found === undefined) return;
  const since = found.atMs === 0 ? "" : ` since ${new Date(found.atMs).toISOString()}`;
  throw new PawlError("quarantined", `${dataDir} must not be started on${since}: ${found.reason}; ${nextSteps[found.by]}`);
}
