// Real processes for tests: free ports, folders that go away, nodes of `bin/pawl start` that can be killed and started again, and
// waiting by looking again and again, with a bound.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../bench/ports.ts";
import { createClient } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";

export { freePorts };

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const bin = join(root, "bin", "pawl");
const LOOK_EVERY_MS = 25;
const LOG_TAIL_LINES = 12;

export const TOKEN = "token-of-the-process-tests-0123456789";

/** What `look` gives as soon as that is neither undefined nor false; fails with `what` after `withinMs`. */
export async function until<T>(
  what: string, withinMs: number, look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}

/** A new folder, removed when the test has ended; first `before` is run and waited for. */
export function temporaryFolder(t: TestContext, before: () => Promise<unknown> = async () => undefined): string {
  const path = mkdtempSync(join(tmpdir(), "pawl-process-"));
  t.after(async () => {
    await before();
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  });
  return path;
}

/** Processes of this machine whose command line holds `text`. */
export function processesNaming(text: string): number[] {
  const named = existsSync("/proc/self/cmdline") ? commandLines() : linesOfPs();
  return named.filter((line) => line.includes(text)).map((line) => Number.parseInt(line, 10));
}

function linesOfPs(): string[] {
  return spawnSync("ps", ["-axwwo", "pid=,args="], { encoding: "utf8" }).stdout.split("\n");
}

function commandLines(): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => {
    try {
      return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`;
    } catch (error) {
      // It has ended since the folder was read.
      if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return pid;
      throw error;
    }
  });
}

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** One process of the program. What it writes is kept; it ends with the process of the test at the latest. */
export class Pawl {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  isRunning = true;

  /** `PAWL_DEV_CHILD` makes a node end when its standard input closes, hence with this process however that ends. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PAWL|NODE)_/.test(name)));
    this.child = spawn(process.execPath, [bin, ...args], {
      env: { ...clean, HOME: "/nonexistent", PAWL_DEV_CHILD: "1", ...env }, stdio: ["pipe", "pipe", "pipe"],
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.child.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("exit", () => (this.isRunning = false));
      this.child.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get tail(): string {
    return `${this.stdout}${this.stderr}`.trim().split("\n").slice(-LOG_TAIL_LINES).join("\n");
  }

  /** Ends it and waits until it is gone. */
  async kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Runs a command to its end; whatever hangs is killed after `withinMs` and ends by a signal. */
export async function ran(args: readonly string[], withinMs = 20_000): Promise<Ended & Pick<Pawl, "stdout" | "stderr">> {
  const pawl = new Pawl(args);
  const timer = setTimeout(() => pawl.child.kill("SIGKILL"), withinMs);
  const { code, signal } = await pawl.ended;
  clearTimeout(timer);
  return { code, signal, stdout: pawl.stdout, stderr: pawl.stderr };
}

/** One node with a settings file and a data directory, over as many processes as the test starts. */
export class RealNode {
  readonly id: string;
  readonly api: string;
  readonly configFile: string;
  readonly dataDir: string;
  process: Pawl | undefined;

  constructor(id: string, api: string, configFile: string, dataDir: string) {
    this.id = id;
    this.api = api;
    this.configFile = configFile;
    this.dataDir = dataDir;
  }

  start(env: Readonly<Record<string, string>> = {}): void {
    this.process = new Pawl(["start", "--config", this.configFile], env);
  }

  async kill(signal: NodeJS.Signals): Promise<Ended | undefined> {
    return this.process?.kill(signal);
  }

  async isReady(): Promise<boolean> {
    if (this.process?.isRunning === false) throw new Error(`${this.id} has ended:\n${this.process.tail}`);
    return healthOf(this.api);
  }

  async ready(withinMs = 60_000): Promise<void> {
    await until(`${this.id} is ready`, withinMs, () => this.isReady()).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.process?.tail}`);
    });
  }
}

async function healthOf(api: string): Promise<boolean> {
  try {
    const response = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(1_000) });
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    // Refused, reset and slow connections are what a node that is starting looks like.
    if (error instanceof TypeError || error instanceof DOMException) return false;
    throw error;
  }
}

export type RealCluster = { readonly nodes: readonly RealNode[]; readonly folder: string; readonly client: Client };

/** Settings of a cluster on loopback, nothing started. All processes are killed and the folder removed when the test has ended. */
export async function layOut(t: TestContext, ids: readonly string[], more = ""): Promise<RealCluster> {
  const nodes: RealNode[] = [];
  const folder = temporaryFolder(t, () => Promise.all(nodes.map((node) => node.kill("SIGKILL"))));
  const ports = await freePorts(2 * ids.length);
  const members = ids.map((id, at) => ({ id, peer: `127.0.0.1:${ports[2 * at]}`, api: `127.0.0.1:${ports[2 * at + 1]}` }));
  writeFileSync(join(folder, "admin.token"), TOKEN, { mode: 0o600 });
  const shared = members.map(({ id, peer, api }) => `[[cluster.members]]\nid = "${id}"\npeer = "${peer}"\napi = "${api}"\n`).join("");
  for (const { id, api } of members) {
    const configFile = join(folder, `${id}.toml`);
    const own = `[node]\nid = "${id}"\ndata_dir = "data-${id}"\n[auth]\nadmin_token_file = "admin.token"\n`;
    writeFileSync(configFile, `${own}[http]\nallow_addresses = ["127.0.0.0/8"]\n${more}\n[cluster]\nname = "process"\n${shared}`);
    nodes.push(new RealNode(id, `http://${api}`, configFile, join(folder, `data-${id}`)));
  }
  const client = createClient({ servers: nodes.map((node) => node.api), token: TOKEN });
  t.after(() => client.close());
  return { nodes, folder, client };
}
