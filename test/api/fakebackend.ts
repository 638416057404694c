// A backend in memory with the contract of src/api/backend.ts, so small that its answers are plain to see. It keeps the jobs that
// it was given, records every change, and fails as a test tells it to.

import { PawlError } from "../../src/base/errors.ts";
import { patched } from "../../src/jobs/spec.ts";
import type { JobSpec } from "../../src/jobs/spec.ts";
import type {
  Answer, Answered, Change, ChangeOrigin, ChangeReply, ClusterView, Consistency, EventPosition, EventView, ExecutionView, JobView,
  MembershipRequest, NodeView, Page, Query,
} from "../../src/jobs/views.ts";
import type { BulkReply, Backend, Health, Member, OutputPart } from "../../src/api/backend.ts";
import { Bulk } from "../../src/jobs/bulk.ts";
import type { RefusedJob } from "../../src/jobs/reply.ts";

export type Asked = { readonly query: Query; readonly consistency: Consistency };
export type Made = { readonly change: Change; readonly origin: ChangeOrigin };

export class FakeBackend implements Backend {
  readonly jobs = new Map<string, JobView>();
  readonly executions = new Map<string, ExecutionView>();
  readonly outputs = new Map<string, OutputPart[]>();
  readonly changes: Made[] = [];
  readonly queries: Asked[] = [];
  readonly nodes: NodeView[] = [];
  events: EventView[] = [];
  /** Events before this one were dropped. */
  oldest: EventPosition = { index: 0, at: 0 };
  healthNow: Health = { live: true, ready: true };
  /** Thrown by the next changes or queries instead of an answer. */
  failure: Error | undefined;
  private readonly seenKeys = new Map<string, { bodyHash: string | undefined; reply: ChangeReply }>();
  private readonly wakers = new Set<() => void>();

  async change(change: Change, origin: ChangeOrigin): Promise<ChangeReply> {
    this.changes.push({ change, origin });
    if (this.failure !== undefined) throw this.failure;
    const scope = origin.key === undefined ? undefined : `${origin.principal} ${origin.route} ${origin.key}`;
    const seen = scope === undefined ? undefined : this.seenKeys.get(scope);
    if (seen !== undefined) {
      if (seen.bodyHash !== origin.bodyHash) throw new PawlError("key_reused", "another request had this key");
      return seen.reply;
    }
    const reply = this.apply(change);
    if (scope !== undefined) this.seenKeys.set(scope, { bodyHash: origin.bodyHash, reply });
    return reply;
  }

  /** Each job as `change` would make it; what it refuses is refused alone. */
  async bulk(batch: Uint8Array<ArrayBuffer>, origin: ChangeOrigin): Promise<BulkReply> {
    const { index, refused = [] } = await this.change({ kind: "create_many", batch }, origin);
    return { index, refused };
  }

  private applyMany(batch: Uint8Array): ChangeReply {
    const bulk = new Bulk(batch);
    const refused: RefusedJob[] = [];
    for (let at = 0; at < bulk.count; at++) {
      const jobId = bulk.jobId(at);
      if (this.jobs.has(jobId)) refused.push({ at, code: "exists", message: `there is a job ${jobId} already` });
      else this.jobs.set(jobId, this.view(jobId, bulk.spec(at)));
    }
    return { status: "submitted", index: this.changes.length, refused };
  }

  private apply(change: Change): ChangeReply {
    const index = this.changes.length;
    if (change.kind === "create") {
      if (this.jobs.has(change.jobId)) throw new PawlError("exists", `there is a job ${change.jobId} already`, { field: "job_id" });
      this.jobs.set(change.jobId, this.view(change.jobId, change.spec));
      return { status: "submitted", jobId: change.jobId, index };
    }
    if (change.kind === "create_many") return this.applyMany(change.batch);
    if (change.kind === "cancel_execution") return { status: "cancelling", executionId: change.executionId, index };
    if (change.kind === "lower_clock") return { status: "lowered", index };
    if (change.kind === "confirm_clock") return { status: "confirmed", index };
    const { jobId } = change;
    const job = this.jobs.get(jobId);
    if (job === undefined) throw new PawlError("not_found", `there is no job ${jobId}`, { field: "job_id" });
    if (change.kind === "trigger") return { status: "triggered", jobId, executionId: "fake-1", index };
    if (change.kind === "update") this.jobs.set(jobId, this.view(jobId, patched(job.spec, change.patch)));
    const words = { update: "updated", cancel: "cancelled", pause: "paused", resume: "resumed" } as const;
    return { status: words[change.kind], jobId, index };
  }

  private view(jobId: string, spec: JobSpec): JobView {
    const nextDueAtMs = spec.schedule.kind === "at" ? spec.schedule.atMs : undefined;
    return { jobId, spec, status: spec.paused ? "paused" : "scheduled", nextDueAtMs, revision: 1, runningCount: 0 };
  }

  async query(query: Query, consistency: Consistency): Promise<Answered> {
    this.queries.push({ query, consistency });
    if (this.failure !== undefined) throw this.failure;
    return { answer: this.answer(query), appliedIndex: 42, ageMs: 7.4 };
  }

  private answer(query: Query): Answer {
    if (query.kind === "job") return { kind: "job", job: this.jobs.get(query.jobId) };
    if (query.kind === "execution") return { kind: "execution", execution: this.executions.get(query.executionId) };
    if (query.kind === "jobs") return { kind: "jobs", page: pageOf([...this.jobs.values()], query) };
    if (query.kind === "executions") return { kind: "executions", page: pageOf([...this.executions.values()], query) };
    if (query.kind === "nodes") return { kind: "nodes", nodes: this.nodes };
    if (query.kind === "cluster") return { kind: "cluster", cluster: fakeCluster };
    const newest = this.events.at(-1)?.position ?? { index: 0, at: 0 };
    const after = query.after ?? { index: 0, at: 0 };
    const dropped = this.oldest.index > 0 && before(after, this.oldest);
    const events = dropped ? [] : this.events.filter(({ position }) => before(after, position)).slice(0, query.limit);
    return { kind: "events", events, oldest: this.oldest, newest };
  }

  readonly membership: MembershipRequest[] = [];
  readonly transfers: (string | undefined)[] = [];
  readonly cluster = {
    change: async (request: MembershipRequest): Promise<void> => {
      this.membership.push(request);
      if (this.failure !== undefined) throw this.failure;
    },
    transfer: async (to: string | undefined): Promise<void> => {
      this.transfers.push(to);
      if (this.failure !== undefined) throw this.failure;
    },
  };

  async backup(): Promise<AsyncIterable<Uint8Array>> {
    if (this.failure !== undefined) throw this.failure;
    return (async function* () {
      for (const part of ["whole ", "backup"]) yield Buffer.from(part);
    })();
  }

  async logs(executionId: string): Promise<OutputPart[] | undefined> {
    return this.outputs.get(executionId);
  }

  subscribe(wake: () => void): () => void {
    this.wakers.add(wake);
    return () => void this.wakers.delete(wake);
  }

  get subscribers(): number {
    return this.wakers.size;
  }

  /** Appends an event in a log entry of its own and wakes the streams. */
  emit(type: EventView["type"], jobId: string): EventView {
    const index = (this.events.at(-1)?.position.index ?? 0) + 1;
    const event: EventView = { position: { index, at: 0 }, type, atMs: 1_700_000_000_000, jobId };
    this.events.push(event);
    for (const wake of this.wakers) wake();
    return event;
  }

  health(): Health {
    return this.healthNow;
  }

  async metrics(): Promise<string> {
    return "# TYPE pawl_jobs gauge\npawl_jobs 3\n";
  }

  jobTypes(): readonly string[] {
    return ["http", "noop", "shell"];
  }

  validatePayload(jobType: string, payload: unknown): void {
    if (jobType !== "http") return;
    const url = typeof payload === "object" && payload !== null && "url" in payload ? payload.url : undefined;
    if (typeof url !== "string") throw new PawlError("unprocessable", "payload.url: is required", { field: "payload.url" });
  }

  memberApi(): Member {
    return { selfId: "n1", clusterName: "test", version: "0.1.0" };
  }
}

export const fakeCluster: ClusterView = {
  clusterId: "c-1", name: "test", term: 4, leaderId: "n1", commitIndex: 42,
  members: [
    {
      id: "n1", role: "leader", state: "up", api: "127.0.0.1:7500", peer: "127.0.0.1:7501", healthy: true,
      appliedIndex: 42, matchIndex: 43, lag: 0, clockSkewMs: 0, version: "0.1.0",
    },
    {
      id: "n2", role: "learner", state: "catching_up", api: "127.0.0.1:7502", peer: "127.0.0.1:7503", healthy: true,
      appliedIndex: undefined, matchIndex: undefined, lag: undefined, clockSkewMs: undefined, version: "0.1.0",
    },
  ],
};

function before(a: EventPosition, b: EventPosition): boolean {
  return a.index < b.index || (a.index === b.index && a.at < b.at);
}

function pageOf<T>(all: readonly T[], { limit, cursor }: { limit: number; cursor?: string | undefined }): Page<T> {
  const from = cursor === undefined ? 0 : Number(cursor);
  if (!Number.isInteger(from)) throw new PawlError("invalid", "cursor: not one of ours", { field: "cursor" });
  const items = all.slice(from, from + limit);
  return from + limit < all.length ? { items, cursor: String(from + limit) } : { items };
}
