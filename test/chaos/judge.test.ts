// The judge of a chaos run is only worth something if it sees what must not be: each kind of wrong evidence is shown to it once.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Execution } from "../../src/client/index.ts";
import type { Asked } from "../support/ledger.ts";
import type { Answer, Ask, Line, Op, Seen } from "./journal.ts";
import { judge } from "./judge.ts";
import type { Due, Evidence } from "./judge.ts";

const AT_MS = 1_000_000;

/** A journal of one job: what was asked and how each try was answered. */
class Story {
  readonly lines: Line[] = [];
  private count = 0;

  step(op: Op, version: number, ...outcomes: readonly (Answer["outcome"] | "none")[]): this {
    const key = `key-${this.count++}`;
    for (const outcome of outcomes) {
      const id = `ask-${this.count++}`;
      this.lines.push({ kind: "ask", id, key, op, version, job: "j", server: "a", atMs: AT_MS });
      if (outcome !== "none") this.lines.push({ kind: "answer", id, atMs: AT_MS, outcome });
    }
    return this;
  }

  read(seen: Seen | null): this {
    const id = `ask-${this.count++}`;
    this.lines.push({ kind: "ask", id, key: id, op: "get", version: 0, job: "j", server: "a", atMs: AT_MS });
    this.lines.push({ kind: "answer", id, atMs: AT_MS, outcome: "acknowledged", seen });
    return this;
  }
}

function seen(version: number, revision: number, cancelled = false): Seen {
  return { version, revision, cancelled };
}

function kinds(evidence: Partial<Evidence>): string[] {
  const whole = { journals: [], recurring: [], asked: [], jobs: new Map(), executions: [], ...evidence };
  return judge(whole).map((finding) => finding.kind);
}

function endOf(story: Story, last: Seen | undefined): string[] {
  return kinds({ journals: [story.lines], jobs: new Map(last === undefined ? [] : [["j", last]]) });
}

test("an acknowledged change is there at the end, once", () => {
  const made = (): Story => new Story().step("create", 0, "acknowledged");
  assert.deepEqual(endOf(made(), seen(0, 1)), []);
  assert.deepEqual(endOf(made(), undefined), ["lost"]);
  const changed = (): Story => made().step("update", 1, "unknown", "acknowledged");
  assert.deepEqual(endOf(changed(), seen(1, 2)), []);
  assert.deepEqual(endOf(changed(), seen(0, 1)), ["lost"]);
  assert.deepEqual(endOf(changed(), seen(1, 3)), ["doubled"]);
  assert.deepEqual(endOf(changed().step("delete", 1, "acknowledged"), seen(1, 2)), ["lost"]);
  assert.deepEqual(endOf(changed().step("delete", 1, "acknowledged"), seen(1, 2, true)), []);
});

test("a rejected change leaves no trace, an unknown one may", () => {
  const made = (): Story => new Story().step("create", 0, "acknowledged");
  assert.deepEqual(endOf(new Story().step("create", 0, "rejected"), undefined), []);
  assert.deepEqual(endOf(new Story().step("create", 0, "rejected"), seen(0, 1)), ["wrong"]);
  assert.deepEqual(endOf(made().step("update", 1, "rejected", "rejected"), seen(1, 2)), ["wrong"]);
  for (const outcomes of [["unknown"], ["rejected", "unknown"], ["unknown", "rejected"], ["rejected", "none"]] as const) {
    assert.deepEqual(endOf(made().step("update", 1, ...outcomes), seen(0, 1)), []);
    assert.deepEqual(endOf(made().step("update", 1, ...outcomes), seen(1, 2)), []);
    assert.deepEqual(endOf(made().step("update", 1, ...outcomes), seen(1, 3)), ["doubled"]);
  }
});

test("each read shows what was acknowledged before it", () => {
  const made = (): Story => new Story().step("create", 0, "acknowledged").step("update", 1, "acknowledged");
  assert.deepEqual(endOf(made().read(seen(1, 2)), seen(1, 2)), []);
  assert.deepEqual(endOf(made().read(seen(0, 1)), seen(1, 2)), ["lost"]);
  assert.deepEqual(endOf(made().read(null), seen(1, 2)), ["lost"]);
});

test("a refusal that no fault explains, and a job that nobody asked for, are told", () => {
  const story = new Story().step("create", 0, "acknowledged").step("update", 1, "rejected");
  const last = story.lines.at(-1) as Answer;
  story.lines[story.lines.length - 1] = { ...last, code: "not_found", text: "no such job" };
  assert.deepEqual(endOf(story, seen(0, 1)), ["wrong"]);
  assert.deepEqual(kinds({ jobs: new Map([["stranger", seen(0, 1)]]) }), ["wrong"]);
});

function record(scheduledMs: number, more: Partial<Execution> = {}): Execution {
  return {
    execution_id: `x-${scheduledMs}`, job_id: "j", job_type: "noop", scheduled_at: new Date(scheduledMs).toISOString(),
    status: "completed", attempt: 1, retries: 0, fencing_token: "7", node_id: "a", start_time: null, end_time: null, lateness_ms: 0,
    error: null, reason: null, ...more,
  };
}

function asked(scheduledAtMs: number, more: Partial<Asked> = {}): Asked {
  const executionId = `x-${scheduledAtMs}`;
  return { executionId, jobId: "j", attempt: 1, token: 7n, scheduledAtMs, atMs: scheduledAtMs, accepted: true, ...more };
}

function once(delivery: Ask["delivery"] & string, executions: readonly Execution[], requests: readonly Asked[]): string[] {
  const ask: Ask = { kind: "ask", id: "1", key: "k", op: "create", job: "j", version: 0, server: "a", atMs: AT_MS, dueMs: AT_MS, delivery };
  const journal: Line[] = [ask, { kind: "answer", id: "1", atMs: AT_MS, outcome: "acknowledged" }];
  return kinds({ journals: [journal], jobs: new Map([["j", seen(0, 1)]]), executions, asked: requests });
}

test("a job that runs once has one record, and its target saw what that record says", () => {
  assert.deepEqual(once("at_least_once", [record(AT_MS)], [asked(AT_MS)]), []);
  assert.deepEqual(once("at_least_once", [], []), ["lost"]);
  assert.deepEqual(once("at_least_once", [record(AT_MS)], []), ["lost"]);
  assert.deepEqual(once("at_least_once", [record(AT_MS, { status: "unknown" })], [asked(AT_MS)]), ["lost"]);
  assert.deepEqual(once("at_most_once", [record(AT_MS, { status: "unknown" })], []), []);
  const again = [asked(AT_MS), asked(AT_MS, { attempt: 2, token: 8n })];
  assert.deepEqual(once("at_least_once", [record(AT_MS, { fencing_token: "8" })], again), []);
  assert.deepEqual(once("at_most_once", [record(AT_MS, { fencing_token: "8" })], again), ["doubled"]);
  const twice = [record(AT_MS), record(AT_MS, { execution_id: "y" })];
  assert.deepEqual(once("at_least_once", twice, [asked(AT_MS)]), ["doubled"]);
});

test("an execution is completed by the newest token, and no token comes twice", () => {
  const done = record(AT_MS);
  assert.deepEqual(once("at_least_once", [done], [asked(AT_MS), asked(AT_MS, { attempt: 2, token: 8n })]), ["doubled"]);
  assert.deepEqual(once("at_least_once", [done], [asked(AT_MS), asked(AT_MS)]), ["doubled", "doubled"]);
  assert.deepEqual(once("at_least_once", [done], [asked(AT_MS, { accepted: false })]), ["wrong"]);
  assert.deepEqual(once("at_least_once", [record(AT_MS, { fencing_token: "9" })], [asked(AT_MS)]), ["wrong"]);
  const other = asked(AT_MS, { executionId: "y", token: 8n });
  assert.deepEqual(once("at_least_once", [done], [asked(AT_MS), other]), ["doubled", "lost"]);
});

test("every due time of a schedule has one record", () => {
  const due: Due = { id: "j", mostOnce: false, askedMs: AT_MS, madeMs: AT_MS + 10, endAskedMs: AT_MS + 3_000, endedMs: AT_MS + 3_010 };
  const covered = (records: readonly Execution[], job: Due = due): string[] => {
    const requests = records.filter((each) => each.status === "completed").map((each) => asked(Date.parse(each.scheduled_at), {
      executionId: each.execution_id ?? "", token: BigInt(Date.parse(each.scheduled_at)),
    }));
    const executions = records.map((each) => ({ ...each, fencing_token: String(Date.parse(each.scheduled_at)) }));
    return kinds({ recurring: [job], jobs: new Map([["j", seen(0, 1)]]), executions, asked: requests });
  };
  const times = [0, 1_000, 2_000, 3_000].map((ms) => AT_MS + ms);
  const all = times.map((ms) => record(ms));
  assert.deepEqual(covered(all), []);
  assert.deepEqual(covered(all.toSpliced(1, 1)), ["lost"]);
  assert.deepEqual(covered(all.toSpliced(0, 2)), ["lost"]);
  assert.deepEqual(covered(all.slice(0, 2)), ["lost"]);
  assert.deepEqual(covered([...all, record(AT_MS + 1_000, { execution_id: null, status: "missed" })]), ["doubled"]);
  assert.deepEqual(covered([...all, record(AT_MS + 1_500)]), ["wrong"]);
  assert.deepEqual(covered([]), ["lost"]);
  const range = record(AT_MS + 1_000, { status: "missed", range_count: 2, execution_id: null });
  assert.deepEqual(covered([all[0] as Execution, range, all[3] as Execution]), []);
  assert.deepEqual(covered(all.with(2, record(AT_MS + 2_000, { status: "failed" }))), ["lost"]);
  assert.deepEqual(covered(all.with(2, record(AT_MS + 2_000, { status: "unknown" }))), ["lost"]);
  assert.deepEqual(covered(all.with(2, record(AT_MS + 2_000, { status: "unknown" })), { ...due, mostOnce: true }), []);
  // Completed, and the target saw nothing.
  assert.deepEqual(kinds({ recurring: [due], jobs: new Map([["j", seen(0, 1)]]), executions: all }), all.map(() => "lost"));
});
