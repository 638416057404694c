// Owns: how a request body becomes a value, and the hash by which a repeated request is known to be the same. What the value
// means is said by its schema.
// (A8) Depth and number of keys are counted in the text before anything is built from it; the names that reach prototypes are refused.

import { hash } from "node:crypto";
import { utf8Text } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** With the flag u a surrogate matches only where its other half is missing. */
const HALF_PAIR = /\p{Surrogate}/u;
const forbiddenNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The value of a JSON body; undefined for an empty one. Throws invalid, naming the field where there is one. */
export function parseBody(body: Uint8Array): unknown {
  if (body.length === 0) return undefined;
  const text = decode(body);
  checkShape(text);
  const value = parse(text);
  checkValue(value, "");
  return value;
}

function decode(body: Uint8Array): string {
  try {
    return utf8Text(body);
  } catch (error) {
    throw new PawlError("invalid", "the body is not UTF-8", { cause: error });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PawlError("invalid", "the body is not well-formed JSON", { cause: error });
  }
}

/** Counts brackets and colons outside of strings, so that a bomb is refused before it costs memory (A8). */
function checkShape(text: string): void {
  let depth = 0;
  let keys = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) i = endOfString(text, i);
    else if (char === COLON) keys++;
    else if ((char | 0x20) === 0x7b) depth++;
    else if ((char | 0x20) === 0x7d) depth--;
    if (depth > limits.jsonMaxDepth) throw new PawlError("invalid", `the body is nested deeper than ${limits.jsonMaxDepth} levels`);
  }
  if (keys > limits.jsonMaxKeys) throw new PawlError("invalid", `the body has more than ${limits.jsonMaxKeys} keys`);
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

/** What JSON allows but nobody downstream could keep unchanged is refused here: half surrogates and numbers beyond a double. */
function checkValue(value: unknown, field: string): void {
  if (typeof value === "string" && HALF_PAIR.test(value)) refuse(field, "text with half a surrogate pair");
  if (typeof value === "number" && !Number.isFinite(value)) refuse(field, "a number out of range");
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkValue(value[i], `${field}.${i}`);
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    if (forbiddenNames.has(name)) refuse(`${field}.${name}`, "a forbidden name");
    if (HALF_PAIR.test(name)) refuse(field, "a name with half a surrogate pair");
    checkValue(inner, `${field}.${name}`);
  }
}

function refuse(path: string, what: string): never {
  const field = path.slice(1);
  throw new PawlError("invalid", `${field}: ${what}`, { field });
}

/** SHA-256, in hex, over values written with sorted keys: equal for requests that differ in spacing and order alone. */
export function canonicalHash(...values: readonly unknown[]): string {
  return hash("sha256", JSON.stringify(values, sortedKeys));
}

function sortedKeys(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
