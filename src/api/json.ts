// Owns: how a request body becomes a value, and the hash by which a repeated request is known to be the same. What the value
// means is said by its schema.
// (A8) Depth and number of keys are bounded, and counted in the text of a large body before anything is built from it; the names that reach
//      prototypes are refused.

import { hash } from "node:crypto";
import { utf8Text } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const BOM = 0xfeff;
/** A text so short cannot have too many keys, and what is built from it is small however deep it is nested. */
const SHORT_CHARS = 16 * 1024;
const forbiddenNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The value of a JSON body; undefined for an empty one. Throws invalid, naming the field where there is one. */
export function parseBody(body: Uint8Array): unknown {
  if (body.length === 0) return undefined;
  return parseText(decode(body), "the body");
}

/** As parseBody; `what` is what the text is called when it is refused. */
export function parseText(text: string, what: string): unknown {
  if (text.length > SHORT_CHARS) checkShape(text, what);
  const value = parse(text, what);
  // One walk without a path; where it fails, a second one finds out why.
  if (!isSound(value, 0)) checkValue(value, "", 0, what);
  return value;
}

function decode(body: Uint8Array): string {
  try {
    return utf8Text(body);
  } catch (error) {
    throw new PawlError("invalid", "the body is not UTF-8", { cause: error });
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === BOM ? text.slice(1) : text);
  } catch (error) {
    throw new PawlError("invalid", `${what} is not well-formed JSON`, { cause: error });
  }
}

/** Counts brackets and colons outside of strings, so that a bomb is refused before it costs memory (A8). */
function checkShape(text: string, what: string): void {
  let depth = 0;
  let keys = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) i = endOfString(text, i);
    else if (char === COLON) keys++;
    else if ((char | 0x20) === 0x7b) depth++;
    else if ((char | 0x20) === 0x7d) depth--;
    if (depth > limits.jsonMaxDepth) refuseDepth(what);
  }
  if (keys > limits.jsonMaxKeys) throw new PawlError("invalid", `${what} has more than ${limits.jsonMaxKeys} keys`);
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

function refuseDepth(what: string): never {
  throw new PawlError("invalid", `${what} is nested deeper than ${limits.jsonMaxDepth} levels`);
}

/** Whether checkValue would find nothing. */
function isSound(value: unknown, depth: number): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth >= limits.jsonMaxDepth) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isSound(value[i], depth + 1)) return false;
    return true;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    if (forbiddenNames.has(name) || !name.isWellFormed() || !isSound(fields[name], depth + 1)) return false;
  }
  return true;
}

/** What JSON allows but nobody downstream could keep unchanged is refused here: half surrogates and numbers beyond a double. */
function checkValue(value: unknown, field: string, depth: number, what: string): void {
  if (typeof value === "string" && !value.isWellFormed()) refuse(field, "text with half a surrogate pair");
  if (typeof value === "number" && !Number.isFinite(value)) refuse(field, "a number out of range");
  if (typeof value !== "object" || value === null) return;
  if (depth >= limits.jsonMaxDepth) refuseDepth(what);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkValue(value[i], `${field}.${i}`, depth + 1, what);
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    if (forbiddenNames.has(name)) refuse(`${field}.${name}`, "a forbidden name");
    if (!name.isWellFormed()) refuse(field, "a name with half a surrogate pair");
    checkValue(inner, `${field}.${name}`, depth + 1, what);
  }
}

function refuse(path: string, what: string): never {
  const field = path.slice(1);
  throw new PawlError("invalid", `${field}: ${what}`, { field });
}

/** SHA-256, in hex, over values written with sorted keys: equal for requests that differ in spacing and order alone. */
export function canonicalHash(...values: readonly unknown[]): string {
  return hash("sha256", JSON.stringify(sorted(values)));
}

/** A copy with sorted keys. A function handed to JSON.stringify would cost several times as much. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const fields = value as Readonly<Record<string, unknown>>;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(fields).sort()) copy[name] = sorted(fields[name]);
  return copy;
}
