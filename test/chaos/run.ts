// Owns: a whole run: load, trials one after the other, quiet, final reads, judgement. What the options mean and how the report is
// printed is in main.ts.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "../../src/base/errors.ts";
import { createClient } from "../../src/client/index.ts";
import type { Execution, ListedJob } from "../../src/client/index.ts";
import { TOKEN, until } from "../support/processes.ts";
import { seenOf } from "./caller.ts";
import type { Fault } from "./faults/fault.ts";
import { judge } from "./judge.ts";
import type { Finding } from "./judge.ts";
import { Load } from "./load.ts";
import type { LoadOptions } from "./load.ts";
import { Stage } from "./stage.ts";
import type { StageOptions } from "./stage.ts";
import { tryOut, whole } from "./trial.ts";
import type { Trial } from "./trial.ts";

/** Below this a run proves nothing: acknowledged changes and accepted executions per second, over all of it. */
export const CHANGES_FLOOR = 5;
export const EXECUTIONS_FLOOR = 4;

const SETTLE_WITHIN_MS = 120_000;
const DUE_AT_MOST_MS = 3_000;
const PAGE = 1_000;

export type RunOptions = {
  readonly stage: StageOptions;
  readonly load: LoadOptions;
  /** The next fault; undefined when the run is to end. */
  readonly next: (trials: readonly Trial[]) => Fault | undefined;
  readonly tell: (line: string) => void;
  readonly keep: boolean;
};

export type Refusals = { readonly code: string; readonly count: number; readonly slowestMs: number };

export type Report = {
  readonly network: string;
  readonly nodes: number;
  readonly folder: string;
  readonly trials: readonly Trial[];
  readonly findings: readonly Finding[];
  readonly seconds: number;
  readonly changes: number;
  readonly executions: number;
  /** Attempts after the first that reached the target: at least once is what was promised. */
  readonly again: number;
  readonly refusedByTarget: number;
  readonly refusals: readonly Refusals[];
  readonly isEnough: boolean;
};

export async function run(options: RunOptions): Promise<Report> {
  const stage = await Stage.open(options.stage);
  const load = new Load(stage, options.load);
  let isSound = false;
  try {
    for (const node of stage.nodes) node.start();
    await whole(stage);
    await load.start();
    const trials: Trial[] = [];
    for (let fault = options.next(trials); fault !== undefined; fault = options.next(trials)) {
      const trial = await tryOut(fault, stage, load);
      trials.push(trial);
      options.tell(lineOf(trial));
    }
    await load.stop();
    const report = await reportOf(stage, load, trials);
    isSound = report.findings.length === 0;
    return report;
  } catch (error) {
    throw new Error(`${messageOf(error)}\njournals and logs are in ${stage.folder}`, { cause: error });
  } finally {
    load.kill();
    await stage.close(options.keep || !isSound);
  }
}

function lineOf({ fault, whom, writeMs, dueMs, wholeMs, ends }: Trial): string {
  const ended = ends.length === 0 ? "" : `; ${ends.join(", ")}`;
  return `${fault} on ${whom}: first change after ${writeMs} ms, first due after ${dueMs} ms, whole ${wholeMs} ms after its end${ended}`;
}

async function reportOf(stage: Stage, load: Load, trials: readonly Trial[]): Promise<Report> {
  await pause(DUE_AT_MOST_MS);
  await whole(stage);
  await until("nothing runs any more", SETTLE_WITHIN_MS, async () => {
    const pages = (["queued", "running"] as const).map((status) => stage.client.executions.page({ status }));
    return (await Promise.all(pages)).every(({ items }) => items.length === 0);
  });
  const { jobs, executions } = await everything(stage);
  const lines = load.journals.map((journal) => journal.lines);
  const seen = new Map(jobs.map((job) => [job.job_id, seenOf(job)]));
  const evidence = { journals: lines, recurring: load.recurring, asked: stage.ledger.asked, executions, jobs: seen };
  const unlike = await compareNodes(stage);
  const ends = trials.flatMap((trial) => trial.wrong.map((text): Finding => ({ kind: "wrong", atMs: trial.struckMs, text })));
  const seconds = (load.stoppedMs - load.startedMs) / 1_000;
  const accepted = stage.ledger.accepted;
  const changes = load.acks.length;
  return {
    network: stage.network.kind, nodes: stage.nodes.length, folder: stage.folder, trials, seconds, changes,
    findings: [...judge(evidence), ...unlike, ...ends], executions: accepted.length,
    again: accepted.filter((each) => each.attempt > 1).length, refusedByTarget: stage.ledger.asked.length - accepted.length,
    refusals: refusalsOf(load), isEnough: changes / seconds >= CHANGES_FLOOR && accepted.length / seconds >= EXECUTIONS_FLOOR,
  };
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

/** All jobs and executions, by linearizable reads. */
async function everything(stage: Stage): Promise<{ jobs: ListedJob[]; executions: Execution[] }> {
  const jobs = await all(stage.client.jobs.list({ limit: PAGE }));
  const executions = await all(stage.client.executions.list({ limit: PAGE }));
  return { jobs, executions };
}

/** Each node by itself, without asking the leader (V5). */
async function compareNodes(stage: Stage): Promise<Finding[]> {
  const ca = stage.caFile === undefined ? undefined : readFileSync(stage.caFile, "utf8");
  const texts = await Promise.all(stage.nodes.map(async ({ options }) => {
    const client = createClient({ server: options.url, token: TOKEN, ca });
    const jobs = await all(client.jobs.list({ limit: PAGE, consistency: "stale" }));
    const executions = await all(client.executions.list({ limit: PAGE, consistency: "stale" }));
    await client.close();
    return [...jobs, ...executions].map((each) => JSON.stringify(each));
  }));
  const [first = []] = texts;
  return texts.flatMap((lines, at): Finding[] => {
    const odd = lines.findIndex((line, n) => line !== first[n]);
    if (odd < 0 && lines.length === first.length) return [];
    const what = `${lines.length} lines, not ${first.length}; first other one: ${lines[odd]} instead of ${first[odd]}`;
    return [{ kind: "wrong", atMs: 0, text: `${stage.ids[at]} tells otherwise than ${stage.ids[0]}: ${what}` }];
  });
}

/** Why changes were not acknowledged, and how long the longest of such answers took. */
function refusalsOf(load: Load): Refusals[] {
  const found = new Map<string, { count: number; slowestMs: number }>();
  for (const { lines } of load.journals) {
    const asked = new Map(lines.filter((line) => line.kind === "ask").map((ask) => [ask.id, ask]));
    for (const line of lines) {
      if (line.kind === "ask" || line.outcome === "acknowledged") continue;
      const code = `${line.code} (${line.outcome})`;
      const seen = found.get(code) ?? { count: 0, slowestMs: 0 };
      seen.count++;
      seen.slowestMs = Math.max(seen.slowestMs, line.atMs - (asked.get(line.id)?.atMs ?? line.atMs));
      found.set(code, seen);
    }
  }
  return [...found].map(([code, seen]) => ({ code, ...seen }));
}
