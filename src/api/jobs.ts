// Owns: the routes of jobs. The first five are the ones that others already rely on: names and answers are fixed.

import { PawlError } from "../base/errors.ts";
import type { Change, ChangeOrigin, ChangeReply } from "../jobs/views.ts";
import type { System } from "../system.ts";
import * as answers from "./answers.ts";
import type { Backend } from "./backend.ts";
import { derivedId, timeOrderedId } from "./jobid.ts";
import { jobPatchOf, jobSpecOf } from "./parse.ts";
import { presentJob, presentListedJob } from "./present.ts";
import { PREFIX, route } from "./registry.ts";
import type { Call, Result, Route } from "./registry.ts";
import { nextLink, pageLimit, pagesSummary, read, startTimeSpan } from "./reading.ts";
import { deleteQuery, jobChange, jobsQuery, newJob, noQuery, readQuery } from "./schemas.ts";
import type { JobChangeBody, JobsQuery, NewJobBody } from "./schemas.ts";

export function jobRoutes(backend: Backend, system: System): readonly Route[] {
  return [...fixedRoutes(backend, system), ...aroundRoutes(backend)];
}

function fixedRoutes(backend: Backend, system: System): readonly Route[] {
  const path = `${PREFIX}/jobs`;
  const one = `${path}/{job_id}`;
  return [
    route({
      method: "POST", path, permission: "jobs:write", change: true, summary: "Submits a job",
      body: newJob, query: noQuery, answers: { 201: answers.submitted },
      handle: (call) => submit(backend, system, call),
    }),
    route({
      method: "PUT", path: one, permission: "jobs:write", change: true, summary: "Changes a job",
      body: jobChange, query: noQuery, answers: { 200: answers.updated },
      handle: (call) => update(backend, system, call),
    }),
    route({
      method: "DELETE", path: one, permission: "jobs:write", change: true,
      summary: "Cancels a job and what is queued of it; running executions end by themselves unless running=cancel",
      query: deleteQuery, answers: { 200: answers.cancelled },
      handle: ({ param, query, origin }) => {
        return changed(backend, { kind: "cancel", jobId: param("job_id"), running: query.running ?? "leave" }, origin);
      },
    }),
    route({
      method: "GET", path: one, permission: "jobs:read", change: false, summary: "One job, a one-shot with its execution's status",
      query: readQuery, answers: { 200: answers.job },
      handle: async ({ param, query }) => {
        const jobId = param("job_id");
        const { answer, headers } = await read(backend, { kind: "job", jobId }, query.consistency);
        if (answer.job === undefined) throw new PawlError("not_found", `there is no job ${jobId}`, { field: "job_id" });
        return { body: presentJob(answer.job), headers };
      },
    }),
    route({
      method: "GET", path, permission: "jobs:read", change: false, summary: `Jobs by page. ${pagesSummary}`,
      query: jobsQuery, answers: { 200: answers.jobs },
      handle: (call) => list(backend, call),
    }),
  ];
}

function aroundRoutes(backend: Backend): readonly Route[] {
  const one = `${PREFIX}/jobs/{job_id}`;
  return [
    route({
      method: "POST", path: `${one}/pause`, permission: "jobs:write", change: true, summary: "Stops a job from becoming due",
      query: noQuery, answers: { 200: answers.paused },
      handle: ({ param, origin }) => changed(backend, { kind: "pause", jobId: param("job_id") }, origin),
    }),
    route({
      method: "POST", path: `${one}/resume`, permission: "jobs:write", change: true, summary: "Ends a pause",
      query: noQuery, answers: { 200: answers.resumed },
      handle: ({ param, origin }) => changed(backend, { kind: "resume", jobId: param("job_id") }, origin),
    }),
    route({
      method: "POST", path: `${one}/trigger`, permission: "jobs:trigger", change: true, summary: "Runs a job now, beside its schedule",
      query: noQuery, answers: { 200: answers.triggered },
      handle: ({ param, origin }) => changed(backend, { kind: "trigger", jobId: param("job_id") }, origin),
    }),
  ];
}

async function submit(backend: Backend, system: System, { body, origin }: Call<NewJobBody, unknown>): Promise<Result> {
  const nowMs = system.wallMs();
  const spec = jobSpecOf(body, backend, nowMs);
  const jobId = body.job_id ?? (origin.key === undefined ? timeOrderedId(nowMs) : derivedId(origin));
  return { ...(await changed(backend, { kind: "create", jobId, spec }, origin)), status: 201 };
}

async function update(backend: Backend, system: System, { body, param, origin }: Call<JobChangeBody, unknown>): Promise<Result> {
  const jobId = param("job_id");
  if (body.job_id !== undefined && body.job_id !== jobId) {
    throw new PawlError("invalid", "job_id: differs from the one in the path; a job keeps its id", { field: "job_id" });
  }
  const patch = jobPatchOf(body, backend, system.wallMs());
  if (body.payload !== undefined || body.job_type !== undefined) await checkPayload(backend, jobId, body);
  return changed(backend, { kind: "update", jobId, patch }, origin);
}

/**
 * A payload fits a type, so one of both alone is checked with the other as it is now. Whether the job exists is not judged here:
 * only the log may, after it has looked for the Idempotency-Key.
 */
async function checkPayload(backend: Backend, jobId: string, body: JobChangeBody): Promise<void> {
  const whole = body.payload !== undefined && body.job_type !== undefined;
  const present = whole ? undefined : (await read(backend, { kind: "job", jobId })).answer.job?.spec;
  const jobType = body.job_type ?? present?.class.jobType;
  const payload = body.payload === undefined ? present?.payload : body.payload;
  if (jobType !== undefined && (whole || present !== undefined)) backend.validatePayload(jobType, payload ?? null);
}

async function list(backend: Backend, { query, url }: Call<unknown, JobsQuery>): Promise<Result> {
  const { fromMs, toMs } = startTimeSpan(query.start_time);
  const { answer, headers } = await read(
    backend,
    {
      kind: "jobs",
      filter: { status: query.status, jobType: query.job_type, startFromMs: fromMs, startToMs: toMs },
      limit: pageLimit(query.limit),
      cursor: query.cursor,
    },
    query.consistency,
  );
  return { body: answer.page.items.map(presentListedJob), headers: { ...headers, ...nextLink(url, answer.page.cursor) } };
}

/** Sends a change and shows its reply as a status word and the ids it is about. */
export async function changed(backend: Backend, change: Change, origin: ChangeOrigin): Promise<Result> {
  const reply = await backend.change(change, origin);
  return { body: replyBody(reply, change), headers: { "pawl-applied-index": String(reply.index) } };
}

function replyBody(reply: ChangeReply, change: Change): Readonly<Record<string, string>> {
  if (change.kind === "cancel_execution") return { status: reply.status, execution_id: reply.executionId ?? change.executionId };
  const jobId = reply.jobId ?? ("jobId" in change ? change.jobId : undefined);
  return {
    status: reply.status,
    ...(jobId === undefined ? {} : { job_id: jobId }),
    ...(change.kind === "trigger" && reply.executionId !== undefined ? { execution_id: reply.executionId } : {}),
  };
}
