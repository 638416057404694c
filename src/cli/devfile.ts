// Owns: the note by which the CLI finds a running `pawl dev`: ~/.pawl/dev.json, readable by its owner only.
// (D1) A note whose process is gone counts as none.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

export type DevNote = {
  readonly pid: number;
  /** "http://127.0.0.1:1234". */
  readonly servers: readonly string[];
  readonly tokenFile: string;
};

function noteFile(env: Env): string {
  return join(env["HOME"] || homedir(), ".pawl", "dev.json");
}

export function writeDevNote(env: Env, note: DevNote): void {
  const file = noteFile(env);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${note.pid}`;
  writeFileSync(fresh, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  renameSync(fresh, file);
}

/** Takes the note away, unless another `pawl dev` has written its own since. */
export function removeDevNote(env: Env, pid: number): void {
  if (parsedNote(env)?.pid === pid) rmSync(noteFile(env), { force: true });
}

/** The note of a `pawl dev` that is alive (D1). */
export function readDevNote(env: Env): DevNote | undefined {
  const note = parsedNote(env);
  return note !== undefined && isAlive(note.pid) ? note : undefined;
}

function parsedNote(env: Env): DevNote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(noteFile(env), "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
  return isNote(value) ? value : undefined;
}

function isNote(value: unknown): value is DevNote {
  if (typeof value !== "object" || value === null) return false;
  const { pid, servers, tokenFile }: Partial<Record<keyof DevNote, unknown>> = value;
  const named = Array.isArray(servers) && servers.length > 0 && servers.every((server) => typeof server === "string");
  return Number.isSafeInteger(pid) && (pid as number) > 0 && named && typeof tokenFile === "string";
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
