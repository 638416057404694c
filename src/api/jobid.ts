// Owns: the ids of jobs that their senders did not name, as UUIDs (RFC 9562): version 7 where nothing is known of a request but its time,
// version 8 where an Idempotency-Key says that the same request may come again, and must then name the same job.

import { hash, randomFillSync } from "node:crypto";
import type { ChangeOrigin } from "../jobs/views.ts";

const TIME_DIGITS = 12;
const RANDOM_DIGITS = 20;
const LINE_DIGITS = 12;
/** Hex digits are drawn many at a time: one draw costs as much as the rest of an id. */
const drawnBytes = Buffer.alloc(4_000);
let drawn = "";
let drawnAt = 0;

/** 48 bits of milliseconds, the rest random. */
export function timeOrderedId(nowMs: number): string {
  if (drawnAt === drawn.length) {
    drawn = randomFillSync(drawnBytes).toString("hex");
    drawnAt = 0;
  }
  const digits = drawn.slice(drawnAt, (drawnAt += RANDOM_DIGITS));
  return uuidText(Math.floor(nowMs).toString(16).padStart(TIME_DIGITS, "0") + digits, "7");
}

/** A hash of the key's scope, so that a retry of an unanswered request names the same job wherever it lands. */
export function derivedId({ principal, route, key }: ChangeOrigin): string {
  return uuidText(hash("sha256", JSON.stringify([principal, route, key])), "8");
}

/** The ids of a list that was sent under a key: the same scope for all its lines, and in the last group the number of the line. */
export function lineIds(origin: ChangeOrigin): (line: number) => string {
  const scope = derivedId(origin).slice(0, -LINE_DIGITS);
  return (line) => scope + line.toString(16).padStart(LINE_DIGITS, "0");
}

/** Of 32 digits or more; the 13th gives way to the version, the 17th to the variant. */
function uuidText(hex: string, version: string): string {
  const variant = "89ab".charAt(Number.parseInt(hex.charAt(16), 16) & 3);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
