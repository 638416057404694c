// Owns: the one seam to everything that is not a function of its inputs: clocks, timers, randomness. Nothing else in src
// reads a clock or draws a random number; a simulated System makes a whole cluster run from a seed in one thread.

import { PerformanceObserver } from "node:perf_hooks";

export type Timer = { cancel(): void };

export interface System {
  /** Wall clock, milliseconds since 1970 UTC. May step in either direction. */
  wallMs(): number;
  /** Monotonic clock, milliseconds from an arbitrary origin. Never steps back. */
  monotonicMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls `run` once after `delayMs`; delays beyond 2^31-1 ms are cut to it, so the callee must look at the clock. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` in a later turn of the loop, after pending input has been read. */
  soon(run: () => void): void;
}

const TIMER_MAX_MS = 2 ** 31 - 1;

export const realSystem: System = {
  wallMs: () => Date.now(),
  // Not performance.now(): its origin differs between threads, and a core's not-after is compared on the face's thread.
  monotonicMs() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  random: () => Math.random(),
  after(delayMs, run) {
    const handle = setTimeout(run, Math.min(Math.max(0, Math.ceil(delayMs)), TIMER_MAX_MS));
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (run) => void setImmediate(run),
};

/** Tells the length of each pause of this thread for garbage collection, a little later. */
export function watchCollections(seen: (tookMs: number) => void): Timer {
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) seen(duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  return { cancel: () => observer.disconnect() };
}
