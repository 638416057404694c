// Owns: the figures of the history of ended executions: what a record costs, how long questions take with many of them stored, how long a
// start takes, and what goes on beside a day that is dropped. The records are historystream.ts's.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { limits } from "../src/limits.ts";
import { HistoryStore } from "../src/storage/history.ts";
import { type HistoryMarks, noHistory } from "../src/storage/historymarks.ts";
import type { HistoryQuery } from "../src/storage/historysearch.ts";
import { PosixFiles } from "../src/storage/posixfiles.ts";
import { type Figure, type Scale, figuresOf, known, quantile, say } from "./figure.ts";
import { HistoryStream, JOBS, RARE_TYPE, START_MS, unknown } from "./historystream.ts";
import { Ticking } from "./ticking.ts";
import { during } from "./window.ts";

const CHECKPOINT_ROWS = 80_000;
const PAGE = 100;
const MIB = 2 ** 20;
const FAILED_MASK = 2;
const DROPPED = "history/0/dropped";

type Plan = {
  readonly seconds: number;
  readonly questions: number;
  readonly dropMib: number;
  readonly ticking: { readonly perSecond: number; readonly seconds: number };
};

const plans: Readonly<Record<Scale, Plan>> = {
  full: { seconds: 600, questions: 300, dropMib: 4096, ticking: { perSecond: 10_000, seconds: 20 } },
  smoke: { seconds: 2, questions: 5, dropMib: 64, ticking: { perSecond: 50, seconds: 1 } },
};

export async function benchHistory(scale: Scale): Promise<Figure[]> {
  const plan = plans[scale];
  const folder = mkdtempSync(join(tmpdir(), "pawl-history-"));
  const files = new PosixFiles(folder);
  try {
    const stream = new HistoryStream();
    const filled = await fill(files, stream, plan.seconds);
    say(`${stream.ordinal} records stored`);
    const opened = open(files, filled.marks);
    const asked = askAll(opened.store, stream, plan.questions);
    const dropped = await drop(files, folder, plan.dropMib);
    return [...filled.figures, ...opened.figures, ...asked, ...dropped, ...(await written(plan.ticking))];
  } finally {
    files.close();
    rmSync(folder, { recursive: true });
  }
}

type Filled = { readonly marks: HistoryMarks; readonly figures: Figure[] };

async function fill(files: PosixFiles, stream: HistoryStream, seconds: number): Promise<Filled> {
  const store = HistoryStore.open(files, 0, noHistory);
  let cpuUs = 0;
  let marks = noHistory;
  let flushed = 0;
  for (let second = 1; second <= seconds; second++) {
    stream.begin();
    const before = process.threadCpuUsage();
    for (let place = 0; place < JOBS; place++) store.append(stream.take(place));
    const isDue = stream.ordinal - flushed >= CHECKPOINT_ROWS || second === seconds;
    const durable = isDue ? flush(store) : undefined;
    if (isDue) marks = store.marks();
    const used = process.threadCpuUsage(before);
    cpuUs += used.user + used.system;
    if (isDue) flushed = stream.ordinal;
    await durable;
  }
  const bytes = marks.days.reduce((sum, { length }) => sum + length, 0);
  return {
    marks,
    figures: known([
      { figure: "records stored", value: stream.ordinal, unit: "records" },
      { figure: "at rest", value: bytes / stream.ordinal, unit: "bytes/execution", aim: "<= 50" },
      { figure: "append, with what is encoded and written", value: cpuUs / stream.ordinal, unit: "CPU-us/execution", aim: "<= 0.5" },
    ]),
  };
}

function flush(store: HistoryStore): Promise<void> {
  return new Promise((resolve, reject) => store.flush((error) => (error ? reject(error) : resolve())));
}

function open(files: PosixFiles, marks: HistoryMarks): { readonly store: HistoryStore; readonly figures: Figure[] } {
  const atMs = performance.now();
  const store = HistoryStore.open(files, 0, marks);
  return { store, figures: known([{ figure: "open at a start", value: performance.now() - atMs, unit: "ms" }]) };
}

/** One step of an answer; false when it was the last. */
type Step = () => boolean;

function askAll(store: HistoryStore, stream: HistoryStream, count: number): Figure[] {
  const spanMs = stream.seconds * 1000;
  const someJob = (): number => 1 + Math.floor(stream.draw() * JOBS);
  const second = (): { fromMs: number; toMs: number } => {
    const fromMs = START_MS + Math.floor(stream.draw() * spanMs);
    return { fromMs, toMs: fromMs + 1000 };
  };
  const questions: readonly (readonly [string, () => Step])[] = [
    ["the newest", () => scan(store, {})],
    ["of one job, along its chain", () => chain(store, stream.newest[someJob()] as number)],
    ["of one job, of a second", () => scan(store, { job: someJob(), ...second() })],
    ["that failed", () => scan(store, { endingMask: FAILED_MASK })],
    ["of a very rare ending", () => scan(store, { endingMask: 1 << unknown })],
    ["of a very rare type", () => scan(store, { jobType: RARE_TYPE })],
    ["of a second", () => scan(store, second())],
    ["of a type and a second that failed", () => scan(store, { ...second(), jobType: "http", endingMask: FAILED_MASK })],
    ["of a type that there is not", () => scan(store, { jobType: "none" })],
    ["of a job that there is not: all are looked at", () => scan(store, { job: JOBS + 1 })],
    ["one, by its execution id", () => find(store, 1 + Math.floor(stream.draw() * stream.ordinal))],
  ];
  return questions.flatMap(([name, question]) => ask(name, question, count));
}

function scan(store: HistoryStore, query: Omit<HistoryQuery, "limit">): Step {
  let left = PAGE;
  let beforeOrdinal: number | undefined;
  return () => {
    const { rows, next } = store.scan({ ...query, beforeOrdinal, limit: left });
    left -= rows.length;
    beforeOrdinal = next;
    return left > 0 && next !== undefined;
  };
}

function chain(store: HistoryStore, newest: number): Step {
  let ordinal = newest;
  let left = PAGE;
  return () => {
    ordinal = store.record(ordinal)?.previous ?? 0;
    return --left > 0 && ordinal !== 0;
  };
}

function find(store: HistoryStore, sequence: number): Step {
  let found = store.find(sequence);
  return () => {
    if (found && "goOn" in found) found = store.find(sequence, found.goOn);
    return found !== undefined && "goOn" in found;
  };
}

/** Each is asked for one page of 100, in the share of the core thread that every read has (src/cluster/slices.ts). */
function ask(name: string, question: () => Step, count: number): Figure[] {
  const pages: number[] = [];
  const steps: number[] = [];
  for (let i = 0; i < count; i++) {
    const beganMs = performance.now();
    const step = question();
    for (let goesOn = true, nowMs = beganMs; goesOn && nowMs - beganMs < limits.readSpendMs; ) {
      goesOn = step();
      const afterMs = performance.now();
      steps.push(afterMs - nowMs);
      nowMs = afterMs;
    }
    pages.push(performance.now() - beganMs);
  }
  const figures = known([
    { figure: "page p50", value: quantile(pages, 0.5), unit: "ms" },
    { figure: "page p99", value: quantile(pages, 0.99), unit: "ms", aim: "<= 50" },
    { figure: "step p99", value: quantile(steps, 0.99), unit: "ms", aim: "<= 20" },
  ]);
  return figuresOf(name, figures);
}

/** A file as large as a day's is removed, while another one is written and synced without a pause, as the log is. */
async function drop(files: PosixFiles, root: string, mib: number): Promise<Figure[]> {
  const piece = new Uint8Array(MIB).fill(7);
  for (let at = 1; at <= mib; at++) {
    files.append(DROPPED, piece);
    if (at % 256 === 0 || at === mib) await synced(files, DROPPED);
  }
  const before = await syncsDuring(files, () => wait(1000));
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const beganMs = performance.now();
  let calledMs = 0;
  const beside = await syncsDuring(files, async () => {
    files.remove(DROPPED);
    calledMs = performance.now() - beganMs;
    while (existsSync(join(root, `${DROPPED}.removed`))) await wait(5);
  });
  loop.disable();
  return figuresOf(`a file of ${mib} MiB is dropped`, known([
    { figure: "the call", value: calledMs, unit: "ms", aim: "<= 50" },
    { figure: "longest turn until it is gone", value: loop.max / 1e6, unit: "ms", aim: "<= 50" },
    { figure: "gone after", value: performance.now() - beganMs, unit: "ms" },
    { figure: "syncs of another file before it, p99", value: quantile(before, 0.99), unit: "ms" },
    { figure: "syncs of another file beside it, p99", value: quantile(beside, 0.99), unit: "ms" },
  ]));
}

function synced(files: PosixFiles, name: string): Promise<void> {
  return new Promise((resolve, reject) => files.sync([name], (error) => (error ? reject(error) : resolve())));
}

async function syncsDuring(files: PosixFiles, run: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  let isOver = false;
  const over = run().finally(() => (isOver = true));
  while (!isOver || took.length === 0) {
    const atMs = performance.now();
    files.append("beside", new Uint8Array(40_000));
    await synced(files, "beside");
    took.push(performance.now() - atMs);
  }
  await over;
  return took;
}

/** What a node gives to its disk for each execution, all in all, and how much of it is history. */
async function written({ perSecond, seconds }: Plan["ticking"]): Promise<Figure[]> {
  return Ticking.with({ nodes: 1 }, perSecond, seconds * 1000, async ({ cluster, nodes }) => {
    const [node] = nodes;
    if (node === undefined) return [];
    const history = join(cluster.dataDir(node), "history", "0");
    const [bytes, stored] = [writtenBytes(node.pid), bytesIn(history)];
    const { window } = await during(cluster, nodes, () => wait(seconds * 1000));
    const completed = window.completedPerSecond * window.seconds;
    return figuresOf(`a node at ${perSecond} executions a second`, known([
      { figure: "written: log, checkpoints, history", value: (writtenBytes(node.pid) - bytes) / completed, unit: "bytes/execution" },
      { figure: "written: history alone", value: (bytesIn(history) - stored) / completed, unit: "bytes/execution" },
    ]));
  });
}

/** What the process has written to its disk; NaN elsewhere than on Linux. */
function writtenBytes(pid: number): number {
  if (process.platform !== "linux") return Number.NaN;
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? Number.NaN);
}

function bytesIn(folder: string): number {
  const names = statSync(folder, { throwIfNoEntry: false }) ? readdirSync(folder) : [];
  return names.reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
