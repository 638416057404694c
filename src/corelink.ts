// Owns: the face's end of the port to the core thread: requests and their answers, batches to the runner and back, and the Backend that
// the HTTP API is handed. Nothing is decided here.
// (C1) Every request that was sent is answered once: by the core, or as unknown when the core has ended.
// (C2) Changes of one turn of the loop, in which all connections are read, travel as one message, so that a burst of callers costs one
//      wake of the core.
// (C3) A chunk of a backup is asked for when the one before was taken: the core makes none that nobody waits for.

import { hash } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import type { Backend, BulkReply, OutputPart } from "./api/backend.ts";
import { PawlError } from "./base/errors.ts";
import { CoreWatch } from "./cluster/corewatch.ts";
import { received } from "./cluster/port.ts";
import type { ChangeRequest, CoreToFace, FaceToCore } from "./cluster/port.ts";
import type { KeyUse } from "./jobs/command.ts";
import type { Answered, Change, ChangeOrigin, ChangeReply, Consistency, Query } from "./jobs/views.ts";
import { backupBytes } from "./storage/backup.ts";
import { decodeChunk } from "./storage/copychunk.ts";
import type { Chunk } from "./storage/copychunk.ts";
import type { System } from "./system.ts";
import type { Executor } from "./worker/executor.ts";
import type { OutputStore } from "./worker/outputs.ts";
import type { Runner } from "./worker/runner.ts";
import type { ResultBatch } from "./worker/types.ts";

type Waiting<T> = { readonly resolve: (value: T) => void; readonly reject: (error: PawlError) => void };
/** What is used of the worker thread. */
export type CoreThread = Pick<Worker, "postMessage" | "terminate"> & Pick<EventEmitter, "on">;

type SentChunk = { readonly bytes: Uint8Array | undefined };
type Standing = { readonly ready: boolean; readonly reason: string };

export type BackendParts = {
  readonly executors: ReadonlyMap<string, Executor>;
  readonly self: string;
  readonly clusterName: string;
  readonly version: string;
  /** What the face tells beside the core. */
  readonly faceMetrics: () => Promise<string>;
};

const gone = (): PawlError => new PawlError("unavailable", "this node is stopping; ask another one", { outcome: "unknown" });

export class CoreLink {
  readonly opened: Promise<void>;
  readonly failed: Promise<unknown>;
  private readonly worker: CoreThread;
  private readonly watch: CoreWatch;
  private readonly logger: Logger;
  private readonly system: System;
  private lastId = 0;
  private readonly changes = new Map<number, Waiting<ChangeReply>>();
  private readonly queries = new Map<number, Waiting<Answered>>();
  private readonly clusterChanges = new Map<number, Waiting<true>>();
  private readonly chunks = new Map<number, Waiting<SentChunk>>();
  private readonly texts = new Map<number, (text: string) => void>();
  private readonly logs = new Map<number, (parts: readonly OutputPart[] | undefined) => void>();
  private outgoing: ChangeRequest[] = [];
  private readonly subscribers = new Set<() => void>();
  private standing: Standing = { ready: false, reason: "starting" };
  private runner: Runner | undefined;
  private outputs: OutputStore | undefined;
  private ended = false;
  private stopping = false;
  private settleOpened: Waiting<void> = { resolve: () => undefined, reject: () => undefined };
  private settleFailed: (error: unknown) => void = () => undefined;
  private settleStopped: () => void = () => undefined;

  constructor(worker: CoreThread, system: System, logger: Logger) {
    this.worker = worker;
    this.logger = logger;
    this.system = system;
    this.watch = new CoreWatch(system, () => this.post({ kind: "ask_alive" }), (error) => this.fail(error));
    this.opened = new Promise((resolve, reject) => (this.settleOpened = { resolve, reject }));
    this.failed = new Promise((resolve) => (this.settleFailed = resolve));
    worker.on("message", (message: CoreToFace) => this.take(message));
    worker.on("error", (error) => this.fail(error));
    worker.on("exit", (code) => {
      if (!this.ended) this.fail(new PawlError("io", `the core thread ended with code ${code}`));
    });
  }

  /** From here on starts go to this runner, and questions for output to this store. */
  serve(runner: Runner, outputs: OutputStore): void {
    this.runner = runner;
    this.outputs = outputs;
  }

  private post(message: FaceToCore, transferred: ArrayBuffer[] = []): void {
    if (!this.ended) this.worker.postMessage(message, transferred);
  }

  results(batch: ResultBatch): void {
    this.post({ kind: "results", batch });
  }

  private take(message: CoreToFace): void {
    switch (message.kind) {
      case "opened":
        this.watch.start();
        return this.settleOpened.resolve();
      case "alive":
        return this.watch.answered();
      case "changed":
        return message.outcomes.forEach(({ id, reply, error }) => settle(this.changes, id, reply, error && received(error)));
      case "answered":
        return settle(this.queries, message.id, message.answered, message.error && received(message.error));
      case "cluster_changed":
        return settle(this.clusterChanges, message.id, true, message.error && received(message.error));
      case "backup_chunk":
        return settle(this.chunks, message.id, { bytes: message.bytes }, message.error && received(message.error));
      case "start":
        return this.runner?.start(message.batch);
      case "stop_attempts":
        return this.runner?.stop(message.batch);
      case "metrics":
        return this.answer(this.texts, message.id, message.text);
      case "logs":
        return this.answer(this.logs, message.id, message.parts);
      case "find_logs":
        return this.post({ kind: "logs_found", peer: message.peer, id: message.id, parts: this.ownLogs(message.executionId) });
      case "standing":
        this.standing = { ready: message.ready, reason: message.reason };
        return;
      case "events":
        for (const wake of this.subscribers) wake();
        return;
      case "log":
        return this.logger[message.level](message.fields, message.message);
      case "failed":
        return this.fail(message.isBug ? new Error(message.error.message) : received(message.error));
      case "stopped":
        this.ended = true;
        this.watch.stop();
        return this.settleStopped();
    }
  }

  private answer<T>(waiting: Map<number, (value: T) => void>, id: number, value: T): void {
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(value);
  }

  private fail(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.watch.stop();
    this.standing = { ready: false, reason: "the core has failed" };
    this.settleOpened.reject(error instanceof PawlError ? error : new PawlError("io", String(error), { cause: error }));
    for (const waiting of [this.changes, this.queries, this.clusterChanges, this.chunks]) {
      for (const { reject } of waiting.values()) reject(gone());
      waiting.clear();
    }
    this.settleStopped();
    this.settleFailed(error);
  }

  private ownLogs(executionId: string): readonly OutputPart[] | undefined {
    const kept = this.outputs?.read(executionId) ?? [];
    if (kept.length === 0) return undefined;
    return kept.map(({ attempt, stream, text, omittedBytes }) => ({ attempt, stream, text, truncated: omittedBytes > 0 }));
  }

  // The Backend of the API.

  backend(parts: BackendParts): Backend {
    const { executors, self, clusterName, version, faceMetrics } = parts;
    const jobTypes = [...executors.keys()];
    return {
      change: (change, origin) => this.change(change, origin),
      bulk: (batch, origin) => this.bulk(batch, origin),
      query: (query, consistency) => this.query(query, consistency),
      cluster: {
        change: (request) => this.changeCluster({ kind: "membership", id: ++this.lastId, request }),
        transfer: (to) => this.changeCluster({ kind: "transfer", id: ++this.lastId, to }),
      },
      backup: () => this.backup(clusterName, version),
      logs: (executionId) => this.findLogs(executionId, self),
      subscribe: (wake) => this.subscribe(wake),
      health: () => ({
        live: !this.ended,
        ready: this.standing.ready && !this.stopping,
        reason: this.stopping ? "stopping" : this.standing.reason,
      }),
      metrics: async () => (await this.coreMetrics()) + (await faceMetrics()),
      jobTypes: () => jobTypes,
      validatePayload: (jobType, payload) => executors.get(jobType)?.validate(payload),
      memberApi: () => ({ selfId: self, clusterName, version }),
    };
  }

  private change(change: Change, origin: ChangeOrigin): Promise<ChangeReply> {
    if (this.ended || this.stopping) return Promise.reject(new PawlError("unavailable", "this node is stopping; ask another one"));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.changes.set(id, { resolve, reject });
      this.outgoing.push({ id, text: JSON.stringify(change), key: keyOf(origin) });
      if (this.outgoing.length === 1) this.system.soon(() => this.sendChanges());
    });
  }

  /** The core tells of events only while somebody waits for them: a message for each entry would be a wake of this thread. */
  private subscribe(wake: () => void): () => void {
    this.subscribers.add(wake);
    if (this.subscribers.size === 1) this.post({ kind: "want_events", wanted: true });
    return () => {
      if (this.subscribers.delete(wake) && this.subscribers.size === 0) this.post({ kind: "want_events", wanted: false });
    };
  }

  private async bulk(batch: Uint8Array<ArrayBuffer>, origin: ChangeOrigin): Promise<BulkReply> {
    if (this.ended || this.stopping) throw new PawlError("unavailable", "this node is stopping; ask another one");
    const id = ++this.lastId;
    const { index, refused = [] } = await new Promise<ChangeReply>((resolve, reject) => {
      this.changes.set(id, { resolve, reject });
      this.post({ kind: "bulk", id, batch, key: keyOf(origin) }, [batch.buffer]);
    });
    return { index, refused };
  }

  private sendChanges(): void {
    const changes = this.outgoing;
    if (changes.length === 0) return;
    this.outgoing = [];
    this.post({ kind: "changes", changes });
  }

  private query(query: Query, consistency: Consistency): Promise<Answered> {
    if (this.ended) return Promise.reject(gone());
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.queries.set(id, { resolve, reject });
      this.post({ kind: "query", id, query, consistency });
    });
  }

  private async changeCluster(message: Extract<FaceToCore, { kind: "membership" | "transfer" }>): Promise<void> {
    if (this.ended || this.stopping) throw new PawlError("unavailable", "this node is stopping; ask another one");
    await new Promise<true>((resolve, reject) => {
      this.clusterChanges.set(message.id, { resolve, reject });
      this.post(message);
    });
  }

  /** The bytes of a backup, once its first chunk is there. Whoever reads them no further ends it (C3). */
  private async backup(cluster: string, version: string): Promise<AsyncIterable<Uint8Array>> {
    const { answer } = await this.query({ kind: "cluster" }, "stale");
    const clusterId = answer.kind === "cluster" ? answer.cluster.clusterId : "";
    if (clusterId === "") throw new PawlError("unavailable", "this node knows of no cluster yet; ask again when it is ready");
    const id = ++this.lastId;
    const ask = async (kind: "backup_begin" | "backup_next"): Promise<Chunk | undefined> => {
      if (this.ended) throw gone();
      const { bytes } = await new Promise<SentChunk>((resolve, reject) => {
        this.chunks.set(id, { resolve, reject });
        this.post({ kind, id });
      });
      return bytes && decodeChunk(bytes);
    };
    let first = await ask("backup_begin");
    const next = (): Promise<Chunk | undefined> => {
      const chunk = first;
      first = undefined;
      return chunk === undefined ? ask("backup_next") : Promise.resolve(chunk);
    };
    const pieces = backupBytes({ cluster, clusterId, version, takenAtMs: this.system.wallMs() }, { next });
    // Not a generator: one that was never begun would end without a word.
    const reader: AsyncIterator<Uint8Array> = {
      next: () => pieces.next(),
      return: async () => {
        this.post({ kind: "backup_end", id });
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => reader };
  }

  /** Output stays on the node that made it: looked for here, then asked of the node that ran the newest attempt. */
  private async findLogs(executionId: string, self: string): Promise<readonly OutputPart[] | undefined> {
    const own = this.ownLogs(executionId);
    if (own) return own;
    const { answer } = await this.query({ kind: "execution", executionId }, "stale");
    const node = answer.kind === "execution" ? answer.execution?.nodeId : undefined;
    if (node === undefined || node === self || this.ended) return undefined;
    const id = ++this.lastId;
    return new Promise((resolve) => {
      this.logs.set(id, resolve);
      this.post({ kind: "logs", id, node, executionId });
    });
  }

  private coreMetrics(): Promise<string> {
    if (this.ended) return Promise.resolve("");
    const id = ++this.lastId;
    return new Promise((resolve) => {
      this.texts.set(id, resolve);
      this.post({ kind: "metrics", id });
    });
  }

  // The end.

  /** Refuses new changes here and hands leadership over. */
  leave(): void {
    this.stopping = true;
    this.sendChanges();
    this.post({ kind: "hand_over" });
  }

  /** Flushes what the core has and ends its thread. */
  async stop(): Promise<void> {
    if (!this.ended) {
      const stopped = new Promise<void>((resolve) => (this.settleStopped = resolve));
      this.sendChanges();
      this.post({ kind: "stop" });
      await stopped;
    }
    await this.terminate();
  }

  async terminate(): Promise<void> {
    this.ended = true;
    this.watch.stop();
    await this.worker.terminate();
  }
}

function settle<T>(waiting: Map<number, Waiting<T>>, id: number, value: T | undefined, error: PawlError | undefined): void {
  const entry = waiting.get(id);
  waiting.delete(id);
  if (error) entry?.reject(error);
  else if (value !== undefined) entry?.resolve(value);
}

/** The scope of a key is the principal, the route and the key itself (H11); stored as a hash of fixed length. */
function keyOf(origin: ChangeOrigin): KeyUse | undefined {
  if (origin.key === undefined) return undefined;
  const scope = hash("sha256", JSON.stringify([origin.principal, origin.route, origin.key]));
  return { scope, bodyHash: origin.bodyHash ?? "" };
}
