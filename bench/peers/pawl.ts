// Owns: Pawl as a side of the comparison: one or three real nodes on loopback, jobs through the bulk route, handlers in the nodes' own
// processes. That all is done is read from the leader's /metrics: completions as it applied them.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { BenchCluster } from "../cluster.ts";
import type { BenchNode } from "../cluster.ts";
import { scrape } from "../scrape.ts";
import { inBatches, range } from "./batches.ts";
import { socketOf } from "./handler.ts";
import type { Place, Seen, Server, Side } from "./side.ts";
import { type Noted, seenOf } from "./tally.ts";

const SLOTS = 4_096;
const LINES = 5_000;
const PARALLEL = 4;
const ANCHOR_MS = Date.UTC(2026, 0, 1);
const POLL_MS = 20;
const COMPLETED = 'pawl_executions_total{status="completed"}';
const PLUGIN = `handled=${fileURLToPath(new URL("handler.ts", import.meta.url))}`;

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return `pawl ${(JSON.parse(readFileSync(file, "utf8")) as { version: string }).version}`;
}

export function pawl(nodes: 1 | 3): Side {
  const batched = "starts, results and completions batched by entry of the log";
  return {
    facts: {
      name: nodes === 1 ? "pawl, one node" : "pawl, three nodes",
      versions: version(),
      durability: nodes === 1 ? "every log write synced; one copy" : "every log write synced on a majority before the answer; three copies",
      bulk: `bulk route, requests of ${LINES} lines, ${PARALLEL} under way; an entry of the log takes up to 512 of them`,
      handling: `a plugin in the nodes' own processes, ${SLOTS} slots each, ${batched}; ready jobs have one due time`,
      ticking: "its schedules, every PT1S",
    },
    alwaysHandles: true,
    start: () => PawlServer.start(nodes),
  };
}

class PawlServer implements Server {
  private readonly cluster: BenchCluster;
  /** The leader first. */
  private readonly nodes: readonly BenchNode[];
  private readonly pools: readonly Pool[];
  /** Folder of the handlers' sockets. */
  private readonly notes: string;

  private constructor(cluster: BenchCluster, nodes: readonly BenchNode[], notes: string) {
    this.cluster = cluster;
    this.nodes = nodes;
    this.notes = notes;
    this.pools = nodes.map(({ api }) => new Pool(api, { connections: PARALLEL, pipelining: 1 }));
  }

  static async start(nodes: 1 | 3): Promise<PawlServer> {
    const notes = mkdtempSync(join(tmpdir(), "pawl-notes-"));
    const cluster = await BenchCluster.start({ nodes, slots: SLOTS, env: { PAWL_PLUGINS: PLUGIN, BENCH_NOTES: notes } });
    return new PawlServer(cluster, await cluster.leaderFirst(), notes);
  }

  async submit(count: number, dueAtMs: (at: number) => number): Promise<void> {
    await this.send(count, (at) => {
      const due = dueAtMs(at);
      return `{"job_type":"handled","schedule_time":"${new Date(due).toISOString()}","payload":{"dueAtMs":${due}}}\n`;
    });
  }

  async handle(): Promise<void> {
    // The nodes do so from the start.
  }

  async done(count: number): Promise<void> {
    const leader = this.nodes[0] as BenchNode;
    while (((await scrape(this.cluster, leader)).get(COMPLETED) ?? 0) < count) await wait(POLL_MS);
  }

  async tick(count: number): Promise<void> {
    await this.send(count, (at) => {
      const anchor = new Date(ANCHOR_MS + ((at * 617) % 1_000)).toISOString();
      return `{"job_type":"handled","schedule":{"every":"PT1S","anchor":"${anchor}"},"payload":{"dueAtMs":0}}\n`;
    });
  }

  async seen(): Promise<Seen> {
    return seenOf(await Promise.all(this.nodes.map(({ pid }) => notesOf(socketOf(this.notes, pid)))));
  }

  place(): Place {
    const { nodes, cluster } = this;
    return { pids: nodes.map(({ pid }) => pid), folders: nodes.map((node) => cluster.dataDir(node)), replicas: nodes.length };
  }

  async stop(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.destroy()));
    await this.cluster.stop();
    rmSync(this.notes, { recursive: true, force: true });
  }

  /** Spreads requests over the nodes; each ends the comparison unless all its lines were taken. */
  private async send(count: number, line: (at: number) => string): Promise<void> {
    const headers = { authorization: `Bearer ${this.cluster.token}`, "content-type": "application/x-ndjson" };
    const lines = Math.min(LINES, Math.ceil(count / PARALLEL));
    await inBatches(count, lines, PARALLEL, async (from, to) => {
      const pool = this.pools[Math.floor(from / lines) % this.pools.length] as Pool;
      const body = range(from, to, line).join("");
      const answer = await pool.request({ path: "/api/v1/jobs/batch?results=errors", method: "POST", headers, body });
      const last = (await answer.body.text()).trimEnd().split("\n").at(-1) ?? "";
      const { done, submitted } = JSON.parse(last) as { done?: boolean; submitted?: number };
      if (done !== true || submitted !== to - from) throw new Error(`a bulk request was answered ${answer.statusCode} ${last}`);
    });
  }}

async function notesOf(socket: string): Promise<Noted> {
  return JSON.parse(await text(connect(socket))) as Noted;
}
