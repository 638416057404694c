// Owns: what the client sends and gets, as TypeScript: the JSON of the HTTP API with its own names. Instants are RFC 3339 texts,
// durations ISO 8601 texts, fencing tokens decimal texts (they may exceed what a number can hold).

export type Consistency = "linearizable" | "stale";
export type Priority = "high" | "medium" | "low";
export type ExecutionStatus = "queued" | "running" | "completed" | "failed" | "cancelled" | "missed" | "skipped" | "unknown";
export type JobStatus = "scheduled" | "paused" | ExecutionStatus;

export type Dst = { gap?: "run_at_gap_end" | "skip"; overlap?: "first" | "second" | "both" };

/** Exactly one of cron, every and at. */
export type Schedule = { cron?: string; timezone?: string; dst?: Dst; every?: string; anchor?: string; at?: string };

export type Retry = {
  max_attempts?: number;
  backoff?: "exponential" | "fixed";
  initial_delay?: string;
  max_delay?: string;
  multiplier?: number;
  jitter?: number;
};
export type Misfire = { policy?: "fire_once" | "fire_all" | "skip"; within?: string; max?: number };
export type Placement = { tags?: readonly string[]; mode?: "any" | "all" };

/** Fields absent stay as they are; nested objects are replaced whole. */
export type JobChange = {
  job_type?: string;
  schedule_time?: string;
  schedule?: Schedule;
  priority?: Priority;
  payload?: unknown;
  description?: string;
  labels?: Readonly<Record<string, string>>;
  retry?: Retry;
  timeout?: string;
  overlap?: "allow" | "skip";
  misfire?: Misfire;
  delivery?: "at_least_once" | "at_most_once";
  placement?: Placement;
};

/** Needs schedule_time or schedule. Without job_id the server makes one. */
export type NewJob = JobChange & { job_type: string; job_id?: string; namespace?: string; paused?: boolean };

export type ImportOptions = {
  /** Under which nothing is done twice for about a day; without it the lines themselves say whether they came before. */
  idempotencyKey?: string | undefined;
  /** Lines at the beginning of the list that are done, as an earlier import said by its cursor. */
  from?: number | undefined;
  /** Requests at once, 4 when absent. */
  parallel?: number | undefined;
  /** Ends the import when the requests under way are answered. */
  signal?: AbortSignal | undefined;
};
export type RefusedLine = { line: number; code: string; message: string; field?: string | undefined };
/** Everything up to line `cursor`, with `bytes` of text, is done or refused; the other fields are what came with this step. */
export type ImportProgress = { cursor: number; bytes: number; submitted: number; refused: number; errors: readonly RefusedLine[] };

export type ListedJob = {
  job_id: string;
  job_type: string;
  status: JobStatus;
  detail?: "retrying" | "cancelling";
  schedule_time: string | null;
  schedule: Schedule | null;
  next_run: string | null;
  last_run: string | null;
  start_time: string | null;
  end_time: string | null;
  retries: number;
  execution_id: string | null;
  error: string | null;
  running: number;
  revision: number;
  priority: Priority;
  namespace: string;
  description: string;
  labels: Readonly<Record<string, string>>;
  overlap: "allow" | "skip";
  delivery: "at_least_once" | "at_most_once";
  timeout: string;
  retry: Required<Retry>;
  misfire: Required<Misfire>;
  placement: Required<Placement>;
};
export type Job = ListedJob & { payload: unknown };

export type Execution = {
  execution_id: string | null;
  job_id: string;
  job_type: string;
  scheduled_at: string;
  status: ExecutionStatus;
  detail?: "retrying" | "cancelling";
  attempt: number;
  retries: number;
  fencing_token: string | null;
  node_id: string | null;
  start_time: string | null;
  end_time: string | null;
  lateness_ms: number | null;
  error: string | null;
  reason: string | null;
  kind?: "trigger";
  next_attempt_at?: string;
  range_to?: string;
  range_count?: number;
};

export type Output = { attempt: number; stream: "stdout" | "stderr" | "response" | "log"; text: string; truncated: boolean };

export type Changed<Status extends string> = { status: Status; job_id: string };
export type Triggered = Changed<"triggered"> & { execution_id: string };
export type CancelledExecution = { status: "cancelling" | "cancelled"; execution_id: string };

export type PreviewedSchedule = Omit<Schedule, "at"> & { after?: string; count?: number };
export type Preview = { next: string[] } | { error: { code: string; detail: string; field?: string } };

export type Node = { node_id: string; state: "up" | "down"; session: number; slots: number; running: number; tags: string[] };
/** Numbers are null where the node that was asked does not know them: of the others' progress only the leader does. */
export type ClusterMember = {
  id: string;
  role: "leader" | "voter" | "learner";
  state: "up" | "catching_up" | "snapshot" | "regressed" | "unreachable" | "no_leader";
  api: string;
  peer: string;
  healthy: boolean;
  applied_index: number | null;
  match_index: number | null;
  /** Committed entries that it lacks. */
  lag: number | null;
  /** How far its wall clock is ahead of that of the node that was asked. */
  clock_skew_ms: number | null;
  version: string;
};
/** `peer` is "host:port"; a voter, which is the default, begins as a learner and is promoted when it has caught up. */
export type NewMember = { id: string; peer: string; api: string; role?: "voter" | "learner" };
export type Cluster = {
  cluster_id: string;
  name: string;
  term: number;
  leader_id: string | null;
  commit_index: number;
  members: ClusterMember[];
};

export type PawlEvent = {
  /** Resume after it. */
  id: string;
  type: string;
  at: string;
  job_id?: string;
  execution_id?: string;
  node_id?: string;
  attempt?: number;
  fencing_token?: string;
  scheduled_at?: string;
  lateness_ms?: number;
};

export type JobFilter = {
  status?: JobStatus;
  job_type?: string;
  /** An instant: from it on; or "from/to". */
  start_time?: string;
  /** Per page, not in all. */
  limit?: number;
  consistency?: Consistency;
};
export type ExecutionFilter = {
  job_id?: string;
  status?: ExecutionStatus;
  job_type?: string;
  from?: string;
  to?: string;
  limit?: number;
  consistency?: Consistency;
};
export type PageOptions = { cursor?: string };
/** The cursor is the one of the next page; absent on the last. A page before the last may be short, even empty. */
export type Page<T> = { items: readonly T[]; cursor?: string };
export type ReadOptions = { consistency?: Consistency };
/** The key under which a change may be retried, also by another process; made by the client when absent. */
export type ChangeOptions = { idempotencyKey?: string };
