// Owns: whose a job number is, or was when a record of the history was written: from numbers, which are used again, back to ids.
// (W1) Known without looking through stored rows in all but rare cases: a record of a number's present holder is later than its creation,
//      by a clock that never went back; and the last record of one that left is named in what it left behind.

import { coldKeys } from "../jobs/cold.ts";
import { decodeLeft } from "../jobs/definition.ts";
import { definitionOf } from "../jobs/definitionrows.ts";
import type { HistoryRow } from "../jobs/history.ts";
import type { State } from "../jobs/state.ts";
import type { ColdPages } from "./queries.ts";

export class Owners {
  private readonly state: State;
  private readonly cold: ColdPages;

  constructor(state: State, cold: ColdPages) {
    this.state = state;
    this.cold = cold;
  }

  /** The id of a job in the table. */
  now(job: number): string {
    return definitionOf(this.state, job).jobId;
  }

  /** Undefined where stored rows have to be looked through (W1). */
  known(row: HistoryRow): string | undefined {
    const present = this.present(row);
    if (present !== undefined) return present;
    const left = this.state.cold.get(coldKeys.left(row.job, row.ordinal));
    return left && decodeLeft(left).jobId;
  }

  /** The id of the number's present holder, if the record is known to be that one's. */
  present({ job, endAtMs }: HistoryRow): string | undefined {
    const { state } = this;
    const wasNeverSetBack = state.redueAfterMs === 0;
    if (!wasNeverSetBack || !state.jobs.pool.has(job)) return undefined;
    const { jobId, createdAtMs } = definitionOf(state, job);
    return endAtMs > createdAtMs ? jobId : undefined;
  }

  /** The next to leave the number, or its present holder; "" when nobody knows any more. */
  async at({ job, ordinal }: HistoryRow): Promise<string> {
    const until = coldKeys.left(job, 2 ** 48 - 1);
    const [row] = await this.cold.page({ gte: coldKeys.left(job, ordinal), lt: `${until}~`, limit: 1 });
    if (row) return decodeLeft(row[1]).jobId;
    return this.state.jobs.pool.has(job) ? this.now(job) : "";
  }
}
