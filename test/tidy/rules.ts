// Owns: the rules about the text of one file: sizes, words with a ban, comments that must or must not be there.
// The rules about the import graph are in layers.ts. There is no list of exemptions.

import { functions } from "./functions.ts";
import { checkCycles, checkDeadFiles, checkLayers, pureRooms, roomOf } from "./layers.ts";
import type { Finding } from "./layers.ts";
import type { SourceFile } from "./files.ts";
import type { Token } from "./scan.ts";

export type Rule = { readonly name: string; readonly check: (files: readonly SourceFile[]) => Finding[] };

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;
const LINE_CHARS_MAX = 140;
const HEADER_CHARS_MIN = 20;

function perFile(check: (file: SourceFile) => Finding[]): (files: readonly SourceFile[]) => Finding[] {
  return (files) => files.flatMap(check);
}

/** Findings for every token at which `advise` has something to say. */
function perToken(file: SourceFile, advise: (tokens: readonly Token[], at: number) => string | undefined): Finding[] {
  return file.tokens.flatMap((token, at) => {
    const advice = advise(file.tokens, at);
    return advice === undefined ? [] : [{ path: file.path, line: token.line, advice }];
  });
}

/** Whether the tokens from `at` on are exactly these, none of them a string. */
function reads(tokens: readonly Token[], at: number, ...texts: readonly string[]): boolean {
  return texts.every((text, i) => tokens[at + i]?.text === text && tokens[at + i]?.kind !== "string");
}

/** Whether a name stands by itself: neither a member of something nor the key of a literal or type. */
function standsAlone(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]?.text;
  return tokens[at]?.kind === "word" && before !== "." && before !== "?.";
}

function longFunctions(file: SourceFile): Finding[] {
  return functions(file.tokens)
    .map((each) => ({ ...each, lines: each.lastLine - each.firstLine + 1 }))
    .filter((each) => each.lines > FUNCTION_LINES_MAX)
    .map((each) => ({
      path: file.path,
      line: each.firstLine,
      advice: `${each.name} has ${each.lines} lines, ${FUNCTION_LINES_MAX} are allowed: name parts of it and move them into functions.`,
    }));
}

function longFile(file: SourceFile): Finding[] {
  const { path, lines } = file;
  if (lines.length <= FILE_LINES_MAX) return [];
  const advice = `${lines.length} lines, ${FILE_LINES_MAX} are allowed: find the second noun in this file and give it its own.`;
  return [{ path, line: 1, advice }];
}

function longLines(file: SourceFile): Finding[] {
  return file.lines.flatMap((text, i) => {
    const advice = `${text.length} characters, ${LINE_CHARS_MAX} are allowed: break the line or name a part of it.`;
    return text.length <= LINE_CHARS_MAX ? [] : [{ path: file.path, line: i + 1, advice }];
  });
}

function header(file: SourceFile): Finding[] {
  const first = file.comments[0];
  const comments = file.comments.filter((each, i) => each.line <= i + 1);
  const chars = comments.reduce((sum, each) => sum + each.text.length, 0);
  if (roomOf(file.path) === undefined || (first?.at === 0 && chars >= HEADER_CHARS_MIN)) return [];
  const advice = "begin the file with a comment: what it owns, what its neighbour owns, its numbered invariants.";
  return [{ path: file.path, line: 1, advice }];
}

function typeEscapes(tokens: readonly Token[], at: number): string | undefined {
  if (reads(tokens, at, "any") && standsAlone(tokens, at)) return "`any` turns the checks off: write the type, or `unknown` and a check.";
  if (reads(tokens, at, "as", "unknown", "as")) return "`as unknown as` lies to the compiler: check the value, or make the types agree.";
  return undefined;
}

function emptyCatches(tokens: readonly Token[], at: number): string | undefined {
  const advice = "an empty catch hides a failure: handle it, tell it, or let it pass through.";
  if (!reads(tokens, at, "catch")) return undefined;
  const next = tokens[at + 1];
  if (tokens[at - 1]?.text !== ".") {
    const brace = next?.text === "(" ? next.partner + 1 : at + 1;
    return reads(tokens, brace, "{", "}") ? advice : undefined;
  }
  const arrow = tokens[at + 2]?.text === "(" ? (tokens[at + 2] as Token).partner + 1 : at + 3;
  return reads(tokens, arrow, "=>", "{", "}") ? advice : undefined;
}

function commentWords(file: SourceFile): Finding[] {
  return file.comments.flatMap(({ text, line }) => {
    const mark = /\b(TODO|FIXME|XXX)\b/.exec(text)?.[1];
    const pragma = /@ts-(ignore|expect-error|nocheck)/.exec(text)?.[0];
    if (mark !== undefined) return [{ path: file.path, line, advice: `${mark}: do it now, or leave it and say nothing.` }];
    if (pragma === undefined) return [];
    return [{ path: file.path, line, advice: `${pragma} silences the compiler: make the types say what is meant.` }];
  });
}

/** Clocks, timers and randomness: [tokens, where else than in src/system.ts they are allowed]. */
const impure: readonly (readonly [readonly string[], readonly string[]])[] = [
  [["Date", ".", "now"], []],
  [["new", "Date", "(", ")"], []],
  [["new", "Date", ";"], []],
  [["performance", "."], []],
  [["process", ".", "hrtime"], []],
  [["Math", ".", "random"], []],
  [["setTimeout"], []],
  [["setInterval"], []],
  [["setImmediate"], []],
  [["getRandomValues"], []],
  [["randomInt"], []],
  [["randomUUID"], ["api", "cli"]],
  [["randomBytes"], ["api", "cli", "config"]],
];

function impurity(file: SourceFile): Finding[] {
  const room = roomOf(file.path);
  if (room === undefined || room === "system") return [];
  const words = perToken(file, (tokens, at) => {
    const hit = impure.find(([texts, rooms]) => reads(tokens, at, ...texts) && !rooms.includes(room));
    const isMember = !standsAlone(tokens, at) && !["crypto", "globalThis"].includes(tokens[at - 2]?.text ?? "");
    if (hit === undefined || isMember) return undefined;
    return `${hit[0].join("")} is not a function of its inputs: take a System (src/system.ts) or the value as an argument.`;
  });
  const imports = file.imports
    .filter((each) => /^(node:)?(timers|timers\/promises|perf_hooks)$/.test(each.specifier))
    .map(({ line, specifier }) => ({ path: file.path, line, advice: `${specifier} is a clock: take a System as an argument.` }));
  return [...words, ...imports];
}

function waitingInPureRooms(file: SourceFile): Finding[] {
  const room = roomOf(file.path);
  if (!pureRooms.includes(room ?? "")) return [];
  return perToken(file, (tokens, at) => {
    const token = tokens[at] as Token;
    if (!standsAlone(tokens, at)) return undefined;
    const isBanned = ["async", "await", "Promise", "Buffer", "queueMicrotask"].includes(token.text) || reads(tokens, at, "process", ".");
    return isBanned ? `${room} is pure, without ${token.text}: return what should happen and let the room's loop do it.` : undefined;
  });
}

function consoleInSrc(file: SourceFile): Finding[] {
  const room = roomOf(file.path);
  if (room === undefined || room === "cli") return [];
  const advice = "only src/cli prints: return the text or take a logger as an argument.";
  return perToken(file, (tokens, at) => (reads(tokens, at, "console", ".") && standsAlone(tokens, at) ? advice : undefined));
}

const TEST_NAMES = ["test", "it", "describe", "suite", "t", "context"];
const TEST_SWITCHES = ["only", "skip", "todo"];

function testSwitches(file: SourceFile): Finding[] {
  if (!file.path.startsWith("test/")) return [];
  return perToken(file, (tokens, at) => {
    if (!TEST_NAMES.includes(tokens[at]?.text ?? "") || !standsAlone(tokens, at)) return undefined;
    const advice = "every test always runs: repair it or delete it.";
    if (reads(tokens, at + 1, ".") && TEST_SWITCHES.includes(tokens[at + 2]?.text ?? "")) return advice;
    const options = reads(tokens, at + 1, "(") && tokens[at + 2]?.kind === "string" && reads(tokens, at + 3, ",", "{") ? at + 4 : -1;
    if (options < 0) return undefined;
    const inside = tokens.slice(options, (tokens[options] as Token).partner);
    return inside.some((each, i) => TEST_SWITCHES.includes(each.text) && inside[i + 1]?.text === ":") ? advice : undefined;
  });
}

function sleepingTests(file: SourceFile): Finding[] {
  const { path } = file;
  const real = ["test/process/", "test/support/", "test/sim/", "test/chaos/"];
  if (!path.startsWith("test/") || real.some((folder) => path.startsWith(folder))) return [];
  const advice = "tests do not sleep: hand the code a System whose time the test moves.";
  const words = perToken(file, (tokens, at) => {
    const sleeps = reads(tokens, at, "setTimeout") || reads(tokens, at, "setInterval");
    return (sleeps && standsAlone(tokens, at)) || reads(tokens, at, "Atomics", ".", "wait") ? advice : undefined;
  });
  const imports = file.imports.filter((each) => /^(node:)?timers(\/promises)?$/.test(each.specifier));
  return [...words, ...imports.map((each) => ({ path, line: each.line, advice }))];
}

function luckyTests(file: SourceFile): Finding[] {
  if (!file.path.startsWith("test/")) return [];
  return perToken(file, (tokens, at) =>
    reads(tokens, at, "Math", ".", "random") ? "tests do not depend on luck: draw from a generator with a fixed seed." : undefined,
  );
}

export const rules: readonly Rule[] = [
  { name: "rooms import only what lies below them", check: checkLayers },
  { name: "no import cycles at run time", check: checkCycles },
  { name: "every file of src is used", check: checkDeadFiles },
  { name: "clocks, timers and randomness come in through the System seam", check: perFile(impurity) },
  { name: "pure rooms neither wait nor know the process", check: perFile(waitingInPureRooms) },
  { name: "only the command line prints", check: perFile(consoleInSrc) },
  { name: "functions are short", check: perFile(longFunctions) },
  { name: "files are short", check: perFile(longFile) },
  { name: "lines are short", check: perFile(longLines) },
  { name: "files of src begin with a comment", check: perFile(header) },
  { name: "types are not switched off", check: perFile((file) => perToken(file, typeEscapes)) },
  { name: "no catch is empty", check: perFile((file) => perToken(file, emptyCatches)) },
  { name: "comments promise nothing and silence nobody", check: perFile(commentWords) },
  { name: "every test runs", check: perFile(testSwitches) },
  { name: "tests do not sleep", check: perFile(sleepingTests) },
  { name: "tests draw from fixed seeds", check: perFile(luckyTests) },
];
