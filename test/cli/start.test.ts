// `pawl start` around the node: settings, the token it makes, and how it ends. And the certificates that it asks for.

import assert from "node:assert/strict";
import { mkdirSync, existsSync, cpSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import type { Context } from "../../src/cli/context.ts";
import { output } from "../../src/cli/output.ts";
import { runUntilStopped } from "../../src/cli/start.ts";
import { makeAdminToken } from "../../src/config/admin-token.ts";
import { limits } from "../../src/limits.ts";
import { loadConfig } from "../../src/config.ts";
import { folder, ranWith, stillSystem } from "./helpers.ts";

const alone = '[node]\nid = "a"\ndata_dir = "data"\n[cluster]\nname = "test"\n';

function contextOf(exits: number[], told: unknown[]): Context {
  const sink = { write: () => undefined };
  // A guard against a stop that never ends must not fire at once here.
  const after = (delayMs: number, run: () => void): { cancel(): void } => {
    if (delayMs < limits.stopMaxMs) queueMicrotask(run);
    return { cancel: () => undefined };
  };
  const system = { ...stillSystem, after };
  const io = { stdout: sink, stderr: sink, env: {}, system, input: async function* () {} };
  const none = (): void => undefined;
  return {
    io, out: output(io), exit: none, complain: (error) => void told.push(error), onSignal: none, onInputEnd: none,
    exitNow: (code) => void exits.push(code), connect: () => assert.fail("no server is needed"),
  };
}

test("--check tells whether all is well and touches nothing (P1)", async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "c.toml"), alone);
  const good = await ranWith(["start", "--check", "--config", join(dir, "c.toml")]);
  assert.deepEqual(good, { code: 0, stdout: "ok: node a of cluster test, 1 member(s)\n", stderr: "" });
  const flags = ["--node-id", "b", "--shell-enabled", "--worker-slots", "7"];
  const flag = await ranWith(["start", "--check", "--config", join(dir, "c.toml"), ...flags]);
  assert.equal(flag.stdout, "ok: node b of cluster test, 1 member(s)\n");
  const bad = await ranWith(["start", "--config", join(dir, "c.toml"), "--data-dir", "other"], { env: { PAWL_API_LISTEN: "nowhere" } });
  const said = 'pawl: PAWL_API_LISTEN: expected host:port, got "nowhere"; write PAWL_API_LISTEN=127.0.0.1:7500\n';
  assert.deepEqual(bad, { code: 2, stdout: "", stderr: said });
  assert.deepEqual(readdirSync(dir), ["c.toml"]);
});

test("the admin token is made once, for its owner alone", (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "c.toml"), alone);
  const load = () => loadConfig({ file: join(dir, "c.toml"), flags: {}, env: {} });
  makeAdminToken(load().auth.adminTokenFile);
  const file = join(dir, "data", "admin.token");
  const token = readFileSync(file, "utf8");
  assert.match(token, /^[\w-]{43}\n$/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  makeAdminToken(load().auth.adminTokenFile);
  assert.equal(readFileSync(file, "utf8"), token);
  assert.deepEqual(readdirSync(join(dir, "data")), ["admin.token"]);
});

test("the first request stops in order, the second ends at once (P2)", async () => {
  const exits: number[] = [];
  let ask: () => void = () => assert.fail("nobody waits for requests");
  let stopped: () => void = () => assert.fail("the node was not stopped");
  const stop = () => new Promise<void>((resolve) => (stopped = resolve));
  const node = { apiAddress: "", failed: new Promise<never>(() => undefined), stop };
  const ended = runUntilStopped(node, (then) => (ask = then), contextOf(exits, []));
  ask();
  assert.deepEqual(exits, []);
  ask();
  assert.deepEqual(exits, [1]);
  stopped();
  assert.equal(await ended, 0);
});

test("a node that cannot go on ends with the code of its reason", async () => {
  const told: unknown[] = [];
  const error = new PawlError("io", "the disk is gone");
  const rejects = { apiAddress: "", failed: Promise.reject(error), stop: async () => undefined };
  assert.equal(await runUntilStopped(rejects, () => undefined, contextOf([], told)), 74);
  const resolves = { apiAddress: "", failed: Promise.resolve(error), stop: async () => undefined };
  assert.equal(await runUntilStopped(resolves, () => undefined, contextOf([], told)), 74);
  const doubtful = new PawlError("io", "the log could not be written", { outcome: "unknown" });
  const fails = { apiAddress: "", failed: Promise.resolve(doubtful), stop: async () => undefined };
  assert.equal(await runUntilStopped(fails, () => undefined, contextOf([], told)), 74, "the disk is said before the outcome");
  assert.equal(await runUntilStopped(fails, (then) => then(), contextOf([], told)), 74, "also when the stop itself went through");
  assert.deepEqual(told, [error, error, doubtful, doubtful]);
});

test("cluster certs makes what a node beyond loopback needs, and never writes over anything (T1)", async (t) => {
  const dir = folder(t);
  const member = (id: string, at: number): string =>
    `[[cluster.members]]\nid = "${id}"\npeer = "10.0.0.${at}:7600"\napi = "10.0.0.${at}:7500"\n`;
  writeFileSync(join(dir, "c.toml"), `${alone}${member("a", 1)}${member("b", 2)}`);
  const argv = ["cluster", "certs", "--config", join(dir, "c.toml"), "--out", join(dir, "certs")];
  const made = await ranWith(argv);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  assert.deepEqual(readdirSync(join(dir, "certs")).sort(), ["a", "b", "ca-key.pem"]);
  for (const file of ["ca-key.pem", "a/node-key.pem"]) assert.equal(statSync(join(dir, "certs", file)).mode & 0o777, 0o600);
  const again = await ranWith(argv);
  assert.deepEqual([again.code, /certs exists; name a new folder/.test(again.stderr)], [2, true]);
  mkdirSync(join(dir, "data"));
  cpSync(join(dir, "certs", "a"), join(dir, "data", "tls"), { recursive: true });
  writeFileSync(join(dir, "data", "admin.token"), "0123456789abcdef");
  assert.equal((await ranWith(["start", "--check", "--config", join(dir, "c.toml")])).code, 0);
  writeFileSync(join(dir, "single.toml"), alone);
  const single = await ranWith(["cluster", "certs", "--config", join(dir, "single.toml"), "--out", join(dir, "none")]);
  assert.match(single.stderr, /single\.toml:4: \[\[cluster\.members\]\]: missing; write \[\[cluster\.members\]\] with id, peer and api/);
  assert.equal(existsSync(join(dir, "none")), false);
});
