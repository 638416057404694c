// Owns: the peers' packages: pinned in package.json beside this file, installed into a folder of their own, so that Pawl itself never
// depends on them. They have no types here: each peer's file says what it uses of them.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, "..", "..", ".pawl", "peers");
const list = join(here, "package.json");

type List = { readonly dependencies: Readonly<Record<string, string>> };

export function versionOf(name: string): string {
  return `${name} ${(JSON.parse(readFileSync(list, "utf8")) as List).dependencies[name]}`;
}

export function packagesAreThere(): boolean {
  const stamp = join(folder, "installed");
  return existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(list, "utf8");
}

/** Undefined, or why it failed. */
export function installPackages(): string | undefined {
  if (packagesAreThere()) return undefined;
  mkdirSync(folder, { recursive: true });
  copyFileSync(list, join(folder, "package.json"));
  const flags = ["--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync("npm", ["install", ...flags], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  if (error !== undefined || status !== 0) return `npm install into ${folder} failed${error === undefined ? "" : `: ${error.message}`}`;
  writeFileSync(join(folder, "installed"), readFileSync(list));
  return undefined;
}

/** The module of a package; `T` is what the caller uses of it. */
export async function load<T>(name: string): Promise<T> {
  const path = createRequire(join(folder, "package.json")).resolve(name);
  return (await import(pathToFileURL(path).href)) as T;
}
