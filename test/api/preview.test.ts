import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { ask, face } from "./harness.ts";

test("each schedule gets its due times, a wrong one an error in its place", async () => {
  const { api } = await face();
  const after = "2026-03-29T00:00:00Z";
  const answer = await ask(api, "POST", "/api/v1/schedules/preview", {
    schedules: [
      { cron: "30 2 * * *", timezone: "Europe/Berlin", dst: { gap: "skip" }, after: "2026-03-28T00:00:00Z", count: 2 },
      { every: "PT2S", anchor: "2026-03-29T00:00:01Z", after, count: 2 },
      { cron: "nonsense", after },
      { cron: "* * * * *", every: "PT5S" },
      { cron: "0 0 31 2 *" },
      { cron: "0 0 1 1 *", after: "yesterday" },
      { cron: "0 0 * * *", count: 1 },
    ],
  });
  assert.equal(answer.statusCode, 200);
  const { results } = answer.json();
  assert.deepEqual(results[0], { next: ["2026-03-28T01:30:00.000Z", "2026-03-30T00:30:00.000Z"] });
  assert.deepEqual(results[1], { next: ["2026-03-29T00:00:01.000Z", "2026-03-29T00:00:03.000Z"] });
  assert.deepEqual([results[2].error.code, results[2].error.field], ["invalid", "cron"]);
  assert.deepEqual([results[3].error.code, results[3].error.field], ["invalid", "schedule"]);
  assert.deepEqual([results[4].error.code, results[4].error.field], ["unprocessable", "cron"]);
  assert.deepEqual([results[5].error.code, results[5].error.field], ["invalid", "after"]);
  assert.deepEqual(results[6], { next: ["2026-11-22T00:00:00.000Z"] }, "counts from now when nothing else is said");
});

test("a large preview lets other work in between, a too large one is refused (A13)", async () => {
  const { api, system } = await face();
  let turns = 0;
  const soon = system.soon.bind(system);
  system.soon = (run) => {
    turns += 1;
    soon(run);
  };
  const schedules = Array.from({ length: 10 }, () => ({ every: "PT1S", count: 500 }));
  const answer = await ask(api, "POST", "/api/v1/schedules/preview", { schedules });
  assert.equal(answer.json().results.length, 10);
  assert.equal(turns, (10 * 500) / limits.previewSliceMax);
  const most = Array.from({ length: 101 }, () => ({ every: "PT1S", count: 10_000 }));
  const refused = await ask(api, "POST", "/api/v1/schedules/preview", { schedules: most });
  assert.deepEqual([refused.statusCode, refused.json().field, "outcome" in refused.json()], [413, "schedules", false]);
});
