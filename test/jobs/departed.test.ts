// Ids of jobs that left lately: the newest are known, the oldest are not, and a number that is used again does not mix with its past.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Departed } from "../../src/jobs/departed.ts";
import { limits } from "../../src/limits.ts";

test("at least half of the bound is remembered, never more than all of it, each by number and generation", () => {
  const departed = new Departed();
  const total = 2 * limits.departedMax;
  for (let job = 1; job <= total; job++) departed.add(job, job % 3, `job-${job}`);
  const known = (job: number): boolean => departed.get(job, job % 3) === `job-${job}`;
  for (let job = total - limits.departedMax / 2 + 1; job <= total; job++) assert.ok(known(job));
  assert.ok(!known(1));
  assert.equal(departed.get(total, (total % 3) + 1), undefined);
  departed.add(total, 9, "again");
  assert.deepEqual([departed.get(total, 9), departed.get(total, total % 3)], ["again", `job-${total}`]);
});
