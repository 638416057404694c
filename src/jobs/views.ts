// Owns: the shapes in which the replicated state is asked and answered: changes, queries and views. Plain data that crosses
// threads and nodes; src/api turns it into JSON, src/cluster answers it. Instants in milliseconds, absent ones undefined.

import type { doneWords, RefusedJob } from "./reply.ts";
import type { JobPatch, JobSpec } from "./spec.ts";

export type JobStatus = "scheduled" | "paused" | "completed" | "cancelled";
export type ExecutionStatus =
  | "queued" | "running" | "retrying" | "cancelling"
  | "completed" | "failed" | "cancelled" | "missed" | "skipped" | "unknown";

/** Who asks, and with which Idempotency-Key (scope: principal, route, key) and body. */
export type ChangeOrigin = {
  readonly principal: string;
  readonly route: string;
  readonly key?: string | undefined;
  /** Hash of the canonical body, compared when the key is seen again. */
  readonly bodyHash?: string | undefined;
};

export type Change =
  | { readonly kind: "create"; readonly jobId: string; readonly spec: JobSpec }
  /** New jobs in the form of bulk.ts. Its bytes are changed on the way: they are the core's from then on. */
  | { readonly kind: "create_many"; readonly batch: Uint8Array }
  | { readonly kind: "update"; readonly jobId: string; readonly patch: JobPatch }
  | { readonly kind: "cancel"; readonly jobId: string; readonly running: "leave" | "cancel" }
  | { readonly kind: "pause"; readonly jobId: string }
  | { readonly kind: "resume"; readonly jobId: string }
  | { readonly kind: "trigger"; readonly jobId: string }
  | { readonly kind: "cancel_execution"; readonly executionId: string }
  | { readonly kind: "confirm_clock" }
  | { readonly kind: "lower_clock" };

export type ChangeReply = {
  /** What was done, as answered in the field `status`. */
  readonly status: (typeof doneWords)[number];
  readonly jobId?: string | undefined;
  readonly executionId?: string | undefined;
  /** Log index of the entry that did it. */
  readonly index: number;
  /** Jobs of a batch that were not made, by their place in it. */
  readonly refused?: readonly RefusedJob[] | undefined;
};

/** A member as an operator names it: `peer` is "host:port", `api` the URL or "host:port" of its API. */
export type MemberAddresses = { readonly id: string; readonly peer: string; readonly api: string };

/**
 * What an operator asks of the membership. Asking for what is so already is done at once. "add" as a voter begins as a learner, which is
 * promoted when it has caught up; "replace" exchanges a member for another one in one step.
 */
export type MembershipRequest =
  | { readonly kind: "add"; readonly member: MemberAddresses; readonly as: "voter" | "learner" }
  | { readonly kind: "remove"; readonly id: string; readonly force: boolean }
  | { readonly kind: "promote"; readonly id: string }
  | { readonly kind: "demote"; readonly id: string; readonly force: boolean }
  | { readonly kind: "replace"; readonly id: string; readonly member: MemberAddresses };

export type Consistency = "linearizable" | "stale";

export type Query =
  | { readonly kind: "job"; readonly jobId: string }
  | { readonly kind: "jobs"; readonly filter: JobFilter; readonly limit: number; readonly cursor?: string | undefined }
  | { readonly kind: "execution"; readonly executionId: string }
  | { readonly kind: "executions"; readonly filter: ExecutionFilter; readonly limit: number; readonly cursor?: string | undefined }
  | { readonly kind: "nodes" }
  | { readonly kind: "cluster" }
  | { readonly kind: "events"; readonly after: EventPosition | undefined; readonly limit: number };

export type JobFilter = {
  /** A job's or, for a one-shot, its execution's status. */
  readonly status?: JobStatus | ExecutionStatus | undefined;
  readonly jobType?: string | undefined;
  /** Jobs whose next (or, ended, last) scheduled time lies in [startFromMs, startToMs). */
  readonly startFromMs?: number | undefined;
  readonly startToMs?: number | undefined;
};

export type ExecutionFilter = {
  readonly jobId?: string | undefined;
  readonly status?: ExecutionStatus | undefined;
  readonly jobType?: string | undefined;
  /** Scheduled times in [fromMs, toMs); of a range any of its due times. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
};

export type JobView = {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly status: JobStatus | ExecutionStatus;
  readonly nextDueAtMs?: number | undefined;
  readonly lastScheduledAtMs?: number | undefined;
  readonly revision: number;
  readonly runningCount: number;
  /** The newest execution: live if there is one, else the last ended one. */
  readonly execution?: ExecutionView | undefined;
};

export type ExecutionView = {
  readonly executionId: string;
  readonly jobId: string;
  readonly jobType: string;
  readonly kind: "scheduled" | "trigger";
  readonly scheduledAtMs: number;
  readonly status: ExecutionStatus;
  readonly attempt: number;
  /** Decimal text (src/base/token.ts); absent before the first start. */
  readonly fencingToken?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly startAtMs?: number | undefined;
  readonly endAtMs?: number | undefined;
  readonly error?: string | undefined;
  /** Why it was missed or skipped: misfire, overlap, capacity, cancelled ... */
  readonly reason?: string | undefined;
  /** For ranges of missed or skipped due times: last of the range and how many. */
  readonly rangeToMs?: number | undefined;
  readonly rangeCount?: number | undefined;
  /** While retrying: when the next attempt is due. */
  readonly nextAttemptAtMs?: number | undefined;
};

export type NodeView = {
  readonly nodeId: string;
  readonly state: "up" | "down";
  readonly session: number;
  readonly slots: number;
  readonly running: number;
  readonly tags: readonly string[];
};

/**
 * How a member is doing: "catching_up" with the log, getting a "snapshot", "regressed" (it lost entries that it had acknowledged, and is
 * to be resynchronised), "no_leader" of the node that was asked itself.
 */
export type MemberState = "up" | "catching_up" | "snapshot" | "regressed" | "unreachable" | "no_leader";

/** Numbers are undefined where the node that was asked does not know them: of the others' progress only the leader does. */
export type MemberView = {
  readonly id: string;
  readonly role: "leader" | "voter" | "learner";
  readonly state: MemberState;
  readonly api: string;
  readonly peer: string;
  /** Linked with the node that was asked. */
  readonly healthy: boolean;
  /** Of another member: the most that it can have applied. */
  readonly appliedIndex: number | undefined;
  /** Up to where its disk holds the leader's log. */
  readonly matchIndex: number | undefined;
  /** Committed entries that it lacks. */
  readonly lag: number | undefined;
  /** How far its wall clock is ahead of that of the node that was asked. */
  readonly clockSkewMs: number | undefined;
  readonly version: string;
};

export type ClusterView = {
  readonly clusterId: string;
  readonly name: string;
  readonly term: number;
  readonly leaderId?: string | undefined;
  readonly commitIndex: number;
  readonly members: readonly MemberView[];
};

/** Events of one log entry are numbered from 0; a resumed stream continues strictly after a position. */
export type EventPosition = { readonly index: number; readonly at: number };

export type EventType =
  | "job.submitted" | "job.updated" | "job.cancelled" | "job.paused" | "job.resumed"
  | "execution.queued" | "execution.started" | "execution.retrying" | "execution.completed" | "execution.failed"
  | "execution.cancelled" | "execution.missed" | "execution.skipped" | "execution.unknown"
  | "node.up" | "node.down";

export type EventView = {
  readonly position: EventPosition;
  readonly type: EventType;
  readonly atMs: number;
  readonly jobId?: string | undefined;
  readonly executionId?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly fencingToken?: string | undefined;
  readonly scheduledAtMs?: number | undefined;
  readonly latenessMs?: number | undefined;
};

export type Page<T> = { readonly items: readonly T[]; readonly cursor?: string | undefined };

export type Answer =
  | { readonly kind: "job"; readonly job: JobView | undefined }
  | { readonly kind: "jobs"; readonly page: Page<JobView> }
  | { readonly kind: "execution"; readonly execution: ExecutionView | undefined }
  | { readonly kind: "executions"; readonly page: Page<ExecutionView> }
  | { readonly kind: "nodes"; readonly nodes: readonly NodeView[] }
  | { readonly kind: "cluster"; readonly cluster: ClusterView }
  | { readonly kind: "events"; readonly events: readonly EventView[]; readonly oldest: EventPosition; readonly newest: EventPosition };

/** How fresh an answer is: the index it was answered at, and for stale reads how long ago a leader may have known more. */
export type Answered = { readonly answer: Answer; readonly appliedIndex: number; readonly ageMs: number };
