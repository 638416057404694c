// Checks: commands as real processes, awaited by their own events; only the grace of a kill is the test's clock.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import type { OutputSink, OutputStream, RunContext } from "../../src/worker/executor.ts";
import { limits } from "../../src/limits.ts";
import { Journal } from "../../src/worker/journal.ts";
import { OutputStore } from "../../src/worker/outputs.ts";
import { shellExecutor } from "../../src/worker/shell.ts";
import { TestSystem, contextOf, isAlive, silent } from "./fixtures.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pawl-shell-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const system = new TestSystem();
const journal = new Journal(path.join(folder, "journal"));
const shell = shellExecutor({ system, journal });
const journalled = (): string[] => fs.readdirSync(path.join(folder, "journal"));

async function run(payload: unknown, overrides: Partial<RunContext> = {}) {
  const made = contextOf(payload, overrides);
  const outcome = await shell.run(made.context);
  return { error: outcome.ok ? undefined : outcome.error, stdout: made.text("stdout"), stderr: made.text("stderr") };
}

/** Starts a command that writes a line when it is ready; `stopped` is its end. */
function started(payload: unknown, sink?: OutputSink) {
  let ready: ((line: string) => void) | undefined;
  const line = new Promise<string>((resolve) => (ready = resolve));
  const { context, controller } = contextOf(payload);
  let text = "";
  const write = (stream: OutputStream, data: Uint8Array | string): void => {
    sink?.write(stream, data);
    if (stream === "stdout") text += Buffer.from(data as Uint8Array).toString();
    if (text.includes("\n")) ready?.(text.trim());
  };
  return { line, controller, stopped: Promise.resolve(shell.run({ ...context, output: { write } })) };
}

test("payloads that can never run are refused with the field", () => {
  const refused: [unknown, string][] = [
    [null, "payload.argv"], [{ argv: ["a"], command: "a" }, "payload.argv"], [{ argv: "ls" }, "payload.argv"],
    [{ argv: [] }, "payload.argv"],
    [{ argv: ["a", 1] }, "payload.argv.1"], [{ argv: ["a", "\0"] }, "payload.argv.1"], [{ argv: ["-c", "x"] }, "payload.argv.0"],
    [{ argv: [""] }, "payload.argv.0"],
    [{ argv: Array(limits.argvMax + 1).fill("a") }, "payload.argv"], [{ command: 5 }, "payload.command"],
    [{ command: "a", env: [] }, "payload.env"],
    [{ command: "a", env: { "A=B": "1" } }, "payload.env"], [{ command: "a", env: { A: 1 } }, "payload.env.A"],
    [{ command: "a", cwd: 1 }, "payload.cwd"],
    [{ command: "a", env: { PAWL_ATTEMPT: "9" } }, "payload.env.PAWL_ATTEMPT"], [{ command: "a", shell: "zsh" }, "payload.shell"],
  ];
  for (const [payload, field] of refused) {
    assert.throws(() => shell.validate(payload), { code: "unprocessable", field }, JSON.stringify(payload));
  }
});

test("arguments arrive exactly as they were given (S1)", async () => {
  const odd = [
    "$(touch /tmp/x)", "; rm -rf /", "a b", "'", '"', "\\", "-rf", "--", "*", "\n",
    "`id`", "", "ü☃", "x".repeat(100_000), "$HOME", "|| true",
  ];
  const probe = "process.stdout.write(JSON.stringify(process.argv.slice(1)))";
  const { error, stdout } = await run({ argv: [process.execPath, "-e", probe, "--", ...odd] });
  assert.equal(error, undefined);
  assert.deepEqual(JSON.parse(stdout), odd);
});

test("a command is a shell line; its exit code or signal is the error", async () => {
  assert.deepEqual(await run({ command: "echo out; echo err >&2" }), { error: undefined, stdout: "out\n", stderr: "err\n" });
  assert.equal((await run({ command: "exit 3" })).error, "exit code 3");
  assert.equal((await run({ command: "kill -9 $$" })).error, "killed by SIGKILL");
  const missing = await run({ argv: ["no-such-program-here"] });
  assert.equal(missing.error, "exit code 127");
  assert.match(missing.stderr, /not found/);
  assert.equal((await run({ command: "true", cwd: "/no/such/folder" })).error, "cannot start in /no/such/folder: no such folder");
  assert.deepEqual(journalled(), []);
});

test("the environment is declared, and nothing of this process is in it (S4)", async () => {
  process.env["SECRET_OF_THE_NODE"] = "1";
  const { stdout } = await run({ argv: ["env"], env: { MINE: "a=b", LANG: "de_DE" }, cwd: folder });
  delete process.env["SECRET_OF_THE_NODE"];
  const lines = stdout.trim().split("\n").filter((line) => !line.startsWith("PWD="));
  assert.deepEqual(lines.sort(), [
    "LANG=de_DE", "MINE=a=b", `PATH=${process.env["PATH"]}`, "PAWL_ATTEMPT=2", "PAWL_EXECUTION_ID=space-1z", "PAWL_FENCING_TOKEN=451",
    "PAWL_JOB_ID=job-a", "PAWL_SCHEDULED_AT=2026-11-21T09:30:00.000Z",
  ]);
  const inside = await run({ command: "pwd; (true <&3) 2>/dev/null && echo open || echo closed", cwd: folder });
  assert.equal(inside.stdout, `${fs.realpathSync(folder)}\nclosed\n`);
});

test("a cancelled command ends with its grandchildren, the group being killed as one (S3)", async () => {
  const { line, controller, stopped } = started({ command: "sh -c 'sleep 600 & echo $!; wait' & wait" });
  const grandchild = Number(await line);
  assert.ok(isAlive(grandchild));
  assert.equal(journalled().length, 1);
  controller.abort(new Error("cancelled"));
  assert.deepEqual(await stopped, { ok: false, error: "killed by SIGTERM" });
  assert.equal(isAlive(grandchild), false);
  assert.deepEqual([journalled(), system.timersCount], [[], 0]);
});

test("every member of the group gets the TERM and may still end properly (S3)", async () => {
  const outputs = new OutputStore();
  const sink = outputs.open("x", 1);
  const member = 'trap "echo got it; exit" TERM; echo ready; sleep 600 & wait';
  const { line, controller, stopped } = started({ command: `trap : TERM; sh -c '${member}' & wait; wait; echo ended` }, sink);
  await line;
  controller.abort(new Error("cancelled"));
  assert.deepEqual(await stopped, { ok: true });
  assert.equal(outputs.read("x")[0]?.text, "ready\ngot it\nended\n");
});

test("a command that ignores TERM is killed after the grace (S3)", async () => {
  const { line, controller, stopped } = started({ command: "trap '' TERM; echo ready; while :; do sleep 600; done" });
  await line;
  controller.abort(new Error("timed out"));
  system.advance(limits.killGraceMs - 1);
  assert.equal(journalled().length, 1);
  system.advance(1);
  assert.deepEqual(await stopped, { ok: false, error: "killed by SIGKILL" });
});

test("what a command leaves in the background ends with it (S3)", async () => {
  const { line, stopped } = started({ command: "trap '' TERM; sleep 600 & echo $!" });
  assert.deepEqual(await stopped, { ok: true });
  assert.equal(isAlive(Number(await line)), false);
});

test("closing kills at once whatever runs", async () => {
  const { line, stopped } = started({ command: "trap '' TERM; echo ready; while :; do sleep 600; done" });
  await line;
  shell.close?.();
  assert.deepEqual(await stopped, { ok: false, error: "killed by SIGKILL" });
  assert.deepEqual(journalled(), []);
});

test("a flood of output is kept to its bound", async () => {
  const outputs = new OutputStore();
  const { context } = contextOf({ command: "head -c 20000000 /dev/zero | tr '\\0' x; echo end; head -c 3000000 /dev/zero >&2" });
  assert.deepEqual(await shell.run({ ...context, output: outputs.open("x", 1), logger: silent }), { ok: true });
  const [out, err] = outputs.read("x").sort((a, b) => b.bytes - a.bytes);
  assert.deepEqual([out?.bytes, err?.bytes], [20_000_004, 3_000_000]);
  assert.ok((out?.text.length ?? 0) < limits.outputMaxBytes + 100 && out?.text.endsWith("xend\n"));
  assert.ok(outputs.size < 3 * limits.outputMaxBytes);
});

test("a command whose group cannot be journalled does not run (S2)", async () => {
  const broken = path.join(folder, "broken");
  const refusing = shellExecutor({ system, journal: new Journal(broken) });
  fs.rmSync(broken, { recursive: true });
  const marker = path.join(folder, "ran");
  const outcome = await refusing.run(contextOf({ argv: ["touch", marker] }).context);
  assert.match(outcome.ok ? "it ran" : outcome.error, /journal of running commands cannot be written/);
  assert.equal(fs.existsSync(marker), false);
});
