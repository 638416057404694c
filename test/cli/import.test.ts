// `pawl job import` against the real face over the fake backend: what is done with a list, told of it, and how it goes on after a break.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { BulkReply } from "../../src/api/backend.ts";
import { embeddedTransport } from "../../src/api/embedded.ts";
import { createApi } from "../../src/api/server.ts";
import { PawlError } from "../../src/base/errors.ts";
import { bar, progress } from "../../src/cli/progress.ts";
import { createClient } from "../../src/client/index.ts";
import type { ImportProgress, NewJob } from "../../src/client/index.ts";
import type { ChangeOrigin } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import { FakeBackend } from "../api/fakebackend.ts";
import { TOKEN, TestSystem } from "../api/harness.ts";
import { folder, ranWith, stillSystem } from "./helpers.ts";
import type { Ran } from "./helpers.ts";

/** Has no majority from the n-th chunk on, until it is mended. */
class BreakingBackend extends FakeBackend {
  chunksLeft = Number.POSITIVE_INFINITY;

  override async bulk(batch: Uint8Array<ArrayBuffer>, origin: ChangeOrigin): Promise<BulkReply> {
    this.chunksLeft -= 1;
    if (this.chunksLeft < 0) throw new PawlError("no_quorum", "no majority can be reached");
    return super.bulk(batch, origin);
  }
}

type Cluster = { readonly backend: BreakingBackend; readonly run: (argv: readonly string[], input?: string) => Promise<Ran> };

async function cluster(t: TestContext): Promise<Cluster> {
  const backend = new BreakingBackend();
  const system = new TestSystem();
  const api = await createApi({ backend, token: TOKEN, listen: { host: "127.0.0.1", port: 0 }, system, logger: false });
  t.after(() => api.close());
  const env = { PAWL_SERVER: await api.listen(), PAWL_TOKEN: TOKEN };
  return { backend, run: (argv, input = "") => ranWith(["job", "import", ...argv], { env, input }) };
}

const unnamed = JSON.stringify({ job_type: "noop", schedule: { every: "PT1H" } });

/** A list of jobs without ids, so that a line that is done twice makes two. */
function list(count: number): string {
  return `${unnamed}\n`.repeat(count);
}

function file(t: TestContext, text: string): string {
  const path = join(folder(t), "jobs.ndjson");
  writeFileSync(path, text);
  return path;
}

test("a list of many requests is submitted once, however often it is imported", async (t) => {
  const { backend, run } = await cluster(t);
  const path = file(t, list(10_000));
  assert.deepEqual(await run([path]), { code: 0, stdout: "submitted 10000\n", stderr: "" });
  assert.equal(backend.jobs.size, 10_000);
  assert.equal((await run([path, "--parallel", "1"])).code, 0);
  assert.equal((await run(["-"], list(10_000))).code, 0);
  assert.equal(backend.jobs.size, 10_000);
  assert.equal((await run([path, "--key", "again"])).code, 0);
  assert.equal(backend.jobs.size, 20_000, "another key, another import");
});

test("refused lines are told by number, and say so by the exit code", async (t) => {
  const { backend, run } = await cluster(t);
  const long = "x".repeat(limits.bodyMaxBytes + 1);
  const path = file(t, `${unnamed}\nnonsense\n${unnamed}\n${long}\n{"job_type":"noop"}`);
  const { code, stdout, stderr } = await run([path]);
  assert.deepEqual([code, stdout], [1, "submitted 2, refused 3\n"]);
  assert.deepEqual(stderr.split("\n"), [
    "line 2: the line is not well-formed JSON",
    "line 4: the line has more than 1048576 bytes",
    "line 5: schedule_time: a job needs either schedule_time or schedule",
    "",
  ]);
  const told = JSON.parse((await run([path, "--json"])).stdout);
  assert.deepEqual([told.lines, told.submitted, told.refused, told.errors[1].code], [5, 2, 3, "too_large"]);
  assert.equal(backend.jobs.size, 2);
  const many = await run([file(t, "x\n".repeat(5_000))]);
  assert.equal(many.stderr.trimEnd().split("\n").length, limits.importErrorsShown + 1);
  assert.match(many.stderr, /and 4900 more lines were refused\n$/);
});

test("after a break it goes on where it is told, or from any place before it, and does nothing twice", async (t) => {
  const { backend, run } = await cluster(t);
  const path = file(t, list(30_000));
  backend.chunksLeft = 29;
  const broken = await run([path]);
  assert.equal(broken.code, 5, broken.stderr);
  const [, from = ""] = /To go on: pawl job import \S+ --from (\d+)/.exec(broken.stderr) ?? [];
  assert.ok(Number(from) > 0 && Number(from) <= 29 * 512 && Number(from) % 512 === 0, broken.stderr);
  assert.equal(backend.jobs.size, 29 * 512);
  backend.chunksLeft = Number.POSITIVE_INFINITY;
  assert.deepEqual(await run([path, "--from", from]), { code: 0, stdout: `submitted ${30_000 - Number(from)}\n`, stderr: "" });
  assert.equal(backend.jobs.size, 30_000);
  for (const place of ["0", "5", "4096", "4600", "29999", "30000"]) assert.equal((await run([path, "--from", place])).code, 0);
  assert.equal(backend.jobs.size, 30_000);
});

test("a key of one's own is named in the command that goes on", async (t) => {
  const { backend, run } = await cluster(t);
  const path = file(t, list(5_000));
  backend.chunksLeft = 0;
  assert.match((await run([path, "--key", "monday"])).stderr, /--key monday --from 0\n$/);
  backend.chunksLeft = Number.POSITIVE_INFINITY;
  assert.equal((await run([path, "--key", "monday", "--from", "0"])).code, 0);
  assert.equal(backend.jobs.size, 5_000);
});

test("what cannot be read and what is no number is refused before anything is sent", async (t) => {
  const { backend, run } = await cluster(t);
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["/nonexistent/jobs"], /cannot be read \(ENOENT\)/],
    [[folder(t)], /cannot be read \(EISDIR\)/],
    [[file(t, list(1)), "--from", "x"], /--from: expected a number/],
    [[file(t, list(1)), "--parallel", "99"], /--parallel: expected a number from 1 to 16/],
  ];
  for (const [argv, message] of cases) {
    const { code, stderr } = await run(argv);
    assert.match(stderr, message);
    assert.equal(code, 2);
  }
  assert.equal(backend.changes.length, 0);
});

test("a program imports what it makes, and sees how far it is", async () => {
  const backend = new BreakingBackend();
  const system = new TestSystem();
  const api = await createApi({ backend, token: TOKEN, listen: { host: "127.0.0.1", port: 0 }, system, logger: false });
  const client = createClient({ server: "http://embedded", token: TOKEN, transport: embeddedTransport(api), system: stillSystem });
  const made = function* (): Generator<NewJob> {
    for (let i = 0; i < 9_000; i++) yield { job_id: `j${i}`, job_type: "noop", schedule: { every: i === 7 ? "7" : "PT1H" } };
  };
  const steps: ImportProgress[] = [];
  for await (const step of client.jobs.import(made(), { parallel: 2 })) steps.push(step);
  const sums = steps.map(({ cursor, submitted, refused }) => [cursor, submitted, refused]);
  assert.deepEqual(sums, [[4096, 4095, 1], [8192, 4096, 0], [9000, 808, 0]]);
  assert.deepEqual(steps[0]?.errors.map(({ line, field }) => [line, field]), [[8, "schedule.every"]]);
  const stopped = new AbortController();
  const few: number[] = [];
  for await (const { cursor } of client.jobs.import(made(), { parallel: 1, signal: stopped.signal })) {
    few.push(cursor);
    stopped.abort();
  }
  assert.deepEqual(few, [4096]);
});

test("the bar and its rate", () => {
  assert.equal(bar(0.5), "[############------------] 50 %");
  const written: string[] = [];
  let nowMs = 0;
  const io = {
    stdout: { write: () => undefined }, stderr: { isTTY: true, write: (text: string) => written.push(text) }, env: {},
    system: { ...stillSystem, monotonicMs: () => nowMs }, input: async function* () {},
  };
  const shown = progress(io, "import", (done, perSecond) => `${bar(done / 10)} ${perSecond} a second`);
  nowMs = 2_000;
  shown.at(5);
  shown.end();
  assert.deepEqual(written, ["\rimport: [############------------] 50 % 2.5 a second   ", "\n"]);
});
