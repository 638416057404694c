// Owns: what an admin token is and how its file is read. Making one is src/cli, comparing one is src/api.

import { readFileSync } from "node:fs";
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
