// Owns: the figures of the timing wheel, each measured beside a binary heap of objects in the same run.

import { Wheel } from "../src/wheel/wheel.ts";
import type { Figure } from "./figure.ts";

const START_MS = Date.UTC(2026, 10, 21);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** About how far apart the turns of a core are. */
const TURN_MS = 10;
const MINUTE_MS = 60_000;
const ROUNDS = 5;
const DAY_ROUNDS = 3;

type Timer = { readonly item: number; readonly dueAtMs: number };

/** What most schedulers keep their timers in. */
class Heap {
  private readonly timers: Timer[] = [];

  get earliest(): Timer | undefined {
    return this.timers[0];
  }

  push(timer: Timer): void {
    const { timers } = this;
    let at = timers.length;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if ((timers[parent] as Timer).dueAtMs <= timer.dueAtMs) break;
      timers[at] = timers[parent] as Timer;
      at = parent;
    }
    timers[at] = timer;
  }

  pop(): Timer | undefined {
    const { timers } = this;
    const first = timers[0];
    const last = timers.pop();
    if (last === undefined || timers.length === 0) return first;
    let at = 0;
    for (let child = 1; child < timers.length; child = 2 * at + 1) {
      if (child + 1 < timers.length && (timers[child + 1] as Timer).dueAtMs < (timers[child] as Timer).dueAtMs) child++;
      if ((timers[child] as Timer).dueAtMs >= last.dueAtMs) break;
      timers[at] = timers[child] as Timer;
      at = child;
    }
    timers[at] = last;
    return first;
  }
}

/** A fixed sequence (xorshift32), so that every run has the same due times. */
function dueTimes(count: number, spanMs = HOUR_MS): Float64Array {
  const dueAtMs = new Float64Array(count + 1);
  let state = 20261121;
  for (let item = 1; item <= count; item++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    dueAtMs[item] = START_MS + 1 + ((state >>> 0) % spanMs);
  }
  return dueAtMs;
}

function perSecond(operations: number, run: () => void): number {
  const startMs = performance.now();
  run();
  return Math.round((operations / (performance.now() - startMs)) * 1000);
}

function wheelOver(dueAtMs: Float64Array): Wheel {
  return new Wheel(dueAtMs.length, dueAtMs, new Uint8Array(dueAtMs.length), 1, START_MS);
}

/** Arms every timer, then lets an hour pass by the wheel's own wakes, disarming what is due. */
function wheelExpiry(dueAtMs: Float64Array): void {
  const wheel = wheelOver(dueAtMs);
  for (let item = 1; item < dueAtMs.length; item++) wheel.arm(item);
  for (let atMs = wheel.nextWakeMs(); atMs !== Infinity; atMs = wheel.nextWakeMs()) {
    wheel.advance(atMs);
    for (let item = wheel.dueHead(0); item !== 0; item = wheel.dueHead(0)) wheel.disarm(item);
  }
}

function heapExpiry(dueAtMs: Float64Array): void {
  const heap = new Heap();
  for (let item = 1; item < dueAtMs.length; item++) heap.push({ item, dueAtMs: dueAtMs[item] as number });
  while (heap.earliest !== undefined) heap.pop();
}

/** Turns of a wheel with all timers in one far slot, from arming to the last expiry: the milliseconds of each. */
function turnsMs(count: number): number[] {
  const dueAtMs = new Float64Array(count + 1).fill(START_MS + 10 * HOUR_MS);
  const wheel = wheelOver(dueAtMs);
  for (let item = 1; item <= count; item++) wheel.arm(item);
  const turns: number[] = [];
  while (wheel.dueCount(0) < count) {
    const atMs = wheel.nextWakeMs();
    const startMs = performance.now();
    wheel.advance(atMs);
    turns.push(performance.now() - startMs);
  }
  return turns;
}

/**
 * The longest of those turns. Every round takes the same turns, so the quickest of each over the rounds leaves out what the
 * machine did meanwhile, and keeps a turn that is always long.
 */
function longestTurnMs(count: number): number {
  const rounds = Array.from({ length: ROUNDS }, () => turnsMs(count));
  const quickest = (rounds[0] as number[]).map((_, turn) => Math.min(...rounds.map((each) => each[turn] as number)));
  return Math.max(...quickest);
}

/**
 * The longest turn of a day with timers all over it, whose slots of hours and minutes are opened one after the other while others pass. As
 * in longestTurnMs(), the quickest over the rounds; but a day has too many turns to keep each, so it is that of a minute's longest.
 */
function longestTurnOfDayMs(count: number): number {
  const dueAtMs = dueTimes(count, DAY_MS);
  const rounds = Array.from({ length: DAY_ROUNDS }, () => minutesOfDayMs(dueAtMs));
  const quickest = (rounds[0] as Float64Array).map((_, minute) => Math.min(...rounds.map((each) => each[minute] as number)));
  return quickest.reduce((longest, each) => Math.max(longest, each), 0);
}

function minutesOfDayMs(dueAtMs: Float64Array): Float64Array {
  const longest = new Float64Array(DAY_MS / MINUTE_MS + 1);
  const wheel = wheelOver(dueAtMs);
  for (let item = 1; item < dueAtMs.length; item++) wheel.arm(item);
  for (let atMs = START_MS; wheel.count > 0; ) {
    atMs = Math.max(atMs + TURN_MS, wheel.nextWakeMs());
    const startMs = performance.now();
    wheel.advance(atMs);
    const tookMs = performance.now() - startMs;
    const minute = Math.floor((atMs - START_MS) / MINUTE_MS);
    longest[minute] = Math.max(longest[minute] as number, tookMs);
    for (let item = wheel.dueHead(0); item !== 0; item = wheel.dueHead(0)) wheel.disarm(item);
  }
  return longest;
}

/** The turn that a heap needs for the same, when it pops what is due at once. */
function heapTurnMs(count: number): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const heap = new Heap();
    for (let item = 1; item <= count; item++) heap.push({ item, dueAtMs: START_MS });
    const startMs = performance.now();
    while (heap.earliest !== undefined) heap.pop();
    return performance.now() - startMs;
  });
  return Math.min(...rounds);
}

/** A heap has no way to a timer in its middle, so removal is the wheel's figure alone. */
function armAndDisarm(dueAtMs: Float64Array): number {
  const wheel = wheelOver(dueAtMs);
  return perSecond(2 * (dueAtMs.length - 1), () => {
    for (let item = 1; item < dueAtMs.length; item++) wheel.arm(item);
    for (let item = 1; item < dueAtMs.length; item++) wheel.disarm(item);
  });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** "full" measures millions of timers, "smoke" shows in a moment that the measurement works. */
export async function benchWheel(scale: "smoke" | "full"): Promise<Figure[]> {
  const [count, ofDay] = scale === "full" ? [1_000_000, 4_000_000] : [10_000, 20_000];
  const dueAtMs = dueTimes(count);
  wheelExpiry(dueTimes(10_000));
  heapExpiry(dueTimes(10_000));
  const wheel = perSecond(2 * count, () => wheelExpiry(dueAtMs));
  const heap = perSecond(2 * count, () => heapExpiry(dueAtMs));
  const wheelMs = longestTurnMs(count);
  const heapMs = heapTurnMs(count);
  const timers = `${count.toLocaleString("en")} timers`;
  const dayTimers = `${ofDay.toLocaleString("en")} timers`;
  return [
    { figure: `wheel: insert and expire, ${timers} over an hour`, value: wheel, unit: "operations/s" },
    { figure: "binary heap of objects: the same", value: heap, unit: "operations/s" },
    { figure: "wheel against heap, insert and expire", value: round(wheel / heap), unit: "times" },
    { figure: `wheel: insert and remove, ${timers}`, value: armAndDisarm(dueAtMs), unit: "operations/s" },
    { figure: `wheel: longest turn, ${timers} in one slot`, value: round(wheelMs), unit: "ms", aim: "< 5" },
    { figure: `wheel: longest turn of a day with ${dayTimers}`, value: round(longestTurnOfDayMs(ofDay)), unit: "ms", aim: "< 20" },
    { figure: `binary heap of objects: ${timers} due at once`, value: round(heapMs), unit: "ms" },
    { figure: "heap's turn against the wheel's longest", value: round(heapMs / wheelMs), unit: "times" },
  ];
}
