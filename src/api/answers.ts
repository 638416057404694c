// Owns: the shapes of answers as JSON Schema, for the OpenAPI document. present.ts makes the answers; a test holds both together.

import Type from "typebox";
import type { TSchema } from "typebox";
import { priority, schedule } from "./schemas.ts";

const text = Type.String();
const count = Type.Integer({ minimum: 0 });
const instant = Type.String({ format: "date-time" });

function orNull<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}

function done(status: string) {
  return Type.Object({ status: Type.Literal(status), job_id: text });
}

export const submitted = done("submitted");
const sums = { cursor: Type.String({ pattern: "^[0-9]+$" }), submitted: count, refused: count };
const outcome = Type.Enum(["rejected", "unknown"]);
const line = Type.Integer({ minimum: 1 });
export const bulk = Type.Union(
  [
    Type.Object({ line, status: Type.Literal("submitted"), job_id: text }),
    Type.Object({ line, error: Type.Object({ code: text, message: text, field: Type.Optional(text), outcome }) }),
    Type.Object(sums),
    Type.Object({ done: Type.Literal(true), ...sums }),
    Type.Object({ limit: text, ...sums }),
    Type.Object({ error: Type.Object({ code: text, message: text, outcome }), ...sums }),
  ],
  {
    description:
      "On each line one of these. Up to a cursor, which is the number of a line, everything is done or refused. The last line says " +
      "done, limit or error; after the latter two go on from the cursor, under the same Idempotency-Key",
  },
);
export const updated = done("updated");
export const cancelled = done("cancelled");
export const paused = done("paused");
export const resumed = done("resumed");
export const lowered = Type.Object({ status: Type.Literal("lowered") });
export const confirmed = Type.Object({ status: Type.Literal("confirmed") });
export const triggered = Type.Object({ status: Type.Literal("triggered"), job_id: text, execution_id: text });
export const executionCancelled = Type.Object({ status: Type.Enum(["cancelling", "cancelled"]), execution_id: text });

const status = Type.Enum([
  "scheduled", "paused", "queued", "running", "completed", "failed", "cancelled", "missed", "skipped", "unknown",
]);
const detail = Type.Optional(Type.Enum(["retrying", "cancelling"]));

export const execution = Type.Object({
  execution_id: orNull(text),
  job_id: text,
  job_type: text,
  scheduled_at: instant,
  status,
  attempt: count,
  retries: count,
  fencing_token: orNull(Type.String({ pattern: "^[0-9]+$" })),
  node_id: orNull(text),
  start_time: orNull(instant),
  end_time: orNull(instant),
  lateness_ms: orNull(Type.Number()),
  error: orNull(text),
  reason: orNull(text),
  detail,
  kind: Type.Optional(Type.Literal("trigger")),
  next_attempt_at: Type.Optional(instant),
  range_to: Type.Optional(instant),
  range_count: Type.Optional(count),
});

const jobFields = {
  job_id: text,
  job_type: text,
  status,
  detail,
  schedule_time: orNull(instant),
  schedule: orNull(schedule),
  next_run: orNull(instant),
  last_run: orNull(instant),
  start_time: orNull(instant),
  end_time: orNull(instant),
  retries: count,
  execution_id: orNull(text),
  error: orNull(text),
  running: count,
  revision: count,
  priority,
  namespace: text,
  description: text,
  labels: Type.Record(text, text),
  overlap: text,
  delivery: text,
  timeout: text,
  retry: Type.Object({
    max_attempts: count, backoff: text, initial_delay: text, max_delay: text, multiplier: Type.Number(), jitter: Type.Number(),
  }),
  misfire: Type.Object({ policy: text, within: text, max: count }),
  placement: Type.Object({ tags: Type.Array(text), mode: text }),
};

export const job = Type.Object({ ...jobFields, payload: Type.Unknown() });
export const jobs = Type.Array(Type.Object(jobFields), { description: "Without payloads, so that a page stays small" });
export const executions = Type.Array(execution);

export const nodes = Type.Array(
  Type.Object({ node_id: text, state: Type.Enum(["up", "down"]), session: count, slots: count, running: count, tags: Type.Array(text) }),
);

export const cluster = Type.Object({
  cluster_id: text,
  name: text,
  term: count,
  leader_id: orNull(text),
  commit_index: count,
  members: Type.Array(
    Type.Object({
      id: text, role: Type.Enum(["leader", "voter", "learner"]),
      state: Type.Enum(["up", "catching_up", "snapshot", "regressed", "unreachable", "no_leader"]),
      api: text, peer: text, healthy: Type.Boolean(), applied_index: orNull(count), match_index: orNull(count), lag: orNull(count),
      clock_skew_ms: orNull(Type.Integer()), version: text,
    }),
  ),
});

export const previews = Type.Object({
  results: Type.Array(
    Type.Union([
      Type.Object({ next: Type.Array(instant) }),
      Type.Object({ error: Type.Object({ code: text, detail: text, field: Type.Optional(text) }) }),
    ]),
  ),
});

export const outputs = Type.Array(
  Type.Object({ attempt: count, stream: Type.Enum(["stdout", "stderr", "response", "log"]), text, truncated: Type.Boolean() }),
);

export const health = Type.Object({ status: Type.Literal("ok") });

export const problem = Type.Object(
  {
    type: text,
    title: text,
    status: Type.Integer(),
    detail: text,
    code: text,
    field: Type.Optional(text),
    errors: Type.Optional(Type.Array(Type.Object({ field: text, detail: text }))),
    outcome: Type.Optional(outcome),
  },
  { description: "RFC 9457; outcome is present on changes: rejected means that nothing happened, unknown that nobody can tell" },
);
