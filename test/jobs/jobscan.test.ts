// Rows that a listing finds beside rows asked one by one, over random tables and filters.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JobScan } from "../../src/jobs/jobscan.ts";
import { jobStatus } from "../../src/jobs/show.ts";
import { jobFlags } from "../../src/jobs/jobtable.ts";
import type { JobFilter } from "../../src/jobs/views.ts";
import { at, everySecond, HOUR, Machine, NOON, SECOND, spec } from "./machine.ts";

const TYPES = ["noop", "http", "shell"] as const;
const STATUSES = ["scheduled", "paused", "queued", "running", "retrying", "cancelling", "completed", "failed"] as const;
const WORDS: Readonly<Record<string, readonly string[]>> = { queued: ["queued", "retrying"], running: ["running", "cancelling"] };

const job = fc.record({
  type: fc.constantFrom(...TYPES),
  once: fc.boolean(),
  dueMs: fc.integer({ min: 1, max: 20 }),
  becomes: fc.constantFrom("waiting", "paused", "queued", "running", "retrying", "cancelling", "deleted"),
});
const filter = fc.record(
  {
    status: fc.constantFrom(...STATUSES),
    jobType: fc.constantFrom(...TYPES, "none"),
    startFromMs: fc.integer({ min: 0, max: 20 }).map((n) => NOON + n * SECOND),
    startToMs: fc.integer({ min: 1, max: 21 }).map((n) => NOON + n * SECOND),
  },
  { requiredKeys: [] },
);
type Made = typeof job extends fc.Arbitrary<infer T> ? T : never;

function make(machine: Machine, id: string, { type, once, dueMs, becomes }: Made, session: number): void {
  const dueAtMs = NOON + dueMs * SECOND;
  machine.create(id, spec(once ? at(dueAtMs) : everySecond, { jobType: type }, { paused: becomes === "paused" }), dueAtMs);
  if (becomes === "waiting" || becomes === "paused") return;
  const ref = machine.ref(id);
  if (becomes === "deleted") {
    machine.one({ kind: "trigger", key: undefined, ref });
    machine.start(machine.only(id), session);
    return void machine.one({ kind: "cancel", key: undefined, ref, jobId: id, cancelRunning: false });
  }
  machine.one({ kind: "trigger", key: undefined, ref });
  if (becomes === "queued") return;
  const slot = machine.only(id);
  machine.start(slot, session);
  if (becomes === "retrying") machine.result(slot, "failed", machine.clockMs + HOUR);
  const sequence = machine.state.live.sequence[slot] as number;
  if (becomes === "cancelling") machine.one({ kind: "cancelExecution", key: undefined, sequence });
}

function fits({ state }: Machine, number: number, { status, jobType, startFromMs = 0, startToMs = Infinity }: JobFilter): boolean {
  const { jobs } = state;
  if (!jobs.pool.has(number) || jobs.has(number, jobFlags.deleted)) return false;
  if (status !== undefined && !(WORDS[status] ?? [status]).includes(jobStatus(state, number))) return false;
  if (jobType !== undefined && state.classOf(number).spec.jobType !== jobType) return false;
  const startMs = (jobs.dueAtMs[number] as number) || (jobs.lastAtMs[number] as number);
  return startMs >= startFromMs && startMs < startToMs;
}

function found({ state }: Machine, asked: JobFilter): number[] {
  const scan = new JobScan(state, asked);
  const end = state.jobs.rows.rowCount();
  const numbers: number[] = [];
  if (!scan.mayFind) return numbers;
  for (let number = scan.next(1, end); number < end; number = scan.next(number + 1, end)) numbers.push(number);
  return numbers;
}

test("a scan finds the rows that fit, and no other", () => {
  const property = fc.property(fc.array(job, { maxLength: 30 }), fc.array(filter, { minLength: 20, maxLength: 20 }), (jobs, filters) => {
    const machine = new Machine();
    const session = machine.up("node", { slots: 100 });
    jobs.forEach((each, i) => make(machine, `job-${i}`, each, session));
    const numbers = Array.from({ length: machine.state.capacity.jobsMax }, (_, i) => i + 1);
    for (const asked of filters) assert.deepEqual(found(machine, asked), numbers.filter((number) => fits(machine, number, asked)));
  });
  fc.assert(property, { seed: 20261121, numRuns: 60 });
});

test("a class that comes up between two steps is looked for as well", () => {
  const machine = new Machine();
  machine.create("a", spec(everySecond, { jobType: "http" }), NOON + HOUR);
  const scan = new JobScan(machine.state, { jobType: "http" });
  assert.equal(scan.next(1, 2), 1);
  machine.create("b", spec(everySecond, { jobType: "http", priority: "high" }), NOON + HOUR);
  assert.equal(scan.next(2, 3), 2);
});

test("a type that no job has is known without looking", () => {
  const machine = new Machine();
  machine.create("a", spec(everySecond, { jobType: "http" }), NOON + HOUR);
  assert.equal(new JobScan(machine.state, { jobType: "shell" }).mayFind, false);
  assert.equal(new JobScan(machine.state, { status: "completed" }).mayFind, false);
  assert.equal(new JobScan(machine.state, { jobType: "http", status: "paused" }).mayFind, true);
});
