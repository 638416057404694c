// Owns: what all reading routes share: consistency, the headers that say how fresh an answer is, pages and their Link.

import { PawlError, assert } from "../base/errors.ts";
import { parseInstant } from "../base/time.ts";
import type { Answer, Answered, Consistency, Query } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Backend } from "./backend.ts";

export type AnswerOf<Kind extends Answer["kind"]> = Extract<Answer, { readonly kind: Kind }>;
export type Read<Kind extends Answer["kind"]> = { readonly answer: AnswerOf<Kind>; readonly headers: Readonly<Record<string, string>> };

/** Asks the core; linearizable unless the caller wants it otherwise (P3). */
export async function read<Kind extends Answer["kind"]>(
  backend: Backend,
  query: Extract<Query, { readonly kind: Kind }>,
  consistency: Consistency = "linearizable",
): Promise<Read<Kind>> {
  const answered = await backend.query(query as Query, consistency);
  return { answer: answerOf<Kind>(answered, query.kind as Kind), headers: freshness(answered, consistency) };
}

function answerOf<Kind extends Answer["kind"]>(answered: Answered, kind: Kind): AnswerOf<Kind> {
  assert(answered.answer.kind === kind, `asked for ${kind}, got ${answered.answer.kind}`);
  return answered.answer as AnswerOf<Kind>;
}

function freshness(answered: Answered, consistency: Consistency): Readonly<Record<string, string>> {
  const index = { "pawl-applied-index": String(answered.appliedIndex) };
  return consistency === "stale" ? { ...index, "pawl-staleness-ms": String(Math.max(0, Math.round(answered.ageMs))) } : index;
}

/** What the OpenAPI document says of every route that answers in pages. */
export const pagesSummary =
  "A page may be shorter than its limit, even empty: there is more for as long as the header Link names a next page";

export function pageLimit(limit: number | undefined): number {
  return limit ?? limits.pageDefault;
}

/** The address of the next page: the request's own, with the cursor replaced. None on the last page. */
export function nextLink(url: string, cursor: string | undefined): Readonly<Record<string, string>> {
  if (cursor === undefined) return {};
  const [path, search] = url.split("?", 2);
  const params = new URLSearchParams(search);
  params.set("cursor", cursor);
  return { link: `<${path}?${params.toString()}>; rel="next"` };
}

/** An instant of a query string, in which an unescaped + arrives as a space. */
export function queryInstant(value: string, field: string): number {
  return parseInstant(value.replace(/ (\d{2}:\d{2})$/, "+$1"), field);
}

export type Span = { readonly fromMs?: number; readonly toMs?: number };

/** "instant" is from it on; "from/to" is [from, to), where one of both may be left out. */
export function startTimeSpan(value: string | undefined): Span {
  if (value === undefined) return {};
  const parts = value.split("/");
  const field = "start_time";
  if (parts.length > 2 || parts.every((part) => part === "")) {
    throw new PawlError("invalid", `${field}: expected an instant, or two with a slash between them`, { field });
  }
  return span(parts[0], parts[1], field, field);
}

export function span(from: string | undefined, to: string | undefined, fromField = "from", toField = "to"): Span {
  const fromMs = from === undefined || from === "" ? undefined : queryInstant(from, fromField);
  const toMs = to === undefined || to === "" ? undefined : queryInstant(to, toField);
  if (fromMs !== undefined && toMs !== undefined && toMs < fromMs) {
    throw new PawlError("invalid", `${toField}: the end lies before the start`, { field: toField });
  }
  return { ...(fromMs === undefined ? {} : { fromMs }), ...(toMs === undefined ? {} : { toMs }) };
}
