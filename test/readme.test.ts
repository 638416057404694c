// The README is held to the code: its example is the program that the tests run, and every command, flag, route, setting, exit code, field
// and file that it names exists. What this cannot see is whether its sentences are true.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newJob } from "../src/api/schemas.ts";
import { exitCodeMeanings } from "../src/cli/exitcodes.ts";
import { allKeys } from "../src/config/keys.ts";
import { flagOf, variableOf } from "../src/config/place.ts";
import { ranWith } from "./cli/helpers.ts";
import { face } from "./api/harness.ts";
import { toldMetrics } from "./support/told.ts";
import { families } from "./support/exposition.ts";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The text between a heading and the next one of the same or a higher level. */
function section(title: string): string {
  const [, text] = readme.split(`\n## ${title}\n`);
  assert.ok(text !== undefined, `the README has no heading ${title}`);
  return text.split("\n## ")[0] as string;
}

/** Cells of the first column of a section's tables, without backticks. */
function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| ([^|]+?) \|/gm)].map(([, cell]) => (cell as string).replaceAll("`", ""));
}

/** Lines of blocks, and pieces of code in the text. */
function codePieces(): string[] {
  const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => (block as string).split("\n"));
  const inline = [...readme.replaceAll(/```[\s\S]*?```/g, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code as string);
  return [...blocks, ...inline];
}

function commandLines(): string[][] {
  return codePieces()
    .map((piece) => /^(?:bin\/)?pawl ([a-z].*)$/.exec(piece)?.[1])
    .filter((line) => line !== undefined)
    .map((line) => line.split(/ #| -- /)[0] as string)
    .map((line) => line.split(" "));
}

async function helpOf(path: readonly string[]): Promise<string> {
  const { code, stdout } = await ranWith([...path, "--help"]);
  assert.equal(code, 0, `pawl ${path.join(" ")} --help`);
  return stdout;
}

/** The commands that a help text lists. */
function commandsIn(help: string): string[] {
  const list = help.split("\nCommands:\n")[1] ?? "";
  return [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name as string).filter((name) => name !== "help");
}

test("the example of embedding is the program that the tests run", () => {
  const [, block] = /```ts\n([\s\S]*?)```/.exec(section("Embedding")) ?? [];
  assert.equal(block, readFileSync(join(root, "test/process/embed-example.ts"), "utf8"));
});

test("every command that the README names exists, with its flags", async () => {
  const lines = commandLines();
  assert.ok(lines.length > 20, `only ${lines.length} commands were found`);
  const general = await helpOf([]);
  for (const words of lines) {
    const [name = "", second = ""] = words;
    const own = await helpOf([name]);
    // `pawl backup FILE` is a command beside its own `verify`.
    const isItself = /^Usage: .* \[file\]$/m.test(own) && !commandsIn(own).includes(second);
    const isGroup = own.includes("\nCommands:\n") && !isItself;
    const help = isGroup ? await helpOf([name, second]) : own;
    const path = isGroup ? `${name} ${second}` : name;
    assert.ok(help.startsWith(`Usage: pawl ${path}`), `there is no pawl ${path}`);
    for (const [flag] of words.join(" ").matchAll(/--[a-z-]+/g)) {
      assert.ok([help, general].some((text) => new RegExp(`^ +${flag}[ ,]`, "m").test(text)), `pawl ${path} has no ${flag}`);
    }
  }
});

test("every command that exists is in the README", async () => {
  const named = new Set(commandLines().flatMap(([first = "", second = ""]) => [first, `${first} ${second}`]));
  const groups = commandsIn(await helpOf([]));
  assert.ok(groups.length > 5, "the commands were not found");
  for (const group of groups) {
    const inner = commandsIn(await helpOf([group]));
    for (const path of inner.length === 0 ? [group] : inner.map((name) => `${group} ${name}`)) assert.ok(named.has(path), `pawl ${path}`);
  }
});

test("the routes are those of the API, the five fixed ones first", async (t) => {
  const { api } = await face();
  t.after(() => api.close());
  const listed = firstCells(section("HTTP API")).filter((cell) => cell.includes("/"));
  const served = api.routes.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(listed.slice(0, 5), served.slice(0, 5));
  assert.deepEqual([...listed].sort(), [...served].sort());
});

test("the tables of settings and of exit codes are those of the code", () => {
  const rows = section("Settings").split("\n").filter((line) => line.startsWith("| `"));
  const code = (text: string): string => `\`${text}\``;
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  assert.deepEqual(rows, allKeys.map(({ path, describe }) => row([code(path), code(flagOf(path)), code(variableOf(path)), describe])));
  const codes = section("Command line").split("\n").filter((line) => /^\| \d/.test(line));
  assert.deepEqual(codes, exitCodeMeanings.map(([code, meaning]) => `| ${code} | ${meaning} |`));
});

test("the metrics are those that a node tells, and each is named", async () => {
  const named = firstCells(section("Metrics")).flatMap((cell) => cell.split(", ")).map((name) => name.replace(/\{.*/, ""));
  const told = families(await toldMetrics());
  const histograms = [...told].filter(([, { type }]) => type === "histogram").map(([name]) => name.replace("pawl_", "pawl_longest_"));
  const own = [...told.keys()].filter((name) => !histograms.includes(name));
  assert.equal(own.length + histograms.length, told.size, "each histogram has its longest");
  assert.deepEqual(named.filter((name) => name.startsWith("pawl_")).sort(), own.sort());
});

test("the fields of a job are those that the API takes", () => {
  const named = firstCells(section("Fields of a job")).flatMap((cell) => cell.split(/, | or /)).filter((cell) => cell !== "field");
  assert.deepEqual(named.filter((name) => !/^-+$/.test(name)).sort(), Object.keys(newJob.properties).sort());
});

test("every file that the README names exists", () => {
  const made = /^(cluster\.toml|admin\.token|certs\/|tls\/)/;
  const files = codePieces().filter((piece) => /^[\w./-]+(\.(ts|md|toml)|\/)$/.test(piece) && !made.test(piece) && !piece.startsWith("/"));
  assert.ok(files.length > 15, `only ${files.length} files were found`);
  for (const file of files) assert.ok(existsSync(join(root, file)), file);
});
