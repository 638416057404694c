// Owns: one process of callers: loops that create, change, delete and read jobs, each of which only its loop touches, and a loop that
// goes on submitting one-shots, whose target is the ledger, without waiting for answers: it shows when the cluster takes changes again
// while others still wait for what was lost. Everything goes into the journal. It stops, with nothing left open, when its standard input
// ends.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { failureOf } from "../../src/client/failure.ts";
import { textOf } from "../../src/client/caller.ts";
import { TransportError, networkTransport } from "../../src/client/transport.ts";
import type { Transport, TransportRequest } from "../../src/client/transport.ts";
import type { Job } from "../../src/client/index.ts";
import { pick, seeded } from "../schedule/random.ts";
import type { Random } from "../schedule/random.ts";
import { JournalWriter } from "./journal.ts";
import type { Answer, Op, Seen } from "./journal.ts";

export type CallerOptions = {
  readonly name: string;
  readonly servers: readonly string[];
  readonly token: string;
  readonly caFile?: string;
  /** URL of the ledger, without the delay. */
  readonly ledger: string;
  readonly journal: string;
  readonly loops: number;
  readonly paceMs: number;
  readonly seed: number;
};

/** A stopped process takes requests and answers none: whoever asks it learns nothing and goes elsewhere. */
const TRY_MS = 5_000;
const TRIES_MAX = 60;
const TRY_AGAIN_MS = 100;
const JOBS_OPEN_MAX = 20;
const ONCE_EVERY_MS = 100;
const ONCE_OPEN_MAX = 100;
const NEVER = "2999-01-01T00:00:00Z";

/** What a cluster in trouble may answer; any other refusal of these requests is wrong, and sending them again is no use. */
const worthAnotherTry: ReadonlySet<string> = new Set(["no_quorum", "not_leader", "unavailable", "timeout", "overloaded", "capacity"]);

type Mine = { readonly id: string; version: number };
type Change = Pick<TransportRequest, "method" | "path"> & {
  readonly op: Op;
  readonly job: string;
  readonly version: number;
  readonly body?: object;
  readonly dueMs?: number;
  readonly delivery?: "at_least_once" | "at_most_once";
};

class Loop {
  private readonly options: CallerOptions;
  private readonly name: string;
  private readonly transport: Transport;
  private readonly journal: JournalWriter;
  private readonly random: Random;
  private readonly mine: Mine[] = [];
  private server: number;
  private count = 0;

  constructor(options: CallerOptions, at: number, transport: Transport, journal: JournalWriter) {
    this.options = options;
    this.name = `${options.name}-${at}`;
    this.transport = transport;
    this.journal = journal;
    this.random = seeded(options.seed * 1_000 + at);
    this.server = at;
  }

  async run(isStopped: () => boolean): Promise<void> {
    while (!isStopped()) {
      await this.turn();
      await pause(this.options.paceMs);
    }
  }

  async runOnces(isStopped: () => boolean): Promise<void> {
    const open = new Set<Promise<void>>();
    while (!isStopped()) {
      if (open.size < ONCE_OPEN_MAX) {
        const once = this.once().finally(() => open.delete(once));
        open.add(once);
      }
      this.server++;
      await pause(ONCE_EVERY_MS);
    }
    await Promise.all(open);
  }

  private async turn(): Promise<void> {
    // Now and then another server, so that those that were away are asked again.
    if (this.random(10) === 0) this.server = this.random(this.options.servers.length);
    const draw = this.random(10);
    if (this.mine.length === 0 || (draw < 3 && this.mine.length < JOBS_OPEN_MAX)) return this.create();
    const job = pick(this.random, this.mine);
    if (draw < 5) return this.read(job);
    return draw === 9 ? this.remove(job) : this.update(job);
  }

  private async create(): Promise<void> {
    const id = this.next("job");
    const body = { job_id: id, job_type: "noop", schedule_time: NEVER, description: "0" };
    const done = await this.change({ op: "create", method: "POST", path: "/api/v1/jobs", job: id, version: 0, body });
    if (done === "acknowledged") this.mine.push({ id, version: 0 });
  }

  private async update(job: Mine): Promise<void> {
    const version = ++job.version;
    const path = `/api/v1/jobs/${job.id}`;
    const done = await this.change({ op: "update", method: "PUT", path, job: job.id, version, body: { description: String(version) } });
    if (done === "unknown") this.leave(job);
  }

  private async remove(job: Mine): Promise<void> {
    const { id, version } = job;
    const done = await this.change({ op: "delete", method: "DELETE", path: `/api/v1/jobs/${id}`, job: id, version });
    if (done !== "rejected") this.leave(job);
  }

  /** Due at once or soon. Every fourth runs at most once. */
  private async once(): Promise<void> {
    const id = this.next("once");
    const dueMs = Date.now() + this.random(5) * 500;
    const delivery = this.random(4) === 0 ? "at_most_once" : "at_least_once";
    const body = {
      job_id: id, job_type: "http", schedule_time: new Date(dueMs).toISOString(), delivery, description: "0",
      payload: { url: `${this.options.ledger}${this.random(3) * 100}`, method: "POST" },
    };
    await this.change({ op: "create", method: "POST", path: "/api/v1/jobs", job: id, version: 0, body, dueMs, delivery });
  }

  /** What becomes of a job whose last change is unknown is not this loop's business any more. */
  private leave(job: Mine): void {
    this.mine.splice(this.mine.indexOf(job), 1);
  }

  private async read(job: Mine): Promise<void> {
    await this.ask({ op: "get", method: "GET", path: `/api/v1/jobs/${job.id}`, job: job.id, version: job.version }, this.next("get"));
  }

  /**
   * Sent under one key until it is acknowledged; every fifth by two callers at the same time. Half of what was rejected is never sent
   * again, so that it can be seen that it did not take effect.
   */
  private async change(change: Change): Promise<Answer["outcome"]> {
    const key = this.next("key");
    const callers = this.random(5) === 0 ? 2 : 1;
    let isOpen = false;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const answers = await Promise.all(Array.from({ length: callers }, () => this.ask(change, key)));
      if (answers.some((each) => each.outcome === "acknowledged")) return "acknowledged";
      isOpen ||= answers.some((each) => each.outcome === "unknown");
      if (!answers.some((each) => worthAnotherTry.has(each.code ?? ""))) return "unknown";
      if (!isOpen && this.random(2) === 0) return "rejected";
      await pause(TRY_AGAIN_MS);
    }
    return isOpen ? "unknown" : "rejected";
  }

  private async ask(change: Change, key: string): Promise<Answer> {
    const { op, job, version, dueMs, delivery } = change;
    const { servers } = this.options;
    const server = servers[this.server++ % servers.length] as string;
    const id = this.next("ask");
    const due = dueMs === undefined || delivery === undefined ? {} : { dueMs, delivery };
    this.journal.write({ kind: "ask", id, key, op, job, version, server, atMs: Date.now(), ...due });
    const said = await this.send(change, key, server);
    const answer: Answer = { kind: "answer", id, atMs: Date.now(), ...said };
    this.journal.write(answer);
    // A server that answers is kept.
    if (said.outcome === "acknowledged") this.server--;
    return answer;
  }

  private async send({ method, path, op, body }: Change, key: string, server: string): Promise<Pick<Answer, "outcome" | "code" | "seen">> {
    const isChange = op !== "get";
    try {
      const response = await this.transport.send({
        server, method, path, signal: AbortSignal.timeout(TRY_MS), body: body === undefined ? undefined : JSON.stringify(body),
        headers: {
          authorization: `Bearer ${this.options.token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }), ...(isChange ? { "idempotency-key": key } : {}),
        },
      });
      const text = await textOf(response);
      if (response.status < 300) return { outcome: "acknowledged", ...(isChange ? {} : { seen: seenOf(JSON.parse(text) as Job) }) };
      const { code, outcome, message } = failureOf(response.status, text, isChange);
      if (op === "get" && code === "not_found") return { outcome: "acknowledged", seen: null };
      return { outcome, code, ...(worthAnotherTry.has(code) ? {} : { text: message }) };
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      return { outcome: error.maybeSent ? "unknown" : "rejected", code: "unavailable" };
    }
  }

  private next(what: string): string {
    return `${this.name}-${what}-${this.count++}`;
  }
}

export function seenOf(job: Pick<Job, "description" | "revision" | "status">): Seen {
  return { version: Number(job.description), revision: job.revision, cancelled: job.status === "cancelled" };
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? "") as CallerOptions;
  const transport = networkTransport(options.caFile === undefined ? undefined : readFileSync(options.caFile, "utf8"));
  const journal = new JournalWriter(options.journal);
  let isStopped = false;
  process.stdin.on("end", () => (isStopped = true)).resume();
  const loops = Array.from({ length: options.loops + 1 }, (_, at) => new Loop(options, at, transport, journal));
  const [first, ...others] = loops as [Loop, ...Loop[]];
  await Promise.all([first.runOnces(() => isStopped), ...others.map((loop) => loop.run(() => isStopped))]);
  journal.close();
  await transport.close();
}

if (import.meta.main) await main();
