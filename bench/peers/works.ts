// Owns: the works that every side does, and their sizes. Each work has a server of its own, started empty and removed after it.
//   ready   submits jobs by the side's bulk call, then handles them, all of them ready when handling begins
//   burst   jobs that are due at one instant, submitted before it
//   ticks   schedules that fire every second
//   memory  jobs of the next day: what the server's processes hold in memory, and its folder on disk
// (W1) A figure is measured for every side by the same code, from outside of the side.

import { setTimeout as wait } from "node:timers/promises";
import { footprintOf } from "./footprint.ts";
import type { Server, Side } from "./side.ts";

export type Better = "higher" | "lower";
export type Figure = {
  /** The side. */
  readonly of: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly better: Better;
};

export type Sizes = {
  readonly warmUp: number;
  readonly ready: number;
  readonly burst: number;
  readonly burstAheadMs: number;
  readonly ticks: number;
  readonly ticksWarmUpMs: number;
  readonly ticksMs: number;
  readonly memory: number;
  readonly settleMs: number;
};

export const fullSizes: Sizes = {
  warmUp: 2_000, ready: 100_000, burst: 10_000, burstAheadMs: 6_000, ticks: 2_000, ticksWarmUpMs: 4_000, ticksMs: 15_000,
  memory: 1_000_000, settleMs: 12_000,
};
export const smokeSizes: Sizes = {
  warmUp: 20, ready: 200, burst: 100, burstAheadMs: 1_500, ticks: 20, ticksWarmUpMs: 1_000, ticksMs: 2_000, memory: 500, settleMs: 0,
};

/** How far ahead jobs are due on a side that handles them as soon as they are: several times what their submission takes. */
const AHEAD_MIN_MS = 2_000;
const AHEAD_FACTOR = 3;
const AHEAD_MAX_MS = 240_000;
const DAY_MS = 86_400_000;
const MIB = 2 ** 20;

export type Measure = (server: Server, side: Side, sizes: Sizes) => Promise<Omit<Figure, "of">[]>;

export const works: Readonly<Record<string, Measure>> = { ready, burst, ticks, memory };

function named(count: number): string {
  return count.toLocaleString("en");
}

async function ready(server: Server, side: Side, { warmUp, ready: count }: Sizes): Promise<Omit<Figure, "of">[]> {
  const warmMs = await timed(() => server.submit(warmUp, () => Date.now()));
  const { submitMs, handled, handleMs } = side.alwaysHandles
    ? await readyAtOnce(server, warmUp, count, AHEAD_MIN_MS + (AHEAD_FACTOR * warmMs * count) / warmUp)
    : await readyBefore(server, warmUp, count);
  return [
    { figure: "1 bulk submit", value: (count * 1_000) / submitMs, unit: "jobs/s", better: "higher" },
    { figure: `2 process ${named(count)} ready no-op jobs`, value: (handled * 1_000) / handleMs, unit: "jobs/s", better: "higher" },
  ];
}

type Readied = { readonly submitMs: number; readonly handled: number; readonly handleMs: number };

/** All are there when handling begins, those of the warm-up too. */
async function readyBefore(server: Server, warmUp: number, count: number): Promise<Readied> {
  const submitMs = await timed(() => server.submit(count, () => Date.now()));
  await server.handle();
  return { submitMs, handled: warmUp + count, handleMs: await timed(() => server.done(warmUp + count)) };
}

/** All become due at an instant after the last was submitted, and time counts from that instant. */
async function readyAtOnce(server: Server, warmUp: number, count: number, aheadMs: number): Promise<Readied> {
  const { submitMs, dueAtMs, submitted } = await submitAhead(server, warmUp, count, aheadMs);
  await until(dueAtMs);
  await server.done(submitted);
  return { submitMs, handled: count, handleMs: Date.now() - dueAtMs };
}

async function burst(server: Server, _side: Side, { warmUp, burst: count, burstAheadMs }: Sizes): Promise<Omit<Figure, "of">[]> {
  await server.handle();
  await server.submit(warmUp, () => Date.now());
  await server.done(warmUp);
  await server.seen();
  const { dueAtMs, submitted } = await submitAhead(server, warmUp, count, burstAheadMs);
  await until(dueAtMs);
  await server.done(submitted);
  const { lateness } = await server.seen();
  const name = `3 ${named(count)} due at one instant, lateness`;
  return [
    { figure: `${name} p50`, value: lateness.p50Ms, unit: "ms", better: "lower" },
    { figure: `${name} p95`, value: lateness.p95Ms, unit: "ms", better: "lower" },
    { figure: `${name} max`, value: lateness.maxMs, unit: "ms", better: "lower" },
  ];
}

async function ticks(server: Server, _side: Side, { ticks: count, ticksWarmUpMs, ticksMs }: Sizes): Promise<Omit<Figure, "of">[]> {
  await server.handle();
  await server.tick(count);
  await wait(ticksWarmUpMs);
  await server.seen();
  const sinceMs = performance.now();
  await wait(ticksMs);
  const { handled, lateness } = await server.seen();
  const tookMs = performance.now() - sinceMs;
  const name = `4 ${named(count)} schedules every second`;
  return [
    { figure: `${name}, executed`, value: (handled * 1_000) / tookMs, unit: "jobs/s", better: "higher" },
    { figure: `${name}, lateness p95`, value: lateness.p95Ms, unit: "ms", better: "lower" },
  ];
}

async function memory(server: Server, _side: Side, { memory: count, settleMs }: Sizes): Promise<Omit<Figure, "of">[]> {
  const fromMs = Date.now() + DAY_MS;
  const submitMs = await timed(() => server.submit(count, (at) => fromMs + Math.floor((at * DAY_MS) / count)));
  await wait(settleMs);
  const place = server.place();
  const { memoryBytes, diskBytes } = footprintOf(place);
  const name = `5 ${named(count)} future jobs`;
  const figures = [
    { figure: `${name}, submitted`, value: (count * 1_000) / submitMs, unit: "jobs/s", better: "higher" },
    { figure: `${name}, memory of all server processes`, value: (memoryBytes ?? Number.NaN) / MIB, unit: "MiB", better: "lower" },
    { figure: `${name}, memory of one replica`, value: (memoryBytes ?? Number.NaN) / MIB / place.replicas, unit: "MiB", better: "lower" },
    { figure: `${name}, on disk, all replicas`, value: diskBytes / MIB, unit: "MiB", better: "lower" },
    { figure: `${name}, on disk, one replica`, value: diskBytes / MIB / place.replicas, unit: "MiB", better: "lower" },
  ] as const;
  return figures.filter(({ value }) => Number.isFinite(value));
}

async function timed(run: () => Promise<void>): Promise<number> {
  const sinceMs = performance.now();
  await run();
  return performance.now() - sinceMs;
}

/**
 * Submits jobs that are due together, all of them before that instant: where the machine was too busy for it, again with twice the
 * time. `before` is how many have been submitted to this server, `submitted` how many have now.
 */
async function submitAhead(
  server: Server, before: number, count: number, aheadMs: number,
): Promise<{ readonly submitMs: number; readonly dueAtMs: number; readonly submitted: number }> {
  const dueAtMs = Date.now() + aheadMs;
  const submitMs = await timed(() => server.submit(count, () => dueAtMs));
  const submitted = before + count;
  if (Date.now() < dueAtMs) return { submitMs, dueAtMs, submitted };
  if (aheadMs > AHEAD_MAX_MS) throw new Error(`${count} jobs were not submitted within ${aheadMs} ms: this machine is too busy`);
  await server.done(submitted);
  await server.seen();
  return submitAhead(server, submitted, count, 2 * aheadMs);
}

async function until(atMs: number): Promise<void> {
  await wait(Math.max(0, atMs - Date.now()));
}
