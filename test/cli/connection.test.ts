// Which server and which token, and the note of a running `pawl dev`.

import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { findConnection } from "../../src/cli/connection.ts";
import type { ConnectionOptions } from "../../src/cli/connection.ts";
import { readDevNote, removeDevNote, writeDevNote } from "../../src/cli/devfile.ts";
import { folder } from "./helpers.ts";

const PID_OF_NOBODY = 2 ** 22 + 1;

function refusal(options: ConnectionOptions, env: Record<string, string>): string {
  try {
    findConnection(options, env);
  } catch (error) {
    if (error instanceof PawlError && error.code === "config") return error.message;
    throw error;
  }
  return "accepted";
}

test("flags win over variables, variables over a running pawl dev", (t) => {
  const dir = folder(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const env = { HOME: dir };
  const tokenFile = file("dev.token", "of-dev\n");
  writeDevNote(env, { pid: process.pid, servers: ["http://127.0.0.1:1", "http://127.0.0.1:2"], tokenFile });
  assert.equal(statSync(join(dir, ".pawl", "dev.json")).mode & 0o777, 0o600);
  assert.deepEqual(findConnection({}, env), { servers: ["http://127.0.0.1:1", "http://127.0.0.1:2"], token: "of-dev", ca: undefined });
  assert.equal(findConnection({ server: "127.0.0.1:2" }, env).token, "of-dev");
  const set = { ...env, PAWL_SERVER: "https://a.example:1,https://b.example:2", PAWL_TOKEN: "of-env", PAWL_CA_FILE: file("ca", "pem") };
  assert.deepEqual(findConnection({}, set), { servers: ["https://a.example:1", "https://b.example:2"], token: "of-env", ca: "pem" });
  assert.equal(findConnection({}, { ...env, PAWL_TOKEN_FILE: file("t", "of-file") }).token, "of-file");
  const flags = { server: "c.example:3", tokenFile: file("flag", " of-flag ") };
  assert.deepEqual(findConnection(flags, set), { servers: ["http://c.example:3"], token: "of-flag", ca: "pem" });
});

test("the token of pawl dev goes to no other server (N1)", (t) => {
  const dir = folder(t);
  const env = { HOME: dir };
  writeFileSync(join(dir, "token"), "of-dev");
  writeDevNote(env, { pid: process.pid, servers: ["http://127.0.0.1:1"], tokenFile: join(dir, "token") });
  for (const server of ["http://evil.example", "http://127.0.0.1:1,http://evil.example"]) {
    assert.equal(refusal({ server }, env), "no token: give --token-file, PAWL_TOKEN or PAWL_TOKEN_FILE");
  }
});

test("a note whose process is gone, or that is damaged, counts as none (D1)", (t) => {
  const env = { HOME: folder(t) };
  assert.equal(readDevNote(env), undefined);
  writeDevNote(env, { pid: PID_OF_NOBODY, servers: ["http://127.0.0.1:1"], tokenFile: "x" });
  assert.equal(readDevNote(env), undefined);
  for (const text of ["", "null", '{"pid":1}', '{"pid":1,"servers":[],"tokenFile":"x"}']) {
    writeFileSync(join(env.HOME, ".pawl", "dev.json"), text);
    assert.equal(readDevNote(env), undefined, text);
  }
  assert.match(refusal({}, env), /^no server: give --server or PAWL_SERVER/);
});

test("a note is taken away by its writer only", (t) => {
  const env = { HOME: folder(t) };
  writeDevNote(env, { pid: process.pid, servers: ["http://127.0.0.1:1"], tokenFile: "x" });
  removeDevNote(env, PID_OF_NOBODY);
  assert.equal(readDevNote(env)?.pid, process.pid);
  removeDevNote(env, process.pid);
  assert.equal(readDevNote(env), undefined);
});

test("what is not a server or a token file is refused in one line", (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "empty"), "\n");
  for (const server of ["ftp://a", "http://a/path", "http://", "a b"]) {
    assert.match(refusal({ server }, { PAWL_TOKEN: "x" }), /^--server: expected http\(s\):\/\/host:port, got "/, server);
  }
  assert.match(refusal({ server: "http://a", tokenFile: join(dir, "none") }, {}), /none: cannot be read \(ENOENT\)/);
  assert.match(refusal({ server: "http://a", tokenFile: join(dir, "empty") }, {}), /empty: empty; it must hold the token/);
});
