// Shared by the tests of the settings: a folder with a file in it, and loading it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { loadConfig } from "../../src/config.ts";
import type { Config, ConfigSources } from "../../src/config.ts";

export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "pawl-config-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function put(path: string, text: string): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

export function putTls(dataDir: string): void {
  for (const name of ["ca.pem", "node.pem", "node-key.pem"]) put(join(dataDir, "tls", name), "x");
}

export function load(file: string | undefined, more: Partial<ConfigSources> = {}): Config {
  return loadConfig({ file, flags: {}, env: {}, ...more });
}

/** The message of the refusal, with the folder's path taken out. */
export function refusal(dir: string, run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PawlError && error.code === "config") return error.message.replaceAll(`${dir}/`, "");
    throw error;
  }
  return "accepted";
}
