// Owns: a wheel with a plain model beside it. Every step is done to both and everything that can be seen of the wheel is compared.
// The model knows each armed item's due time and the due list of each lane; what the wheel may choose (the order within one
// millisecond, how far an unfinished advance came) is read off the wheel and checked against what it may be.

import assert from "node:assert/strict";
import { Wheel } from "../../src/wheel/wheel.ts";

export const LANES = 3;

export class Beside {
  readonly wheel: Wheel;
  readonly dueAtMs: Float64Array;
  readonly lanes: Uint8Array;
  nowMs: number;
  /** Timers moved by the last advance: each move reads the due time (opening) or the lane (expiry) of one item. */
  moves = 0;
  private readonly movesMax: number;
  private readonly armed = new Map<number, number>();
  private readonly due: number[][] = Array.from({ length: LANES }, () => []);
  private readonly read: number[] = new Array<number>(LANES).fill(0);
  private reachedMs: number;
  private newestExpiredMs = 0;

  constructor(items: number, startMs: number, movesMax: number) {
    this.nowMs = this.reachedMs = startMs;
    this.movesMax = movesMax;
    this.dueAtMs = new Float64Array(items);
    this.lanes = new Uint8Array(items);
    this.wheel = new Wheel(items, this.counted(this.dueAtMs), this.counted(this.lanes), LANES, startMs, movesMax);
  }

  private counted<T extends object>(array: T): T {
    return new Proxy(array, {
      get: (target, key): unknown => {
        if (typeof key === "string" && /^\d/.test(key)) this.moves++;
        return Reflect.get(target, key) as unknown;
      },
    });
  }

  arm(item: number, dueMs: number, lane: number): void {
    this.forget(item);
    this.dueAtMs[item] = dueMs;
    this.lanes[item] = lane;
    this.wheel.arm(item);
    this.armed.set(item, dueMs);
    const list = this.due[lane] as number[];
    if (dueMs <= this.reachedMs || (dueMs <= this.nowMs && this.wheelDue(lane).at(-1) === item)) list.push(item);
    this.check();
  }

  disarm(item: number): void {
    this.forget(item);
    this.wheel.disarm(item);
    this.check();
  }

  private forget(item: number): void {
    this.armed.delete(item);
    this.due.forEach((list, lane) => {
      const at = list.indexOf(item);
      if (at < 0) return;
      list.splice(at, 1);
      if (at < (this.read[lane] as number)) this.read[lane] = (this.read[lane] as number) - 1;
    });
  }

  advance(nowMs: number): boolean {
    this.moves = 0;
    const isMore = this.wheel.advance(nowMs);
    assert.ok(this.moves <= this.movesMax, `${this.moves} timers moved in one turn`);
    if (nowMs <= this.reachedMs) assert.equal(isMore, false);
    this.nowMs = Math.max(this.nowMs, nowMs);
    const fresh = this.due.flatMap((list, lane) => {
      const seen = this.wheelDue(lane);
      assert.deepEqual(seen.slice(0, list.length), list, "what was due stays due, in its order");
      const added = seen.slice(list.length);
      list.push(...added);
      assert.deepEqual(added.map((item) => this.dueAtMs[item]), added.map((item) => this.dueAtMs[item]).sort((a, b) => a! - b!));
      return added;
    });
    for (const item of fresh) assert.ok(this.dueAtMs[item]! >= this.newestExpiredMs, "due times come in order over turns");
    this.newestExpiredMs = Math.max(this.newestExpiredMs, ...fresh.map((item) => this.dueAtMs[item]!));
    if (!isMore) this.reachedMs = Math.max(this.reachedMs, nowMs);
    this.check();
    return isMore;
  }

  /** Advances in as many turns as it takes and returns how many. */
  advanceFully(nowMs: number): number {
    let turns = 1;
    while (this.advance(nowMs)) assert.ok(turns++ < 100_000, "an advance must end");
    return turns;
  }

  /** What is due at that time stays due, in its order; what was due later may be put into any slot. */
  turnBack(toMs: number): void {
    this.wheel.turnBack(toMs);
    this.read.fill(0);
    if (toMs < this.nowMs) {
      for (const [lane, list] of this.due.entries()) {
        const kept = list.filter((item) => this.dueAtMs[item]! <= toMs);
        this.due[lane] = kept;
      }
      this.nowMs = toMs;
      this.reachedMs = Math.min(this.reachedMs, toMs);
      this.newestExpiredMs = Math.min(this.newestExpiredMs, toMs);
    }
    this.check();
  }

  readDue(lane: number): number {
    const item = this.wheel.readDue(lane);
    const at = this.read[lane] as number;
    assert.equal(item, this.due[lane]![at] ?? 0);
    if (item !== 0) this.read[lane] = at + 1;
    return item;
  }

  rewind(lane: number): void {
    this.wheel.rewind(lane);
    this.read[lane] = 0;
  }

  private wheelDue(lane: number): number[] {
    const found: number[] = [];
    for (let item = this.wheel.dueHead(lane); item !== 0; item = this.wheel.dueNext(item)) found.push(item);
    return found;
  }

  private check(): void {
    const { wheel } = this;
    assert.equal(wheel.count, this.armed.size);
    const isDue = new Set<number>();
    this.due.forEach((list, lane) => {
      assert.deepEqual(this.wheelDue(lane), list);
      assert.equal(wheel.dueCount(lane), list.length);
      for (const item of list) {
        isDue.add(item);
        assert.equal(this.lanes[item], lane);
        assert.ok(this.dueAtMs[item]! <= this.nowMs, `item ${item} is due too early`);
      }
    });
    let earliestMs = Infinity;
    for (let item = 1; item < this.dueAtMs.length; item++) {
      assert.equal(wheel.isArmed(item), this.armed.has(item));
      if (!this.armed.has(item) || isDue.has(item)) continue;
      earliestMs = Math.min(earliestMs, this.dueAtMs[item]!);
      assert.ok(this.dueAtMs[item]! > this.reachedMs, `item ${item} was not made due`);
    }
    const wakeMs = wheel.nextWakeMs();
    assert.ok(earliestMs === Infinity ? wakeMs === Infinity : wakeMs <= earliestMs, `wakes at ${wakeMs} for ${earliestMs}`);
    if (wakeMs !== Infinity) assert.ok(wakeMs > this.reachedMs, "nothing is left to do at a time that was reached");
  }
}
