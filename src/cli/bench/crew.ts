// Owns: many calls at a time: a crew of callers takes one after the other, each at its time, until all are done or the end is asked for.
// (C1) A call's latency counts from the time at which it was to be sent, whatever became of those before: when the cluster pauses, all
//      calls that it delays are slow, not only those that happened to be under way.

import { PawlError } from "../../base/errors.ts";
import type { ErrorCode } from "../../base/errors.ts";
import type { System } from "../../system.ts";

export type Calls = {
  readonly count: number;
  readonly callers: number;
  /** Calls a second; as fast as they are answered when absent. */
  readonly perSecond?: number;
  readonly signal?: AbortSignal | undefined;
  readonly call: (at: number) => Promise<unknown>;
};

export type Called = {
  /** Of each call that succeeded. */
  readonly latencyMs: readonly number[];
  readonly refused: ReadonlyMap<ErrorCode, number>;
  /** No call beyond the first so many was made. */
  readonly begun: number;
  readonly tookMs: number;
};

/** Refusals and unknown outcomes are counted; a bug passes through. */
export async function callAll(system: System, { count, callers, perSecond, signal, call }: Calls): Promise<Called> {
  const latencyMs: number[] = [];
  const refused = new Map<ErrorCode, number>();
  const beganMs = system.monotonicMs();
  const isOver = (): boolean => signal?.aborted === true;
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < count && !isOver()) {
      const at = next++;
      const timed = perSecond === undefined ? system.monotonicMs() : beganMs + (at * 1000) / perSecond;
      await pauseUntil(system, timed);
      if (isOver()) return;
      try {
        await call(at);
        latencyMs.push(Math.max(0, system.monotonicMs() - timed));
      } catch (error) {
        if (!(error instanceof PawlError)) throw error;
        refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(callers, count) }, caller));
  return { latencyMs, refused, begun: next, tookMs: system.monotonicMs() - beganMs };
}

async function pauseUntil(system: System, atMs: number): Promise<void> {
  const leftMs = atMs - system.monotonicMs();
  if (leftMs > 0) await pause(system, leftMs);
}

export function pause(system: System, ms: number): Promise<void> {
  return new Promise((resolve) => void system.after(ms, resolve));
}
