// Owns: what is left of a cluster that lost its majority for good, on the disk of one of its nodes: what it holds, what may be lost, and
// the write by which another cluster goes on from it (heir.ts). No node runs meanwhile.
// (F1) All that is stored is opened and checked as at a start; what a start refuses is refused here.
// (F2) The whole log counts, also entries that are not known to be committed: one of them may have been acknowledged. What other nodes
//      held beyond its end is lost, and nobody here can know of it.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { decodeMembership } from "../raft/membership.ts";
import type { Entry } from "../raft/types.ts";
import { beginning, checkClock } from "./heir.ts";
import type { DiskUse, Heir } from "./heir.ts";
import { Tally, applyAll, outlookOf } from "./outlook.ts";
import type { Outlook } from "./outlook.ts";
import { openStored } from "./stored.ts";
import type { Stored } from "./stored.ts";

export class Remains {
  readonly outlook: Outlook;
  readonly term: number;
  readonly lastIndex: number;
  /** Up to where this node knew entries to be committed, and up to where they were in its newest checkpoint. */
  readonly commit: number;
  readonly checkpointIndex: number;
  readonly newestMs: number;
  readonly clusterId: string;
  /** As of the end of the log; undefined when they are those of the settings. */
  readonly voters: readonly string[] | undefined;
  private readonly stored: Stored<Tally>;
  private readonly heir: Heir;
  private readonly entries: readonly Entry[];

  private constructor(stored: Stored<Tally>, heir: Heir) {
    const { log, store, state } = stored;
    this.stored = stored;
    this.heir = heir;
    this.term = log.hardState.term;
    this.lastIndex = log.lastIndex;
    this.checkpointIndex = store.restored?.appliedIndex ?? 0;
    this.commit = Math.max(log.hardState.commit, this.checkpointIndex);
    this.newestMs = state.clockMs;
    this.clusterId = state.clusterId;
    this.voters = votersOf(stored);
    this.entries = beginning(heir, "forced", this.lastIndex + 1, this.term + 1);
    this.outlook = outlookOf(state, this.entries);
  }

  /**
   * Opens and checks all that is stored, and applies the log to its end, committed or not. Throws PawlError: "quarantined" as at a start,
   * "conflict" when the clock is behind or nothing is stored.
   */
  static async open({ disk, capacity, soon }: DiskUse, heir: Heir): Promise<Remains> {
    const stored = await openStored(disk, capacity, soon, () => new Tally());
    const { log, state } = stored;
    while (state.appliedIndex < log.lastIndex) {
      applyAll(state, log.entries(state.appliedIndex + 1, log.lastIndex, limits.appendMaxBytes));
    }
    if (state.clusterId === "") throw new PawlError("conflict", "no cluster was founded on these data: there is nothing to go on from");
    checkClock(heir.atMs, state.clockMs);
    return new Remains(stored, heir);
  }

  /** Makes this node the only voter of another cluster, which goes on from the end of the log (K1). */
  force(): Promise<void> {
    const { log } = this.stored;
    const hardState = { term: this.term + 1, vote: this.heir.self.id, commit: this.lastIndex + this.entries.length };
    const write = { number: 1, truncateFrom: undefined, entries: this.entries, hardState };
    return new Promise((resolve, reject) => log.write(write, (error) => (error === undefined ? resolve() : reject(error))));
  }

  close(): Promise<void> {
    return this.stored.close();
  }
}

function votersOf({ log, store }: Stored<Tally>): readonly string[] | undefined {
  const bytes = log.membershipEntries().at(-1)?.data ?? store.restored?.membership.bytes ?? new Uint8Array(0);
  return bytes.length === 0 ? undefined : [...new Set(decodeMembership(bytes).voters.flat())];
}
