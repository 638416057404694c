// Owns: reading a TOML file so that every key knows its line. The meaning of the keys is src/config/keys.ts.
// (L1) `lineOf` is only asked after the parser has accepted the text, so the scan may take well-formed TOML for granted.

import { readFileSync } from "node:fs";
import { TomlError, parse } from "smol-toml";
import { PawlError, messageOf } from "../base/errors.ts";

export type TomlFile = {
  readonly file: string;
  readonly root: Readonly<Record<string, unknown>>;
  /** Line of a key ("cluster.members.1.id"), else of the nearest table around it, else 1. */
  lineOf(path: string): number;
};

/** Reads and parses; throws PawlError("config") with file, line and what the parser said. */
export function readToml(file: string): TomlFile {
  const text = readText(file);
  try {
    const root: Record<string, unknown> = parse(text);
    const lines = keyLines(text);
    return { file, root, lineOf: (path) => nearestLine(lines, path) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const said = error.message.split("\n", 1)[0]?.replace(/^Invalid TOML document: /, "") ?? "not TOML";
    const what = `not TOML at column ${error.column}: ${said}`;
    throw new PawlError("config", `${file}:${error.line}: ${what}; correct this line (texts stand in double quotes)`, { cause: error });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = messageOf(error).split(":", 1)[0];
    throw new PawlError("config", `${file}: cannot be read (${why}); name a readable file with --config`, { cause: error });
  }
}

function nearestLine(lines: ReadonlyMap<string, number>, path: string): number {
  let part = path;
  while (part !== "") {
    const line = lines.get(part);
    if (line !== undefined) return line;
    part = part.slice(0, Math.max(0, part.lastIndexOf(".")));
  }
  return 1;
}

/** Lines of all tables and keys, by their dotted path; elements of an array of tables are counted from 0. (L1) */
export function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  const counts = new Map<string, number>();
  let table = "";
  let at = 0;
  let line = 1;
  const note = (path: string): void => void (lines.has(path) || lines.set(path, line));
  while (at < text.length) {
    const end = statementEnd(text, at);
    const statement = text.slice(at, end).trim();
    const header = /^\[(\[?)([^\]]*)\]/.exec(statement);
    if (header) {
      table = namedPath(header[2] as string);
      if (header[1] === "[") {
        note(table);
        const count = counts.get(table) ?? 0;
        counts.set(table, count + 1);
        table = `${table}.${count}`;
      }
      note(table);
    } else if (statement !== "" && !statement.startsWith("#")) {
      const keys = namedPath(keyText(statement));
      note(table === "" ? keys : `${table}.${keys}`);
    }
    line += countLines(statement) + 1;
    at = end + 1;
  }
  return lines;
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}

/** The key before "=": quoted parts may hold "=" themselves. */
function keyText(statement: string): string {
  return /^(?:"[^"]*"|'[^']*'|[^="'])*/.exec(statement)?.[0] ?? statement;
}

function namedPath(text: string): string {
  const parts = text.match(/"[^"]*"|'[^']*'|[^.\s]+/g) ?? [];
  return parts.map((part) => part.replace(/^(["'])(.*)\1$/, "$2")).join(".");
}

/** Index of the newline that ends the statement at `from`: newlines within brackets and long strings do not. */
function statementEnd(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at] as string;
    if (char === "\n" && depth === 0) return at;
    if (char === "#") at = untilNewline(text, at) - 1;
    else if (char === '"' || char === "'") at = stringEnd(text, at, char);
    else if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
    at++;
  }
  return text.length;
}

function untilNewline(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

/** Index of the last character of the string that opens at `at`. */
function stringEnd(text: string, at: number, quote: string): number {
  const long = text.startsWith(quote.repeat(3), at);
  const close = long ? quote.repeat(3) : quote;
  let next = at + close.length;
  while (next < text.length && !text.startsWith(close, next)) next += quote === '"' && text[next] === "\\" ? 2 : 1;
  while (long && text[next + close.length] === quote) next++;
  return next + close.length - 1;
}
