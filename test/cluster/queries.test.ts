// Listings page by page while the table changes in between (H16.15): what is there all the time is listed once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Queries } from "../../src/cluster/queries.ts";
import type { ColdPages, HistoryReader } from "../../src/cluster/queries.ts";
import type { JobView, Query } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import { executionId } from "../../src/base/token.ts";
import { realSystem } from "../../src/system.ts";
import type { System } from "../../src/system.ts";
import { at, everySecond, HOUR, Machine, NOON, SECOND, spec } from "../jobs/machine.ts";

function historyOf({ history }: Machine): HistoryReader {
  return {
    record: (ordinal) => history[ordinal - 1],
    find: (sequence) => {
      const row = history.find((each) => each.sequence === sequence);
      return row && { row };
    },
    scan: ({ beforeOrdinal = history.length + 1, limit }) => {
      const before = Math.min(beforeOrdinal, history.length + 1);
      const rows = history.slice(Math.max(0, before - 1 - limit), before - 1).reverse();
      return { rows, next: before - 1 > limit ? before - limit : undefined };
    },
  };
}

function coldOf({ cold }: Machine): ColdPages {
  return {
    page: async ({ gt = "", gte = "", lt = "~", limit }) => {
      const keys = cold.under("").filter((key) => key > gt && key >= gte && key < lt);
      return keys.slice(0, limit).map((key) => [key, cold.get(key) as Uint8Array]);
    },
  };
}

function queriesOf(machine: Machine, system: System = realSystem): Queries {
  return new Queries(machine.state, historyOf(machine), coldOf(machine), system);
}

/** A clock that moves whenever it is read: each step of a read takes a millisecond. */
function busySystem(): System {
  let nowMs = 0;
  return { ...realSystem, monotonicMs: () => nowMs++ };
}

function cancel(machine: Machine, jobId: string): void {
  machine.one({ kind: "cancel", key: undefined, ref: machine.ref(jobId), jobId, cancelRunning: false });
}

/** The pages of a list, followed to the end. */
async function pagesOf(
  queries: Queries, query: Extract<Query, { kind: "jobs" | "executions" }>, between?: (page: number) => void,
): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const answer = await queries.answer({ ...query, cursor });
    assert.ok(answer.kind === "jobs" || answer.kind === "executions");
    pages.push(answer.page.items.map((item) => ("executionId" in item && query.kind === "executions" ? item.executionId : item.jobId)));
    cursor = answer.page.cursor;
    between?.(pages.length - 1);
    assert.ok(pages.length < 1000, "cursors come to an end");
  } while (cursor !== undefined);
  return pages;
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
      if (page === 0) cancel(machine, "job-0");
      if (page === 1) machine.create("new", spec(everySecond), NOON + HOUR);
    }
    const there = ids.slice(1);
    assert.deepEqual(listed.filter((id) => there.includes(id)), there, `pages of ${limit}`);
    // The one that was cancelled is listed as a job that ended, too.
    assert.equal(new Set(listed).size, listed.length - (limit < 12 ? 1 : 0));
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

test("a page ends early when its read has had its share; the cursors lead through everything once", async () => {
  const machine = new Machine();
  const ids = Array.from({ length: 90 }, (_, i) => `job-${String(i).padStart(2, "0")}`);
  for (const id of ids) machine.create(id, spec(id.endsWith("7") ? at(NOON) : everySecond), NOON + HOUR);
  for (const jobId of ids.filter((each) => each.endsWith("7"))) cancel(machine, jobId);
  const pages = await pagesOf(queriesOf(machine, busySystem()), { kind: "jobs", filter: {}, limit: 1000 });
  const ended = ids.filter((id) => id.endsWith("7"));
  assert.deepEqual(pages.flat(), [...ids.filter((id) => !ended.includes(id)), ...ended]);
  for (const page of pages) assert.ok(page.length <= limits.readSpendMs, `${page.length} jobs on a page`);
});

test("all executions of one job are listed page by page, while the oldest and the newest end", async () => {
  for (const system of [realSystem, busySystem()]) {
    const machine = new Machine();
    machine.create("job", spec(everySecond), NOON);
    const session = machine.up("node", { slots: 100 });
    for (let i = 0; i < 60; i++) machine.fire("job", NOON + (i + 1) * SECOND, session);
    const slots = machine.liveOf("job");
    for (const slot of slots.slice(0, 5)) machine.result(slot, "completed");
    const all = machine.liveOf("job").map((slot) => executionId(machine.state.idSpace, machine.state.live.sequence[slot] as number));
    const query = { kind: "executions", filter: { jobId: "job" }, limit: 7 } as const;
    const pages = await pagesOf(queriesOf(machine, system), query, (page) => {
      if (page >= 3) return;
      for (const slot of [machine.liveOf("job").at(-1), machine.liveOf("job")[0]]) machine.result(slot as number, "completed");
    });
    assert.ok(pages.every((page) => page.length <= 7));
    assert.deepEqual(all.filter((id) => !pages.flat().includes(id)), [], "what was live at the first page is on one of them");
    assert.equal(pages.flat().length, new Set(pages.flat()).size + 3, "the newest ended after they were listed: they are records now");
  }
});

test("a record is named by who had the number when it was written", async () => {
  const machine = new Machine();
  const session = machine.up("node");
  for (const id of ["first", "second", "third"]) {
    machine.clockMs += SECOND;
    machine.create(id, spec(at(machine.clockMs)), machine.clockMs);
    machine.fire(id, 0, session);
    machine.clockMs += SECOND;
    machine.result(machine.only(id), "completed");
  }
  machine.create("fourth", spec(everySecond), machine.clockMs);
  machine.fire("fourth", machine.clockMs + SECOND, session);
  machine.result(machine.only("fourth"), "completed");
  machine.clockMs += SECOND;
  machine.fire("fourth", machine.clockMs + SECOND, session);
  machine.result(machine.only("fourth"), "completed");
  assert.deepEqual(new Set(machine.history.map(({ job }) => job)), new Set([1]), "all had one number");
  const answer = await queriesOf(machine).answer({ kind: "executions", filter: {}, limit: 10 });
  assert.ok(answer.kind === "executions");
  assert.deepEqual(answer.page.items.map(({ jobId }) => jobId), ["fourth", "fourth", "third", "second", "first"]);
});

test("a made-up cursor shows no job's executions under another one's name, and harms nothing", async () => {
  const machine = new Machine();
  const session = machine.up("node");
  for (const id of ["a", "b"]) {
    machine.create(id, spec(everySecond), NOON);
    machine.fire(id, NOON + HOUR, session);
    machine.result(machine.only(id), "completed");
  }
  const queries = queriesOf(machine);
  const ask = (cursor: string, jobId?: string) => queries.answer({ kind: "executions", filter: { jobId }, limit: 10, cursor });
  await assert.rejects(ask("h:1", "b"), { code: "invalid" });
  await assert.rejects(ask("n:1"), { code: "invalid" });
  await assert.rejects(ask("h:-1"), { code: "invalid" });
  await assert.rejects(queries.answer({ kind: "jobs", filter: {}, limit: 10, cursor: "l:1" }), { code: "invalid" });
  for (const cursor of ["l:9999999999999999", "h:9999999999999999", "h:0"]) await ask(cursor);
  const beyond = ["n:9999999999999999", "e:~", "e:\u{10ffff}\u{10ffff}"];
  for (const cursor of beyond) await queries.answer({ kind: "jobs", filter: {}, limit: 10, cursor });
});

test("events are shown in slices, and named once per job", async () => {
  const machine = new Machine();
  for (let i = 0; i < 90; i++) machine.create(`job-${i}`, spec(everySecond), NOON + HOUR);
  const answer = await queriesOf(machine, busySystem()).answer({ kind: "events", after: { index: 0, at: 0 }, limit: 1000 });
  assert.ok(answer.kind === "events");
  assert.deepEqual(answer.events.map(({ jobId }) => jobId), Array.from({ length: 90 }, (_, i) => `job-${i}`));
});

test("records are listed once each, however early pages end", async () => {
  const machine = new Machine();
  const session = machine.up("node");
  machine.create("job", spec(everySecond), NOON);
  for (let i = 0; i < 90; i++) {
    machine.clockMs += SECOND;
    machine.fire("job", machine.clockMs + SECOND, session);
    machine.result(machine.only("job"), "completed");
  }
  const wanted = machine.history.map(({ sequence }) => executionId(machine.state.idSpace, sequence)).reverse();
  for (const filter of [{}, { jobId: "job" }]) {
    const pages = await pagesOf(queriesOf(machine, busySystem()), { kind: "executions", filter, limit: 70 });
    assert.ok(pages.length > 2 && pages.every((page) => page.length <= limits.readSpendMs));
    assert.deepEqual(pages.flat(), wanted);
  }
});
