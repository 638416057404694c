// Owns: the routes of executions and of their output. Output stays on the node that ran the attempt; the backend fetches it.

import { PawlError } from "../base/errors.ts";
import * as answers from "./answers.ts";
import type { Backend, OutputPart } from "./backend.ts";
import { changed } from "./jobs.ts";
import { presentExecution } from "./present.ts";
import { PREFIX, route } from "./registry.ts";
import type { Call, Result, Route } from "./registry.ts";
import { nextLink, pageLimit, pagesSummary, read, span } from "./reading.ts";
import { executionsQuery, jobExecutionsQuery, noQuery, readQuery } from "./schemas.ts";
import type { ExecutionsQuery } from "./schemas.ts";

export function executionRoutes(backend: Backend): readonly Route[] {
  const path = `${PREFIX}/executions`;
  const one = `${path}/{execution_id}`;
  return [
    route({
      method: "GET", path: `${PREFIX}/jobs/{job_id}/executions`, permission: "executions:read", change: false,
      summary: `Executions of one job, newest first. ${pagesSummary}`,
      query: jobExecutionsQuery, answers: { 200: answers.executions },
      handle: (call) => list(backend, call, call.param("job_id")),
    }),
    route({
      method: "GET", path, permission: "executions:read", change: false,
      summary: `Executions by page: live ones, then the others, newest first. ${pagesSummary}`,
      query: executionsQuery, answers: { 200: answers.executions },
      handle: (call) => list(backend, call, call.query.job_id),
    }),
    route({
      method: "GET", path: one, permission: "executions:read", change: false, summary: "One execution",
      query: readQuery, answers: { 200: answers.execution },
      handle: async ({ param, query }) => {
        const executionId = param("execution_id");
        const { answer, headers } = await read(backend, { kind: "execution", executionId }, query.consistency);
        if (answer.execution === undefined) throw unknownExecution(executionId);
        return { body: presentExecution(answer.execution), headers };
      },
    }),
    route({
      method: "POST", path: `${one}/cancel`, permission: "executions:cancel", change: true, summary: "Cancels an execution",
      query: noQuery, answers: { 200: answers.executionCancelled },
      handle: ({ param, origin }) => changed(backend, { kind: "cancel_execution", executionId: param("execution_id") }, origin),
    }),
    route({
      method: "GET", path: `${one}/logs`, permission: "logs:read", change: false,
      summary: "Output of an execution: plain text, or JSON by attempt and stream with Accept: application/json",
      query: noQuery, answers: { 200: answers.outputs },
      handle: ({ param, header }) => logs(backend, param("execution_id"), header("accept")),
    }),
  ];
}

async function list(backend: Backend, { query, url }: Call<unknown, ExecutionsQuery>, jobId: string | undefined): Promise<Result> {
  const { answer, headers } = await read(
    backend,
    {
      kind: "executions",
      filter: { jobId, status: query.status, jobType: query.job_type, ...span(query.from, query.to) },
      limit: pageLimit(query.limit),
      cursor: query.cursor,
    },
    query.consistency,
  );
  return { body: answer.page.items.map(presentExecution), headers: { ...headers, ...nextLink(url, answer.page.cursor) } };
}

async function logs(backend: Backend, executionId: string, accept: string | undefined): Promise<Result> {
  const parts = await backend.logs(executionId);
  if (parts === undefined) throw new PawlError("not_found", `no output is kept of execution ${executionId}`, { field: "execution_id" });
  if (accept?.includes("application/json") === true) return { body: parts };
  return {
    body: plainText(parts),
    contentType: "text/plain; charset=utf-8",
    // Output is written by whatever ran: no browser may take it for a page of this site.
    headers: { "content-disposition": "attachment", "content-security-policy": "default-src 'none'; sandbox" },
  };
}

/** A heading per attempt and stream, so that the text alone says where each part came from. */
function plainText(parts: readonly OutputPart[]): string {
  return parts
    .map(({ attempt, stream, text, truncated }) => {
      const end = text === "" || text.endsWith("\n") ? "" : "\n";
      return `--- attempt ${attempt}, ${stream}${truncated ? ", cut" : ""} ---\n${text}${end}`;
    })
    .join("");
}

function unknownExecution(executionId: string): PawlError {
  return new PawlError("not_found", `there is no execution ${executionId}`, { field: "execution_id" });
}
