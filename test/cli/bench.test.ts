// Checks `pawl bench` on a made-up cluster and a clock that timers move: what is sent, what is told of it, and that nothing is left behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { callAll } from "../../src/cli/bench/crew.ts";
import { measure } from "../../src/cli/bench/measure.ts";
import type { BenchParts } from "../../src/cli/bench/measure.ts";
import { planOf } from "../../src/cli/bench/plan.ts";
import type { BenchFlags, BenchPlan } from "../../src/cli/bench/plan.ts";
import type { Execution, NewJob } from "../../src/client/index.ts";
import { limits } from "../../src/limits.ts";
import type { System } from "../../src/system.ts";
import { NOW_MS, fakeServer, ranWith } from "./helpers.ts";

/** Its time moves to the next timer when everything else has been done. */
class MovingSystem implements System {
  private nowMs = 0;
  private readonly timers: { readonly atMs: number; readonly run: () => void }[] = [];

  wallMs(): number {
    return NOW_MS + this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  random(): number {
    return 0.5;
  }

  after(delayMs: number, run: () => void): { cancel(): void } {
    this.timers.push({ atMs: this.nowMs + delayMs, run });
    setImmediate(() => this.next());
    return { cancel: () => assert.fail("no timer is cancelled") };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  private next(): void {
    this.timers.sort((a, b) => a.atMs - b.atMs);
    const first = this.timers.shift();
    if (first === undefined) return;
    this.nowMs = Math.max(this.nowMs, first.atMs);
    first.run();
  }
}

const flags: BenchFlags = { rate: "10", duration: "2s", schedules: "0", payload: "0", clients: "5" };

function plan(changed: Partial<BenchFlags> = {}): BenchPlan {
  return planOf({ ...flags, ...changed }, 0.5);
}

/** Which single submissions are refused, where a list breaks off, whether nothing can be removed. */
type Options = { readonly refuse?: (id: string) => boolean; readonly breaks?: (id: string) => boolean; readonly keep?: boolean };

/** Jobs and executions in memory; each execution completes when it is due, 7 ms late. */
function cluster(system: System, options: Options = {}) {
  const jobs = new Map<string, NewJob>();
  const cancelled: string[] = [];
  const said: string[] = [];
  const ending = new AbortController();
  async function* list(): AsyncGenerator<Execution> {
    for (const [jobId, { schedule_time: dueAt }] of jobs) {
      if (dueAt === undefined || Date.parse(dueAt) > system.wallMs()) continue;
      yield { job_id: jobId, status: "completed", lateness_ms: 7 } as Execution;
    }
    yield { job_id: "somebody-elses", status: "completed", lateness_ms: 9999 } as Execution;
  }
  const client = {
    jobs: {
      submit: async (job: NewJob) => {
        if (options.refuse?.(job.job_id ?? "") === true) throw new PawlError("overloaded", "full");
        jobs.set(job.job_id ?? "", job);
        return { status: "submitted", job_id: job.job_id };
      },
      import: async function* (list: Iterable<NewJob>) {
        for (const job of list) {
          if (options.breaks?.(job.job_id ?? "") === true) throw new PawlError("no_quorum", "alone");
          jobs.set(job.job_id ?? "", job);
        }
        yield { submitted: jobs.size, refused: 0 };
      },
      cancel: async (jobId: string) => {
        if (options.keep === true) throw new PawlError("no_quorum", "alone");
        if (!jobs.delete(jobId)) throw new PawlError("not_found", "no such job");
        cancelled.push(jobId);
        return { status: "cancelled", job_id: jobId };
      },
    },
    executions: { list },
  };
  const parts = { client, system, signal: ending.signal, said: (what: string) => void said.push(what) } as unknown;
  return { parts: parts as BenchParts, jobs, cancelled, said, ending };
}

test("one-shots are sent at the rate and their lateness is read; schedules are removed, what has ended is not touched", async () => {
  const system = new MovingSystem();
  const made = cluster(system);
  const { shots, schedules, ended, removed, left } = await measure(plan({ schedules: "3", payload: "300" }), made.parts);
  assert.deepEqual([shots.begun, shots.latencyMs.length, schedules?.submitted], [20, 20, 3]);
  assert.deepEqual([ended.completed, ended.others, new Set(ended.latenessMs)], [20, 0, new Set([7])]);
  assert.deepEqual([removed, left.size, made.cancelled.length], [3, 0, 3]);
  assert.ok(made.cancelled.every((id) => id.startsWith(`${plan().prefix}-daily-`)));
  const sentMs = [...made.jobs.values()].map(({ schedule_time: dueAt }) => Date.parse(dueAt ?? "") - NOW_MS - limits.benchLeadMs);
  assert.deepEqual(sentMs.sort((a, b) => a - b), Array.from({ length: 20 }, (_, at) => 100 * at), "evenly over the duration");
  for (const { payload } of made.jobs.values()) assert.equal(JSON.stringify(payload).length, 300);
});

test("refusals are counted by their code, and what was refused is not waited for", async () => {
  const made = cluster(new MovingSystem(), { refuse: (id) => id.endsWith("3") });
  const { shots, ended } = await measure(plan(), made.parts);
  assert.deepEqual([[...shots.refused], shots.latencyMs.length, ended.completed], [[["overloaded", 2]], 18, 18]);
});

test("after a break what was made is removed, and nothing more is made", async () => {
  const system = new MovingSystem();
  const made = cluster(system);
  system.after(1_000, () => made.ending.abort());
  const { shots, ended } = await measure(plan({ schedules: "4" }), made.parts);
  assert.ok(shots.latencyMs.length < 12, `${shots.latencyMs.length} were sent`);
  assert.equal(made.jobs.size, ended.completed, "only what has ended is there");
  assert.equal(made.cancelled.length, 4 + shots.latencyMs.length - ended.completed);
});

test("a list that breaks off is removed as far as it was sent, and what broke it is thrown", async () => {
  const made = cluster(new MovingSystem(), { breaks: (id) => id.endsWith("-3") });
  await assert.rejects(measure(plan({ schedules: "9" }), made.parts), { code: "no_quorum" });
  assert.deepEqual([made.jobs.size, made.cancelled.length], [0, 3]);
});

test("what cannot be removed is told", async () => {
  const made = cluster(new MovingSystem(), { keep: true });
  const { removed, left } = await measure(plan({ schedules: "4" }), made.parts);
  assert.deepEqual([removed, [...left]], [0, [["no_quorum", 4]]]);
});

test("a call's latency counts from its time: one slow answer costs all that it delayed (C1)", async () => {
  const system = new MovingSystem();
  const call = (at: number): Promise<void> => new Promise((resolve) => void system.after(at === 0 ? 500 : 0, resolve));
  const { latencyMs } = await callAll(system, { count: 5, callers: 1, perSecond: 10, call });
  assert.deepEqual(latencyMs, [500, 400, 300, 200, 100]);
});

test("wrong sizes are refused by the flag's name, before anything is asked", async () => {
  for (const [argv, message] of [
    [["--rate", "0"], /--rate: expected a whole number from 1/], [["--rate", "1e3"], /--rate/],
    [["--duration", "soon"], /--duration: expected a duration/],
    [["--rate", "100000", "--duration", "1h"], /--rate and --duration: expected 1 to 1000000 jobs/], [["--clients", "0"], /--clients/],
    [["--payload", "300000"], /--payload/], [["--schedules", "-1"], /--schedules/],
  ] as const) {
    const env = { PAWL_SERVER: "http://127.0.0.1:1", PAWL_TOKEN: "a-token-for-tests" };
    const { code, stderr } = await ranWith(["bench", ...argv], { env });
    assert.equal(code, 2, argv.join(" "));
    assert.match(stderr, message);
  }
});

test("the command tells its prefix first, its figures as JSON or as a table, and fails when jobs are left", async (t) => {
  const server = await fakeServer(t, {
    "POST /api/v1/jobs": { status: 201, body: { status: "submitted", job_id: "x" } },
    "GET /api/v1/executions": { body: [] },
  });
  const argv = ["bench", "--rate", "2", "--duration", "1s"];
  const table = await ranWith(argv, { env: server.env });
  assert.match(table.stderr, /^ids of the jobs begin with bench-i00000-\n/);
  assert.match(table.stdout, /^submitted jobs +2$/m);
  const { code, stdout } = await ranWith([...argv, "--json"], { env: server.env });
  const told = JSON.parse(stdout) as { submitted: { jobs: number }; executions: unknown; removed: number; left: unknown };
  assert.deepEqual([code, told.submitted.jobs, told.executions, told.removed, told.left], [0, 2, { completed: 0, others: 0 }, 2, {}]);
  const kept = await fakeServer(t, {
    "POST /api/v1/jobs": { status: 201, body: { status: "submitted", job_id: "x" } },
    "GET /api/v1/executions": { body: [] },
    "DELETE /api/v1/jobs/bench-i00000-once-0": { status: 403, body: { code: "forbidden", detail: "no", outcome: "rejected" } },
  });
  const failed = await ranWith(argv, { env: kept.env });
  assert.equal(failed.code, 5);
  assert.match(failed.stderr, /1 jobs whose ids begin with bench-i00000- could not be removed \(forbidden\)/);
});
