// Checks: plugins and handlers as users write them, the wrong ones too, and the set of executors of a node.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import type { HandlerContext } from "../../src/worker/plugin.ts";
import { buildExecutors } from "../../src/worker/executors.ts";
import { Journal } from "../../src/worker/journal.ts";
import { definePlugin, handlerExecutor, loadPlugins, pluginExecutor } from "../../src/worker/plugin.ts";
import { TestSystem, contextOf, silent } from "./fixtures.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pawl-plugins-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const build = {
  system: new TestSystem(), httpAllow: [], shellEnabled: false, dataDir: folder, plugins: [], baseDir: folder, logger: silent,
};

function module(name: string, source: string): string {
  const plugin = path.resolve("src/worker/plugin.ts");
  fs.writeFileSync(path.join(folder, name), `import { definePlugin } from ${JSON.stringify(plugin)};\n${source}`);
  return `./${name}`;
}

test("a handler gets what it needs, and its lines are kept as output", async () => {
  const seen: HandlerContext[] = [];
  const executor = handlerExecutor("report", (context) => {
    seen.push(context);
    context.logger.info("half done");
    context.logger.error("odd");
    return "ignored";
  });
  const { context, text } = contextOf({ a: 1 });
  assert.deepEqual(await executor.run(context), { ok: true });
  const { signal, logger, ...plain } = seen[0] ?? assert.fail("not called");
  assert.deepEqual(plain, {
    payload: { a: 1 }, executionId: "space-1z", jobId: "job-a", token: "451", attempt: 2, scheduledAtMs: Date.UTC(2026, 10, 21, 9, 30),
  });
  assert.equal(signal, context.signal);
  assert.equal(typeof logger.warn, "function");
  assert.equal(text("log"), "info half done\nerror odd\n");
});

test("what user code throws or rejects with fails its attempt", async () => {
  const throwing = [
    () => { throw new Error("thrown"); }, () => Promise.reject(new Error("rejected")), () => { throw "a text"; },
    () => Promise.reject(undefined),
  ];
  const errors: unknown[] = [];
  for (const run of throwing) errors.push(await handlerExecutor("x", run).run(contextOf(null).context));
  assert.deepEqual(errors, ["thrown", "rejected", "a text", "undefined"].map((error) => ({ ok: false, error })));
});

test("a plugin's validation refuses at submission and again at the start", async () => {
  let runs = 0;
  const validate = (payload: unknown): void => {
    if (typeof payload !== "object" || payload === null || !("to" in payload)) throw new Error("needs to");
  };
  const executor = pluginExecutor(definePlugin({ type: "mail", validate, run: () => runs++ }));
  executor.validate({ to: "x" });
  assert.throws(() => executor.validate({}), { code: "unprocessable", field: "payload", message: "payload: mail refuses it: needs to" });
  assert.deepEqual(await executor.run(contextOf({}).context), { ok: false, error: "payload: mail refuses it: needs to" });
  assert.deepEqual([await executor.run(contextOf({ to: "x" }).context), runs], [{ ok: true }, 1]);
});

test("modules are loaded by path, whatever the export is called", async () => {
  const run = "run: ({ payload }) => { throw new Error(payload.text); }";
  const first = module("one.mjs", `export default definePlugin({ type: "one", ${run} });`);
  const second = module("two.mjs", 'export const other = 1;\nexport const two = definePlugin({ type: "two", run() {} });');
  const rows = [{ type: "one", module: first }, { type: "two", module: path.join(folder, second) }];
  const [one, two] = await loadPlugins(rows, folder);
  assert.deepEqual([one?.type, two?.type], ["one", "two"]);
  assert.deepEqual(await one?.run(contextOf({ text: "from the module" }).context), { ok: false, error: "from the module" });
});

test("a module that is none says what it must export", async () => {
  const cases: [string, RegExp][] = [
    [module("none.mjs", "export const x = 1;"),
      /must export definePlugin\(\{ type: "t", run\(context\) \{\.\.\.\} \}\), but it defines none/],
    [module("other.mjs", 'export default definePlugin({ type: "u", run() {} });'), /but it defines "u"/],
    [module("shape.mjs", 'export default { type: "t", run: 5 };'), /but it defines none/],
    [module("throws.mjs", 'throw new Error("at load");'), /plugin "t" \(\.\/throws\.mjs\) cannot be loaded: at load/],
    ["./missing.mjs", /cannot be loaded: .*missing\.mjs/], ["no-such-package-here", /cannot be loaded: .*no-such-package-here/],
  ];
  for (const [name, message] of cases) {
    await assert.rejects(loadPlugins([{ type: "t", module: name }], folder), { code: "config", field: "plugins", message }, name);
  }
});

test("a node has the built-in executors, its plugins and its handlers; shell only when enabled", async () => {
  const plugins = [{ type: "mine", module: module("mine.mjs", 'export default definePlugin({ type: "mine", run() {} });') }];
  const executors = await buildExecutors({ ...build, plugins, handlers: { report: () => undefined } });
  assert.deepEqual([...executors.keys()], ["noop", "http", "shell", "mine", "report"]);
  const refusal = { code: "unprocessable", field: "job_type", message: /shell\.enabled = true/ };
  assert.throws(() => executors.get("shell")?.validate({ command: "true" }), refusal);
  assert.throws(() => executors.get("shell")?.run(contextOf({ command: "true" }).context), refusal);
  const enabled = await buildExecutors({ ...build, shellEnabled: true });
  enabled.get("shell")?.validate({ command: "true" });
  assert.deepEqual(await enabled.get("shell")?.run(contextOf({ command: "true" }).context), { ok: true });
});

test("a type that is defined twice and an unreadable range stop the start", async () => {
  const twice = buildExecutors({ ...build, handlers: { http: () => undefined } });
  await assert.rejects(twice, { code: "config", message: /"http" is defined twice/ });
  await assert.rejects(buildExecutors({ ...build, httpAllow: ["10.0.0.0/99"] }), { code: "config", field: "http.allow_addresses" });
});

test("building kills what an earlier process left behind, even with shell jobs off (H6h)", async () => {
  const left = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  const exit = once(left, "exit");
  new Journal(path.join(folder, "shell")).add(left.pid ?? assert.fail("not started"), "space-5");
  const warned: object[] = [];
  await buildExecutors({ ...build, logger: { ...silent, warn: (fields) => void warned.push(fields) } });
  assert.deepEqual(await exit, [null, "SIGKILL"]);
  assert.deepEqual(warned, [{ executionIds: ["space-5"] }]);
});
