// Owns: how jobs, executions, nodes and the cluster look as rows of tables. The JSON of the API comes in, texts go out.

import { formatInstant } from "../base/time.ts";
import type { Cluster, Execution, ListedJob, Node } from "../client/index.ts";
import { plain, statusText } from "./output.ts";
import type { Paint } from "./output.ts";

export type TableView = { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };

export function jobTable(jobs: readonly ListedJob[], paint: Paint): TableView {
  const rows = jobs.map((job) => [
    plain(job.job_id), plain(job.job_type), wordOf(job, paint), scheduleText(job),
    shortInstant(job.next_run), shortInstant(job.last_run), plain(job.running),
  ]);
  return { head: ["JOB", "TYPE", "STATUS", "SCHEDULE", "NEXT RUN", "LAST RUN", "RUNNING"], rows };
}

export function executionTable(executions: readonly Execution[], paint: Paint): TableView {
  const rows = executions.map((execution) => [
    plain(execution.execution_id ?? (execution.range_count ? `(${execution.range_count} due times)` : "")),
    plain(execution.job_id), shortInstant(execution.scheduled_at), wordOf(execution, paint),
    plain(execution.attempt || ""), plain(execution.fencing_token), plain(execution.node_id),
    latenessText(execution.lateness_ms), plain(execution.error ?? execution.reason),
  ]);
  return { head: ["EXECUTION", "JOB", "SCHEDULED", "STATUS", "ATTEMPT", "TOKEN", "NODE", "LATE", "ERROR"], rows };
}

export function nodeTable(nodes: readonly Node[], paint: Paint): TableView {
  const rows = nodes.map(({ node_id, state, slots, running, tags }) => [
    plain(node_id), statusText(paint, state), plain(running), plain(slots), plain(tags.join(", ")),
  ]);
  return { head: ["NODE", "STATE", "RUNNING", "SLOTS", "TAGS"], rows };
}

export function memberTable(cluster: Cluster, paint: Paint): TableView {
  const rows = cluster.members.map((member) => [
    plain(member.id), statusText(paint, member.role), statusText(paint, member.state), plain(member.applied_index),
    plain(member.lag), skewText(member.clock_skew_ms), plain(member.version), member.healthy ? "yes" : paint("red", "no"),
    plain(member.api), plain(member.peer),
  ]);
  return { head: ["MEMBER", "ROLE", "STATE", "APPLIED", "LAG", "CLOCK", "VERSION", "HEALTHY", "API", "PEER"], rows };
}

function skewText(skewMs: number | null | undefined): string {
  return skewMs === null || skewMs === undefined ? "" : `${skewMs < 0 ? "" : "+"}${skewMs} ms`;
}

/** One thing as rows of name and value; values that are objects as JSON. Absent ones are left out. */
export function fieldTable(value: object, paint: Paint): TableView {
  const rows = Object.entries(value)
    .filter(([, field]) => field !== null && field !== undefined && field !== "")
    .map(([name, field]) => [plain(name), name === "status" ? statusText(paint, String(field)) : fieldText(field)]);
  return { head: ["FIELD", "VALUE"], rows };
}

function fieldText(field: unknown): string {
  return plain(typeof field === "object" ? JSON.stringify(field) : field);
}

/** The status word, or what it is in detail (retrying, cancelling). */
function wordOf(view: { readonly status: string; readonly detail?: string | undefined }, paint: Paint): string {
  return statusText(paint, view.detail ?? view.status);
}

function scheduleText({ schedule, schedule_time: at }: ListedJob): string {
  if (schedule?.cron !== undefined) return plain(`${schedule.cron} ${schedule.timezone ?? "UTC"}`);
  if (schedule?.every !== undefined) return plain(`every ${schedule.every}`);
  return at === null ? "" : `at ${shortInstant(at)}`;
}

/** "2026-11-21 09:30:00Z": seconds are enough for people. */
function shortInstant(text: string | null | undefined): string {
  return text ? `${formatInstant(Date.parse(text)).slice(0, 19).replace("T", " ")}Z` : "";
}

function latenessText(latenessMs: number | null | undefined): string {
  return latenessMs === null || latenessMs === undefined ? "" : `${Math.round(latenessMs)} ms`;
}
