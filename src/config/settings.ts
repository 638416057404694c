// Owns: finding each setting in flags, environment and file, in this order, and refusing what has the wrong kind. What the
// settings mean together is src/config.ts, the table of them src/config/keys.ts.
// (S1) A flag wins over a variable, a variable over the file; an empty variable counts as absent.
// (S2) What is returned has the kind and passed the test of its key.

import { PawlError } from "../base/errors.ts";
import { flagOf, refuse, shown, variableOf, written } from "./place.ts";
import type { Place } from "./place.ts";
import { allKeys, keysOfTable, memberFields, pluginFields } from "./keys.ts";
import type { KeySpec } from "./keys.ts";
import type { TomlFile } from "./toml.ts";

export type Sources = {
  readonly toml: TomlFile | undefined;
  /** By the flag's name without dashes: "api-listen". */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export type Setting<T> = { readonly value: T; readonly place: Place };
/** One row of an array of tables; every field is a filled text. */
export type Row<Field extends string> = { readonly fields: Readonly<Record<Field, string>>; placeOf(field: Field): Place };
type Table = Readonly<Record<string, unknown>>;

/** The setting of a text, integer, boolean or list key; undefined when no source has it (S1, S2). */
export function settingOf<T extends string | number | boolean | readonly string[]>(
  sources: Sources, key: KeySpec,
): Setting<T> | undefined {
  const found = find(sources, key);
  if (!found) return undefined;
  const value = found.place.kind === "file" ? found.value : fromText(found.value as string, key);
  const elements: readonly unknown[] = key.kind === "list" && Array.isArray(value) ? value : [value];
  for (const element of elements) {
    const scalar = typeof element === "string" || typeof element === "number" || typeof element === "boolean";
    const isList = key.kind === "list" && !Array.isArray(value);
    if (isList || !scalar || !key.accepts(element)) refuse(found.place, key, `expected ${expectation(key)}, got ${shown(element)}`);
  }
  return { value: value as T, place: found.place };
}

function expectation(key: KeySpec): string {
  return key.kind === "list" ? `a list of ${key.expected}` : key.expected;
}

/** Like settingOf, for a key without default. */
export function requiredSetting(sources: Sources, key: KeySpec): Setting<string> {
  const setting = settingOf<string>(sources, key);
  if (setting) return setting;
  const otherwise = `${flagOf(key.path)} ${key.example} or ${variableOf(key.path)}=${key.example}`;
  const place = placeIn(sources.toml, key.path);
  if (place.kind === "file") refuse(place, key, "missing", `${written(place, key)}, ${otherwise}`);
  throw new PawlError("config", `${flagOf(key.path)}: missing; write ${otherwise}, or name a file with --config`, { field: key.path });
}

/** The place in the file where a key stands or would stand; without a file, its flag. */
export function placeIn(toml: TomlFile | undefined, path: string): Place {
  return toml ? { kind: "file", file: toml.file, line: toml.lineOf(path) } : { kind: "flag" };
}

function find(sources: Sources, key: KeySpec): Setting<unknown> | undefined {
  const flag = sources.flags[flagOf(key.path).slice(2)];
  if (flag !== undefined) return { value: flag, place: { kind: "flag" } };
  const variable = sources.env[variableOf(key.path)];
  if (variable !== undefined && variable !== "") return { value: variable, place: { kind: "env" } };
  const value = key.path.split(".").reduce<unknown>((at, name) => (isTable(at) ? at[name] : undefined), sources.toml?.root);
  return value === undefined ? undefined : { value, place: placeIn(sources.toml, key.path) };
}

/** What cannot be read as the key's kind stays a text, which its test then refuses. */
function fromText(text: string, key: KeySpec): unknown {
  if (key.kind === "integer") return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  if (key.kind === "boolean") return text === "true" ? true : text === "false" ? false : text;
  if (key.kind === "list") return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  return text;
}

/** The rows of [[cluster.members]], or of the flag `id=peer/api,...`. */
export function memberRows(sources: Sources, key: KeySpec): Row<"id" | "peer" | "api">[] {
  return rowsOf(sources, key, memberFields, (part) => {
    const match = /^([^=]*)=([^/]*)\/(.*)$/.exec(part);
    return match ? { id: match[1], peer: match[2], api: match[3] } : undefined;
  });
}

/** The rows of [[plugins]], or of the flag `type=module,...`. */
export function pluginRows(sources: Sources, key: KeySpec): Row<"type" | "module">[] {
  return rowsOf(sources, key, pluginFields, (part) => {
    const match = /^([^=]*)=(.*)$/.exec(part);
    return match ? { type: match[1], module: match[2] } : undefined;
  });
}

function rowsOf<Field extends string>(
  sources: Sources, key: KeySpec, fields: readonly Field[], parse: (part: string) => Table | undefined,
): Row<Field>[] {
  const found = find(sources, key);
  if (!found) return [];
  if (found.place.kind === "file") return rowsOfFile(found.value, sources.toml as TomlFile, key, fields);
  const parts = String(found.value).split(",").map((part) => part.trim()).filter((part) => part !== "");
  return parts.map((part) => {
    const table = parse(part) ?? refuse(found.place, key, `expected ${key.expected}, got ${shown(part)}`);
    return row(table, fields, key, () => found.place);
  });
}

function rowsOfFile<Field extends string>(value: unknown, toml: TomlFile, key: KeySpec, fields: readonly Field[]): Row<Field>[] {
  const place = placeIn(toml, key.path);
  const fix = `write [[${key.path}]] with ${fields.join(", ")}`;
  if (!Array.isArray(value)) refuse(place, key, `expected an array of tables, got ${shown(value)}`, fix);
  return value.map((table: unknown, at) => {
    if (!isTable(table)) refuse(place, key, `expected tables, got ${shown(table)}`, fix);
    refuseUnknown(toml, `${key.path}.${at}`, table, key.path);
    return row(table, fields, key, (field) => placeIn(toml, `${key.path}.${at}.${field}`));
  });
}

function row<Field extends string>(table: Table, fields: readonly Field[], key: KeySpec, placeOf: (field: Field) => Place): Row<Field> {
  const entries = fields.map((field) => {
    const value = table[field];
    const fix = `write ${field} = "..." in this table`;
    if (value === undefined) refuse(placeOf(field), key, "missing", fix, field);
    if (typeof value !== "string" || value === "") refuse(placeOf(field), key, `expected a text, got ${shown(value)}`, fix, field);
    return [field, value] as const;
  });
  return { fields: Object.fromEntries(entries) as Record<Field, string>, placeOf };
}

/** Refuses tables and keys that do not exist (K1). The arrays of tables check their own when they are read. */
export function checkShape(toml: TomlFile): void {
  refuseUnknown(toml, "", toml.root, "");
  for (const name of keysOfTable("")) {
    const table = toml.root[name];
    if (table === undefined || isArrayOfTables(name)) continue;
    if (!isTable(table)) {
      const where = `${toml.file}:${toml.lineOf(name)}`;
      throw new PawlError("config", `${where}: ${name}: expected a table, got ${shown(table)}; write [${name}] and its keys below it`);
    }
    refuseUnknown(toml, name, table, name);
  }
}

function refuseUnknown(toml: TomlFile, at: string, table: Table, title: string): void {
  const known = keysOfTable(title);
  const unknown = Object.keys(table).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const where = `${toml.file}:${toml.lineOf(at === "" ? unknown : `${at}.${unknown}`)}`;
  if (at === "") {
    const list = known.map((name) => (isArrayOfTables(name) ? `[[${name}]]` : `[${name}]`)).join(", ");
    throw new PawlError("config", `${where}: ${shown(unknown)}: unknown; remove it, the tables are ${list}`);
  }
  const shownTitle = isArrayOfTables(title) ? `[[${title}]]` : `[${title}]`;
  throw new PawlError("config", `${where}: ${shownTitle} ${shown(unknown)}: unknown key; remove it, the keys are ${known.join(", ")}`);
}

function isArrayOfTables(path: string): boolean {
  return allKeys.some((key) => key.path === path);
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
