// Owns: a backup put on an empty disk, as the beginning of another cluster (heir.ts), while no node runs. That the directory may be used is
// src/offline.ts's to know.
// (B1) What is laid down is checked as at a start before it counts; it counts by the one batch of the log that names it and holds the
//      entries that the cluster begins with (K1).
// (B2) A crash before that batch leaves a disk without a log, into which can be restored again; after it, one from which a node starts.

import { BugError, PawlError } from "../base/errors.ts";
import { allAtOnce } from "../base/parts.ts";
import { State, lane, timerMemory } from "../jobs/state.ts";
import type { Capacity } from "../jobs/state.ts";
import { layBackup } from "../storage/backup.ts";
import type { BackupSummary } from "../storage/backup.ts";
import type { Disk } from "../storage/disk.ts";
import { noHistory } from "../storage/historymarks.ts";
import { install } from "../storage/install.ts";
import { logOptions, openLog } from "../storage/log.ts";
import { StateStage } from "../storage/statestage.ts";
import { Wheel } from "../wheel/wheel.ts";
import { beginning, checkClock } from "./heir.ts";
import type { DiskUse, Heir } from "./heir.ts";
import { Tally, outlookOf } from "./outlook.ts";
import type { Outlook } from "./outlook.ts";
import { openStored } from "./stored.ts";

const RESTORED_STATE = 2;

export type RestoredBackup = { readonly backup: BackupSummary; readonly outlook: Outlook };

/**
 * Puts the backup in `file` on a disk without a log; what an earlier try laid down is gone on with. `progress` is told the bytes read.
 * Throws PawlError: "exists" when there is a log, "conflict" when the clock is behind, "quarantined" and "invalid" when the backup
 * cannot be used.
 */
export async function restoreBackup(use: DiskUse, file: string, heir: Heir, progress: (bytes: number) => void): Promise<RestoredBackup> {
  const { disk, capacity } = use;
  const logKv = await disk.open("log", logOptions);
  const log = await openLog(logKv);
  if (log.position().number !== 0) throw new PawlError("exists", "there is a log already; restore into an empty data directory");
  const stage = await StateStage.open(disk, RESTORED_STATE);
  const backup = await layBackup(file, stage, progress);
  const state = blankState(capacity);
  const verified = await stage.load([state.jobs.rows, state.live.rows]);
  state.restoreScalars(verified.scalars, verified.appliedIndex);
  allAtOnce(state.checkRows());
  checkClock(heir.atMs, Math.max(state.clockMs, backup.header.takenAtMs));
  const term = verified.appliedTerm + 1;
  const entries = beginning(heir, "restore", verified.appliedIndex + 1, term);
  await install(log, stage, verified, noHistory, { term, vote: heir.self.id, entries });
  await logKv.close();
  const stored = await openStored(disk, capacity, use.soon, () => new Tally());
  const outlook = outlookOf(stored.state, entries);
  await stored.close();
  return { backup, outlook };
}

/** A state to lay tables into, that keeps no cold rows. */
function blankState(capacity: Capacity): State {
  const memory = timerMemory(capacity);
  const wheel = new Wheel(memory.items, memory.dueAtMs, memory.lanes, lane.count, 0);
  const none = (): never => {
    throw new BugError("only tables and scalars are looked at");
  };
  return new State(capacity, memory, wheel, { get: none, put: none, add: none, del: none });
}

/** Removes what is left of a restore that did not come to its end. */
export async function clearRestore(disk: Disk): Promise<void> {
  for (const name of disk.databases()) if (name === "log" || name.startsWith("state-")) await disk.remove(name);
}
