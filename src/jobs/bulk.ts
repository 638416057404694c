// Owns: the form in which many new jobs travel, from the face to the leader and in the log: texts that many share once, fixed fields side
// by side, then of each job its id and its spec. What is done with them is applybulk.ts's.
// (U1) The first due times are empty until the leader fills them in, at the moment the entry is put together.
//
//   u8 form, u32 jobs, u16 schedules, u16 classes, their texts; per job: f64 first due time, f64 anchor or instant, u16 schedule
//   (0: one-shot, else its text's place + 1), u16 class, u8 paused; then per job its id and its spec, each with its length

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { hashBytes } from "../base/checksum.ts";
import { assert, PawlError } from "../base/errors.ts";
import { classText, scheduleText } from "./definition.ts";
import type { JobSpec, ScheduleSpec } from "./spec.ts";
import { specFrom, specText } from "./specform.ts";

const FORMAT = 1;
const FIXED_BYTES = 21;
const TEXTS_MAX = 0xffff;

/** Texts that are numbered as they come; a value by which one was found is known without making its text again. */
class Texts {
  readonly texts: string[] = [];
  private readonly places = new Map<string, number>();
  private readonly known = new Map<unknown, number>();

  place<T>(by: unknown, value: T, textOf: (value: T) => string): number {
    const seen = this.known.get(by);
    if (seen !== undefined) return seen;
    const text = textOf(value);
    let place = this.places.get(text);
    if (place === undefined) {
      place = this.texts.push(text) - 1;
      this.places.set(text, place);
    }
    this.known.set(by, place);
    return place;
  }

  clear(): void {
    this.texts.length = 0;
    this.places.clear();
    this.known.clear();
  }
}

/** Makes batches, one after the other in the same memory. A schedule or class that is the same object as an earlier one costs less. */
export class BulkWriter {
  private readonly schedules = new Texts();
  private readonly classes = new Texts();
  private readonly fixed = new ByteWriter(16_384);
  private readonly bodies = new ByteWriter(262_144);
  private readonly out = new ByteWriter(262_144);
  count = 0;

  /** Begins anew, whatever became of the batch before. */
  begin(): void {
    this.schedules.clear();
    this.classes.clear();
    this.fixed.cut(0);
    this.bodies.cut(0);
    this.out.cut(0);
    this.count = 0;
  }

  /** About what the batch takes in the log. */
  get bytes(): number {
    return this.fixed.length + this.bodies.length;
  }

  add(jobId: string, spec: JobSpec): void {
    const { schedule } = spec;
    const { fixed } = this;
    assert(this.count < TEXTS_MAX, "a batch has fewer jobs than its places can name");
    fixed.f64(0);
    fixed.f64(schedule.kind === "at" ? schedule.atMs : schedule.kind === "every" ? schedule.anchorMs : 0);
    fixed.u16(schedule.kind === "at" ? 0 : this.schedules.place(keyOf(schedule), schedule, scheduleText) + 1);
    fixed.u16(this.classes.place(spec.class, spec.class, classText));
    fixed.u8(spec.paused ? 1 : 0);
    this.bodies.string(jobId);
    this.bodies.string(specText(spec));
    this.count++;
  }

  /** The batch, in a buffer of its own; then begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const { out } = this;
    out.u8(FORMAT);
    out.u32(this.count);
    out.u16(this.schedules.texts.length);
    out.u16(this.classes.texts.length);
    for (const text of this.schedules.texts) out.string(text);
    for (const text of this.classes.texts) out.string(text);
    out.raw(this.fixed.written(0));
    out.raw(this.bodies.written(0));
    const batch = out.written(0).slice();
    this.begin();
    return batch;
  }
}

/** All intervals of one length share a text, whatever their anchors. */
function keyOf(schedule: ScheduleSpec): unknown {
  return schedule.kind === "every" ? schedule.everyMs : schedule;
}

/** A batch as it is read: views into its bytes. Throws PawlError("invalid") for what is no batch. */
export class Bulk {
  readonly count: number;
  readonly schedules: readonly string[];
  readonly classes: readonly string[];
  /** Of job i, its id and its spec begin at ends[i] and end at ends[i + 1]. */
  private readonly ends: Uint32Array;
  private readonly data: Uint8Array;
  private readonly view: DataView;
  private readonly fixedAt: number;

  constructor(data: Uint8Array) {
    const input = new ByteReader(data);
    const form = input.u8();
    if (form !== FORMAT) throw new PawlError("invalid", `jobs in form ${form}, which is not known here; run the same Pawl on every node`);
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.count = input.u32();
    const schedules = input.u16();
    const classes = input.u16();
    const texts = (count: number): string[] => Array.from({ length: count }, () => input.string());
    this.schedules = texts(schedules);
    this.classes = texts(classes);
    this.fixedAt = input.at;
    input.skip(this.count * FIXED_BYTES);
    this.ends = new Uint32Array(this.count + 1);
    for (let i = 0; i < this.count; i++) {
      this.ends[i] = input.at;
      for (let fields = 0; fields < 2; fields++) input.skip(input.u32());
      const isKnown = this.schedule(i) <= schedules && this.class(i) < classes;
      if (!isKnown) throw new PawlError("invalid", `job ${i} of a batch names a text that is not there`);
    }
    this.ends[this.count] = input.at;
    if (input.left !== 0) throw new PawlError("invalid", "a batch of jobs is longer than its jobs");
  }

  dueMs(i: number): number {
    return this.view.getFloat64(this.fixedAt + i * FIXED_BYTES, true);
  }

  /** (U1) */
  setDueMs(i: number, dueMs: number): void {
    this.view.setFloat64(this.fixedAt + i * FIXED_BYTES, dueMs, true);
  }

  /** Instant of a one-shot, anchor of an interval, else 0. */
  baseMs(i: number): number {
    return this.view.getFloat64(this.fixedAt + i * FIXED_BYTES + 8, true);
  }

  /** 0 for a one-shot, else the place of its text plus one. */
  schedule(i: number): number {
    return this.view.getUint16(this.fixedAt + i * FIXED_BYTES + 16, true);
  }

  class(i: number): number {
    return this.view.getUint16(this.fixedAt + i * FIXED_BYTES + 18, true);
  }

  isPaused(i: number): boolean {
    return this.data[this.fixedAt + i * FIXED_BYTES + 20] === 1;
  }

  /** Its id and its spec, as they are stored in a block of definitions. */
  body(i: number): Uint8Array {
    return this.data.subarray(this.ends[i], this.ends[i + 1]);
  }

  jobId(i: number): string {
    return new ByteReader(this.data, this.ends[i]).string();
  }

  spec(i: number): JobSpec {
    const input = new ByteReader(this.data, this.ends[i]);
    input.skip(input.u32());
    return specFrom(input.bytes());
  }

  /** As hashText() of its id. */
  idHash(i: number): number {
    const at = this.ends[i] as number;
    return hashBytes(this.data, at + 4, at + 4 + this.view.getUint32(at, true));
  }
}
