// Owns: the packed items of the two hot commands. A plan item fires a due time, starts an execution or records a range of missed due
// times; a result item says what became of an attempt. Fixed fields, little-endian, no object per item on the way through the log.

import { ByteWriter, lenientText, utf8Bytes } from "../base/bytes.ts";

export const planType = { due: 1, start: 2, range: 3, unsure: 4 } as const;

/** Bytes of each plan item, type byte included. */
const DUE_BYTES = 31;
const START_BYTES = 17;
const RANGE_BYTES = 43;
const planBytes: ReadonlyMap<number, number> = new Map([
  [planType.due, DUE_BYTES],
  [planType.start, START_BYTES],
  [planType.range, RANGE_BYTES],
  [planType.unsure, RANGE_BYTES],
]);

/** Which types of plan items there are, as bits 1 << type; undefined when one is not known or not whole. */
export function planTypesIn(items: Uint8Array): number | undefined {
  let types = 0;
  for (let at = 0; at < items.length; ) {
    const type = items[at] as number;
    const length = planBytes.get(type);
    if (length === undefined || at + length > items.length) return undefined;
    types |= 1 << type;
    at += length;
  }
  return types;
}

export class PlanWriter {
  count = 0;
  /** Where the newest due or range item moved its job. */
  nextDueMs = 0;
  private readonly out = new ByteWriter(4096);

  /** A due time becomes an execution; with a session it starts at once. `nextDueMs` 0: no further due time. */
  due(job: number, generation: number, revision: number, scheduledAtMs: number, nextDueMs: number, session: number): void {
    this.row(planType.due, job, generation, revision);
    this.out.f64(scheduledAtMs);
    this.out.f64(nextDueMs);
    this.nextDueMs = nextDueMs;
    this.out.u32(session);
  }

  start(slot: number, sequence: number, attempt: number, session: number): void {
    this.count++;
    this.out.u8(planType.start);
    this.out.u32(slot);
    this.out.u48(sequence);
    this.out.u16(attempt);
    this.out.u32(session);
  }

  /** `count` due times in [fromMs, toMs] are recorded as missed; the row's due time moves from fromMs to nextDueMs. */
  range(job: number, generation: number, revision: number, fromMs: number, toMs: number, count: number, nextDueMs: number): void {
    this.span(planType.range, job, generation, revision, fromMs, toMs, count, nextDueMs);
  }

  /** As `range`, for due times of which nobody knows what became of them (H15). */
  unsure(job: number, generation: number, revision: number, fromMs: number, toMs: number, count: number, nextDueMs: number): void {
    this.span(planType.unsure, job, generation, revision, fromMs, toMs, count, nextDueMs);
  }

  private span(
    type: number,
    job: number,
    generation: number,
    revision: number,
    fromMs: number,
    toMs: number,
    count: number,
    nextDueMs: number,
  ): void {
    this.row(type, job, generation, revision);
    this.out.f64(fromMs);
    this.out.f64(toMs);
    this.out.f64(count);
    this.out.f64(nextDueMs);
    this.nextDueMs = nextDueMs;
  }

  private row(type: number, job: number, generation: number, revision: number): void {
    this.count++;
    this.out.u8(type);
    this.out.u32(job);
    this.out.u16(generation);
    this.out.u32(revision);
  }

  take(): Uint8Array {
    this.count = 0;
    return this.out.take();
  }
}

/** A cursor over plan items: `next()` fills the fields of the item it stands on. */
export class PlanCursor {
  type = 0;
  job = 0;
  generation = 0;
  revision = 0;
  slot = 0;
  sequence = 0;
  attempt = 0;
  session = 0;
  atMs = 0;
  toMs = 0;
  count = 0;
  nextDueMs = 0;
  private readonly view: DataView;
  private at = 0;

  constructor(items: Uint8Array) {
    this.view = new DataView(items.buffer, items.byteOffset, items.byteLength);
  }

  next(): boolean {
    const { view, at } = this;
    if (at >= view.byteLength) return false;
    this.type = view.getUint8(at);
    if (this.type === planType.start) {
      this.slot = view.getUint32(at + 1, true);
      this.sequence = view.getUint32(at + 5, true) + view.getUint16(at + 9, true) * 2 ** 32;
      this.attempt = view.getUint16(at + 11, true);
      this.session = view.getUint32(at + 13, true);
      this.at = at + START_BYTES;
      return true;
    }
    this.job = view.getUint32(at + 1, true);
    this.generation = view.getUint16(at + 5, true);
    this.revision = view.getUint32(at + 7, true);
    this.atMs = view.getFloat64(at + 11, true);
    if (this.type === planType.due) {
      this.nextDueMs = view.getFloat64(at + 19, true);
      this.session = view.getUint32(at + 27, true);
      this.at = at + DUE_BYTES;
      return true;
    }
    this.toMs = view.getFloat64(at + 19, true);
    this.count = view.getFloat64(at + 27, true);
    this.nextDueMs = view.getFloat64(at + 35, true);
    this.at = at + RANGE_BYTES;
    return true;
  }
}

/** What a result item says; order is part of the log's format. The first five are those of an attempt (src/worker/types.ts). */
export const resultOutcomes = ["completed", "failed", "timeout", "cancelled", "not_started"] as const;
/** Bytes of a result item before its error text. */
const RESULT_BYTES = 41;
export const resultOutcome = { completed: 0, failed: 1, timeout: 2, cancelled: 3, notStarted: 4 } as const;

export class ResultWriter {
  count = 0;
  private readonly out = new ByteWriter(4096);

  /** `retryAtMs`: when the next attempt is due if this one failed and may be repeated; 0 for never (computed by the leader). */
  add(sequence: number, token: number, outcome: number, startAtMs: number, endAtMs: number, retryAtMs: number, error: string): void {
    this.count++;
    const { out } = this;
    out.u48(sequence);
    out.f64(token);
    out.u8(outcome);
    out.f64(startAtMs);
    out.f64(endAtMs);
    out.f64(retryAtMs);
    if (error === "") return out.u16(0);
    const text = utf8Bytes(error);
    out.u16(text.length);
    out.raw(text);
  }

  get bytes(): number {
    return this.out.length;
  }

  take(): Uint8Array {
    this.count = 0;
    return this.out.take();
  }
}

/** Whether packed result items end where they say, each with a known outcome: for what comes from another node. */
export function resultsAreWhole(items: Uint8Array): boolean {
  const view = new DataView(items.buffer, items.byteOffset, items.byteLength);
  let at = 0;
  while (at + RESULT_BYTES <= items.length) {
    if (view.getUint8(at + 14) >= resultOutcomes.length) return false;
    at += RESULT_BYTES + view.getUint16(at + RESULT_BYTES - 2, true);
  }
  return at === items.length;
}

export class ResultCursor {
  sequence = 0;
  token = 0;
  outcome = 0;
  startAtMs = 0;
  endAtMs = 0;
  retryAtMs = 0;
  error = "";
  private readonly items: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(items: Uint8Array) {
    this.items = items;
    this.view = new DataView(items.buffer, items.byteOffset, items.byteLength);
  }

  next(): boolean {
    const { view, at } = this;
    if (at >= view.byteLength) return false;
    this.sequence = view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
    this.token = view.getFloat64(at + 6, true);
    this.outcome = view.getUint8(at + 14);
    this.startAtMs = view.getFloat64(at + 15, true);
    this.endAtMs = view.getFloat64(at + 23, true);
    this.retryAtMs = view.getFloat64(at + 31, true);
    const length = view.getUint16(at + 39, true);
    this.error = length === 0 ? "" : lenientText(this.items.subarray(at + 41, at + 41 + length));
    this.at = at + 41 + length;
    return true;
  }
}
