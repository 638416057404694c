// Listings page by page while the table changes in between (H16.15): what is there all the time is listed once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Queries } from "../../src/cluster/queries.ts";
import type { JobView } from "../../src/jobs/views.ts";
import { realSystem } from "../../src/system.ts";
import { everySecond, HOUR, Machine, NOON, spec } from "../jobs/machine.ts";

const noHistory = { record: () => undefined, findSequence: () => undefined, scan: () => ({ rows: [], next: undefined }) };

function queriesOf(machine: Machine): Queries {
  return new Queries(machine.state, noHistory, { page: async () => [] }, realSystem);
}

test("H16.15: a job that is there from the first page to the last is listed once, whatever comes and goes meanwhile", async () => {
  for (const limit of [1, 2, 3, 7]) {
    const machine = new Machine();
    const ids = Array.from({ length: 12 }, (_, i) => `job-${i}`);
    for (const id of ids) machine.create(id, spec(everySecond), NOON + HOUR);
    const queries = queriesOf(machine);
    const listed: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page === 0 || cursor !== undefined; page++) {
      const answer = await queries.answer({ kind: "jobs", filter: {}, limit, cursor });
      assert.ok(answer.kind === "jobs" && answer.page.items.length <= limit);
      listed.push(...answer.page.items.map((job: JobView) => job.jobId));
      cursor = answer.page.cursor;
      if (page === 0) machine.one({ kind: "cancel", key: undefined, ref: machine.ref("job-0"), jobId: "job-0", cancelRunning: false });
      if (page === 1) machine.create("new", spec(everySecond), NOON + HOUR);
    }
    const there = ids.slice(1);
    assert.deepEqual(listed.filter((id) => there.includes(id)), there, `pages of ${limit}`);
    assert.equal(new Set(listed).size, listed.length);
  }
});

test("H16.15: the live executions of all jobs, page by page", async () => {
  const machine = new Machine();
  for (let i = 0; i < 9; i++) {
    machine.create(`job-${i}`, spec(everySecond), NOON);
    machine.fire(`job-${i}`, NOON + HOUR);
  }
  const queries = queriesOf(machine);
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    const answer = await queries.answer({ kind: "executions", filter: {}, limit: 4, cursor });
    assert.ok(answer.kind === "executions");
    listed.push(...answer.page.items.map(({ jobId }) => jobId));
    cursor = answer.page.cursor;
  } while (cursor !== undefined);
  assert.deepEqual(listed, Array.from({ length: 9 }, (_, i) => `job-${i}`));
});
