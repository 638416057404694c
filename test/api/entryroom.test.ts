// Jobs as large as they may be, and lists of what grows most between a line and its stored form: whatever a caller may send as one change
// fits into an entry. What an executor is given (headers, an environment) is part of the payload, whose bound is on its stored form.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readChunk } from "../../src/api/bulkchunk.ts";
import { jobSpecOf } from "../../src/api/parse.ts";
import type { NewJobBody } from "../../src/api/schemas.ts";
import { ChunkCutter } from "../../src/client/ndjson.ts";
import { encodeCommand } from "../../src/jobs/command.ts";
import { limits } from "../../src/limits.ts";
import { planChange } from "../../src/planner/changes.ts";
import { ScheduleBook } from "../../src/planner/schedulebook.ts";
import { Machine, NOON } from "../jobs/machine.ts";
import { FakeBackend } from "./fakebackend.ts";

const backend = new FakeBackend();
const { state } = new Machine();
const book = new ScheduleBook(state);
const key = { scope: "f".repeat(64), bodyHash: "f".repeat(64) };
/** The header of an entry, and of the command in it. */
const HEADER_BYTES = 64;

/** A character that takes six bytes as JSON. */
const WIDE = "\u0001";
/** 5 bytes of a line each, 22 bytes of what is stored: no value grows more. */
const numbers = (count: number): string => `[${Array.from({ length: count }, () => "1e20").join()}]`;
const PAYLOAD_NUMBERS = Math.floor((limits.payloadMaxBytes - 2) / 22);

const list = <T>(length: number, each: (at: number) => T): T[] => Array.from({ length }, (_, at) => each(at));
const numbered = (text: string, at: number, chars: number): string => `${at}${text.repeat(chars)}`.slice(0, chars);

const tags = list(limits.tagsMax, (at) => numbered(WIDE, at, limits.tagMaxChars));
const label = (at: number): [string, string] => [numbered("k", at, limits.labelKeyMaxChars), WIDE.repeat(limits.labelValueMaxChars)];
const labels = list(limits.labelsMax, label);
const cron = `${list(60, String).join()} ${list(24, String).join()} * * *`;

/** All fields at their bounds. */
const largest: NewJobBody = {
  job_id: "j".repeat(limits.jobIdMaxChars),
  job_type: "noop",
  namespace: "n".repeat(63),
  schedule: { cron, timezone: "America/Argentina/ComodRivadavia", dst: { gap: "skip", overlap: "both" } },
  priority: "high",
  payload: "p".repeat(limits.payloadMaxBytes - 2),
  description: WIDE.repeat(limits.descriptionMaxChars),
  labels: Object.fromEntries(labels),
  retry: { max_attempts: 1000, backoff: "fixed", initial_delay: "P29DT1S", max_delay: "P29DT2S", multiplier: 99.123, jitter: 0.123 },
  timeout: "P29DT1S",
  overlap: "allow",
  misfire: { policy: "fire_all", within: "P29DT1S", max: limits.missedPerRangeMax },
  delivery: "at_most_once",
  placement: { tags, mode: "any" },
  paused: false,
};

/** Nearly nothing but what both a job and the class that it shares with others name. */
const twice: NewJobBody = { ...largest, payload: null, labels: {}, description: "" };

/** Of how many bytes the largest entry is that has one chunk of this list. */
function largestEntry(lines: readonly string[]): number {
  const cutter = new ChunkCutter(0);
  let most = 0;
  const keep = (chunks: ReturnType<ChunkCutter["end"]>): void => {
    for (const chunk of chunks) {
      const { batch, refusals } = readChunk(chunk, backend, NOON, (line) => `line-of-a-list-of-jobs-${line}`);
      assert.deepEqual([...refusals.values()].map(String), []);
      assert.ok(batch);
      const { command } = planChange(state, book, { kind: "create_many", batch }, key, NOON);
      most = Math.max(most, encodeCommand(command).length + HEADER_BYTES);
    }
  };
  keep(cutter.cut(Buffer.from(lines.join("\n"))));
  keep(cutter.end());
  return most;
}

/** Few bytes that name many values, no two of them shared, with a payload that fills the line. */
function shortLine(at: number, payloadNumbers: number): string {
  const shared = `"retry":{"max_attempts":${1 + (at % 999)}},"misfire":{"max":${1 + at}},"timeout":"PT${1 + at}S"`;
  const rest = `"placement":{"mode":"any"},"payload":${numbers(payloadNumbers)}`;
  return `{"job_type":"noop","schedule":{"every":"PT${1 + at}S"},${shared},${rest}}`;
}

/** What an entry has room for beside the changes that came before it (checkLimits). */
const CHANGE_MAX_BYTES = Math.max(limits.bodyMaxBytes, limits.bulkChunkGrowthMax * limits.bulkChunkMaxBytes);

const lists: Readonly<Record<string, readonly string[]>> = {
  "jobs with all fields at their bounds": list(2, () => JSON.stringify(largest)),
  "a line that is nearly as long as a body may be": [JSON.stringify(largest).padEnd(limits.bodyMaxBytes, " ")],
  "payloads that grow most": list(100, () => `{"job_type":"noop","schedule":{"every":"PT1S"},"payload":${numbers(PAYLOAD_NUMBERS / 8)}}`),
  "as many lines as a chunk has, each as long as all can be": list(2_000, (at) => shortLine(at, 50)),
  "many short lines that share nothing": list(2_000, (at) => shortLine(at, 1)),
  "texts that are stored twice": list(40, (at) => JSON.stringify({ ...twice, job_id: `${at}`, timeout: `PT${1 + at}S` })),
};

for (const [what, lines] of Object.entries(lists)) {
  test(`a chunk of a list fits into an entry: ${what}`, (t) => {
    const bytes = largestEntry(lines);
    t.diagnostic(`${bytes} bytes`);
    assert.ok(bytes <= CHANGE_MAX_BYTES, `${bytes} bytes`);
  });
}

test("a single job with all fields at their bounds fits into an entry", (t) => {
  const { command } = planChange(state, book, { kind: "create", jobId: "j", spec: jobSpecOf(largest, backend, NOON) }, key, NOON);
  const bytes = encodeCommand(command).length + HEADER_BYTES;
  t.diagnostic(`${bytes} bytes`);
  assert.ok(bytes > limits.payloadMaxBytes && bytes <= CHANGE_MAX_BYTES, `${bytes} bytes`);
});
