// Owns: the load of a chaos run: processes of callers, schedules that are due every second, and what is known of both while it lasts:
// when a change was acknowledged, when a due job started.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { PawlError } from "../../src/base/errors.ts";
import type { Schedule } from "../../src/client/index.ts";
import { TOKEN, until } from "../support/processes.ts";
import type { CallerOptions } from "./caller.ts";
import { JournalReader } from "./journal.ts";
import type { Answer, Ask } from "./journal.ts";
import type { Stage } from "./stage.ts";

export type LoadOptions = { readonly processes: number; readonly loops: number; readonly paceMs: number; readonly seed: number };

/** A schedule of the run: submitted between the first two instants, paused between the last two. */
export type Recurring = {
  readonly id: string;
  readonly mostOnce: boolean;
  readonly askedMs: number;
  readonly madeMs: number;
  endAskedMs: number;
  endedMs: number;
};

const worthAnotherTry: ReadonlySet<string> = new Set(["no_quorum", "not_leader", "unavailable", "timeout", "overloaded", "capacity"]);

/** Tries under one key until it is acknowledged. */
export async function acknowledged<T>(change: () => Promise<T>): Promise<T> {
  const done = await until("a change is acknowledged", 60_000, async () => {
    try {
      return { value: await change() };
    } catch (error) {
      if (error instanceof PawlError && worthAnotherTry.has(error.code)) return undefined;
      throw error;
    }
  });
  return done.value;
}

export class Load {
  readonly journals: JournalReader[] = [];
  readonly recurring: Recurring[] = [];
  /** Acknowledged changes, in the order of their answers. */
  readonly acks: { readonly askedMs: number; readonly atMs: number }[] = [];
  startedMs = 0;
  stoppedMs = 0;
  private readonly stage: Stage;
  private readonly options: LoadOptions;
  private readonly open = new Map<string, Ask>();
  private readonly children: { readonly child: ChildProcess; readonly ended: Promise<void> }[] = [];

  constructor(stage: Stage, options: LoadOptions) {
    this.stage = stage;
    this.options = options;
  }

  async start(): Promise<void> {
    await this.submitRecurring();
    for (let at = 0; at < this.options.processes; at++) this.startCaller(`c${at}`, at);
    this.startedMs = Date.now();
    await until("the callers are at work", 30_000, () => this.readOn() && this.acks.length > 0);
  }

  /** Callers finish what they have begun, then the schedules are paused. */
  async stop(): Promise<void> {
    for (const { child } of this.children) child.stdin?.end();
    await Promise.all(this.children.map((each) => each.ended));
    this.readOn();
    this.stoppedMs = Date.now();
    for (const job of this.recurring) {
      job.endAskedMs = Date.now();
      await acknowledged(() => this.stage.client.jobs.pause(job.id, { idempotencyKey: `pause-${job.id}` }));
      job.endedMs = Date.now();
    }
  }

  kill(): void {
    for (const { child } of this.children) child.kill("SIGKILL");
  }

  /** The first acknowledged change that was asked for at `sinceMs` or later: when it was answered. */
  firstAckAfter(sinceMs: number): number | undefined {
    this.readOn();
    const found = this.acks.filter((each) => each.askedMs >= sinceMs).map((each) => each.atMs);
    return found.length === 0 ? undefined : Math.min(...found);
  }

  /** When the first of what became due at `sinceMs` or later reached its target. */
  firstStartAfter(sinceMs: number): number | undefined {
    return this.stage.ledger.asked.find((each) => each.scheduledAtMs >= sinceMs)?.atMs;
  }

  /** Always true, so that it can be looked at again and again. */
  private readOn(): boolean {
    for (const line of this.journals.flatMap((journal) => journal.readOn())) {
      if (line.kind === "ask") this.open.set(line.id, line);
      else this.note(line);
    }
    return true;
  }

  private note(answer: Answer): void {
    const ask = this.open.get(answer.id);
    this.open.delete(answer.id);
    if (ask === undefined || ask.op === "get" || answer.outcome !== "acknowledged") return;
    this.acks.push({ askedMs: ask.atMs, atMs: answer.atMs });
  }

  private startCaller(name: string, at: number): void {
    const { stage, options } = this;
    const journal = join(stage.folder, `${name}.jsonl`);
    const given: CallerOptions = {
      name, journal, token: TOKEN, servers: stage.nodes.map((node) => node.options.url), ledger: stage.ledger.url(0).replace(/0$/, ""),
      loops: options.loops, paceMs: options.paceMs, seed: options.seed * 10 + at,
      ...(stage.caFile === undefined ? {} : { caFile: stage.caFile }),
    };
    const main = join(import.meta.dirname, "caller.ts");
    const child = spawn(process.execPath, [main, JSON.stringify(given)], { stdio: ["pipe", "inherit", "inherit"], detached: true });
    const ended = new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        if (code === 0 || signal !== null) resolve();
        else reject(new Error(`caller ${name} ended with ${code}`));
      });
    });
    this.children.push({ child, ended });
    this.journals.push(new JournalReader(journal));
  }

  /** Due every second, by cron and by interval, so that some is due each fifth of a second. Every due time is to be fired, however late. */
  private async submitRecurring(): Promise<void> {
    const anchored = (ms: number): Schedule => ({ every: "PT1S", anchor: new Date(ms).toISOString() });
    const schedules = [{ cron: "* * * * * *" }, { cron: "*/1 * * * * *" }, ...[0, 200, 400, 600, 800, 900].map(anchored)];
    this.recurring.push(...await Promise.all(schedules.map(async (schedule, at) => {
      const mostOnce = at === schedules.length - 1;
      const job = {
        job_id: `every-${at}`, job_type: "http", schedule, overlap: "allow" as const, misfire: { policy: "fire_all" as const },
        delivery: mostOnce ? "at_most_once" as const : "at_least_once" as const,
        payload: { url: this.stage.ledger.url((at % 3) * 200), method: "POST" },
      };
      const askedMs = Date.now();
      await acknowledged(() => this.stage.client.jobs.submit(job, { idempotencyKey: `create-${job.job_id}` }));
      return { id: job.job_id, mostOnce, askedMs, madeMs: Date.now(), endAskedMs: 0, endedMs: 0 };
    })));
  }
}
