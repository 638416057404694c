// The example of an embedding program, run as a program of its own: its handler is called, it stops in order, and it can be killed and
// started again on the same data. Beside it, what an embedded node says in this process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { createNode } from "pawl";
import type { EmbeddedNode, HandlerContext } from "pawl";
import { temporaryFolder, until } from "../support/processes.ts";

const example = join(dirname(fileURLToPath(import.meta.url)), "embed-example.ts");

type Line = Readonly<Record<string, unknown>>;
type Program = { readonly child: ChildProcess; readonly lines: () => readonly Line[]; readonly ended: Promise<number | null> };

function startExample(dataDir: string): Program {
  const child = spawn(process.execPath, [example, dataDir], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => (text += part));
  const lines = (): Line[] => text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Line);
  return { child, lines, ended: new Promise((resolve) => child.once("close", resolve)) };
}

const greetings = (program: Program) => program.lines().filter((line) => "greeted" in line);
/** The jobs that the program found when it began. */
const known = (program: Program) => program.lines().find((line) => "known" in line)?.["known"];

test("the example greets, survives a kill, and stops in order", async (t) => {
  const programs: Program[] = [];
  const folder = temporaryFolder(t, async () => {
    for (const { child } of programs) child.kill("SIGKILL");
    await Promise.all(programs.map((program) => program.ended));
  });
  const dataDir = join(folder, "data");
  const start = (): Program => {
    const program = startExample(dataDir);
    programs.push(program);
    return program;
  };
  const first = start();
  await until("the handler is called twice", 20_000, () => greetings(first).length >= 2);
  assert.deepEqual([known(first), greetings(first)[0]?.["greeted"]], [[], { name: "world" }]);
  first.child.kill("SIGKILL");
  await first.ended;
  const second = start();
  await until("the handler is called again", 20_000, () => greetings(second).length >= 2);
  assert.deepEqual(known(second), ["greet-every-second"]);
  const tokens = [...greetings(first), ...greetings(second)].map((line) => BigInt(String(line["token"])));
  assert.ok(tokens.every((token, at) => at === 0 || token > (tokens[at - 1] ?? 0n)), `tokens rise over the kill: ${tokens.join(" ")}`);
  second.child.kill("SIGTERM");
  assert.equal(await second.ended, 0, "nothing keeps the program alive after stop()");
});

async function embedded(t: TestContext, dataDir: string, greet: (context: HandlerContext) => unknown): Promise<EmbeddedNode> {
  const node = await createNode({ dataDir, handlers: { greet } });
  t.after(() => node.stop());
  return node;
}

test("a handler gets what it needs, its failure is retried, and its words are kept", async (t) => {
  const seen: HandlerContext[] = [];
  const node = await embedded(t, join(temporaryFolder(t), "data"), (context) => {
    seen.push(context);
    context.logger.info(`attempt ${context.attempt}`);
    if (context.attempt === 1) throw new Error("not yet");
  });
  assert.equal(node.apiAddress, "");
  const retry = { max_attempts: 2, backoff: "fixed", initial_delay: "PT0.1S" } as const;
  const atMs = Date.now();
  await node.client.jobs.submit({
    job_id: "j", job_type: "greet", schedule_time: new Date(atMs).toISOString(), payload: { name: "you" }, retry,
  });
  await until("the second attempt succeeds", 10_000, async () => (await node.client.jobs.get("j")).status === "completed");
  const { execution_id: executionId } = await node.client.jobs.get("j");
  assert.deepEqual(seen.map((each) => [each.attempt, each.jobId, each.executionId, each.payload, each.scheduledAtMs]), [
    [1, "j", executionId, { name: "you" }, atMs], [2, "j", executionId, { name: "you" }, atMs],
  ]);
  assert.ok(BigInt(seen[1]?.token ?? "0") > BigInt(seen[0]?.token ?? "0"));
  const outputs = await node.client.executions.logs(executionId ?? "");
  assert.deepEqual(outputs.map((output) => [output.attempt, output.text]), [[1, "info attempt 1\n"], [2, "info attempt 2\n"]]);
});

test("a node that stops answers no more, and opens again in the same process with the same data", async (t) => {
  const dataDir = join(temporaryFolder(t), "data");
  const node = await embedded(t, dataDir, () => undefined);
  await node.client.jobs.submit({ job_id: "daily", job_type: "greet", schedule: { cron: "0 0 * * *" } });
  await assert.rejects(createNode({ dataDir }), { code: "config" }, "the directory is in use");
  await node.stop();
  await assert.rejects(async () => node.client.jobs.get("daily"));
  const again = await embedded(t, dataDir, () => undefined);
  assert.equal((await again.client.jobs.get("daily")).status, "scheduled");
});
