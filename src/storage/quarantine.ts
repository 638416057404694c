// Owns: what is said when stored data fails its checks, and the seal that stored values carry.
// (Q1) Damage is never repaired or cut away: it is named, and the node is resynchronised from the others.
// (Q2) A seal is a CRC over key and value, so that a valid value under another key is noticed too.

import { smallBytes } from "../base/bytes.ts";
import { checksum } from "../base/checksum.ts";
import { PawlError } from "../base/errors.ts";

export const SEAL_BYTES = 4;

export function quarantined(store: string, what: string): PawlError {
  const next = "this node must be resynchronised from the other members with `pawl resync`; do not start it on this data again";
  return new PawlError("quarantined", `${store}: ${what}; ${next}`);
}

/** What is whole, by its checksum, and of a form that this build cannot read: not damage, and never to be resynchronised for (H14). */
export function unknownFormat(what: string, format: number | undefined): PawlError {
  const next = "upgrade Pawl on this node, or run the version that wrote it: what is stored is whole";
  return new PawlError("too_new", `${what}: format ${format} is not known to this version of Pawl; ${next}`);
}

/** CRC of a value as stored under `key`. */
export function sealOf(key: string, content: Uint8Array, seed = 0): number {
  return checksum(content, checksum(key, seed));
}

/** The content with its seal behind it (Q2). */
export function sealed(key: string, content: Uint8Array, seed = 0): Uint8Array {
  const out = smallBytes(content.length + SEAL_BYTES);
  out.set(content);
  return sealInto(key, out, seed);
}

/** Seals a value whose last four bytes were left free for it. */
export function sealInto(key: string, value: Uint8Array, seed = 0): Uint8Array {
  const end = value.length - SEAL_BYTES;
  writeU32(value, end, sealOf(key, value.subarray(0, end), seed));
  return value;
}

/** The content of a sealed value; throws PawlError("quarantined") when the seal does not fit. */
export function unsealed(store: string, key: string, value: Uint8Array, seed = 0): Uint8Array {
  const content = value.subarray(0, Math.max(0, value.length - SEAL_BYTES));
  if (value.length < SEAL_BYTES || readU32(value, content.length) !== sealOf(key, content, seed)) {
    throw quarantined(store, `the value of ${key} fails its checksum`);
  }
  return content;
}

/** The seal of a sealed value. */
export function sealIn(value: Uint8Array): number {
  return readU32(value, value.length - SEAL_BYTES);
}

// Byte by byte: a view made for one number costs as much as the checksum.

function readU32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return (low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
