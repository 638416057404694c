// Owns: the shapes of what callers send and get, as JSON Schema: the one source for checking input, for the types of the
// handlers and for the OpenAPI document. Rules that need more than one field are in parse.ts.
// (A9) Every object that a caller sends is closed: a field that nothing would read is refused by name, not ignored.

import Type from "typebox";
import type { Static, TProperties, TSchema } from "typebox";
import { limits } from "../limits.ts";

const JOB_ID = "^(?!\\.{1,2}$)[A-Za-z0-9._:-]{1,128}$";
const LABEL_KEY = `^[A-Za-z0-9._/-]{1,${limits.labelKeyMaxChars}}$`;

/** Fields of the job model that this version does not have: refused as such (422), so that nobody believes they work. */
export const laterFields: ReadonlySet<string> = new Set([
  "depends_on", "calendar", "rate_limit", "notify", "resources", "concurrency_key", "max_concurrent", "jitter", "start_at", "end_at",
  "max_executions", "queue", "heartbeat_timeout",
]);

const closed = { additionalProperties: false } as const;

function input<T extends TProperties>(properties: T) {
  return Type.Object(properties, closed);
}

function optional<T extends TSchema>(schema: T) {
  return Type.Optional(schema);
}

const instant = Type.String({ maxLength: 64, description: "RFC 3339 instant, like 2026-11-21T09:30:00Z" });
const duration = Type.String({ maxLength: 64, description: "ISO 8601 duration of weeks to seconds, like PT30S" });
const tag = Type.String({ minLength: 1, maxLength: limits.tagMaxChars });

export const jobId = Type.String({ pattern: JOB_ID });
export const isJobId = (value: string): boolean => new RegExp(JOB_ID).test(value);

const jobType = Type.String({ minLength: 1, maxLength: 64 });

export const priority = Type.Enum(["high", "medium", "low"]);

const dst = input({
  gap: optional(Type.Enum(["run_at_gap_end", "skip"])),
  overlap: optional(Type.Enum(["first", "second", "both"])),
});

const scheduleFields = {
  cron: optional(Type.String({ maxLength: limits.cronMaxChars })),
  timezone: optional(Type.String({ maxLength: 64, description: "IANA name; UTC when absent" })),
  dst: optional(dst),
  every: optional(duration),
  anchor: optional(instant),
};

export const schedule = Type.Object(
  { ...scheduleFields, at: optional(instant) },
  { ...closed, description: "Exactly one of cron, every and at" },
);
export type ScheduleBody = Static<typeof schedule>;

const retry = input({
  max_attempts: optional(Type.Integer({ minimum: 1, maximum: limits.attemptsMax })),
  backoff: optional(Type.Enum(["exponential", "fixed"])),
  initial_delay: optional(duration),
  max_delay: optional(duration),
  multiplier: optional(Type.Number({ minimum: 1, maximum: 100 })),
  jitter: optional(Type.Number({ minimum: 0, maximum: 1 })),
});
export type RetryBody = Static<typeof retry>;

const misfire = input({
  policy: optional(Type.Enum(["fire_once", "fire_all", "skip"])),
  within: optional(duration),
  max: optional(Type.Integer({ minimum: 1, maximum: limits.missedPerRangeMax })),
});
export type MisfireBody = Static<typeof misfire>;

const placement = input({
  tags: optional(Type.Array(tag, { maxItems: limits.tagsMax })),
  mode: optional(Type.Enum(["any", "all"])),
});

const labels = Type.Record(Type.String({ pattern: LABEL_KEY }), Type.String({ maxLength: limits.labelValueMaxChars }), {
  ...closed,
  maxProperties: limits.labelsMax,
});

const definition = {
  schedule_time: optional(instant),
  schedule: optional(schedule),
  priority: optional(priority),
  payload: optional(Type.Unknown()),
  description: optional(Type.String({ maxLength: limits.descriptionMaxChars })),
  labels: optional(labels),
  retry: optional(retry),
  timeout: optional(duration),
  overlap: optional(Type.Enum(["allow", "skip", "queue", "cancel_running"])),
  misfire: optional(misfire),
  delivery: optional(Type.Enum(["at_least_once", "at_most_once"])),
  placement: optional(placement),
};

export const newJob = input({
  job_id: optional(jobId),
  job_type: jobType,
  ...definition,
  namespace: optional(Type.String({ pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" })),
  paused: optional(Type.Boolean()),
});
export type NewJobBody = Static<typeof newJob>;

export const jobChange = input({ job_id: optional(jobId), job_type: optional(jobType), ...definition });
export type JobChangeBody = Static<typeof jobChange>;

export const preview = input({
  schedules: Type.Array(
    input({ ...scheduleFields, after: optional(instant), count: optional(Type.Integer({ minimum: 1, maximum: limits.previewCountMax })) }),
    { minItems: 1, maxItems: limits.previewSchedulesMax },
  ),
});
export type PreviewBody = Static<typeof preview>;
export type PreviewItem = PreviewBody["schedules"][number];

/** More lines than any list has. */
const LINES_MAX = 1_000_000_000_000;
export const bulkQuery = input({
  cursor: optional(Type.Integer({ minimum: 0, maximum: LINES_MAX, description: "Lines of the list that lie before the body" })),
  results: optional(Type.Enum(["all", "errors"])),
});
export type BulkQuery = Static<typeof bulkQuery>;

const MEMBER_ID = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";
const HOST_PORT = "(?:\\[[0-9A-Fa-f:.]{2,45}\\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}";
export const isMemberId = (value: string): boolean => new RegExp(MEMBER_ID).test(value);

const memberId = Type.String({ pattern: MEMBER_ID });

export const newMember = input({
  id: memberId,
  peer: Type.String({ pattern: `^${HOST_PORT}$`, description: "host:port for the other nodes" }),
  api: Type.String({ pattern: `^(?:https?://)?${HOST_PORT}/?$`, description: "URL, or host:port, for clients" }),
  role: optional(Type.Enum(["voter", "learner"])),
});
export type NewMemberBody = Static<typeof newMember>;

export const transfer = input({ to: optional(memberId) });
export const removeQuery = input({ force: optional(Type.Boolean({ description: "Also when the cluster bears fewer losses without it" })) });

const executionStatusWords = ["queued", "running", "completed", "failed", "cancelled", "missed", "skipped", "unknown"] as const;
const executionStatus = Type.Enum([...executionStatusWords]);
const jobStatus = Type.Enum(["scheduled", "paused", ...executionStatusWords]);
const consistency = optional(Type.Enum(["linearizable", "stale"]));

export const readQuery = input({ consistency });
const page = {
  consistency,
  limit: optional(Type.Integer({ minimum: 1, maximum: limits.pageMax })),
  cursor: optional(Type.String({ minLength: 1, maxLength: limits.cursorMaxChars })),
};
export const jobsQuery = input({
  ...page,
  status: optional(jobStatus),
  job_type: optional(jobType),
  start_time: optional(Type.String({ maxLength: 128, description: "An instant: from it on; or from/to, either of which may be empty" })),
});
const span = { from: optional(instant), to: optional(instant) };
const ofExecutions = { ...page, status: optional(executionStatus), job_type: optional(jobType), ...span };
export const jobExecutionsQuery = input(ofExecutions);
export const executionsQuery = input({ ...ofExecutions, job_id: optional(jobId) });
export const deleteQuery = input({ running: optional(Type.Enum(["leave", "cancel"])) });
export const eventsQuery = input({ after: optional(Type.String({ maxLength: 64, description: "Id of the last event seen" })) });
export const noQuery = input({});

export type PageQuery = { readonly limit?: number; readonly cursor?: string };
export type JobsQuery = Static<typeof jobsQuery>;
export type ExecutionsQuery = Static<typeof executionsQuery>;
