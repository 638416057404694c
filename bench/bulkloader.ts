// Owns: the thread that makes lines and sends them through the bulk route. What is loaded is told by bench/bulkload.ts, which starts it.
// (B1) A request that breaks off is sent again from its cursor; jobs that are there already are then no failure, since the ids are ours.

import { setTimeout as wait } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Pool } from "undici";
import { linesOf } from "./mix.ts";
import type { Kind } from "./mix.ts";

export type Order = {
  readonly servers: readonly string[];
  readonly token: string;
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
  readonly atMs: number;
  /** Requests under way at each server. */
  readonly parallel: number;
  readonly linesPerRequest: number;
};

/** Told after each request; `breaks` is why it was sent again, each time. */
export type Told = { readonly lines: number; readonly tookMs: number; readonly breaks: readonly string[] };

type Answer = {
  readonly cursor?: string;
  readonly done?: boolean;
  readonly refused?: number;
  readonly error?: { readonly code: string; readonly message: string };
};

const RESUMES_MAX = 100;
const RESUME_AFTER_MS = 200;

const order = workerData as Order;
let next = order.from;
let resumed = 0;

/** How many lines were taken. Anything that is not a job taken, or taken before, ends the benchmark. */
async function send(pool: Pool, from: number, to: number, breaks: string[]): Promise<number> {
  const headers = { authorization: `Bearer ${order.token}`, "content-type": "application/x-ndjson" };
  const path = "/api/v1/jobs/batch?results=errors";
  const lines = linesOf(order.kind, from, to, order.atMs);
  const { statusCode, body } = await pool.request({ path, method: "POST", headers, body: lines });
  const answers = (await body.text()).trim().split("\n");
  if (statusCode !== 200) throw new Error(`a bulk request was answered ${statusCode} ${answers.join(" ").slice(0, 500)}`);
  const refusal = answers.find((text) => text.includes('"line":') && !text.includes('"exists"'));
  if (refusal !== undefined) throw new Error(`a job was refused: ${refusal}`);
  const last = JSON.parse(answers.at(-1) as string) as Answer;
  if (last.done === true) return to - from;
  if (++resumed > RESUMES_MAX) throw new Error(`bulk requests break off again and again: ${answers.at(-1)}`);
  if (last.error !== undefined) {
    breaks.push(last.error.code);
    await wait(RESUME_AFTER_MS);
  }
  return Number(last.cursor ?? 0);
}

async function sender(pool: Pool): Promise<void> {
  while (next < order.to) {
    const from = next;
    const to = Math.min(order.to, from + order.linesPerRequest);
    next = to;
    const sinceMs = performance.now();
    const breaks: string[] = [];
    for (let at = from; at < to; ) at += await send(pool, at, to, breaks);
    const told: Told = { lines: to - from, tookMs: performance.now() - sinceMs, breaks };
    parentPort?.postMessage(told);
  }
}

const patient = { connections: order.parallel, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 };
const pools = order.servers.map((server) => new Pool(server, patient));
await Promise.all(pools.flatMap((pool) => Array.from({ length: order.parallel }, () => sender(pool))));
await Promise.all(pools.map((pool) => pool.close()));
