// Owns: how a state that was laid down takes the place of the one in use, and which states a disk has at a start. Laying it down is
// statestage.ts's; the replica is stopped before and opened anew afterwards by src/cluster.
// (N1) The state first learns the place of the log that will name it, durably; then one batch of the log names it and drops all entries.
//      Before that batch nothing has happened, after it all has: the state before is removed at the next start.
// (N2) At a start all states go but the one that the log names, and the one behind it if a copy can be gone on with.
// (N3) A state is removed only after the log has durably named a newer one. If it is missing while a newer one is there, the log has
//      lost that write, and acknowledged ones with it.

import { quarantined } from "./quarantine.ts";
import { stateName } from "./state.ts";
import { StateStage } from "./statestage.ts";
import type { Disk } from "./disk.ts";
import type { OwnHistory } from "./historymarks.ts";
import type { Beginning, RaftLog } from "./log.ts";
import type { Restored } from "./restore.ts";

const NAME = /^state-([1-9][0-9]*)$/;

/**
 * Puts a verified state to use. The log must not be written meanwhile, and nothing of the state before may be used afterwards. `own` is
 * what this node has of the history. What the state begins with goes into the same batch.
 */
export async function install(
  log: RaftLog, stage: StateStage, verified: Restored, own: OwnHistory, beginning?: Beginning,
): Promise<void> {
  const { appliedIndex: index, appliedTerm: term, historyMarks } = verified;
  const { position, write } = log.replacement({ index, term }, stage.number, beginning);
  await stage.complete(position, { nextOrdinal: historyMarks.nextOrdinal, days: own.days, holes: own.holes });
  await new Promise<void>((resolve, reject) => write((error) => (error === undefined ? resolve() : reject(error))));
}

/** Removes states that no longer count (N2), and gives back the stage for the next one. Before the state in use is opened. */
export async function tidyStates(disk: Disk, log: RaftLog): Promise<StateStage> {
  const used = log.stateNumber;
  const numbers = disk.databases().flatMap((name) => (NAME.test(name) ? [Number(name.slice("state-".length))] : []));
  const newest = Math.max(0, ...numbers);
  if (newest > used && !numbers.includes(used)) {
    throw quarantined("raft log", `names ${stateName(used)}, but only ${stateName(newest)} is there: acknowledged writes are lost`);
  }
  for (const number of numbers) if (number < used || number > used + 1) await disk.remove(stateName(number));
  return StateStage.open(disk, used + 1);
}
