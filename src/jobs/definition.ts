// Owns: the stored form of a job's definition and of what is left of a job that ended. Written on create and update only. Where a
// definition is stored is definitionrows.ts's, the form of the spec in it specform.ts's.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import type { ClassSpec, JobSpec, ScheduleSpec } from "./spec.ts";
import { specFrom } from "./specform.ts";

export type Definition = {
  /** Log index of the create: the job's identity when its id or number is used again. */
  readonly uid: number;
  readonly createdAtMs: number;
  readonly jobId: string;
  /** The JobSpec, in its stored form. */
  readonly specJson: Uint8Array;
};

const scratch = new ByteWriter(4096);
const LENGTH_BYTES = 4;

export function encodeDefinition(definition: Definition): Uint8Array {
  writeDefinition(scratch, definition);
  return scratch.copy();
}

function writeDefinition(out: ByteWriter, { uid, createdAtMs, jobId, specJson }: Definition): void {
  out.u8(1);
  out.u48(uid);
  out.f64(createdAtMs);
  out.string(jobId);
  out.bytes(specJson);
}

export function decodeDefinition(value: Uint8Array): Definition {
  const input = new ByteReader(value);
  input.u8();
  return { uid: input.u48(), createdAtMs: input.f64(), jobId: input.string(), specJson: input.bytes() };
}

export function specOf(definition: Definition): JobSpec {
  return specFrom(definition.specJson);
}

/** The text under which equal schedules are interned; "" for a one-shot. An interval's phase is in each row's due time, not here. */
export function scheduleText(schedule: ScheduleSpec): string {
  if (schedule.kind === "at") return "";
  if (schedule.kind === "every") return JSON.stringify({ kind: "every", everyMs: schedule.everyMs });
  const { kind, expression, timezone, gap, overlap } = schedule;
  return JSON.stringify({ kind, expression, timezone, gap, overlap });
}

/** The text under which equal classes are interned: fields in a fixed order. */
export function classText(spec: ClassSpec): string {
  const { jobType, priority, overlap, misfire, retry, timeoutMs, delivery, placement, hasPayload } = spec;
  const { policy, withinMs, max } = misfire;
  const { maxAttempts, backoff, initialMs, maxMs, multiplier, jitter } = retry;
  return JSON.stringify({
    jobType, priority, overlap, misfire: { policy, withinMs, max },
    retry: { maxAttempts, backoff, initialMs, maxMs, multiplier, jitter },
    timeoutMs, delivery, placement: { tags: [...placement.tags].sort(), mode: placement.mode }, hasPayload,
  });
}

/** What an interned schedule says: a cron with its zone, or a bare period. */
export type SharedSchedule =
  | { readonly kind: "every"; readonly everyMs: number }
  | Extract<ScheduleSpec, { kind: "cron" }>;

/** A job that left the table: what GET answers until retention. */
export type Ended = EndedFacts & { readonly definition: Uint8Array };

export type EndedFacts = {
  readonly status: string;
  readonly revision: number;
  readonly lastScheduledAtMs: number;
  /** Time of the entry by which it ended, or its last execution did. */
  readonly endedAtMs: number;
  /** Its last history record; 0 for none. */
  readonly ordinal: number;
};

export function encodeEnded(ended: Ended): Uint8Array {
  writeFacts(scratch, ended);
  scratch.bytes(ended.definition);
  return scratch.copy();
}

/** As encodeEnded() of the encoded definition, without those bytes made and copied on the way. */
export function encodeEndedNow(facts: EndedFacts, definition: Definition): Uint8Array {
  writeFacts(scratch, facts);
  const lengthAt = scratch.length;
  scratch.u32(0);
  writeDefinition(scratch, definition);
  scratch.patchU32(lengthAt, scratch.length - lengthAt - LENGTH_BYTES);
  return scratch.copy();
}

function writeFacts(out: ByteWriter, { status, revision, lastScheduledAtMs, endedAtMs, ordinal }: EndedFacts): void {
  out.u8(1);
  out.string(status);
  out.u32(revision);
  out.f64(lastScheduledAtMs);
  out.f64(endedAtMs);
  out.u48(ordinal);
}

export function decodeEnded(value: Uint8Array): Ended {
  const input = new ByteReader(value);
  input.u8();
  const what = { status: input.string(), revision: input.u32(), lastScheduledAtMs: input.f64(), endedAtMs: input.f64() };
  return { ...what, ordinal: input.u48(), definition: input.bytes() };
}

/** Whose number it was until then: what history records of that job are named by. */
export type Left = { readonly leftAtMs: number; readonly jobId: string };

export function encodeLeft({ leftAtMs, jobId }: Left): Uint8Array {
  const out = scratch;
  out.f64(leftAtMs);
  out.string(jobId);
  return out.copy();
}

export function decodeLeft(value: Uint8Array): Left {
  const input = new ByteReader(value);
  return { leftAtMs: input.f64(), jobId: input.string() };
}
