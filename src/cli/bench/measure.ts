// Owns: one run of `pawl bench`: its schedules, its one-shots, what became of them, and their removal.
// (M1) What was made and has not ended is removed, also after a break; what cannot be removed is told. What has ended stays in the history.
// (M2) Lateness is that of the run's own executions, read from the history, not the cluster's in general.

import { PawlError } from "../../base/errors.ts";
import { formatInstant } from "../../base/time.ts";
import type { ErrorCode } from "../../base/errors.ts";
import type { Client, Execution, NewJob } from "../../client/index.ts";
import { limits } from "../../limits.ts";
import type { System } from "../../system.ts";
import { callAll, pause } from "./crew.ts";
import type { Called } from "./crew.ts";
import { daily, scheduleId, shot, shotId } from "./plan.ts";
import type { BenchPlan } from "./plan.ts";

export type BenchParts = {
  readonly client: Pick<Client, "jobs" | "executions">;
  readonly system: System;
  /** Asks for the end; what was made is removed all the same. */
  readonly signal: AbortSignal;
  /** Told what is being done, and how much of it. */
  readonly said: (what: string) => void;
};

export type Ended = {
  readonly completed: number;
  readonly others: number;
  /** Of executions that were started. */
  readonly latenessMs: readonly number[];
};

/** Schedules that were submitted as a list. */
export type Listed = {
  readonly submitted: number;
  readonly refused: number;
  /** No job beyond the first so many was sent. */
  readonly begun: number;
  readonly tookMs: number;
};

export type Measured = {
  readonly schedules: Listed | undefined;
  readonly shots: Called;
  readonly ended: Ended;
  readonly removed: number;
  /** Jobs of the run that may still be there, by what was said. */
  readonly left: ReadonlyMap<ErrorCode, number>;
};

/** No job beyond the first so many was made. */
type Made = { readonly schedules: number; readonly shots: number };

export async function measure(plan: BenchPlan, parts: BenchParts): Promise<Measured> {
  const { client, system, signal, said } = parts;
  const beganMs = system.wallMs();
  const schedules = plan.schedules === 0 ? undefined : await listed(plan, parts);
  said(`submitting ${plan.count} one-shots, ${plan.perSecond} a second`);
  const call = (at: number): Promise<unknown> => client.jobs.submit(shot(plan, at, system.wallMs()));
  const shots = await callAll(system, { count: plan.count, callers: plan.clients, perSecond: plan.perSecond, signal, call });
  const ended = new Set<string>();
  const results = await settled(plan, parts, beganMs, shots.latencyMs.length, ended);
  const made: Made = { schedules: schedules?.begun ?? 0, shots: shots.begun };
  return { schedules, shots, ended: results, ...(await removed(plan, parts, made, ended)) };
}

/** When the list breaks off, what was sent of it is removed before that is told. */
async function listed(plan: BenchPlan, parts: BenchParts): Promise<Listed> {
  const { client, system, signal, said } = parts;
  said(`submitting ${plan.schedules} daily schedules`);
  const sinceMs = system.monotonicMs();
  let [submitted, refused, begun] = [0, 0, 0];
  function* jobs(): Generator<NewJob> {
    while (begun < plan.schedules && !signal.aborted) yield daily(plan, begun++, system.wallMs());
  }
  try {
    for await (const step of client.jobs.import(jobs(), { signal })) {
      submitted += step.submitted;
      refused += step.refused;
    }
  } catch (error) {
    await removed(plan, parts, { schedules: begun, shots: 0 }, new Set());
    throw error;
  }
  return { submitted, refused, begun, tookMs: system.monotonicMs() - sinceMs };
}

/** What became of the one-shots, looked at until all have ended or it takes too long. Adds the ids of those that have ended. */
async function settled(plan: BenchPlan, parts: BenchParts, beganMs: number, expected: number, ended: Set<string>): Promise<Ended> {
  const { system, signal, said } = parts;
  let results: Ended = { completed: 0, others: 0, latenessMs: [] };
  if (!signal.aborted) said("waiting for the last of them to run");
  for (let looks = 0; looks < limits.benchLooksMax; looks++) {
    if (!signal.aborted) await pause(system, limits.benchLeadMs);
    try {
      results = await look(plan, parts, beganMs, ended);
    } catch (error) {
      if (!(error instanceof PawlError)) throw error;
      said(`the executions cannot be read now: ${error.message}`);
    }
    if (signal.aborted || results.completed + results.others >= expected) break;
  }
  return results;
}

async function look(plan: BenchPlan, { client }: BenchParts, beganMs: number, ended: Set<string>): Promise<Ended> {
  const latenessMs: number[] = [];
  let [completed, others] = [0, 0];
  for await (const each of client.executions.list({ from: formatInstant(Math.floor(beganMs)), limit: limits.pageMax })) {
    if (!each.job_id.startsWith(`${plan.prefix}-`) || !hasEnded(each)) continue;
    ended.add(each.job_id);
    if (each.status === "completed") completed++;
    else others++;
    if (each.lateness_ms !== null) latenessMs.push(each.lateness_ms);
  }
  return { completed, others, latenessMs };
}

function hasEnded({ status }: Execution): boolean {
  return status !== "queued" && status !== "running";
}

/** Cancels what may be there still. A job that is not there, or has ended meanwhile, is as good as removed. */
async function removed(
  plan: BenchPlan, { client, system, said }: BenchParts, made: Made, ended: ReadonlySet<string>,
): Promise<Pick<Measured, "removed" | "left">> {
  const shots = Array.from({ length: made.shots }, (_, at) => shotId(plan, at)).filter((id) => !ended.has(id));
  const ids = [...Array.from({ length: made.schedules }, (_, at) => scheduleId(plan, at)), ...shots];
  if (ids.length > 0) said(`removing ${ids.length} jobs`);
  const call = (at: number): Promise<unknown> => client.jobs.cancel(ids[at] as string, { running: "cancel" }).catch(unlessGone);
  const { refused } = await callAll(system, { count: ids.length, callers: plan.clients, call });
  const left = [...refused.values()].reduce((sum, each) => sum + each, 0);
  return { removed: ids.length - left, left: refused };
}

function unlessGone(error: unknown): void {
  const isGone = error instanceof PawlError && (error.code === "not_found" || error.code === "conflict");
  if (!isGone) throw error;
}
