// Owns: a cluster for measuring: one or three real `pawl start` processes on loopback with folders of their own, started, watched
// for readiness, and stopped. What is measured of them is cpu.ts and scrape.ts.
// (B1) No process outlives the benchmark: each ends when the pipe to its standard input closes.
// (B2) Every node runs what dist holds; bin/prepare.mjs has compiled it.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { say } from "./figure.ts";
import { freePorts } from "./ports.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const TOKEN = "benchmark-token-of-this-run-alone";
const READY_MAX_MS = 120_000;
const STOP_MAX_MS = 30_000;
const LEADER_PATIENCE_MS = 20_000;
const LEADER_PAUSE_MS = 250;
const LOG_TOLD_CHARS = 2_000;
/** Of pino's levels. */
const WARN = 40;
const WARNINGS_TOLD = 5;

export type BenchNode = {
  readonly id: string;
  readonly api: string;
  readonly pid: number;
  /** From the spawn to the first 200 of /readyz. */
  readonly readyMs: number;
};

/** A job type of these clusters that takes any payload and does nothing: bench/work.mjs. */
export const WORK = "work";

export type ClusterOptions = { readonly nodes: 1 | 3; readonly slots?: number; readonly env?: Readonly<Record<string, string>> };

/** `votingMs`: from the spawn to the moment at which it took part in elections, as its log says; NaN where the log does not say. */
export type Restarted = BenchNode & { readonly votingMs: number };

type Started = {
  readonly id: string;
  readonly api: string;
  readonly log: string;
  readonly child: ChildProcess;
  readonly atMs: number;
  readonly wallMs: number;
};

/** What a node's log says when it takes part in elections while it still loads what it has stored. */
const VOTES = "votes from here on";

export class BenchCluster {
  readonly token = TOKEN;
  /** As they last started. */
  nodes: readonly BenchNode[];
  private readonly folder: string;
  private readonly started: Started[];

  private readonly removed = (): void => rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });

  private constructor(folder: string, started: Started[], nodes: readonly BenchNode[]) {
    this.folder = folder;
    this.started = started;
    this.nodes = nodes;
    process.once("exit", this.removed);
  }

  /** Resolves when every node is ready. */
  static async start(options: ClusterOptions): Promise<BenchCluster> {
    const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
    const ports = await freePorts(2 * options.nodes);
    const ids = Array.from({ length: options.nodes }, (_, at) => `bench-${at + 1}`);
    writeFileSync(join(folder, "cluster.toml"), settings(ids, ports, options.slots ?? 4096), { mode: 0o600 });
    writeFileSync(join(folder, "token"), TOKEN, { mode: 0o600 });
    const started = ids.map((id, at) => startNode(folder, id, `http://127.0.0.1:${ports[2 * at + 1]}`, options.env ?? {}));
    try {
      return new BenchCluster(folder, started, await Promise.all(started.map(ready)));
    } catch (error) {
      await stopAll(folder, started);
      throw error;
    }
  }

  /** The nodes with the leader first. All must be ready; an election may be under way. */
  async leaderFirst(): Promise<readonly BenchNode[]> {
    for (const sinceMs = performance.now(); ; await wait(LEADER_PAUSE_MS)) {
      const response = await fetch(`${this.nodes[0]?.api}/api/v1/cluster`, { headers: { authorization: `Bearer ${TOKEN}` } });
      const text = await response.text();
      if (response.ok) {
        const { leader_id: leader } = JSON.parse(text) as { leader_id: string };
        return this.nodes.toSorted((a, b) => Number(b.id === leader) - Number(a.id === leader));
      }
      if (performance.now() - sinceMs > LEADER_PATIENCE_MS) throw new Error(`who leads was answered ${response.status} ${text}`);
    }
  }

  /** Kills a node without warning; resolves when its process is gone. */
  async kill({ id }: BenchNode): Promise<void> {
    const { child } = this.started.find((each) => each.id === id) as Started;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** Starts a node that was killed on what it had; resolves when it is ready. */
  async startAgain({ id, api }: BenchNode): Promise<Restarted> {
    const at = this.started.findIndex((each) => each.id === id);
    const again = startNode(this.folder, id, api, { PAWL_LOG_LEVEL: "info" });
    this.started[at] = again;
    const node = await ready(again);
    this.nodes = this.nodes.map((each) => (each.id === id ? node : each));
    return { ...node, votingMs: votingMs(again) };
  }

  /** Kills a node and starts it again; resolves when it is ready. */
  async restart(node: BenchNode): Promise<Restarted> {
    await this.kill(node);
    return this.startAgain(node);
  }

  dataDir({ id }: { readonly id: string }): string {
    return join(this.folder, id);
  }

  /** Starts an empty node that joins the cluster; resolves when it is ready. The cluster must have been told of it. */
  async join(id: string, [peer, api]: readonly [peer: number, api: number]): Promise<BenchNode> {
    const own = `[peer]\nlisten = "127.0.0.1:${peer}"\n[api]\nlisten = "127.0.0.1:${api}"\n`;
    const file = join(this.folder, `${id}.toml`);
    writeFileSync(file, `${readFileSync(join(this.folder, "cluster.toml"), "utf8")}${own}`, { mode: 0o600 });
    this.started.push(startNode(this.folder, id, `http://127.0.0.1:${api}`, {}, ["--join"], file));
    return ready(this.started.at(-1) as Started);
  }

  /** Ends the processes in order and removes their folders. */
  async stop(): Promise<void> {
    process.off("exit", this.removed);
    await stopAll(this.folder, this.started);
  }
}

function settings(ids: readonly string[], ports: readonly number[], slots: number): string {
  const members = ids.map((id, at) => {
    return `[[cluster.members]]\nid = "${id}"\npeer = "127.0.0.1:${ports[2 * at]}"\napi = "127.0.0.1:${ports[2 * at + 1]}"\n`;
  });
  const tables = `[cluster]\nname = "bench"\n${members.join("")}[auth]\nadmin_token_file = "token"\n[worker]\nslots = ${slots}\n`;
  const plugin = `[[plugins]]\ntype = "${WORK}"\nmodule = "${join(root, "bench", "work.mjs")}"\n`;
  return `${tables}[log]\nlevel = "warn"\n${plugin}`;
}

function startNode(
  folder: string,
  id: string,
  api: string,
  extra: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
  settingsFile = join(folder, "cluster.toml"),
): Started {
  const log = join(folder, `${id}.log`);
  const data = join(folder, id);
  mkdirSync(data, { mode: 0o700, recursive: true });
  const out = openSync(log, "a", 0o600);
  // A setting in this shell is meant for a node of its own, not for these.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PAWL_")));
  const args = ["start", "--config", settingsFile, "--node-id", id, "--data-dir", data, ...flags];
  const [atMs, wallMs] = [performance.now(), Date.now()];
  const child = spawn(process.execPath, [join(root, "bin", "pawl"), ...args], {
    cwd: folder,
    stdio: ["pipe", out, out],
    env: { ...env, ...extra, PAWL_DEV_CHILD: "1" },
  });
  child.stdin?.on("error", () => undefined);
  closeSync(out);
  child.once("exit", (code, signal) => {
    if (code === 0 || signal === "SIGKILL" || signal === "SIGTERM") return;
    say(`${id} ended by itself (${code ?? signal}): ${endOf(log)}`);
  });
  return { id, api, log, child, atMs, wallMs };
}

/** Of the last start in the log. */
function votingMs({ log, wallMs }: Started): number {
  const line = readFileSync(log, "utf8").split("\n").findLast((each) => each.includes(VOTES));
  const { time = Number.NaN } = line === undefined ? {} : (JSON.parse(line) as { time?: number });
  return time >= wallMs ? time - wallMs : Number.NaN;
}

async function ready({ id, api, log, child, atMs }: Started): Promise<BenchNode> {
  while (performance.now() - atMs < READY_MAX_MS) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${id} ended: ${endOf(log)}`);
    const answered = await fetch(`${api}/readyz`).then(
      async (response) => response.body?.cancel().then(() => response.ok),
      () => false,
    );
    if (answered === true) return { id, api, pid: child.pid ?? 0, readyMs: performance.now() - atMs };
    await wait(5);
  }
  throw new Error(`${id} is not ready after ${READY_MAX_MS} ms: ${endOf(log)}`);
}

function endOf(log: string): string {
  return readFileSync(log, "utf8").slice(-LOG_TOLD_CHARS);
}

async function stopAll(folder: string, started: readonly Started[]): Promise<void> {
  await Promise.all(
    started.map(async ({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MAX_MS);
      await gone;
      clearTimeout(late);
    }),
  );
  for (const { id, log } of started) tellWarnings(id, log);
  rmSync(folder, { recursive: true, force: true });
}

/** What a node complained of is gone with its folder, and is what a figure, or a run that broke off, must be read with. */
function tellWarnings(id: string, log: string): void {
  const said = readFileSync(log, "utf8").split("\n").filter((line) => Number(/"level":(\d+)/.exec(line)?.[1]) >= WARN);
  if (said.length === 0) return;
  const texts = said.slice(-WARNINGS_TOLD).map((line) => /"msg":"([^"]*)/.exec(line)?.[1] ?? line);
  say(`${id} warned ${said.length} times, in the end: ${texts.join("; ")}`);
}
