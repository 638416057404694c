// Owns: made-up files for each house rule: some that break it, and how many findings they give, some that come close and keep it.

export type Example = { readonly rule: string; readonly files: Readonly<Record<string, string>>; readonly findings: number };

function example(rule: string, findings: number, files: Readonly<Record<string, string>>): Example {
  return { rule, findings, files };
}

const layer = "rooms import only what lies below them";
const cycle = "no import cycles at run time";
const used = "every file of src is used";
const seam = "clocks, timers and randomness come in through the System seam";
const pure = "pure rooms neither wait nor know the process";
const print = "only the command line prints";
const shortFunctions = "functions are short";
const shortFiles = "files are short";
const shortLines = "lines are short";
const headers = "files of src begin with a comment";
const types = "types are not switched off";
const catches = "no catch is empty";
const comments = "comments promise nothing and silence nobody";
const running = "every test runs";
const sleeping = "tests do not sleep";
const seeds = "tests draw from fixed seeds";

const body = (lines: number) => "\n  a();".repeat(lines);

export const examples: readonly Example[] = [
  example(layer, 1, { "src/raft/a.ts": 'import { b } from "../jobs/b.ts";' }),
  example(layer, 1, { "src/wheel/a.ts": 'import type { B } from "../raft/b.ts";' }),
  example(layer, 1, { "src/storage/a.ts": 'export { b } from "../cluster/b.ts";' }),
  example(layer, 1, { "src/base/a.ts": 'import { limits } from "../limits.ts";' }),
  example(layer, 1, { "src/dispatch/a.ts": 'import { b } from "../worker/b.ts";' }),
  example(layer, 1, { "src/api/a.ts": 'const b = await import("../cluster/b.ts");' }),
  example(layer, 1, { "src/api/a.ts": 'import b from "../../test/b.ts";' }),
  example(layer, 1, { "src/utils/a.ts": "" }),
  example(layer, 2, { "src/jobs/a.ts": 'import "node:zlib"; import { c } from "luxon";' }),
  example(layer, 1, { "src/cluster/a.ts": 'import fs from "node:fs";' }),
  example(layer, 1, { "src/worker/a.ts": 'import { connect } from "node:http2";' }),
  example(layer, 1, { "src/cluster/a.ts": 'import { ClassicLevel } from "classic-level";' }),
  example(layer, 1, { "src/config/a.ts": 'import { b } from "../cli/b.ts";' }),
  example(layer, 0, {
    "src/dispatch/a.ts": 'import type { B } from "../worker/b.ts"; import { limits } from "../limits.ts"; import { c } from "./c.ts";',
    "src/planner/a.ts": 'import { b } from "../jobs/b.ts"; export type { C } from "../schedule/c.ts";',
    "src/schedule/a.ts": 'import { CronExpressionParser } from "cron-parser"; const text = "import x from \'../raft/x.ts\'";',
    "src/net/a.ts": 'import http2 from "node:http2"; import { b } from "../raft/b.ts";',
    "src/client/a.ts": 'readFileSync(new URL("../../package.json", import.meta.url));',
    "src/cli/a.ts": 'import { config } from "../config.ts"; import { start } from "../node.ts"; import fs from "node:fs";',
    "src/config.ts": 'import { parse } from "smol-toml"; import { readFileSync } from "node:fs"; import { a } from "./config/a.ts";',
    "test/raft/a.ts": 'import { b } from "../../src/cluster/b.ts";',
  }),

  example(cycle, 1, {
    "src/raft/a.ts": 'import "./b.ts";',
    "src/raft/b.ts": 'export * from "./c.ts";',
    "src/raft/c.ts": 'import { a } from "./a.ts";',
  }),
  example(cycle, 1, { "src/raft/a.ts": 'import { a } from "./a.ts";' }),
  example(cycle, 0, {
    "src/raft/a.ts": 'import "./b.ts"; import "./c.ts";',
    "src/raft/b.ts": 'import "./c.ts"; import type { A } from "./a.ts";',
  }),

  example(used, 1, { "src/raft/a.ts": 'import "./a.ts";', "test/raft/a.test.ts": 'import "../../src/raft/a.ts";' }),
  example(used, 0, {
    "src/index.ts": 'import type { A } from "./raft/a.ts"; new Worker(new URL("./raft/b.ts", import.meta.url));',
    "src/raft/a.ts": "",
    "src/raft/b.ts": "",
    "test/a.ts": "",
  }),

  example(seam, 5, { "src/cluster/a.ts": "Date.now(); new Date(); performance.now(); process.hrtime(); Math.random();" }),
  example(seam, 4, { "src/cluster/a.ts": "setTimeout(a); setInterval(a); setImmediate(a); globalThis.setTimeout(a);" }),
  example(seam, 3, { "src/worker/a.ts": "randomUUID(); crypto.randomBytes(4); crypto.getRandomValues(b);" }),
  example(seam, 2, { "src/api/a.ts": 'import { setTimeout as wait } from "node:timers/promises";' }),
  example(seam, 0, {
    "src/system.ts": "Date.now(); setTimeout(a);",
    "src/api/a.ts": 'randomUUID(); new Date(5); Date.UTC(1); this.setTimeout(1); Math.floor(a); log("Date.now()"); // Math.random()',
    "test/a.ts": "performance.now();",
  }),

  example(pure, 2, { "src/raft/a.ts": "async function a() { await b; }" }),
  example(pure, 3, { "src/jobs/a.ts": "Promise.all(a); Buffer.from(b); process.exit(1);" }),
  example(pure, 0, { "src/raft/a.ts": "a.process(b); process(c); /* async */", "src/api/a.ts": "await Promise.all(a);" }),

  example(print, 1, { "src/api/a.ts": "console.error(a);" }),
  example(print, 0, { "src/cli/a.ts": "console.log(a);", "src/api/a.ts": "a.console.log(b);", "test/a.ts": "console.log(a);" }),

  example(shortFunctions, 1, { "src/raft/a.ts": `function a() {${body(69)}\n}` }),
  example(shortFunctions, 1, { "src/raft/a.ts": `class A { b(\nc: number): void {${body(68)}\n} }` }),
  example(shortFunctions, 2, { "test/a.test.ts": `describe("a", () => {\n  test("b", async (t) => {${body(69)}\n  });\n});` }),
  example(shortFunctions, 0, {
    "src/raft/a.ts": `function a() {${body(68)}\n}\nif (a) {${body(90)}\n}`,
    "test/a.ts": `const a = {${body(99)}\n}`,
  }),

  example(shortFiles, 1, { "src/raft/a.ts": "a;\n".repeat(501) }),
  example(shortFiles, 0, { "src/raft/a.ts": "a;\n".repeat(500) }),

  example(shortLines, 1, { "src/raft/a.ts": `//${"-".repeat(139)}` }),
  example(shortLines, 0, { "src/raft/a.ts": `//${"-".repeat(138)}\n` }),

  example(headers, 1, { "src/raft/a.ts": "const a = 1; // Owns: nothing, and it comes too late to be a header." }),
  example(headers, 1, { "src/raft/a.ts": "// Owns: a.\nconst a = 1;\n// This comment belongs to something else, further below." }),
  example(headers, 0, {
    "src/raft/a.ts": "// Owns: the letter a, first of its kind.\n// The letter b is the business of b.ts.\n",
    "test/a.ts": "a;",
  }),

  example(types, 3, { "src/raft/a.ts": "const a: any = b as any; const c = d as unknown as E;" }),
  example(types, 0, { "src/raft/a.ts": 'const a: unknown = Promise.any(b); const many = "any"; /* any */ f(c as unknown, d as E);' }),

  example(catches, 2, { "src/raft/a.ts": "try { a(); } catch { } try { a(); } catch (error) { /* fine */ }" }),
  example(catches, 2, { "src/raft/a.ts": "a().catch(() => {}); b().catch((error) => {});" }),
  example(catches, 0, { "src/raft/a.ts": "try { a(); } catch { return 1; } a().catch(tell); b().catch(() => { c(); });" }),

  example(comments, 2, { "src/raft/a.ts": "// TODO: later\n/* and\n FIXME */" }),
  example(comments, 2, { "test/a.ts": "// @ts-ignore\na;\n// @ts-expect-error because\nb;" }),
  example(comments, 0, { "src/raft/a.ts": 'const a = "TODO"; // METHODOLOGY' }),

  example(running, 3, { "test/a.test.ts": 'test.only("a", b); describe.skip("c", d); t.todo("e");' }),
  example(running, 1, { "test/a.test.ts": 'test("a", { skip: true, timeout: 5 }, () => {});' }),
  example(running, 0, { "test/a.test.ts": 'test("a", () => { reader.skip(4); });', "src/raft/a.ts": "test.skip(1);" }),

  example(sleeping, 3, { "test/raft/a.test.ts": 'import { setTimeout as wait } from "node:timers/promises"; setTimeout(a, 5);' }),
  example(sleeping, 1, { "test/raft/a.test.ts": "Atomics.wait(a, 0, 0, 5);" }),
  example(sleeping, 0, { "test/process/a.test.ts": "setTimeout(a, 5);", "test/raft/a.ts": "system.after(5, a);" }),

  example(seeds, 1, { "test/raft/a.test.ts": "Math.random();" }),
  example(seeds, 0, { "test/raft/a.test.ts": "random();", "bench/a.ts": "Math.random();" }),
];
