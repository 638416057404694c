// Owns: which room may import which, as data, and the rules about the import graph: layers, cycles, files that nobody uses.
// A room is the first name under src without ending: src/raft/core.ts is in raft, src/config.ts and src/config/toml.ts in config.

import { posix } from "node:path";
import type { Import, SourceFile } from "./files.ts";

export type Finding = { readonly path: string; readonly line: number; readonly advice: string };

/** Pure rooms take plain values and return what should happen: no clock, no randomness, no waiting, no Node. */
export const pureRooms = ["raft", "wheel", "schedule", "jobs", "planner"];

const everywhere = ["limits", "system"];
const below = ["base", "raft", "wheel", "schedule", "jobs", "planner", "storage", "net", "dispatch", "worker", "cluster", "client", "api"];
const top = [...below, "cli", "config", "corelink", "node", "core", "embed", "threadmetrics", "facemetrics", ...everywhere];

/** Room -> rooms that it may import, besides itself. "worker:types" allows `import type` only. */
export const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  limits: ["base"],
  system: ["base"],
  raft: ["base", ...everywhere],
  wheel: ["base", ...everywhere],
  schedule: ["base", ...everywhere],
  jobs: ["base", ...everywhere],
  planner: ["base", "jobs", "schedule", ...everywhere],
  storage: ["base", "raft", "jobs", ...everywhere],
  net: ["base", "raft", ...everywhere],
  worker: ["base", "jobs", ...everywhere],
  dispatch: ["base", "jobs", "worker:types", ...everywhere],
  cluster: ["base", "raft", "wheel", "schedule", "jobs", "planner", "storage", "net", "dispatch", "worker", ...everywhere],
  client: ["base", "jobs", ...everywhere],
  api: ["base", "jobs", "schedule", "client", "worker", ...everywhere],
  cli: ["base", "jobs", "schedule", "net", "client", "api", "config", "node", "offline", ...everywhere],
  config: ["base", ...everywhere],
  corelink: top,
  threadmetrics: top,
  facemetrics: top,
  node: top,
  offline: top,
  embed: top,
  core: top,
  index: top,
};

/** Rooms that may import `node:` modules; the others see Node through base, system.ts or an interface handed to them. */
const nodeRooms = [
  "base", "system", "worker", "api", "cli", "net", "storage", "config", "corelink", "node", "offline", "core", "embed", "index",
  "threadmetrics", "facemetrics",
];

/** Packages and Node modules with one home. Rooms that are pure import no other package than those named for them here. */
export const homes: Readonly<Record<string, readonly string[]>> = {
  "node:http": ["net", "api"],
  "node:https": ["net", "api"],
  "node:http2": ["net", "api"],
  "node:tls": ["net", "api"],
  "classic-level": ["storage"],
  level: ["storage"],
  "cron-parser": ["schedule"],
  "smol-toml": ["config"],
};

/** Files that something outside of src starts or imports. */
export const entryPoints = ["src/index.ts", "src/core.ts", "src/node.ts", "src/cli/main.ts", "src/client/index.ts"];

export function roomOf(path: string): string | undefined {
  return /^src\/([^/.]+)/.exec(path)?.[1];
}

export function checkLayers(files: readonly SourceFile[]): Finding[] {
  return files.flatMap((file) => {
    const room = roomOf(file.path);
    if (room === undefined) return [];
    if (layers[room] === undefined) {
      const advice = `${room} is no room: put the file into one, or give the new room a row in test/tidy/layers.ts.`;
      return [{ path: file.path, line: 1, advice }];
    }
    return file.imports.flatMap((each) => {
      const advice = each.path === undefined ? packageAdvice(room, each.specifier) : roomAdvice(room, each);
      return advice === undefined ? [] : [{ path: file.path, line: each.line, advice }];
    });
  });
}

function roomAdvice(room: string, each: Import): string | undefined {
  const allowed = layers[room] ?? [];
  const target = roomOf(each.path ?? "");
  if (target === undefined) return `src never imports ${each.path}: move what is needed into src.`;
  if (target === room || allowed.includes(target)) return undefined;
  if (allowed.includes(`${target}:types`)) {
    return each.typeOnly ? undefined : `${room} may use only types of ${target}: write \`import type\`, or take the value as an argument.`;
  }
  const may = allowed.length === 0 ? "nothing" : allowed.join(", ");
  return `${room} may import ${may}, not ${target}: declare a small interface in ${room} and take it as an argument.`;
}

function packageAdvice(room: string, specifier: string): string | undefined {
  const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
  const home = homes[name];
  if (home?.includes(room)) return undefined;
  if (home !== undefined) return `only ${home.join(" and ")} may import ${name}: ask that room through an interface.`;
  if (pureRooms.includes(room)) return `${room} is pure and may not import ${name}: take a plain value or go through base.`;
  if (!name.startsWith("node:") || nodeRooms.includes(room)) return undefined;
  return `${room} may not import ${name}: declare a small interface and let node.ts or core.ts fill it.`;
}

/** Cycles of imports that exist at run time; types may point both ways. */
export function checkCycles(files: readonly SourceFile[]): Finding[] {
  const edges = new Map(files.map((file) => [file.path, file.imports.filter((each) => !each.typeOnly && each.path !== undefined)]));
  const done = new Set<string>();
  const stack: string[] = [];
  const found: Finding[] = [];
  function visit(path: string): void {
    stack.push(path);
    for (const each of edges.get(path) ?? []) {
      const target = each.path as string;
      const from = stack.indexOf(target);
      if (from >= 0) found.push({ path, line: each.line, advice: cycleAdvice([...stack.slice(from), target]) });
      else if (!done.has(target)) visit(target);
    }
    stack.pop();
    done.add(path);
  }
  for (const file of files) if (!done.has(file.path)) visit(file.path);
  return found;
}

function cycleAdvice(cycle: readonly string[]): string {
  const names = cycle.map((path) => posix.basename(path)).join(" -> ");
  return `import cycle ${names}: move what both need into a file of its own, or hand it over as an argument.`;
}

/** Files of src that no other file of src imports and nothing outside starts. */
export function checkDeadFiles(files: readonly SourceFile[]): Finding[] {
  const used = new Set(entryPoints);
  for (const file of files) {
    if (roomOf(file.path) === undefined) continue;
    for (const each of file.imports) if (each.path !== undefined && each.path !== file.path) used.add(each.path);
  }
  const advice = "no file of src imports this one: use it or delete it; what only tests need belongs under test.";
  return files
    .filter((file) => roomOf(file.path) !== undefined && !used.has(file.path))
    .map((file) => ({ path: file.path, line: 1, advice }));
}
