// Owns: a job's definition as it is stored and travels in the log: validated, with every default filled in. Where it comes from
// (JSON of a request) and how it is checked is the business of src/api; what it does is decided by the state machine.

export type Priority = "high" | "medium" | "low";
export type GapPolicy = "run_at_gap_end" | "skip";
export type OverlapPolicy = "first" | "second" | "both";

/** When a job runs. All instants in milliseconds since 1970 UTC. */
export type ScheduleSpec =
  | { readonly kind: "at"; readonly atMs: number }
  | {
      readonly kind: "cron";
      readonly expression: string;
      readonly timezone: string;
      readonly gap: GapPolicy;
      readonly overlap: OverlapPolicy;
    }
  | { readonly kind: "every"; readonly everyMs: number; readonly anchorMs: number };

/** What happens to a due time that was not fired within `withinMs`. */
export type MisfireSpec = {
  readonly policy: "fire_once" | "fire_all" | "skip";
  readonly withinMs: number;
  readonly max: number;
};

/**
 * Delay before attempt n+1 (n from 1): initialMs * multiplier^(n-1) if exponential, initialMs if fixed; at most maxMs; then varied
 * by +-jitter.
 */
export type RetrySpec = {
  readonly maxAttempts: number;
  readonly backoff: "exponential" | "fixed";
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  /** Fraction in [0, 1] of the delay by which it is varied. */
  readonly jitter: number;
};

export type PlacementSpec = { readonly tags: readonly string[]; readonly mode: "any" | "all" };

/** What many jobs share and firing needs: interned in replicated state, so that a job's hot row holds only a reference. */
export type ClassSpec = {
  readonly jobType: string;
  readonly priority: Priority;
  readonly overlap: "skip" | "allow";
  readonly misfire: MisfireSpec;
  readonly retry: RetrySpec;
  readonly timeoutMs: number;
  readonly delivery: "at_least_once" | "at_most_once";
  readonly placement: PlacementSpec;
  /** True when the definition carries a payload that the executor must be given. */
  readonly hasPayload: boolean;
};

export type JobSpec = {
  readonly schedule: ScheduleSpec;
  readonly class: ClassSpec;
  /** Any JSON value; null when absent. */
  readonly payload: unknown;
  readonly namespace: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly paused: boolean;
};

/** A partial change: fields absent stay as they are; `class` is merged field by field. */
export type JobPatch = {
  readonly schedule?: ScheduleSpec | undefined;
  readonly class?: Partial<ClassSpec> | undefined;
  readonly payload?: unknown;
  readonly description?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
};

export function patched(spec: JobSpec, patch: JobPatch): JobSpec {
  const merged = { ...spec.class, ...defined(patch.class ?? {}) };
  return {
    schedule: patch.schedule ?? spec.schedule,
    class: patch.payload === undefined ? merged : { ...merged, hasPayload: carriesPayload(patch.payload) },
    payload: patch.payload === undefined ? spec.payload : patch.payload,
    namespace: spec.namespace,
    description: patch.description ?? spec.description,
    labels: patch.labels ?? spec.labels,
    paused: spec.paused,
  };
}

/** Whether an executor needs to be handed this payload: null and {} say nothing. */
export function carriesPayload(payload: unknown): boolean {
  return payload !== null && payload !== undefined && !(typeof payload === "object" && Object.keys(payload).length === 0);
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}
