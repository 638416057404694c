// Owns: which items are due. A hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987) whose
// lists are links in two typed arrays, so that arming and disarming are O(1) and a timer costs 8 bytes. It is pulled: time moves
// only by `advance`. When items are due and what lanes mean is the business of the tables that own the two shared arrays; what
// becomes of a due item is the business of the planner.
//
//   level   one slot   window          Each level has 512 slots, two rounds of 256: the slots inside the slot of the level above
//     0       1 ms       0.5 s         that is passing now, and those inside the one after it. That second round is what allows
//     1     256 ms      131 s          the next slot of a level to be opened, that is moved down, while its forerunner is still
//     2      65 s       9.3 h          passing: step by step, so that a slot with a million timers is empty long before its time
//     3     4.7 h       99 days        comes. Level 5 reaches past the year 9999.
//     4     50 days     70 years
//     5     35 years    8,925 years
//
// With E the time that the wheel has reached and S(L) = 256^L ms the width of a slot of level L:
// (W1) An item is in one list or in none: in one slot, or in the due list of a lane. Its link is 0 exactly if it is in none.
// (W2) A slot of level L with number n holds only items with floor(due / S(L)) = n, where n > floor(E / S(L)) and
//      floor(n / 256) <= floor(E / S(L + 1)) + 1. Hence no two numbers share a place in the ring of 512.
// (W3) Every armed item whose due time is <= E is in a due list; E passes a slot only when the slot is empty. A slot of level 0
//      that an unfinished advance is expiring lies at E + 1.
// (W4) Opening a slot moves its items to lower levels only, so an item is moved at most once per level.
// (W5) Reading never removes: an item stays due until it is disarmed or armed anew.
// (W6) The bit of a slot is set exactly if the slot holds an item.

import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";

const LEVELS = 6;
const ROUND = 256;
const RING = 2 * ROUND;
const RING_MASK = RING - 1;
const RING_WORDS = RING / 32;
const SLOTS = LEVELS * RING;
/** Due times lie below 2^48 ms, the year 10889. */
const END_MS = 2 ** 48;

/** A backward link has the item's index in its lower 24 bits; the upper 8 are 0 in a slot and the lane + 1 in a due list. */
const INDEX = 0xff_ff_ff;
const TAG_SHIFT = 24;
const LANES_MAX = 254;

/** Width of a slot in milliseconds, by level. */
const widthMs = Float64Array.from({ length: LEVELS + 1 }, (_, level) => ROUND ** level);

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

export class Wheel {
  /** Number of places for items; the heads of the slots and then of the due lists are numbered from here. */
  private readonly items: number;
  private readonly dueAtMs: Float64Array;
  private readonly lanes: Uint8Array;
  private readonly movesMax: number;
  /** Circular lists. Pages that no item has used stay untouched, because 0 means "in no list". */
  private readonly next: Uint32Array;
  private readonly prev: Uint32Array;
  /** A bit per slot (W6), and by level a bit for each of its 16 words of those that is not 0. */
  private readonly occupied = new Int32Array(LEVELS * RING_WORDS);
  private readonly filled = new Int32Array(LEVELS);
  private readonly dueCounts: Uint32Array;
  /** By lane: the item read last, or the head of the list when none was read. */
  private readonly positions: Uint32Array;
  /** By level: the first time that the level does not reach (W2). */
  private readonly reachMs = new Float64Array(LEVELS);
  /** E of the invariants. */
  private elapsedMs = -Infinity;
  private linked = 0;

  /**
   * `items` counts the places, of which place 0 is never an item. `dueAtMs` and `lanes` are read when an item is armed or moved:
   * whoever changes either for an armed item arms it anew. `movesMax` bounds the timers that one `advance` moves.
   */
  constructor(
    items: number,
    dueAtMs: Float64Array,
    lanes: Uint8Array,
    laneCount: number,
    startMs: number,
    movesMax: number = limits.wheelMovesPerTurnMax,
  ) {
    assert(laneCount >= 1 && laneCount <= LANES_MAX, "a wheel has 1 to 254 lanes");
    assert(items + SLOTS + laneCount <= INDEX, "an item's index must fit into 24 bits");
    assert(dueAtMs.length >= items && lanes.length >= items, "every item needs a due time and a lane");
    assert(movesMax >= 1 && startMs >= 0 && startMs < END_MS, "a wheel starts at an instant and moves at least one timer per turn");
    this.items = items;
    this.dueAtMs = dueAtMs;
    this.lanes = lanes;
    this.movesMax = movesMax;
    const heads = SLOTS + laneCount;
    this.next = new Uint32Array(items + heads);
    this.prev = new Uint32Array(items + heads);
    this.dueCounts = new Uint32Array(laneCount);
    this.positions = new Uint32Array(laneCount);
    for (let head = items; head < this.next.length; head++) this.next[head] = this.prev[head] = head;
    for (let lane = 0; lane < laneCount; lane++) this.rewind(lane);
    this.reach(Math.floor(startMs));
  }

  /** Armed items, due ones included. */
  get count(): number {
    return this.linked;
  }

  dueCount(lane: number): number {
    return this.dueCounts[lane] as number;
  }

  get hasDue(): boolean {
    return this.dueCounts.some((count) => count > 0);
  }

  isArmed(item: number): boolean {
    return this.next[item] !== 0;
  }

  /** Links the item by its due time, a whole number of milliseconds; one that is due already goes to the end of its lane's due list. */
  arm(item: number): void {
    const dueMs = this.dueAtMs[item] as number;
    assert(item > 0 && item < this.items, "the wheel has no such item");
    assert(dueMs > 0 && dueMs < END_MS && Math.floor(dueMs) === dueMs, "an armed item has a due time in whole milliseconds");
    if (this.next[item] !== 0) this.unlink(item);
    this.linked++;
    if (dueMs <= this.elapsedMs) this.appendDue(item);
    else this.place(item, dueMs);
  }

  disarm(item: number): void {
    assert(item > 0 && item < this.items, "the wheel has no such item");
    if (this.next[item] !== 0) this.unlink(item);
  }

  /**
   * Moves time on to `nowMs`, as far as `movesMax` moved timers allow, and returns true when that was not far enough: call it again,
   * in a later turn. Then every item armed for `nowMs` or before is in its lane's due list, in the order of due times; items of
   * the same millisecond have no promised order. Moves that are left are spent on opening the next slots. A time before
   * the one that the wheel has reached does nothing.
   */
  advance(nowMs: number): boolean {
    assert(nowMs < END_MS, "now is an instant");
    const targetMs = Math.floor(nowMs);
    if (targetMs < this.elapsedMs) return false;
    let moves = this.movesMax;
    let level = this.earliestUpper();
    let upperMs = this.firstMs(level);
    for (;;) {
      const ownMs = this.firstMs(0);
      const atMs = Math.min(ownMs, upperMs);
      if (atMs > targetMs) break;
      if (moves === 0) return true;
      this.reach(atMs - 1);
      // At equal times the upper slot comes first: what it holds may be due at that very time (W3).
      if (upperMs <= ownMs) {
        moves -= this.open(level, atMs, moves);
        level = this.earliestUpper();
        upperMs = this.firstMs(level);
      } else {
        moves -= this.expire(atMs, moves);
      }
    }
    this.reach(targetMs);
    for (let each = 1; each < LEVELS && moves > 0; each++) moves -= this.open(each, this.nextSlotMs(each), moves);
    return false;
  }

  /**
   * Goes back to `toMs`, if that is before the time that was reached: what is due later than that is due no more. Slots that lie beyond
   * the reach of their level now are joined, as they are, to the slot above that they are part of. So this costs by the slots and by what
   * is due, not by what is armed: under a millisecond with ten million timers.
   */
  turnBack(toMs: number): void {
    const targetMs = Math.floor(toMs);
    for (let lane = 0; lane < this.positions.length; lane++) this.rewind(lane);
    if (targetMs >= this.elapsedMs) return;
    this.reach(targetMs);
    for (let level = 0; level < LEVELS; level++) this.lift(level);
    for (let lane = 0; lane < this.positions.length; lane++) {
      for (let item = this.dueHead(lane), after = 0; item !== 0; item = after) {
        after = this.dueNext(item);
        if ((this.dueAtMs[item] as number) > targetMs) this.arm(item);
      }
    }
  }

  /**
   * When `advance` should be called next: at the next due time, or earlier if there is a slot to open until then. Infinity when
   * nothing is armed but what is due.
   */
  nextWakeMs(): number {
    let wakeMs = this.firstMs(0);
    for (let level = 1; level < LEVELS; level++) {
      const openableMs = this.firstMs(level) - (widthMs[level] as number);
      wakeMs = Math.min(wakeMs, Math.max(openableMs, this.elapsedMs + 1));
    }
    return wakeMs;
  }

  /** First due item of the lane, 0 if there is none. */
  dueHead(lane: number): number {
    return this.dueNext(this.items + SLOTS + lane);
  }

  /** The due item after this due item in its lane, 0 after the last. */
  dueNext(item: number): number {
    const after = this.next[item] as number;
    return after < this.items ? after : 0;
  }

  /** The first due item of the lane that was not read since the last `rewind`, 0 if there is none. */
  readDue(lane: number): number {
    const item = this.dueNext(this.positions[lane] as number);
    if (item !== 0) this.positions[lane] = item;
    return item;
  }

  /** Lets `readDue` begin anew with the first due item. */
  rewind(lane: number): void {
    this.positions[lane] = this.items + SLOTS + lane;
  }

  private reach(atMs: number): void {
    const before = this.elapsedMs;
    this.elapsedMs = atMs;
    if (Math.floor(before / ROUND) === Math.floor(atMs / ROUND)) return;
    for (let level = 0; level < LEVELS; level++) {
      const aboveMs = widthMs[level + 1] as number;
      this.reachMs[level] = (Math.floor(atMs / aboveMs) + 2) * aboveMs;
    }
  }

  /** Puts an item that is not due into the lowest level that reaches its due time. */
  private place(item: number, dueMs: number): void {
    const { reachMs, next, prev } = this;
    assert(dueMs > this.elapsedMs && dueMs < END_MS, "whoever changes the due time of an armed item arms it anew");
    let level = 0;
    while (dueMs >= (reachMs[level] as number)) level++;
    const head = this.head(level, dueMs);
    const last = prev[head] as number;
    if (last === head) this.mark(head);
    next[last] = item;
    next[item] = head;
    prev[item] = last;
    prev[head] = item;
  }

  private appendDue(item: number): void {
    const { next, prev } = this;
    const lane = this.lanes[item] as number;
    assert(lane < this.dueCounts.length, "the wheel has no such lane");
    const head = this.items + SLOTS + lane;
    const last = prev[head] as number;
    next[last] = item;
    next[item] = head;
    prev[item] = last | ((lane + 1) << TAG_SHIFT);
    prev[head] = item;
    this.dueCounts[lane] = (this.dueCounts[lane] as number) + 1;
  }

  private unlink(item: number): void {
    const { next, prev } = this;
    const tagged = prev[item] as number;
    const before = tagged & INDEX;
    const after = next[item] as number;
    const lane = (tagged >>> TAG_SHIFT) - 1;
    next[before] = after;
    prev[after] = ((prev[after] as number) & ~INDEX) | before;
    next[item] = 0;
    prev[item] = 0;
    this.linked--;
    if (lane < 0) {
      if (before === after) this.mark(before);
      return;
    }
    this.dueCounts[lane] = (this.dueCounts[lane] as number) - 1;
    if (this.positions[lane] === item) this.positions[lane] = before;
  }

  /** Moves the items of a slot of level 1 or higher down (W4), `movesMax` at most, and returns how many. */
  private open(level: number, slotMs: number, movesMax: number): number {
    const { next, dueAtMs, items } = this;
    const head = this.head(level, slotMs);
    let item = next[head] as number;
    let moves = 0;
    for (; item < items && moves < movesMax; moves++) {
      const after = next[item] as number;
      this.place(item, dueAtMs[item] as number);
      item = after;
    }
    this.cutFront(head, item, moves);
    return moves;
  }

  /** Moves the items of a slot of level 0 to the due lists, `movesMax` at most, and returns how many. */
  private expire(slotMs: number, movesMax: number): number {
    const { next, items } = this;
    const head = this.head(0, slotMs);
    let item = next[head] as number;
    let moves = 0;
    for (; item < items && moves < movesMax; moves++) {
      const after = next[item] as number;
      this.appendDue(item);
      item = after;
    }
    this.cutFront(head, item, moves);
    return moves;
  }

  /** Joins every slot of the level that lies beyond its reach (W2) to its slot of the next level. */
  private lift(level: number): void {
    const { next, prev, dueAtMs } = this;
    const first = this.items + level * RING;
    for (let head = first; head < first + RING; head++) {
      const from = next[head] as number;
      if (from === head || (dueAtMs[from] as number) < (this.reachMs[level] as number)) continue;
      const above = this.head(level + 1, dueAtMs[from] as number);
      const [last, before] = [prev[head] as number, prev[above] as number];
      if (before === above) this.mark(above);
      next[before] = from;
      prev[from] = before;
      next[last] = above;
      prev[above] = last;
      next[head] = prev[head] = head;
      this.mark(head);
    }
  }

  /** Lets a slot begin at `first` after `moves` items before it were moved to other lists. */
  private cutFront(head: number, first: number, moves: number): void {
    if (moves === 0) return;
    this.next[head] = first;
    this.prev[first] = head;
    if (first === head) this.mark(head);
  }

  /** Turns the bit of a slot over, when its first item comes or its last one goes (W6). */
  private mark(head: number): void {
    const slot = head - this.items;
    const word = slot >>> 5;
    const bits = (this.occupied[word] as number) ^ (1 << (slot & 31));
    const level = Math.floor(word / RING_WORDS);
    const bit = 1 << (word % RING_WORDS);
    const filled = this.filled[level] as number;
    this.occupied[word] = bits;
    this.filled[level] = bits === 0 ? filled & ~bit : filled | bit;
  }

  private head(level: number, atMs: number): number {
    return this.items + level * RING + ((atMs / (widthMs[level] as number)) & RING_MASK);
  }

  /** When the slot of the level after the passing one begins. */
  private nextSlotMs(level: number): number {
    const width = widthMs[level] as number;
    return (Math.floor(this.elapsedMs / width) + 1) * width;
  }

  /** The level above 0 whose first occupied slot begins earliest. */
  private earliestUpper(): number {
    let earliest = LEVELS - 1;
    let earliestMs = this.firstMs(earliest);
    for (let level = LEVELS - 2; level > 0; level--) {
      const atMs = this.firstMs(level);
      if (atMs < earliestMs) {
        earliest = level;
        earliestMs = atMs;
      }
    }
    return earliest;
  }

  /** When the first occupied slot of the level begins, Infinity if all are empty. */
  private firstMs(level: number): number {
    const { occupied } = this;
    const filled = this.filled[level] as number;
    if (filled === 0) return Infinity;
    const fromMs = this.nextSlotMs(level);
    const width = widthMs[level] as number;
    const from = (fromMs / width) & RING_MASK;
    // The 16 words of the ring, turned so that the one with `from` comes first. No slot of that word needs masking: those before
    // `from` are past and empty, and their next numbers lie out of reach (W2).
    const turned = (filled | (filled << RING_WORDS)) >>> (from >>> 5);
    const word = ((from >>> 5) + lowestBit(turned)) % RING_WORDS;
    const slot = word * 32 + lowestBit(occupied[level * RING_WORDS + word] as number);
    return fromMs + ((slot - from) & RING_MASK) * width;
  }
}
