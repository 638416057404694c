// Owns: from a checked body to a JobSpec or JobPatch: defaults, units, and the rules over more than one field. The shape of a body
// is checked by schemas.ts, cron and zones by src/schedule, payloads by the executors.
// (A10) A spec that leaves here is complete and can be done: its type is known, its payload fits the type, its schedule fires.

import { PawlError } from "../base/errors.ts";
import { parseDuration, parseInstant } from "../base/time.ts";
import { carriesPayload } from "../jobs/spec.ts";
import type { ClassSpec, JobPatch, JobSpec, MisfireSpec, PlacementSpec, RetrySpec, ScheduleSpec } from "../jobs/spec.ts";
import { limits } from "../limits.ts";
import { compileSchedule, parseCron } from "../schedule/schedule.ts";
import type { JobChangeBody, MisfireBody, NewJobBody, RetryBody, ScheduleBody } from "./schemas.ts";

/** What checking a definition needs to know of this cluster. */
export type Known = {
  jobTypes(): readonly string[];
  validatePayload(jobType: string, payload: unknown): void;
};

const retryDefault: RetrySpec = { maxAttempts: 3, backoff: "exponential", initialMs: 1_000, maxMs: 300_000, multiplier: 2, jitter: 0.1 };
const misfireDefault: MisfireSpec = { policy: "fire_once", withinMs: limits.misfireWithinDefaultMs, max: limits.misfireMaxDefault };
const placementDefault: PlacementSpec = { tags: [], mode: "all" };

/** A whole definition with every default filled in. A recurring job skips a due time while its last run still runs. */
export function jobSpecOf(body: NewJobBody, known: Known, nowMs: number): JobSpec {
  const schedule = scheduleOf(body, nowMs);
  if (schedule === undefined) throw refused("schedule_time", "a job needs either schedule_time or schedule");
  requireType(body.job_type, known);
  const payload = payloadOf(body.payload ?? null);
  known.validatePayload(body.job_type, payload);
  return {
    schedule,
    class: classOf(body, schedule.kind === "at", carriesPayload(payload)),
    payload,
    namespace: body.namespace ?? "default",
    description: body.description ?? "",
    labels: body.labels ?? {},
    paused: body.paused ?? false,
  };
}

const sharedClasses = new Map<string, ClassSpec>();

/** Equal bodies get the same object: whoever handles many jobs recognises it without comparing. */
function classOf(body: NewJobBody, isOneShot: boolean, hasPayload: boolean): ClassSpec {
  const { job_type, priority, overlap, delivery, misfire, retry, timeout, placement } = body;
  const isPlain = misfire === undefined && retry === undefined && timeout === undefined && placement === undefined;
  const rest = isPlain ? "" : JSON.stringify([misfire, retry, timeout, placement]);
  const key = `${priority} ${overlap} ${delivery} ${isOneShot} ${hasPayload} ${rest}${job_type}`;
  const known = sharedClasses.get(key);
  if (known !== undefined) return known;
  const made: ClassSpec = {
    jobType: job_type,
    priority: priority ?? "medium",
    overlap: overlapOf(overlap) ?? (isOneShot ? "allow" : "skip"),
    misfire: misfireOf(misfire ?? {}),
    retry: retryOf(retry ?? {}),
    timeoutMs: timeoutOf(timeout) ?? limits.timeoutDefaultMs,
    delivery: delivery ?? "at_least_once",
    placement: { ...placementDefault, ...placement },
    hasPayload,
  };
  if (sharedClasses.size >= limits.sharedClassesMax) sharedClasses.clear();
  sharedClasses.set(key, made);
  return made;
}

/** What a change names. Fields that are objects are replaced whole; what is absent in them gets its default. */
export function jobPatchOf(body: JobChangeBody, known: Known, nowMs: number): JobPatch {
  if (Object.keys(body).every((name) => name === "job_id")) throw new PawlError("invalid", "the body names nothing to change");
  if (body.job_type !== undefined) requireType(body.job_type, known);
  const changed: Partial<ClassSpec> = {
    ...(body.job_type === undefined ? {} : { jobType: body.job_type }),
    ...(body.priority === undefined ? {} : { priority: body.priority }),
    ...(body.overlap === undefined ? {} : { overlap: overlapOf(body.overlap) ?? "skip" }),
    ...(body.misfire === undefined ? {} : { misfire: misfireOf(body.misfire) }),
    ...(body.retry === undefined ? {} : { retry: retryOf(body.retry) }),
    ...(body.timeout === undefined ? {} : { timeoutMs: timeoutOf(body.timeout) ?? limits.timeoutDefaultMs }),
    ...(body.delivery === undefined ? {} : { delivery: body.delivery }),
    ...(body.placement === undefined ? {} : { placement: { ...placementDefault, ...body.placement } }),
  };
  return {
    schedule: scheduleOf(body, nowMs),
    class: changed,
    payload: body.payload === undefined ? undefined : payloadOf(body.payload),
    description: body.description,
    labels: body.labels,
  };
}

function requireType(jobType: string, known: Known): void {
  const types = known.jobTypes();
  if (types.includes(jobType)) return;
  throw refused("job_type", `no executor for ${JSON.stringify(jobType)}; there are ${types.join(", ")}`, "unprocessable");
}

function payloadOf(payload: unknown): unknown {
  if (roomLeft(payload, limits.payloadMaxBytes) >= 0) return payload;
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  if (bytes > limits.payloadMaxBytes) throw refused("payload", `${bytes} bytes, at most ${limits.payloadMaxBytes} are kept`, "too_large");
  return payload;
}

/** What a character takes in JSON at most, as \u0000 does, and what a number, a word or the marks around a field do. */
const CHAR_BYTES = 6;
const PLAIN_BYTES = 32;

/** How much of a room a value surely leaves as JSON; less than nothing when it may not fit. Cheap, as most payloads are small. */
function roomLeft(value: unknown, room: number): number {
  if (typeof value === "string") return room - CHAR_BYTES * value.length - PLAIN_BYTES;
  let left = room - PLAIN_BYTES;
  if (typeof value !== "object" || value === null) return left;
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    left = roomLeft(fields[name], left - CHAR_BYTES * name.length);
    if (left < 0) return left;
  }
  return left;
}

function overlapOf(overlap: NewJobBody["overlap"]): "skip" | "allow" | undefined {
  if (overlap === "queue" || overlap === "cancel_running") {
    throw refused("overlap", `"${overlap}" is not supported by this version; use "skip" or "allow"`, "unprocessable");
  }
  return overlap;
}

/** The schedule that a body names, undefined if none. A past schedule_time is due at once; a schedule without a future never is. */
function scheduleOf(body: { schedule_time?: string; schedule?: ScheduleBody }, nowMs: number): ScheduleSpec | undefined {
  if (body.schedule_time !== undefined && body.schedule !== undefined) {
    throw refused("schedule", "a job has either schedule_time or schedule, not both");
  }
  if (body.schedule_time !== undefined) return { kind: "at", atMs: parseInstant(body.schedule_time, "schedule_time") };
  if (body.schedule === undefined) return undefined;
  const spec = scheduleSpecOf(body.schedule);
  if (spec.kind !== "at" && compileSchedule(spec).nextAfter(nowMs) === undefined) {
    throw refused("schedule", "this schedule never fires from now on", "unprocessable");
  }
  return spec;
}

/** Throws invalid or unprocessable with a field that starts with "schedule". */
export function scheduleSpecOf(body: ScheduleBody): ScheduleSpec {
  const kinds = Number(body.cron !== undefined) + Number(body.every !== undefined) + Number(body.at !== undefined);
  if (kinds !== 1) throw refused("schedule", "a schedule has exactly one of cron, every and at");
  if (body.cron === undefined && (body.timezone !== undefined || body.dst !== undefined)) {
    throw refused(body.timezone === undefined ? "schedule.dst" : "schedule.timezone", "only a cron schedule has a time zone");
  }
  if (body.every === undefined && body.anchor !== undefined) throw refused("schedule.anchor", "only an interval has an anchor");
  if (body.cron !== undefined) {
    return parseCron(body.cron, body.timezone ?? "UTC", body.dst?.gap ?? "run_at_gap_end", body.dst?.overlap ?? "first");
  }
  if (body.at !== undefined) return { kind: "at", atMs: parseInstant(body.at, "schedule.at") };
  const spec: ScheduleSpec = {
    kind: "every",
    everyMs: parseDuration(body.every ?? "", "schedule.every"),
    // Not the time of the request: a definition that is applied again and again must not move its own due times ahead.
    anchorMs: body.anchor === undefined ? 0 : parseInstant(body.anchor, "schedule.anchor"),
  };
  compileSchedule(spec);
  return spec;
}

function timeoutOf(timeout: string | undefined): number | undefined {
  if (timeout === undefined) return undefined;
  return bounded(parseDuration(timeout, "timeout"), "timeout", 1, limits.timeoutMaxMs);
}

function misfireOf(body: MisfireBody): MisfireSpec {
  const within = body.within === undefined ? misfireDefault.withinMs : parseDuration(body.within, "misfire.within");
  return {
    policy: body.policy ?? misfireDefault.policy,
    withinMs: bounded(within, "misfire.within", 0, limits.timeoutMaxMs),
    max: body.max ?? misfireDefault.max,
  };
}

function retryOf(body: RetryBody): RetrySpec {
  const initialMs = body.initial_delay === undefined ? retryDefault.initialMs : parseDuration(body.initial_delay, "retry.initial_delay");
  const maxMs = body.max_delay === undefined ? Math.max(initialMs, retryDefault.maxMs) : parseDuration(body.max_delay, "retry.max_delay");
  bounded(initialMs, "retry.initial_delay", 0, limits.timeoutMaxMs);
  bounded(maxMs, "retry.max_delay", 0, limits.timeoutMaxMs);
  if (maxMs < initialMs) throw refused("retry.max_delay", "is less than retry.initial_delay", "unprocessable");
  return {
    maxAttempts: body.max_attempts ?? retryDefault.maxAttempts,
    backoff: body.backoff ?? retryDefault.backoff,
    initialMs,
    maxMs,
    multiplier: body.multiplier ?? retryDefault.multiplier,
    jitter: body.jitter ?? retryDefault.jitter,
  };
}

function bounded(ms: number, field: string, minMs: number, maxMs: number): number {
  if (ms >= minMs && ms <= maxMs) return ms;
  throw refused(field, `must be between ${minMs} ms and ${maxMs / 86_400_000} days`, "unprocessable");
}

function refused(field: string, why: string, code: "invalid" | "unprocessable" | "too_large" = "invalid"): PawlError {
  return new PawlError(code, `${field}: ${why}`, { field });
}
