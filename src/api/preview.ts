// Owns: the answer to "when would this run": due times of schedules that are not stored anywhere.
// (A13) The work is cut into slices, so that a large request delays other requests by one slice at most.

import { PawlError } from "../base/errors.ts";
import { formatInstant, parseInstant } from "../base/time.ts";
import { limits } from "../limits.ts";
import { compileSchedule } from "../schedule/schedule.ts";
import type { System } from "../system.ts";
import * as answers from "./answers.ts";
import { scheduleSpecOf } from "./parse.ts";
import { PREFIX, route } from "./registry.ts";
import type { Result, Route } from "./registry.ts";
import { noQuery, preview } from "./schemas.ts";
import type { PreviewBody, PreviewItem } from "./schemas.ts";

const COUNT_DEFAULT = 5;

type PreviewError = { readonly code: string; readonly detail: string; readonly field?: string };
type Previewed = { readonly next: readonly string[] } | { readonly error: PreviewError };

export function previewRoutes(system: System): readonly Route[] {
  return [
    route({
      method: "POST", path: `${PREFIX}/schedules/preview`, permission: "schedules:preview", change: false,
      summary: "Next due times of up to a thousand schedules; a wrong schedule is an error in its place",
      body: preview, query: noQuery, answers: { 200: answers.previews },
      handle: ({ body }) => previewAll(body, system),
    }),
  ];
}

async function previewAll({ schedules }: PreviewBody, system: System): Promise<Result> {
  const total = schedules.reduce((sum, { count }) => sum + (count ?? COUNT_DEFAULT), 0);
  if (total > limits.previewTotalMax) {
    const field = "schedules";
    throw new PawlError("too_large", `${field}: ${total} due times asked for, at most ${limits.previewTotalMax} at once`, { field });
  }
  const nowMs = system.wallMs();
  const slice = { left: limits.previewSliceMax };
  const results: Previewed[] = [];
  for (const item of schedules) results.push(await previewOne(item, nowMs, slice, system));
  return { body: { results } };
}

async function previewOne(item: PreviewItem, nowMs: number, slice: { left: number }, system: System): Promise<Previewed> {
  try {
    const { after, count, ...body } = item;
    let atMs: number | undefined = after === undefined ? nowMs : parseInstant(after, "after");
    const schedule = compileSchedule(scheduleSpecOf(body));
    const next: string[] = [];
    while (next.length < (count ?? COUNT_DEFAULT)) {
      atMs = schedule.nextAfter(atMs);
      if (atMs === undefined) break;
      next.push(formatInstant(atMs));
      await spend(slice, system);
    }
    return { next };
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    const field = error.field?.replace(/^schedule\./, "");
    return { error: { code: error.code, detail: error.message, ...(field === undefined ? {} : { field }) } };
  }
}

/** Lets other work in when a slice is used up (A13). */
function spend(slice: { left: number }, system: System): Promise<void> | undefined {
  slice.left -= 1;
  if (slice.left > 0) return undefined;
  slice.left = limits.previewSliceMax;
  return new Promise((resolve) => system.soon(resolve));
}
