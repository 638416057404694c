// Owns: the checksum of stored and sent bytes (CRC-32, IEEE) and the hash of identifiers. Both are part of the stored format.

import { crc32 } from "node:zlib";
import { utf8Bytes } from "./bytes.ts";

/** CRC-32 of `data`, continued from `seed` so that values can be chained. Unsigned 32 bits. */
export function checksum(data: Uint8Array | string, seed = 0): number {
  return crc32(data, seed) >>> 0;
}

/** 32-bit hash of an identifier (FNV-1a with a final mix). Replicated state depends on it: it never changes. */
export function hashText(value: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    // Of UTF-8, ASCII is one byte each; an identifier with anything else is encoded first.
    if (unit > 0x7f) return hashWhole(utf8Bytes(value));
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return mix32(hash);
}

function hashWhole(bytes: Uint8Array): number {
  return hashBytes(bytes, 0, bytes.length);
}

/** As hashText() of the text whose UTF-8 form stands in [from, to). */
export function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return mix32(hash);
}

/** Spreads the bits of a 32-bit integer (finalizer of MurmurHash3). */
export function mix32(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
