// Owns: what questions about a table of ten million schedules cost the core thread, without a node around them: the slowest page and the
// longest turn. Rows are laid directly into the columns, and definitions are made when they are read, since ten million of them would
// not fit; what a disk takes to read them is not in these figures.
// (L1) A question is asked to its limit or to the end of the list, page by page, three times; the quickest of the three is told.

import { hashText } from "../src/base/checksum.ts";
import { utf8Bytes } from "../src/base/bytes.ts";
import { Queries } from "../src/cluster/queries.ts";
import { classText, encodeDefinition } from "../src/jobs/definition.ts";
import { jobFlags } from "../src/jobs/jobtable.ts";
import type { ClassSpec } from "../src/jobs/spec.ts";
import { specText } from "../src/jobs/specform.ts";
import { lane, State, timerMemory } from "../src/jobs/state.ts";
import type { JobFilter } from "../src/jobs/views.ts";
import { realSystem } from "../src/system.ts";
import { Wheel } from "../src/wheel/wheel.ts";
import { type BenchOptions, type Figure, figuresOf, known, progress, type Scale } from "./figure.ts";

const START_MS = Date.UTC(2026, 10, 21);
const DAY_MS = 86_400_000;
const LIMIT = 100;
const ROUNDS = 3;
const PRIORITIES = ["high", "medium", "low"] as const;

function classOf(job: number): ClassSpec {
  return {
    jobType: job % 1000 === 7 ? "report" : "noop",
    priority: PRIORITIES[job % 3] as "medium",
    overlap: "allow",
    misfire: { policy: "fire_once", withinMs: 60_000, max: 100 },
    retry: { maxAttempts: 3, backoff: "exponential", initialMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: 0.1 },
    timeoutMs: 60_000,
    delivery: "at_least_once",
    placement: { tags: [], mode: "any" },
    hasPayload: true,
  };
}

/** A definition with 300 bytes of payload, by its key. */
function definitionAt(key: string): Uint8Array {
  const job = Number.parseInt(key.slice("def/".length, "def/".length + 8), 16);
  const spec = {
    schedule: { kind: "every" as const, everyMs: DAY_MS, anchorMs: START_MS },
    class: classOf(job), payload: { order: job, note: "x".repeat(270) }, namespace: "default", description: "", labels: {}, paused: false,
  };
  return encodeDefinition({ uid: job, createdAtMs: START_MS, jobId: `job-${job}`, specJson: utf8Bytes(specText(spec)) });
}

/** Schedules that are due over a day: a tenth one-shots, one of 2,000 paused, one of 1,000 of a rare type. */
function stateOf(count: number): State {
  const capacity = { jobsMax: count, liveMax: 1_000 };
  const memory = timerMemory(capacity);
  const wheel = new Wheel(memory.items, memory.dueAtMs, memory.lanes, lane.count, START_MS);
  const interned = new Map<string, Uint8Array>();
  const state = new State(capacity, memory, wheel, {
    get: (key) => (key.startsWith("def/") ? definitionAt(key) : interned.get(key)),
    put: (key, value) => void interned.set(key, value),
    add: (key, value) => void interned.set(key, value),
    del: (key) => void interned.delete(key),
  });
  const { jobs } = state;
  const numbers = Uint32Array.from({ length: count }, (_, at) => at + 1);
  const classes = new Map<string, number>();
  for (let job = 1; job <= count; job++) {
    const { jobType, priority } = classOf(job);
    const shared = jobType + priority;
    if (!classes.has(shared)) classes.set(shared, state.classes.acquire(classText(classOf(job))));
    const isPaused = job % 2_000 === 3;
    jobs.class[job] = classes.get(shared) as number;
    jobs.generation[job] = jobs.revision[job] = 1;
    jobs.flags[job] = jobFlags.used | (isPaused ? jobFlags.paused : 0) | (job % 10 === 9 ? jobFlags.oneShot : 0);
    jobs.dueAtMs[job] = isPaused ? 0 : START_MS + 1 + (Math.imul(job, 0x9e3779b1) >>> 0) % DAY_MS;
    jobs.idHash[job] = hashText(`job-${job}`);
    jobs.pool.add(job);
  }
  jobs.ids.addAll(numbers);
  jobs.rows.touch(count);
  state.historySink = { append: () => undefined, dropBefore: () => undefined };
  return state;
}

type Cost = { readonly pages: number; readonly pageMs: number; readonly turnMs: number };

class Asked {
  private readonly queries: Queries;
  private turnMs = 0;

  constructor(state: State) {
    const history = { record: () => undefined, findSequence: () => undefined, scan: () => ({ rows: [], next: undefined }) };
    const soon = (run: () => void): void => void setImmediate(() => this.timed(run));
    this.queries = new Queries(state, history as never, { page: async () => [] }, { ...realSystem, soon });
  }

  private timed<T>(run: () => T): T {
    const sinceMs = performance.now();
    const value = run();
    this.turnMs = Math.max(this.turnMs, performance.now() - sinceMs);
    return value;
  }

  /** (L1) */
  async list(filter: JobFilter, cursor?: string, limit = LIMIT): Promise<Cost> {
    const rounds: Cost[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await this.listOnce(filter, cursor, limit));
    return rounds.reduce((best, each) => (each.pageMs < best.pageMs ? each : best));
  }

  private async listOnce(filter: JobFilter, from: string | undefined, limit: number): Promise<Cost> {
    let [pages, items, pageMs, cursor] = [0, 0, 0, from];
    this.turnMs = 0;
    do {
      const sinceMs = performance.now();
      const answer = await this.timed(() => this.queries.answer({ kind: "jobs", filter, limit, cursor }));
      if (answer.kind !== "jobs") throw new Error("asked for jobs");
      pageMs = Math.max(pageMs, performance.now() - sinceMs);
      pages++;
      items += answer.page.items.length;
      cursor = answer.page.cursor;
    } while (cursor !== undefined && items < limit);
    return { pages, pageMs, turnMs: this.turnMs };
  }

  async get(jobId: string): Promise<Cost> {
    const sinceMs = performance.now();
    await this.queries.answer({ kind: "job", jobId });
    return { pages: 1, pageMs: performance.now() - sinceMs, turnMs: 0 };
  }
}

/** "full" asks ten million schedules. */
export async function benchListing(scale: Scale, { jobs = 10_000_000 }: BenchOptions): Promise<Figure[]> {
  const count = scale === "full" ? jobs : 20_000;
  const asked = new Asked(stateOf(count));
  const noonMs = START_MS + DAY_MS / 2;
  const noon = { startFromMs: noonMs, startToMs: noonMs + DAY_MS / 10_000 };
  const questions: readonly (readonly [string, () => Promise<Cost>])[] = [
    ["one job", () => asked.get(`job-${count >> 1}`)],
    ["the first jobs", () => asked.list({})],
    ["jobs from the middle on", () => asked.list({}, `n:${count >> 1}`)],
    ["a thousand jobs", () => asked.list({}, undefined, 1_000)],
    ["a common status", () => asked.list({ status: "scheduled" })],
    ["a rare status (1 of 2,000)", () => asked.list({ status: "paused" })],
    ["a status that no job has", () => asked.list({ status: "running" })],
    ["a rare type (1 of 1,000)", () => asked.list({ jobType: "report" })],
    ["a type that no job has", () => asked.list({ jobType: "none" })],
    ["nine seconds of a day", () => asked.list(noon)],
    ["nine seconds, status and rare type", () => asked.list({ ...noon, status: "scheduled", jobType: "report" })],
    ["a time at which no job is due", () => asked.list({ startFromMs: START_MS - DAY_MS, startToMs: START_MS - 1 })],
  ];
  const figures: Figure[] = [];
  for (const [name, ask] of questions) {
    const { pages, pageMs, turnMs } = await ask();
    const cost = [
      { figure: "pages", value: pages, unit: "pages" },
      { figure: "slowest page", value: pageMs, unit: "ms", aim: "<= 50" },
      { figure: "longest turn", value: turnMs, unit: "ms", aim: "<= 20" },
    ];
    figures.push(...figuresOf(name, known(cost)));
  }
  progress(figures);
  return figures;
}
