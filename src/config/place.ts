// Owns: where a setting came from and how a refusal speaks of it. Reading the sources is src/config.ts, the keys are src/config/keys.ts.
// (C1) A refusal is one line: the place (file and line, flag or variable), the key, what is wrong, and what to write instead.

import { PawlError } from "../base/errors.ts";
import type { KeySpec } from "./keys.ts";

export type Place =
  | { readonly kind: "file"; readonly file: string; readonly line: number }
  | { readonly kind: "flag" }
  | { readonly kind: "env" };

const SHOWN_MAX_CHARS = 80;

/** The key as the file shows it: "[api] listen", "[[cluster.members]] id". */
function keyTitle({ path, kind }: KeySpec, field?: string): string {
  const at = path.lastIndexOf(".");
  if (kind === "members" || kind === "plugins") return `[[${path}]]${field === undefined ? "" : ` ${field}`}`;
  return `[${path.slice(0, at)}] ${path.slice(at + 1)}`;
}

export function flagOf(path: string): string {
  return `--${path.replaceAll(/[._]/g, "-")}`;
}

export function variableOf(path: string): string {
  return `PAWL_${path.replaceAll(".", "_").toUpperCase()}`;
}

/** A value as a refusal repeats it: JSON, cut, always on one line. */
export function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > SHOWN_MAX_CHARS ? `${json.slice(0, SHOWN_MAX_CHARS)}...` : json;
}

/** Where the setting stands, as the start of the line. */
function placed(place: Place, key: KeySpec, field?: string): string {
  if (place.kind === "flag") return flagOf(key.path);
  if (place.kind === "env") return variableOf(key.path);
  return `${place.file}:${place.line}: ${keyTitle(key, field)}`;
}

/** What to write, in the notation of the place. */
export function written(place: Place, key: KeySpec): string {
  if (place.kind === "flag") return `write ${flagOf(key.path)} ${quoted(key.example)}`;
  if (place.kind === "env") return `write ${variableOf(key.path)}=${quoted(key.example)}`;
  return `write ${key.path.slice(key.path.lastIndexOf(".") + 1)} = ${key.toml}`;
}

/** A text that a shell would split or expand is shown in quotes. */
function quoted(text: string): string {
  return /^[\w.,:/@=-]+$/.test(text) ? text : `'${text}'`;
}

/** Refuses a setting (C1); `fix` replaces the usual "write key = example". */
export function refuse(place: Place, key: KeySpec, problem: string, fix: string = written(place, key), field?: string): never {
  throw new PawlError("config", `${placed(place, key, field)}: ${problem}; ${fix}`, { field: key.path });
}
