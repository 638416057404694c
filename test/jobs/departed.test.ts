// Ids of jobs that left lately: the newest are known, the oldest are not, and a number that is used again does not mix with its past.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Departed } from "../../src/jobs/departed.ts";

test("as many as the bound says are remembered, and no more, each by number and generation", () => {
  const max = 1_000;
  const departed = new Departed(max);
  const total = 2 * max + 7;
  for (let job = 1; job <= total; job++) departed.add(job, job % 3, `job-${job}`);
  const known = (job: number): boolean => departed.get(job, job % 3) === `job-${job}`;
  for (let job = total - max + 1; job <= total; job++) assert.ok(known(job));
  assert.ok(!known(total - max));
  assert.equal(departed.get(total, (total % 3) + 1), undefined);
  departed.add(total, 9, "again");
  assert.deepEqual([departed.get(total, 9), departed.get(total, total % 3)], ["again", `job-${total}`]);
});
