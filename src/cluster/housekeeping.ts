// Owns: what a leader proposes on its own about the state as a whole, now and then: marks at which the replicas' states are compared, what
// is kept no longer, and the version of the state. The members are looked after by steward.ts, what is due by the planner; what a proposal
// does is decided by apply. Made and dropped with the leadership.
// (K1) Its times are those of this leadership's monotonic clock: a wrong wall clock makes nothing come early (H13).
// (K2) The version is raised only when every member, learners too, is linked and says that it understands the new one: a member that is
//      away holds it back, since nobody knows what it runs (H14).
// (K3) A lost proposal is made again when its time comes again.

import type { Command } from "../jobs/command.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import type { Capabilities } from "../net/identity.ts";
import { agedRows, agingRanges, historyDrop } from "../planner/retention.ts";
import type { Raft } from "../raft/raft.ts";
import type { Pace } from "./pace.ts";
import type { ColdPages } from "./queries.ts";

export type HousekeepingParts = {
  readonly self: string;
  readonly pace: Pace;
  readonly state: State;
  readonly raft: Pick<Raft, "membership">;
  readonly history: { readonly oldestDay: number | undefined };
  readonly cold: ColdPages;
  readonly retentionDays: number;
  /** What a member says of itself; undefined while it is not linked. */
  capabilitiesOf(id: string): Capabilities | undefined;
};

export type HousekeepingIo = {
  propose(command: Command): void;
  alarm(message: string): void;
  failed(error: unknown): void;
};

export class Housekeeping {
  private readonly parts: HousekeepingParts;
  private readonly io: HousekeepingIo;
  private markDueMs: number;
  private marks = 0;
  private upkeepDueMs: number;
  private pageDueMs: number;
  /** Where the rows of jobs that are gone are looked through next. */
  private range = 0;
  private after = "";
  private isReading = false;

  constructor(parts: HousekeepingParts, io: HousekeepingIo, nowMs: number) {
    const { pace } = parts;
    this.parts = parts;
    this.io = io;
    this.markDueMs = nowMs + pace.firstMarkMs;
    this.upkeepDueMs = nowMs + pace.stateUpkeepMs;
    this.pageDueMs = nowMs + pace.agingPageMs;
  }

  /** Called in every turn of a leader. */
  tick(nowMs: number): void {
    const { pace } = this.parts;
    if (nowMs >= this.markDueMs) {
      this.markDueMs = nowMs + pace.markMs;
      this.io.propose({ kind: "mark", number: ++this.marks });
    }
    if (nowMs >= this.upkeepDueMs) {
      this.upkeepDueMs = nowMs + pace.stateUpkeepMs;
      this.raiseVersion();
      this.dropHistory();
    }
    if (nowMs >= this.pageDueMs && !this.isReading) {
      this.pageDueMs = nowMs + pace.agingPageMs;
      this.forget();
    }
  }

  /** (K2) */
  private raiseVersion(): void {
    const { self, state, raft } = this.parts;
    const { voters, learners } = raft.membership().membership;
    const others = [...voters.flat(), ...learners].filter((id) => id !== self);
    const understood = others.map((id) => this.parts.capabilitiesOf(id)?.stateVersion ?? 0);
    const to = Math.min(state.versions.max, ...understood);
    if (to <= state.version) return;
    this.io.alarm(`every member understands version ${to} of the state: it is raised from ${state.version}`);
    this.io.propose({ kind: "raiseVersion", to });
  }

  private dropHistory(): void {
    const { state, pace, retentionDays, history } = this.parts;
    const command = historyDrop(state, { days: retentionDays, everyMs: pace.historyDropMs }, history.oldestDay);
    if (command) this.io.propose(command);
  }

  /** Looks through one more page of the rows that may be too old; there are none before the first day of history has gone. */
  private forget(): void {
    const { state, cold } = this.parts;
    if (state.historyFromDay === 0) return;
    const { gt, lt } = agingRanges[this.range] as (typeof agingRanges)[number];
    this.isReading = true;
    cold.page({ gt: this.after === "" ? gt : this.after, lt, limit: limits.forgetKeysMax }).then(
      (rows) => {
        this.isReading = false;
        const command = agedRows(state, rows);
        if (command) this.io.propose(command);
        this.after = rows.at(-1)?.[0] ?? "";
        if (rows.length === 0) this.range = (this.range + 1) % agingRanges.length;
      },
      (error: unknown) => this.io.failed(error),
    );
  }
}
