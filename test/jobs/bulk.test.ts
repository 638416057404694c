// Jobs that are made in batches are what they would be if each were made alone, and what is stored of them goes with them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Bulk, BulkWriter } from "../../src/jobs/bulk.ts";
import { decodeEnded, specOf } from "../../src/jobs/definition.ts";
import { BLOCK_JOBS, definitionOf } from "../../src/jobs/definitionrows.ts";
import { jobFlags } from "../../src/jobs/jobtable.ts";
import type { Reply } from "../../src/jobs/reply.ts";
import type { JobSpec } from "../../src/jobs/spec.ts";
import { specBytes, specFrom } from "../../src/jobs/specform.ts";
import { hashBytes, hashText } from "../../src/base/checksum.ts";
import { PawlError } from "../../src/base/errors.ts";
import { utf8Bytes } from "../../src/base/bytes.ts";
import { at, daily, everySecond, fieldsOf, hourly, Machine, NOON, SECOND, spec } from "./machine.ts";

type Job = { readonly id: string; readonly of: JobSpec };

const specs: readonly JobSpec[] = [
  spec(everySecond), spec(hourly, { priority: "high" }), spec(at(NOON + 9 * SECOND)), spec(daily, {}, { paused: true }),
  spec(hourly, { hasPayload: true }, { payload: { text: "ä\u{1f600}", list: [1, null] }, description: "d", labels: { a: "b" } }),
];
/** Within a minute of the machine's time. */
const dueOf = (of: JobSpec, nowMs = NOON): number => (of.paused ? 0 : nowMs + 60 * SECOND);

function batchOf(jobs: readonly Job[], due: (of: JobSpec) => number): Uint8Array {
  const writer = new BulkWriter();
  for (const { id, of } of jobs) writer.add(id, of);
  const batch = writer.take();
  const bulk = new Bulk(batch);
  for (let i = 0; i < jobs.length; i++) bulk.setDueMs(i, due((jobs[i] as Job).of));
  return batch;
}

const many = (machine: Machine, jobs: readonly Job[], key = ""): Reply => {
  const batch = batchOf(jobs, (of) => dueOf(of, machine.clockMs));
  return machine.one({ kind: "createMany", key: key === "" ? undefined : { scope: key, bodyHash: "h" }, batch });
};

const named = (count: number, from = 0): Job[] =>
  Array.from({ length: count }, (_, i) => ({ id: `job-${from + i}`, of: specs[i % specs.length] as JobSpec }));

const specParts = fc.record({
  schedule: fc.constantFrom(...specs.map(({ schedule }) => schedule), { kind: "every", everyMs: 5_000, anchorMs: 3 } as const),
  class: fc.record(
    {
      priority: fc.constantFrom("high", "medium", "low"), overlap: fc.constantFrom("skip", "allow"),
      timeoutMs: fc.constantFrom(3_600_000, 7),
      delivery: fc.constantFrom("at_least_once", "at_most_once"),
      placement: fc.constantFrom({ tags: [], mode: "all" }, { tags: [], mode: "any" }, { tags: ["a"], mode: "all" }),
      misfire: fc.constantFrom({ policy: "fire_once", withinMs: 60_000, max: 100 }, { policy: "skip", withinMs: 60_000, max: 100 }),
      retry: fc.constantFrom(specs[0]!.class.retry,
        { maxAttempts: 3, backoff: "exponential", initialMs: 1_000, maxMs: 300_000, multiplier: 2, jitter: 0.1 }),
    },
    { requiredKeys: [] },
  ),
  rest: fc.record(
    {
      namespace: fc.constantFrom("default", "other"), description: fc.constantFrom("", "text"), paused: fc.boolean(),
      labels: fc.constantFrom({}, { a: "b" }),
    },
    { requiredKeys: [] },
  ),
  payload: fc.jsonValue(),
});

test("a spec comes out of its stored form as it went in, and usual parts take no room", () => {
  const property = fc.property(specParts, ({ schedule, class: part, rest, payload }) => {
    const empty = payload === null || (typeof payload === "object" && Object.keys(payload).length === 0);
    const whole = spec(schedule, { ...(part as object), hasPayload: !empty }, { ...(rest as object), payload: payload as unknown });
    // A JSON text has no -0, and a key "__proto__" is data.
    assert.deepEqual(specFrom(specBytes(whole)), { ...whole, payload: JSON.parse(JSON.stringify(payload)) as unknown });
  });
  fc.assert(property, { numRuns: 300, seed: Number(process.env["PAWL_SEED"] ?? Date.now() % 2 ** 31), verbose: 1 });
  const usual = { maxAttempts: 3, backoff: "exponential", initialMs: 1_000, maxMs: 300_000, multiplier: 2, jitter: 0.1 } as const;
  const plain = spec(everySecond, { retry: usual, overlap: "skip", timeoutMs: 3_600_000, placement: { tags: [], mode: "all" } });
  assert.ok(specBytes(plain).length < 60, `${specBytes(plain).length} bytes`);
});

test("a hash of the bytes of an id is that of its text", () => {
  for (const id of ["a", "job-1", "ä\u{1f600}", ""]) {
    assert.equal(hashBytes(utf8Bytes(`x${id}y`), 1, 1 + utf8Bytes(id).length), hashText(id));
  }
});

const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("many"), from: fc.integer({ min: 0, max: 60 }), count: fc.integer({ min: 1, max: 50 }) }),
    fc.record({
      what: fc.constantFrom("cancel", "update", "fire", "run"), from: fc.integer({ min: 0, max: 90 }),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  ),
  { minLength: 4, maxLength: 14 },
);

/** One machine is told of batches, the other of one job at a time. */
test("jobs of a batch are as if each were made alone, whatever happens to them then", () => {
  const property = fc.property(steps, (list) => {
    const both = [new Machine(), new Machine()] as const;
    for (const machine of both) machine.up("n1");
    for (const { what, from, count } of list) {
      const jobs = named(count, from);
      if (what === "many") {
        const reply = many(both[0], jobs);
        const alone = jobs.map(({ id, of }) => both[1].create(id, of, dueOf(of, both[1].clockMs)));
        assert.equal(reply.kind, "done");
        const refused = (reply.kind === "done" && reply.refused) || [];
        assert.deepEqual(refused.map((each) => [each.at, each.code]),
          alone.flatMap((each, at) => (each.kind === "refused" ? [[at, each.code]] : [])));
      } else {
        if (what === "fire") for (const machine of both) machine.clockMs += 60 * SECOND;
        for (const machine of both) for (const { id } of jobs) change(machine, what, id);
      }
      same(...both);
      blocksHold(both[0]);
    }
    for (const machine of both) {
      for (const { id } of named(111)) change(machine, "cancel", id);
      const { live } = machine.state;
      for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) machine.result(slot, "completed");
    }
    assert.deepEqual([...both[0].cold.under("together/"), ...both[0].cold.under("def/")], [], "nothing is left of definitions");
  });
  fc.assert(property, { numRuns: 60, seed: Number(process.env["PAWL_SEED"] ?? Date.now() % 2 ** 31), verbose: 1 });
});

function change(machine: Machine, what: string, id: string): void {
  if (machine.job(id) === 0) return;
  // A due time that has passed gets its record before anything else.
  const due = machine.state.jobs.dueAtMs[machine.job(id)] as number;
  if (due !== 0 && due <= machine.clockMs) machine.fire(id, 0, 1);
  const ref = machine.ref(id);
  const key = undefined;
  if (what === "cancel") machine.one({ kind: "cancel", key, ref, jobId: id, cancelRunning: true });
  const changed = fieldsOf(spec(hourly, {}, { description: "new" }));
  if (what === "update") machine.one({ kind: "update", key, ref, nextDueMs: 0, reschedule: false, ...changed });
  if (what === "run") for (const slot of machine.liveOf(id)) machine.result(slot, "completed");
}

function same(a: Machine, b: Machine): void {
  const view = (machine: Machine): unknown[] =>
    named(111).map(({ id }) => {
      const job = machine.job(id);
      const { jobs } = machine.state;
      const ended = machine.cold.rows.get(`ended/${id}`);
      if (job === 0) return [id, ended && decodeEnded(ended).status];
      const { jobId, specJson, createdAtMs } = definitionOf(machine.state, job);
      const text = machine.state.schedules.text(jobs.schedule[job] as number);
      const shared = machine.state.classOf(job).spec;
      const columns = [jobs.generation, jobs.revision, jobs.idHash, jobs.dueAtMs, jobs.lastAtMs].map((column) => column[job]);
      return [job, jobId, createdAtMs, specFrom(specJson), text, shared, columns, (jobs.flags[job] as number) & ~jobFlags.inBlock];
    });
  assert.deepEqual(view(a), view(b));
  assert.equal(a.state.endedJobs, b.state.endedJobs);
  assert.equal(a.state.endedJobs, a.cold.under("ended/").length);
}

function blocksHold({ state, cold }: Machine): void {
  const needed = new Set<string>();
  for (let job = state.jobs.pool.nextUsed(0); job !== 0; job = state.jobs.pool.nextUsed(job)) {
    if (state.jobs.has(job, jobFlags.inBlock)) needed.add(`together/${Math.floor(job / BLOCK_JOBS).toString(16).padStart(8, "0")}`);
  }
  assert.deepEqual(cold.under("together/"), [...needed].sort());
}

test("consecutive jobs share blocks, the rest stand alone", () => {
  const machine = new Machine();
  many(machine, named(40));
  assert.deepEqual(machine.cold.under("together/"), ["together/00000001"]);
  assert.equal(machine.cold.under("def/").length, 24);
  assert.equal(specOf(definitionOf(machine.state, machine.job("job-19"))).description, "d");
});

test("a block of numbers that are used again holds the later jobs, not those that were read before", () => {
  const machine = new Machine();
  many(machine, named(40));
  for (const { id } of named(40)) change(machine, "cancel", id);
  many(machine, named(40, 50));
  assert.deepEqual(machine.cold.under("together/"), ["together/00000001"]);
  for (let job = 1; job <= 40; job++) assert.equal(definitionOf(machine.state, job).jobId, `job-${49 + job}`);
});

test("a batch that is asked again under its key gets its first answer and makes nothing", () => {
  const machine = new Machine();
  const first = many(machine, [...named(3), ...named(2), { id: "new", of: specs[0] as JobSpec }], "k");
  assert.deepEqual(first.kind === "done" && first.refused?.map(({ at: place, code }) => [place, code]), [[3, "exists"], [4, "exists"]]);
  assert.deepEqual(many(machine, named(50), "k"), first);
  assert.equal(machine.state.jobs.pool.count, 4);
});

test("a job whose due time is no instant is refused alone", () => {
  const machine = new Machine();
  const [first, second] = named(2) as [Job, Job];
  const batch = batchOf([first, second], (of) => (of === second.of ? Number.NaN : NOON + SECOND));
  const reply = machine.one({ kind: "createMany", key: undefined, batch });
  assert.deepEqual(reply.kind === "done" && reply.refused?.map(({ at: place, code }) => [place, code]), [[1, "unprocessable"]]);
});

test("what is no batch is refused, wherever it is cut or changed", () => {
  const batch = batchOf(named(20), dueOf);
  for (let cut = 0; cut < batch.length; cut += 7) assert.throws(() => new Bulk(batch.subarray(0, cut)), PawlError);
  assert.throws(() => new Bulk(new Uint8Array([...batch, 0])), /longer than its jobs/u);
});
