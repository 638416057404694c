// Owns: what goes into the room and what comes out: the shapes shared by its files. A job's definition carries the same shape.

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

export interface Schedule {
  /** The first due time strictly after `afterMs` (milliseconds since 1970 UTC), undefined if there is none. */
  nextAfter(afterMs: number): number | undefined;
}
