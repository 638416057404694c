// Owns: simulated time: one queue of events for the whole cluster, in one thread, from a seed. Processes own their events: those of a
// dead process are dropped, those of a paused one wait, all at once, for its return.

import type { System, Timer } from "../../src/system.ts";

/** Seeded generator (mulberry32), uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A running program: its clocks, and whether it runs. */
export class Process {
  alive = true;
  pausedUntilMs = 0;
  /** How many of its looks at the clock come after it was kept from running, or was long at work. */
  slowRate = 0;
  /** When the last turn of its loop comes that was asked for. */
  turnAtMs = 0;
  /** Milliseconds of its monotonic clock in one true millisecond. */
  readonly rate: number;
  private readonly originMs: number;
  private readonly bornMs: number;

  constructor(originMs: number, bornMs: number, rate = 1) {
    this.originMs = originMs;
    this.bornMs = bornMs;
    this.rate = rate;
  }

  monotonicMs(nowMs: number): number {
    return this.originMs + (nowMs - this.bornMs) * this.rate;
  }
}

type Event = { readonly atMs: number; readonly order: number; readonly owner: Process | undefined; run: (() => void) | undefined };

/** From a turn of a loop to the next one. */
const TURN_MS = 0.5;
const SLOW_MAX_MS = 8;
const SLOW_TURN_MAX_MS = 20;
/** Of some turns with several looks at the clock each. */
const LATE_MAX_MS = 100;
/** No chain of promises in an answer is longer. */
const PROMISE_TURNS = 24;
/** What a step of `for await` over an async generator takes, and some more. */
const TURNS_PER_THING = 6;

/** Wall clock time of the beginning of every simulation: 2026-03-01T00:00:00Z. */
export const WALL_START_MS = 1_772_323_200_000;

export class World {
  nowMs = 0;
  /** So much time may pass between what a process sees or does and its look at the clock for it. */
  lateMs = 1;
  /** Whose event ran last. */
  ran: Process | undefined;
  readonly random: () => number;
  /** Promises that were settled, and whose followers must run before anything else happens. */
  private settling = 0;
  private readonly heap: Event[] = [];
  private order = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** A random number in [from, to). */
  between(from: number, to: number): number {
    return from + this.random() * (to - from);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }

  at(delayMs: number, run: () => void, owner?: Process): Timer {
    const event: Event = { atMs: this.nowMs + delayMs, order: this.order++, owner, run };
    this.push(event);
    return { cancel: () => (event.run = undefined) };
  }

  /** An event of a process that comes before all others that wait for it: they reach it through other sockets and threads. */
  first(process: Process, run: () => void): void {
    this.push({ atMs: Math.max(this.nowMs, process.pausedUntilMs), order: -this.order++, owner: process, run });
  }

  /** Runs the next event; false when there is none before `untilMs`. */
  step(untilMs: number): boolean {
    const next = this.heap[0];
    if (!next || next.atMs > untilMs) {
      this.nowMs = untilMs;
      return false;
    }
    this.pop();
    this.nowMs = Math.max(this.nowMs, next.atMs);
    const { owner, run } = next;
    this.ran = owner;
    if (!run || (owner && !owner.alive)) return true;
    if (owner && owner.pausedUntilMs > this.nowMs) this.push({ ...next, atMs: owner.pausedUntilMs, run });
    else run();
    return true;
  }

  /** Runs something as an event of this process, now. */
  inside(process: Process, run: () => void): void {
    this.ran = process;
    run();
  }

  /** A promise was settled, with a list of so many things that each are waited for in turn. */
  promised(count = 0): void {
    this.settling = Math.max(this.settling, PROMISE_TURNS + count * TURNS_PER_THING);
  }

  /** As in a real process, what follows from settled promises comes before the next event. */
  async settle(): Promise<void> {
    for (; this.settling > 0; this.settling--) await undefined;
  }

  get unsettled(): boolean {
    return this.settling > 0;
  }

  /** Turns come in the order in which they were asked for. */
  private soon(process: Process, run: () => void): void {
    const turnMs = process.slowRate > 0 ? this.between(TURN_MS, SLOW_TURN_MAX_MS) : TURN_MS;
    process.turnAtMs = Math.max(process.turnAtMs, this.nowMs + turnMs);
    const turn = (): void => {
      run();
      this.promised();
    };
    this.at(process.turnAtMs - this.nowMs, turn, process);
  }

  private slow(process: Process): void {
    this.lateMs = LATE_MAX_MS;
    if (this.chance(process.slowRate)) this.nowMs += this.between(0, SLOW_MAX_MS);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }

  /** The System of one process; `wallOffsetMs` is read at each look at the wall clock. */
  systemOf(process: Process, wallOffsetMs: () => number, random: () => number): System {
    return {
      wallMs: () => Math.floor(WALL_START_MS + this.nowMs + wallOffsetMs()),
      monotonicMs: () => {
        if (process.slowRate > 0) this.slow(process);
        return process.monotonicMs(this.nowMs);
      },
      random,
      after: (delayMs, run) => this.at(Math.max(0, delayMs) / process.rate, run, process),
      soon: (run) => this.soon(process, run),
    };
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
