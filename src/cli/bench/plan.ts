// Owns: what `pawl bench` makes: how many jobs, when each is sent, and what it looks like. What is measured of them is measure.ts's.
// (B1) Every job's id begins with the prefix of its run, which no other run has: that is how a run knows its own, and what it may remove.

import { PawlError } from "../../base/errors.ts";
import { formatInstant } from "../../base/time.ts";
import type { NewJob } from "../../client/index.ts";
import { limits } from "../../limits.ts";
import { typedDuration } from "../durations.ts";

export type BenchFlags = {
  readonly rate: string;
  readonly duration: string;
  readonly schedules: string;
  readonly payload: string;
  readonly clients: string;
};

export type BenchPlan = {
  readonly prefix: string;
  /** One-shots that are sent one by one, evenly over the duration. */
  readonly perSecond: number;
  readonly durationMs: number;
  readonly count: number;
  /** Recurring jobs that are there meanwhile and do not fire. */
  readonly schedules: number;
  readonly payloadBytes: number;
  readonly clients: number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PAYLOAD_LEAST_BYTES = '{"data":""}'.length;

/** `random`: in [0, 1). */
export function planOf(flags: BenchFlags, random: number): BenchPlan {
  const perSecond = whole(flags.rate, "--rate", 1, limits.benchRateMax);
  const durationMs = typedDuration(flags.duration, "--duration");
  const count = Math.round((perSecond * durationMs) / 1000);
  if (count < 1 || count > limits.benchJobsMax) {
    throw new PawlError("invalid", `--rate and --duration: expected 1 to ${limits.benchJobsMax} jobs together, got ${count}`);
  }
  const prefix = `bench-${Math.floor(random * 36 ** 6).toString(36).padStart(6, "0")}`;
  return {
    prefix, perSecond, durationMs, count,
    schedules: whole(flags.schedules, "--schedules", 0, limits.benchJobsMax),
    payloadBytes: whole(flags.payload, "--payload", 0, limits.payloadMaxBytes),
    clients: whole(flags.clients, "--clients", 1, limits.benchClientsMax),
  };
}

function whole(text: string, flag: string, low: number, high: number): number {
  const value = Number(text.replaceAll("_", ""));
  if (/^[\d_]+$/.test(text) && value >= low && value <= high) return value;
  throw new PawlError("invalid", `${flag}: expected a whole number from ${low} to ${high}, got ${JSON.stringify(text)}`);
}

/** The id of the n-th one-shot. */
export function shotId({ prefix }: BenchPlan, at: number): string {
  return `${prefix}-once-${at}`;
}

export function scheduleId({ prefix }: BenchPlan, at: number): string {
  return `${prefix}-daily-${at}`;
}

/** Due a while after it is sent, so that it is there when its time comes. */
export function shot(plan: BenchPlan, at: number, nowMs: number): NewJob {
  return { job_id: shotId(plan, at), ...carried(plan), schedule_time: formatInstant(Math.ceil(nowMs) + limits.benchLeadMs) };
}

/** Daily, the first time an hour to a day and an hour from now. */
export function daily(plan: BenchPlan, at: number, nowMs: number): NewJob {
  const anchor = formatInstant(Math.ceil(nowMs) + HOUR_MS + ((at * 617_531) % DAY_MS));
  return { job_id: scheduleId(plan, at), ...carried(plan), schedule: { every: "P1D", anchor } };
}

function carried({ payloadBytes }: BenchPlan): Pick<NewJob, "job_type" | "payload" | "description"> {
  const job = { job_type: "noop", description: "made by pawl bench" };
  return payloadBytes < PAYLOAD_LEAST_BYTES ? job : { ...job, payload: { data: "x".repeat(payloadBytes - PAYLOAD_LEAST_BYTES) } };
}
