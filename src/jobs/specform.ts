// Owns: the stored form of a JobSpec: JSON that leaves out what is usual, so that a definition is little more than its payload. What a
// spec means is spec.ts's; around it stands the definition (definition.ts).
// (F1) What is left out never changes its meaning: another usual value is another form. These are not the defaults of the API.

import { utf8Bytes, utf8Text } from "../base/bytes.ts";
import { carriesPayload } from "./spec.ts";
import type { ClassSpec, JobSpec, MisfireSpec, PlacementSpec, RetrySpec, ScheduleSpec } from "./spec.ts";

const usual = {
  priority: "medium",
  misfire: { policy: "fire_once", withinMs: 60_000, max: 100 } as MisfireSpec,
  retry: { maxAttempts: 3, backoff: "exponential", initialMs: 1_000, maxMs: 300_000, multiplier: 2, jitter: 0.1 } as RetrySpec,
  timeoutMs: 3_600_000,
  delivery: "at_least_once",
  placement: { tags: [], mode: "all" } as PlacementSpec,
  timezone: "UTC",
  gap: "run_at_gap_end",
  overlap: "first",
  namespace: "default",
} as const;

type StoredSchedule =
  | { readonly at: number }
  | { readonly every: number; readonly anchor?: number }
  | { readonly cron: string; readonly zone?: string; readonly gap?: "skip"; readonly overlap?: "second" | "both" };

type Stored = StoredSchedule & {
  readonly type: string;
  readonly class?: Partial<ClassSpec>;
  readonly payload?: unknown;
  readonly namespace?: string;
  readonly description?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly paused?: true;
};

export function specBytes(spec: JobSpec): Uint8Array {
  return utf8Bytes(specText(spec));
}

export function specText({ schedule, class: shared, payload, namespace, description, labels, paused }: JobSpec): string {
  const stored: Record<string, unknown> = storedSchedule(schedule);
  stored["type"] = shared.jobType;
  const unusual = unusualOf(shared, schedule);
  if (unusual !== undefined) stored["class"] = unusual;
  if (payload !== null && payload !== undefined) stored["payload"] = payload;
  if (namespace !== usual.namespace) stored["namespace"] = namespace;
  if (description !== "") stored["description"] = description;
  for (const _ in labels) {
    stored["labels"] = labels;
    break;
  }
  if (paused) stored["paused"] = true;
  return JSON.stringify(stored);
}

export function specFrom(bytes: Uint8Array): JobSpec {
  const stored = JSON.parse(utf8Text(bytes)) as Stored;
  const schedule = scheduleFrom(stored);
  const payload = stored.payload ?? null;
  return {
    schedule,
    class: {
      jobType: stored.type,
      priority: usual.priority,
      overlap: usualOverlap(schedule),
      misfire: usual.misfire,
      retry: usual.retry,
      timeoutMs: usual.timeoutMs,
      delivery: usual.delivery,
      placement: usual.placement,
      ...stored.class,
      hasPayload: carriesPayload(payload),
    },
    payload,
    namespace: stored.namespace ?? usual.namespace,
    description: stored.description ?? "",
    labels: stored.labels ?? {},
    paused: stored.paused ?? false,
  };
}

function usualOverlap(schedule: ScheduleSpec): ClassSpec["overlap"] {
  return schedule.kind === "at" ? "allow" : "skip";
}

/** What is unusual of a class; undefined for nothing, without an object made for it. */
function unusualOf(shared: ClassSpec, schedule: ScheduleSpec): Partial<ClassSpec> | undefined {
  const { priority, overlap, misfire, retry, timeoutMs, delivery, placement } = shared;
  const changed = {
    ...(priority === usual.priority ? undefined : { priority }),
    ...(overlap === usualOverlap(schedule) ? undefined : { overlap }),
    ...(isUsualMisfire(misfire) ? undefined : { misfire }),
    ...(isUsualRetry(retry) ? undefined : { retry }),
    ...(timeoutMs === usual.timeoutMs ? undefined : { timeoutMs }),
    ...(delivery === usual.delivery ? undefined : { delivery }),
    ...(placement.tags.length === 0 && placement.mode === usual.placement.mode ? undefined : { placement }),
  };
  return Object.keys(changed).length === 0 ? undefined : changed;
}

function isUsualMisfire({ policy, withinMs, max }: MisfireSpec): boolean {
  const { misfire } = usual;
  return policy === misfire.policy && withinMs === misfire.withinMs && max === misfire.max;
}

function isUsualRetry({ maxAttempts, backoff, initialMs, maxMs, multiplier, jitter }: RetrySpec): boolean {
  const { retry } = usual;
  const isUsualDelay = initialMs === retry.initialMs && maxMs === retry.maxMs && multiplier === retry.multiplier && jitter === retry.jitter;
  return isUsualDelay && maxAttempts === retry.maxAttempts && backoff === retry.backoff;
}

function storedSchedule(schedule: ScheduleSpec): Record<string, unknown> {
  if (schedule.kind === "at") return { at: schedule.atMs };
  if (schedule.kind === "every") {
    const { everyMs, anchorMs } = schedule;
    return { every: everyMs, ...(anchorMs === 0 ? undefined : { anchor: anchorMs }) };
  }
  const { expression, timezone, gap, overlap } = schedule;
  return {
    cron: expression,
    ...(timezone === usual.timezone ? undefined : { zone: timezone }),
    ...(gap === usual.gap ? undefined : { gap }),
    ...(overlap === usual.overlap ? undefined : { overlap }),
  };
}

function scheduleFrom(stored: StoredSchedule): ScheduleSpec {
  if ("at" in stored) return { kind: "at", atMs: stored.at };
  if ("every" in stored) return { kind: "every", everyMs: stored.every, anchorMs: stored.anchor ?? 0 };
  const { cron, zone = usual.timezone, gap = usual.gap, overlap = usual.overlap } = stored;
  return { kind: "cron", expression: cron, timezone: zone, gap, overlap };
}
