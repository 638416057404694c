// Owns: due times for the planner: interned schedules compiled once, and what many jobs of one schedule ask again and again kept for
// the next who asks. Cron and zones are evaluated here, on the leader, and nowhere in apply.

import { compileSchedule, countBetween } from "../schedule/schedule.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { ScheduleSpec } from "../jobs/spec.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";

/** Due times that were missed: how many, the last, and the last but one (0 if there is none). `more`: the bound was reached. */
export type MissedRange = { readonly count: number; readonly lastMs: number; readonly beforeLastMs: number; readonly more: boolean };

type Compiled = {
  readonly text: string;
  readonly schedule: Schedule | undefined;
  readonly everyMs: number;
  missed: { fromMs: number; toMs: number; range: MissedRange } | undefined;
};

export class ScheduleBook {
  private readonly state: State;
  private readonly compiled: (Compiled | undefined)[] = [];

  constructor(state: State) {
    this.state = state;
  }

  private of(job: number): Compiled | undefined {
    const ref = this.state.jobs.schedule[job] as number;
    if (ref === 0) return undefined;
    const text = this.state.schedules.text(ref);
    const known = this.compiled[ref];
    if (known && known.text === text) return known;
    const shared = this.state.schedules.value(ref);
    const fresh: Compiled =
      shared.kind === "every"
        ? { text, schedule: undefined, everyMs: shared.everyMs, missed: undefined }
        : { text, schedule: compileSchedule(shared), everyMs: 0, missed: undefined };
    this.compiled[ref] = fresh;
    return fresh;
  }

  /** The due time after `atMs`, itself a due time of this job; 0 for none. */
  next(job: number, atMs: number): number {
    const compiled = this.of(job);
    if (!compiled) return 0;
    if (compiled.schedule === undefined) return atMs + compiled.everyMs;
    return compiled.schedule.nextAfter(atMs) ?? 0;
  }

  /** The first due time after `afterMs`; `dueMs` is a later one of this job. */
  firstAfter(job: number, dueMs: number, afterMs: number): number {
    const compiled = this.of(job);
    if (!compiled) return dueMs;
    if (compiled.schedule !== undefined) return compiled.schedule.nextAfter(afterMs) ?? dueMs;
    return dueMs - Math.floor((dueMs - afterMs - 1) / compiled.everyMs) * compiled.everyMs;
  }

  /** Due times in [fromMs, toMs], of which fromMs is one; at most limits.missedPerRangeMax at a time. */
  missed(job: number, fromMs: number, toMs: number): MissedRange {
    const compiled = this.of(job);
    if (!compiled) return { count: 1, lastMs: fromMs, beforeLastMs: 0, more: false };
    if (compiled.schedule === undefined) return missedInterval(compiled.everyMs, fromMs, toMs);
    const known = compiled.missed;
    if (known && known.fromMs === fromMs && known.toMs === toMs) return known.range;
    const range = missedCron(compiled.schedule, fromMs, toMs);
    compiled.missed = { fromMs, toMs, range };
    return range;
  }
}

function missedInterval(everyMs: number, fromMs: number, toMs: number): MissedRange {
  const count = Math.floor((toMs - fromMs) / everyMs) + 1;
  const lastMs = fromMs + (count - 1) * everyMs;
  return { count, lastMs, beforeLastMs: count > 1 ? lastMs - everyMs : 0, more: false };
}

function missedCron(schedule: Schedule, fromMs: number, toMs: number): MissedRange {
  const { count, lastMs } = countBetween(schedule, fromMs, toMs, limits.missedPerRangeMax);
  const beforeLastMs = count > 1 ? countBetween(schedule, fromMs, lastMs - 1, limits.missedPerRangeMax).lastMs : 0;
  const more = count >= limits.missedPerRangeMax && (schedule.nextAfter(lastMs) ?? Number.POSITIVE_INFINITY) <= toMs;
  return { count, lastMs, beforeLastMs, more };
}

/** First due time of a definition, strictly after `afterMs` (a one-shot's only time, whenever it is, 1970 at the earliest); 0 for none. */
export function firstDue(schedule: ScheduleSpec, afterMs: number): number {
  if (schedule.kind === "at") return Math.max(1, schedule.atMs);
  return compileSchedule(schedule).nextAfter(afterMs) ?? 0;
}
