// Owns: the jobs that benchmarks load, each by its number, as lines of NDJSON; those of the mix also as the values that
// filled.ts stores. Lines are put together from texts, since a loader that makes objects and serializes them costs more than the node
// that it measures.
// (L1) A job is a function of its number and the run's time alone.

import type { ScheduleSpec } from "../src/jobs/spec.ts";
import { WORK } from "./cluster.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const EPOCH_MS = Date.UTC(2026, 0, 1);
const HEAD_MAX_BYTES = 256;
const EXPRESSIONS = 2_000;
const ZONES = [
  "UTC", "Europe/Berlin", "Europe/London", "Europe/Paris", "Europe/Madrid", "Europe/Warsaw", "Europe/Kyiv", "America/New_York",
  "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "America/Toronto", "Asia/Tokyo", "Asia/Seoul",
  "Asia/Shanghai", "Asia/Singapore", "Asia/Kolkata", "Australia/Sydney", "Africa/Cairo",
] as const;
const PRIORITIES = ["high", "medium", "low"] as const;
const PAYLOADS = 1_024;
const PAYLOAD_BYTES = 300;
/** Payloads of JSON that differ from job to job, of words: what is stored is as hard to compress as what people store. */
const payloads = Array.from({ length: PAYLOADS }, (_, which) => payloadOf(which));

function payloadOf(which: number): string {
  const word = (at: number): string => (Math.imul(which * 64 + at + 1, 2_654_435_761) >>> 0).toString(36);
  const words = Array.from({ length: 64 }, (_, at) => word(at)).join(" ");
  const open = `{"customer":${which},"note":"`;
  return `${open}${words.slice(0, PAYLOAD_BYTES - open.length - 2)}"}`;
}

/** What is loaded: `mix` for the figures with many schedules, `ticks` for those of executions, `burst` for what is due at once. */
export type Kind = "mix" | "ticks" | "burst" | "distant";

type Line = {
  /** The n-th job up to `tail`. `atMs` is the time of the run; of a burst, the second in which all are due. */
  readonly head: (at: number, atMs: number) => string;
  /** Jobs get them in turn. */
  readonly tails: readonly string[];
};

const line: Readonly<Record<Kind, Line>> = {
  mix: {
    head: (at, atMs) => `{"job_id":"job-${at}","job_type":"${WORK}",${timesOf(mixedSchedule(at, atMs))},"priority":"${mixedPriority(at)}"`,
    tails: payloads.map((payload) => `,"payload":${payload}}\n`),
  },
  ticks: {
    head: (at) => `{"job_id":"tick-${at}","schedule":{"every":"PT1S","anchor":"${instant(EPOCH_MS + ((at * 617) % 1000))}"}`,
    tails: [',"job_type":"noop"}\n'],
  },
  burst: {
    head: (at, atMs) => {
      const priority = burstPriority(at);
      const due = instant(atMs + ((at * 617) % 1000));
      return `{"job_id":"burst-${priority}-${at}","priority":"${PRIORITIES[priority]}","schedule_time":"${due}"`;
    },
    tails: [',"job_type":"noop"}\n'],
  },
  distant: {
    head: (at) => `{"job_id":"distant-${at}","schedule":{"cron":"${at % 60} ${Math.floor(at / 60) % 24} 1 1 *","timezone":"Asia/Tokyo"}`,
    tails: payloads.map((payload) => `,"job_type":"${WORK}","payload":${payload}}\n`),
  },
};

/** The lines of the jobs from `from` to before `to`: about 1.5 us each. */
export function linesOf(kind: Kind, from: number, to: number, atMs: number): Buffer {
  const { head, tails } = line[kind];
  const ends = tails.map((tail) => Buffer.from(tail));
  const body = Buffer.allocUnsafe((to - from) * (HEAD_MAX_BYTES + Math.max(...ends.map((end) => end.length))));
  let bytes = 0;
  for (let at = from; at < to; at++) {
    bytes += body.write(head(at, atMs), bytes, "latin1");
    const end = ends[tailOf(at) % ends.length] as Buffer;
    body.set(end, bytes);
    bytes += end.length;
  }
  return body.subarray(0, bytes);
}

/** 0 for high to 2 for low: each a third, in no order of the due times. */
export function burstPriority(at: number): 0 | 1 | 2 {
  return (Math.floor(at / 1000) % 3) as 0 | 1 | 2;
}

/** "2026-11-21T18:40:13.391Z", from tables: `toISOString` costs as much as the rest of a line. */
function instant(atMs: number): string {
  const day = Math.floor(atMs / DAY_MS);
  if (day !== knownDay) {
    knownDay = day;
    dayText = new Date(day * DAY_MS).toISOString().slice(0, 11);
  }
  const ms = atMs - day * DAY_MS;
  const ofSecond = ms % 1000;
  return dayText + (secondTexts[(ms - ofSecond) / 1000] as string) + (msTexts[ofSecond] as string);
}

let knownDay = Number.NaN;
let dayText = "";
const secondTexts = Array.from({ length: 86_400 }, (_, second) => new Date(second * 1000).toISOString().slice(11, 20));
const msTexts = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, "0")}Z`);

/** 60 % cron (2,000 expressions, a time of the day each, in 20 zones), 30 % intervals of 1 to 24 hours, 10 % one-shots; within a day. */
export function mixedSchedule(at: number, atMs: number): ScheduleSpec {
  const tenth = at % 10;
  const spread = (at * 2_654_435_761) % DAY_MS;
  if (tenth === 9) return { kind: "at", atMs: atMs + 60_000 + spread };
  if (tenth >= 6) {
    const everyMs = ((Math.floor(at / 10) % 24) + 1) * HOUR_MS;
    return { kind: "every", everyMs, anchorMs: atMs + (spread % everyMs) };
  }
  const which = Math.floor(at / 10) % EXPRESSIONS;
  const expression = `${which % 60} ${Math.floor(which / 60) % 24} * * ${which < 1_440 ? "*" : "1-6"}`;
  const timezone = ZONES[Math.floor(at / (10 * EXPRESSIONS)) % ZONES.length] as string;
  return { kind: "cron", expression, timezone, gap: "run_at_gap_end", overlap: "first" };
}

/** What is not written of a schedule is the default. */
function timesOf(schedule: ScheduleSpec): string {
  if (schedule.kind === "at") return `"schedule_time":"${instant(schedule.atMs)}"`;
  if (schedule.kind === "cron") return `"schedule":{"cron":"${schedule.expression}","timezone":"${schedule.timezone}"}`;
  return `"schedule":{"every":"PT${schedule.everyMs / HOUR_MS}H","anchor":"${instant(schedule.anchorMs)}"}`;
}

export function mixedPriority(at: number): (typeof PRIORITIES)[number] {
  return PRIORITIES[at % 3] as "high";
}

const payloadValues = payloads.map((payload) => JSON.parse(payload) as unknown);

export function mixedPayload(at: number): unknown {
  return payloadValues[tailOf(at) % PAYLOADS];
}

/** Jobs one after the other have payloads far from each other. */
function tailOf(at: number): number {
  return at * 7;
}
