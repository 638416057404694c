// Owns: how views of the core look as JSON. The core's working states have no public words: a retrying execution shows as queued and a
// cancelling one as running, with the exact state in `detail`. Instants are RFC 3339 in UTC with milliseconds, absent ones null.

import { formatDuration, formatInstant } from "../base/time.ts";
import type { ScheduleSpec } from "../jobs/spec.ts";
import type { ClusterView, EventPosition, EventView, ExecutionStatus, ExecutionView, JobStatus, JobView, NodeView } from "../jobs/views.ts";

export type Json = Readonly<Record<string, unknown>>;

export function presentJob(view: JobView): Json {
  return { ...presentListedJob(view), payload: view.spec.payload };
}

/** A job as lists show it: without its payload, so that a page stays small. */
export function presentListedJob(view: JobView): Json {
  const { spec, execution } = view;
  const { class: policy } = spec;
  return {
    job_id: view.jobId,
    job_type: policy.jobType,
    ...statusOf(view.status),
    schedule_time: spec.schedule.kind === "at" ? formatInstant(spec.schedule.atMs) : instantOrNull(view.nextDueAtMs),
    schedule: presentSchedule(spec.schedule),
    next_run: instantOrNull(view.nextDueAtMs),
    last_run: instantOrNull(view.lastScheduledAtMs),
    start_time: instantOrNull(execution?.startAtMs),
    end_time: instantOrNull(execution?.endAtMs),
    retries: retriesOf(execution),
    execution_id: textOrNull(execution?.executionId),
    error: textOrNull(execution?.error),
    running: view.runningCount,
    revision: view.revision,
    priority: policy.priority,
    namespace: spec.namespace,
    description: spec.description,
    labels: spec.labels,
    overlap: policy.overlap,
    delivery: policy.delivery,
    timeout: formatDuration(policy.timeoutMs),
    retry: {
      max_attempts: policy.retry.maxAttempts,
      backoff: policy.retry.backoff,
      initial_delay: formatDuration(policy.retry.initialMs),
      max_delay: formatDuration(policy.retry.maxMs),
      multiplier: policy.retry.multiplier,
      jitter: policy.retry.jitter,
    },
    misfire: { policy: policy.misfire.policy, within: formatDuration(policy.misfire.withinMs), max: policy.misfire.max },
    placement: { tags: policy.placement.tags, mode: policy.placement.mode },
  };
}

/** The schedule as a caller would write it; null for a one-shot, whose instant is its schedule_time. */
function presentSchedule(spec: ScheduleSpec): Json | null {
  if (spec.kind === "at") return null;
  if (spec.kind === "every") return { every: formatDuration(spec.everyMs), anchor: formatInstant(spec.anchorMs) };
  return { cron: spec.expression, timezone: spec.timezone, dst: { gap: spec.gap, overlap: spec.overlap } };
}

export function presentExecution(view: ExecutionView): Json {
  return {
    execution_id: textOrNull(view.executionId),
    job_id: view.jobId,
    job_type: view.jobType,
    scheduled_at: formatInstant(view.scheduledAtMs),
    ...statusOf(view.status),
    attempt: view.attempt,
    retries: retriesOf(view),
    fencing_token: view.fencingToken ?? null,
    node_id: textOrNull(view.nodeId),
    start_time: instantOrNull(view.startAtMs),
    end_time: instantOrNull(view.endAtMs),
    lateness_ms: view.startAtMs === undefined ? null : view.startAtMs - view.scheduledAtMs,
    error: textOrNull(view.error),
    reason: textOrNull(view.reason),
    ...(view.kind === "trigger" ? { kind: "trigger" } : {}),
    ...(view.nextAttemptAtMs === undefined ? {} : { next_attempt_at: formatInstant(view.nextAttemptAtMs) }),
    ...(view.rangeToMs === undefined ? {} : { range_to: formatInstant(view.rangeToMs), range_count: view.rangeCount ?? 0 }),
  };
}

function statusOf(status: JobStatus | ExecutionStatus): { status: string; detail?: string } {
  if (status === "retrying") return { status: "queued", detail: status };
  if (status === "cancelling") return { status: "running", detail: status };
  return { status };
}

function retriesOf(execution: ExecutionView | undefined): number {
  return Math.max(0, (execution?.attempt ?? 0) - 1);
}

export function presentNode(view: NodeView): Json {
  const { nodeId, state, session, slots, running, tags } = view;
  return { node_id: nodeId, state, session, slots, running, tags };
}

export function presentCluster(view: ClusterView): Json {
  return {
    cluster_id: view.clusterId,
    name: view.name,
    term: view.term,
    leader_id: view.leaderId ?? null,
    commit_index: view.commitIndex,
    members: view.members.map(({ id, role, state, api, peer, healthy, appliedIndex, matchIndex, lag, clockSkewMs, version }) => ({
      id, role, state, api, peer, healthy,
      applied_index: appliedIndex ?? null, match_index: matchIndex ?? null, lag: lag ?? null, clock_skew_ms: clockSkewMs ?? null, version,
    })),
  };
}

export function positionText(position: EventPosition): string {
  return `${position.index}.${position.at}`;
}

export function presentEvent(view: EventView): Json {
  return {
    id: positionText(view.position),
    type: view.type,
    at: formatInstant(view.atMs),
    ...present("job_id", view.jobId),
    ...present("execution_id", view.executionId),
    ...present("node_id", view.nodeId),
    ...present("attempt", view.attempt),
    ...present("fencing_token", view.fencingToken),
    ...present("scheduled_at", view.scheduledAtMs === undefined ? undefined : formatInstant(view.scheduledAtMs)),
    ...present("lateness_ms", view.latenessMs),
  };
}

function present(name: string, value: unknown): Json {
  return value === undefined ? {} : { [name]: value };
}

function instantOrNull(atMs: number | undefined): string | null {
  return atMs === undefined ? null : formatInstant(atMs);
}

function textOrNull(text: string | undefined): string | null {
  return text === undefined || text === "" ? null : text;
}
