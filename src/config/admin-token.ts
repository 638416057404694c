// Owns: what an admin token is, how its file is read and made. When one is made is decided by src/cli and src/embed.ts; comparing
// one is src/api.

import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { PawlError, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";

/** The token in a file, without the white space around it. Throws PawlError("config") when it cannot be one. */
export function readAdminToken(file: string): string {
  const token = textOf(file).trim();
  if (token === "") throw new PawlError("config", `${file} is empty`);
  if (!/^[\x21-\x7e]+$/.test(token)) throw new PawlError("config", `${file} must hold one token of visible ASCII characters`);
  if (token.length < limits.tokenMinChars) {
    throw new PawlError("config", `the token in ${file} has ${token.length} characters, fewer than ${limits.tokenMinChars}`);
  }
  return token;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new PawlError("config", `${file} cannot be read (${messageOf(error).split(":", 1)[0]})`, { cause: error });
  }
}

/** Makes the token that the settings allow to be absent: 32 random bytes in a file of the owner alone, never over another one. */
export function makeAdminToken(file: string): void {
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(fresh, file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(fresh);
  }
}
