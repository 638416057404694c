// Owns: how fencing tokens and execution ids look outside. Inside, a token is its counter (a safe integer) and the shard is
// implied; outside it is counter * 64 + shard as a decimal string, because the product may exceed 2^53.
// (T1) Tokens of one shard compare like their counters; tokens of two shards are never equal.

import { PawlError, assert } from "./errors.ts";

const SHARD_BITS = 6n;

/** Fencing token as callers see it: top bit 0, 57-bit counter, 6 bits of shard, decimal. */
export function tokenText(counter: number, shard: number): string {
  assert(Number.isSafeInteger(counter) && counter >= 0 && shard >= 0 && shard < 64, "token out of range");
  return ((BigInt(counter) << SHARD_BITS) | BigInt(shard)).toString();
}

export function parseToken(value: string): { counter: number; shard: number } {
  if (!/^\d{1,19}$/.test(value)) throw new PawlError("invalid", "a fencing token is a decimal number", { field: "fencing_token" });
  const whole = BigInt(value);
  return { counter: Number(whole >> SHARD_BITS), shard: Number(whole & 63n) };
}

/** Where token floors begin to count: 2026-01-01T00:00:00Z. */
const FLOOR_FROM_MS = 1_767_225_600_000;

/** Above every token counter that any cluster can have given by this time, at a million starts a second since 2026 (H5). */
export function tokenFloorAt(wallMs: number): number {
  return Math.max(0, Math.floor((wallMs - FLOOR_FROM_MS) / 1000)) * 2 ** 20;
}

/** Token floors below this leave room for execution numbers and for tokens that stay exact. */
export const TOKEN_FLOOR_END = 2 ** 52;

/** Execution id: the cluster's id space (kept over restores), then the execution's number in base 36. */
export function executionId(space: string, sequence: number): string {
  return `${space}-${sequence.toString(36)}`;
}

/** The number behind an execution id, or undefined when it is not one of this id space. */
export function parseExecutionId(space: string, id: string): number | undefined {
  const match = /^([a-z0-9]{1,16})-([a-z0-9]{1,11})$/.exec(id);
  if (!match || match[1] !== space) return undefined;
  const sequence = Number.parseInt(match[2] as string, 36);
  return Number.isSafeInteger(sequence) ? sequence : undefined;
}
