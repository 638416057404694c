// Owns: what journals, the ledger and the final reads of a run prove. Pure: the same evidence gives the same findings.
// (V1) An acknowledged change is there at the end, once; a rejected one has left no trace; an unknown one either way.
// (V2) Every due time of a schedule has exactly one record, from the first to the last.
// (V3) An execution is completed by the newest token that its target saw; no token comes twice; one execution stands for one due time.
// (V4) What runs at most once reaches its target at most once.
// (V5) All nodes tell the same.

import type { Execution } from "../../src/client/index.ts";
import type { Asked } from "../support/ledger.ts";
import type { Answer, Ask, Line, Seen } from "./journal.ts";

export type Finding = { readonly kind: "lost" | "doubled" | "wrong"; readonly atMs: number; readonly text: string };

export type Due = {
  readonly id: string;
  readonly mostOnce: boolean;
  /** Submitted between the first two instants, paused between the last two. */
  readonly askedMs: number;
  readonly madeMs: number;
  readonly endAskedMs: number;
  readonly endedMs: number;
};

export type Evidence = {
  readonly journals: readonly (readonly Line[])[];
  readonly recurring: readonly Due[];
  readonly asked: readonly Asked[];
  /** Linearizable, after everything has settled. */
  readonly jobs: ReadonlyMap<string, Seen>;
  readonly executions: readonly Execution[];
};

const SECOND_MS = 1_000;

export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

export function judge(evidence: Evidence): Finding[] {
  const executions = grouped(evidence.executions, (each) => each.job_id);
  const asked = grouped(evidence.asked, (each) => each.jobId);
  const stories = evidence.journals.flatMap((lines) => [...storiesOf(lines)]);
  const known = new Set([...stories.map(([job]) => job), ...evidence.recurring.map(({ id }) => id)]);
  return [
    ...stories.flatMap(([job, story]) => judgeStory(job, story, evidence.jobs.get(job))),
    ...stories.flatMap(([job, story]) => judgeOnce(story, evidence.jobs.has(job), executions.get(job) ?? [], asked.get(job) ?? [])),
    ...evidence.recurring.flatMap((due) => judgeDue(due, executions.get(due.id) ?? [], asked.get(due.id) ?? [])),
    ...judgeTokens(evidence),
    ...[...evidence.jobs.keys()].filter((job) => !known.has(job)).map((job) => found("wrong", 0, `nobody asked for job ${job}`)),
  ];
}

function found(kind: Finding["kind"], atMs: number, text: string): Finding {
  return { kind, atMs, text };
}

/** One request under one key, of one or several tries; what is known of it is what the best try says. */
type Step = { readonly asks: Ask[]; readonly answers: Answer[] };

function storiesOf(lines: readonly Line[]): Map<string, Step[]> {
  const byKey = new Map<string, Step>();
  const byAsk = new Map<string, Step>();
  for (const line of lines) {
    if (line.kind === "answer") byAsk.get(line.id)?.answers.push(line);
    else {
      const step = byKey.get(line.key) ?? { asks: [], answers: [] };
      byKey.set(line.key, step);
      byAsk.set(line.id, step);
      step.asks.push(line);
    }
  }
  return grouped(byKey.values(), ({ asks }) => firstOf(asks).job);
}

function firstOf<T>(items: readonly T[]): T {
  return items[0] as T;
}

function outcomeOf({ asks, answers }: Step): Answer["outcome"] {
  if (answers.some((each) => each.outcome === "acknowledged")) return "acknowledged";
  return answers.length === asks.length && answers.every((each) => each.outcome === "rejected") ? "rejected" : "unknown";
}

type State = Seen | "absent";

function textOf(state: State): string {
  return state === "absent" ? "absent" : `version ${state.version}, revision ${state.revision}${state.cancelled ? ", deleted" : ""}`;
}

function after({ op, version }: Ask, state: State): State {
  if (op === "create") return { version, revision: 1, cancelled: false };
  if (state === "absent") return state;
  return op === "delete" ? { ...state, cancelled: true } : { ...state, version, revision: state.revision + 1 };
}

/** Follows one job through its journal; every read, and the last one, must show a state that is possible then (V1). */
function judgeStory(job: string, story: readonly Step[], last: Seen | undefined): Finding[] {
  let possible: State[] = ["absent"];
  const findings: Finding[] = [];
  const rejected: number[] = [];
  const check = (state: State, atMs: number): void => {
    if (possible.some((each) => textOf(each) === textOf(state))) return;
    findings.push(found(kindOf(state, possible, rejected), atMs, `${job} is ${textOf(state)}, not ${possible.map(textOf).join(" or ")}`));
  };
  for (const step of story) {
    const ask = firstOf(step.asks);
    findings.push(...refusalsOf(step));
    if (ask.op === "get") {
      const seen = step.answers.find((each) => each.seen !== undefined)?.seen;
      if (seen !== undefined) check(seen ?? "absent", ask.atMs);
      continue;
    }
    const outcome = outcomeOf(step);
    if (outcome === "rejected") rejected.push(ask.version);
    if (outcome === "acknowledged") possible = possible.map((state) => after(ask, state));
    if (outcome === "unknown") possible = [...possible, ...possible.map((state) => after(ask, state))];
  }
  check(last ?? "absent", firstOf((story.at(-1) as Step).asks).atMs);
  return findings;
}

function kindOf(state: State, possible: readonly State[], rejected: readonly number[]): Finding["kind"] {
  if (state === "absent") return "lost";
  if (rejected.includes(state.version)) return "wrong";
  const highest = Math.max(...possible.map((each) => (each === "absent" ? 0 : each.revision)));
  return state.revision > highest ? "doubled" : "lost";
}

/** Refusals that no fault explains: the caller alone touches its jobs, so a conflict shows that a change was done twice, or lost. */
function refusalsOf({ asks, answers }: Step): Finding[] {
  const odd = answers.filter((each) => each.text !== undefined);
  const { op, job } = firstOf(asks);
  return odd.map(({ atMs, code, text }) => found("wrong", atMs, `${op} of ${job} was refused: ${code}: ${text}`));
}

/** A job that runs once has one record, and its target saw what that record says (V3, V4). */
function judgeOnce(story: readonly Step[], isThere: boolean, records: readonly Execution[], asked: readonly Asked[]): Finding[] {
  const { job, dueMs, delivery, atMs } = firstOf(firstOf(story).asks);
  if (dueMs === undefined) return [];
  if (!isThere) return asked.length === 0 ? [] : [found("wrong", atMs, `${job} is not there, but ran`)];
  const [record] = records;
  if (record === undefined) return [found("lost", atMs, `${job} has no execution`)];
  if (records.length > 1) return [found("doubled", atMs, `${job} has ${records.length} executions`)];
  const mostOnce = delivery === "at_most_once";
  const findings: Finding[] = [];
  const add = (kind: Finding["kind"], what: string): void => void findings.push(found(kind, dueMs, `${job} ${what}`));
  if (Date.parse(record.scheduled_at) !== dueMs) add("wrong", `was due at another time: ${JSON.stringify(record)}`);
  if (mostOnce && asked.length > 1) add("doubled", `runs at most once, and ran ${asked.length} times`);
  if (record.status === "completed" && asked.length === 0) add("lost", "is completed, its target saw nothing");
  const isFine = record.status === "completed" || (mostOnce && record.status === "unknown");
  if (!isFine) add("lost", `did not complete: ${JSON.stringify(record)}`);
  return findings;
}

/** Each second from the first to the last due time has one record (V2). */
function judgeDue(job: Due, records: readonly Execution[], asked: readonly Asked[]): Finding[] {
  if (records.length === 0) return [found("lost", job.askedMs, `${job.id} has no record at all`)];
  const findings: Finding[] = [];
  const add = (kind: Finding["kind"], atMs: number, what: string): void => void findings.push(found(kind, atMs, `${job.id} ${what}`));
  const dues = records.flatMap((record) =>
    Array.from({ length: record.range_count ?? 1 }, (_, at) => Date.parse(record.scheduled_at) + at * SECOND_MS));
  const counts = grouped(dues, String);
  const sorted = dues.toSorted((a, b) => a - b);
  const [first = 0, last = 0] = [sorted[0], sorted.at(-1)];
  for (let dueMs = first; dueMs <= last; dueMs += SECOND_MS) {
    if (!counts.has(String(dueMs))) add("lost", dueMs, `has no record of ${new Date(dueMs).toISOString()}`);
  }
  for (const [text, each] of counts) {
    const dueMs = Number(text);
    if (each.length > 1) add("doubled", dueMs, `has ${each.length} records of ${new Date(dueMs).toISOString()}`);
    if ((dueMs - first) % SECOND_MS !== 0) add("wrong", dueMs, `was never due at ${new Date(dueMs).toISOString()}`);
  }
  const begins = first > job.askedMs - SECOND_MS && first <= job.madeMs + SECOND_MS;
  if (!begins) add("lost", job.askedMs, `begins at ${first}, submitted from ${job.askedMs} to ${job.madeMs}`);
  const ends = last > job.endAskedMs - SECOND_MS && last <= job.endedMs;
  if (!ends) add("lost", job.endAskedMs, `ends at ${last}, paused from ${job.endAskedMs} to ${job.endedMs}`);
  const fine = ["completed", "missed", "skipped", ...(job.mostOnce ? ["unknown"] : [])];
  const ran = new Set(asked.map((each) => each.executionId));
  for (const record of records) {
    const { execution_id: id, scheduled_at, status } = record;
    if (!fine.includes(status)) add("lost", Date.parse(scheduled_at), `did not complete: ${JSON.stringify(record)}`);
    if (status === "completed" && !ran.has(id ?? "")) add("lost", Date.parse(scheduled_at), `completed ${id}, its target saw nothing`);
  }
  if (!job.mostOnce) return findings;
  for (const [id, each] of grouped(asked, ({ executionId }) => executionId)) {
    if (each.length > 1) add("doubled", firstOf(each).atMs, `runs at most once, and ${id} ran ${each.length} times`);
  }
  return findings;
}

/** What the ledger saw, against the records (V3). */
function judgeTokens({ asked, executions }: Evidence): Finding[] {
  const findings: Finding[] = [];
  const records = new Map(executions.map((each) => [each.execution_id, each]));
  for (const [token, each] of grouped(asked, ({ token }) => String(token))) {
    if (each.length > 1) findings.push(found("doubled", firstOf(each).atMs, `token ${token} came ${each.length} times`));
  }
  for (const [due, each] of grouped(asked, ({ jobId, scheduledAtMs }) => `${jobId} at ${scheduledAtMs}`)) {
    const ids = new Set(each.map(({ executionId }) => executionId));
    if (ids.size > 1) findings.push(found("doubled", firstOf(each).atMs, `${due} has executions ${[...ids].join(", ")}`));
  }
  for (const [id, each] of grouped(asked, ({ executionId }) => executionId)) {
    const inOrder = [...each].sort((a, b) => a.attempt - b.attempt);
    const { atMs } = firstOf(inOrder);
    const falls = inOrder.some(({ token, attempt }, at) => {
      const before = inOrder[at - 1];
      return before !== undefined && (attempt <= before.attempt || token <= before.token);
    });
    if (falls) findings.push(found("doubled", atMs, `tokens of ${id} do not rise with its attempts`));
    const record = records.get(id);
    if (record === undefined) findings.push(found("lost", atMs, `${id} ran, and nothing tells of it`));
    if (record?.status !== "completed") continue;
    const newest = inOrder.at(-1) as Asked;
    if (newest.token > BigInt(record.fencing_token ?? "0")) {
      findings.push(found("doubled", newest.atMs, `${id} was completed by token ${record.fencing_token}, its target saw ${newest.token}`));
    }
    if (!inOrder.some(({ token, accepted }) => accepted && String(token) === record.fencing_token)) {
      findings.push(found("wrong", atMs, `${id} was completed by token ${record.fencing_token}, which its target did not accept`));
    }
  }
  return findings;
}
