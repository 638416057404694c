// Owns: the jobs that `pawl dev` begins with: one of each kind of schedule, and one that fails and is tried again.

import { formatInstant } from "../../base/time.ts";
import type { NewJob } from "../../client/index.ts";

const FIRST_RUN_MS = 3_000;

/** Bodies of POST /jobs. */
export function sampleJobs(nowMs: number): NewJob[] {
  return [
    { job_id: "cron-every-5s", job_type: "noop", schedule: { cron: "*/5 * * * * *" }, description: "a cron expression with seconds" },
    { job_id: "every-2s", job_type: "noop", schedule: { every: "PT2S" }, payload: { duration_ms: 300 }, description: "an interval" },
    { job_id: "once", job_type: "noop", schedule_time: formatInstant(nowMs + FIRST_RUN_MS), description: "a one-shot" },
    {
      job_id: "flaky-every-10s",
      job_type: "noop",
      schedule: { every: "PT10S" },
      payload: { fail: 2 },
      retry: { max_attempts: 3, backoff: "fixed", initial_delay: "PT1S" },
      description: "fails twice, then completes",
    },
  ];
}
