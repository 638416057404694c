// Owns: what a disk holds of a replica, opened and checked: log, state and the stage beside it, and everything derived from the tables. For
// a node that starts (assemble.ts), and for what is done to a disk while none runs on it (offlinerestore.ts, remains.ts).
// (O1) The log must reach at least what the newest checkpoint witnessed of it (H8); the state never is ahead of the log.
// (O2) Tables come from the checkpoint, everything derived from the tables, and what was committed later from the log.
// (O3) What is found first, in a moment, is enough to take part in elections and to keep what a leader sends (voter.ts): the whole log, and
//      which checkpoint it joins. Loading the rows comes second, takes seconds for millions of them, and lets turns of the loop pass.

import { utf8Text } from "../base/bytes.ts";
import { inTurns } from "../base/parts.ts";
import { coldKeys } from "../jobs/cold.ts";
import type { HistorySink } from "../jobs/history.ts";
import { State, lane, timerMemory } from "../jobs/state.ts";
import type { Capacity } from "../jobs/state.ts";
import { ownVersions } from "../jobs/versions.ts";
import type { Versions } from "../jobs/versions.ts";
import { limits } from "../limits.ts";
import { ColdRows } from "../storage/coldrows.ts";
import type { Disk, Soon } from "../storage/disk.ts";
import { noHistory } from "../storage/historymarks.ts";
import type { HistoryMarks } from "../storage/historymarks.ts";
import { tidyStates } from "../storage/install.ts";
import { checkState, logOptions, openLog } from "../storage/log.ts";
import type { RaftLog } from "../storage/log.ts";
import { StateStore, stateName, stateOptions } from "../storage/state.ts";
import type { BatchPace } from "../storage/state.ts";
import type { StateStage } from "../storage/statestage.ts";
import { Wheel } from "../wheel/wheel.ts";

/** Parts of State.rebuild() and State.checkRows() in one turn: some milliseconds of work, 40 where memory is touched for the first time. */
const PARTS_PER_TURN = 2;

export type Stored<History> = {
  readonly log: RaftLog;
  readonly stage: StateStage;
  readonly store: StateStore;
  readonly cold: ColdRows;
  readonly state: State;
  readonly wheel: Wheel;
  readonly history: History;
  close(): Promise<void>;
};

/** What is known before the rows are loaded (O3): of the state its scalars. */
export type FoundStored = Omit<Stored<unknown>, "history"> & {
  /** `openHistory` is given what the state says of the history's files. */
  load<History extends HistorySink>(openHistory: OpenHistory<History>): Promise<Stored<History>>;
};

type OpenHistory<History> = (marks: HistoryMarks) => History;

/** Throws PawlError("quarantined") naming what fails its checks; so does load(). */
export async function findStored(
  disk: Disk, capacity: Capacity, soon: Soon, versions: Versions = ownVersions, pace?: BatchPace,
): Promise<FoundStored> {
  const logKv = await disk.open("log", logOptions);
  const log = await openLog(logKv);
  const stage = await tidyStates(disk, log);
  const stateKv = await disk.open(stateName(log.stateNumber), stateOptions);
  const cold = new ColdRows(stateKv);
  const memory = timerMemory(capacity);
  const wheel = new Wheel(memory.items, memory.dueAtMs, memory.lanes, lane.count, 0);
  const state = new State(capacity, memory, wheel, cold, versions);
  const store = await StateStore.find(stateKv, [state.jobs.rows, state.live.rows], soon, cold, pace);
  const { restored } = store;
  checkState(log, restored);
  if (restored) state.restoreScalars(restored.scalars, restored.appliedIndex);
  const close = async (): Promise<void> => {
    await stage.close();
    await stateKv.close();
    await logKv.close();
  };
  const found = { log, stage, store, cold, state, wheel, close };
  const load = async <History extends HistorySink>(openHistory: OpenHistory<History>): Promise<Stored<History>> => {
    await store.load();
    const history = openHistory(restored?.historyMarks ?? noHistory);
    state.historySink = history;
    if (restored) await rebuildState(state, cold, wheel, soon);
    return { ...found, history };
  };
  return { ...found, load };
}

/** As findStored(), then load(). */
export async function openStored<History extends HistorySink>(
  disk: Disk, capacity: Capacity, soon: Soon, openHistory: OpenHistory<History>, versions?: Versions,
): Promise<Stored<History>> {
  const found = await findStored(disk, capacity, soon, versions);
  return found.load(openHistory);
}

async function rebuildState(state: State, cold: ColdRows, wheel: Wheel, soon: Soon): Promise<void> {
  await inTurns(state.checkRows(), PARTS_PER_TURN, soon);
  for (const [prefix, table] of [
    [coldKeys.schedules, state.schedules],
    [coldKeys.classes, state.classes],
  ] as const) {
    for (let after: string = prefix; ; ) {
      const rows = await cold.page({ gt: after, lt: `${prefix}~`, limit: limits.pageMax });
      for (const [key, value] of rows) table.restore(Number.parseInt(key.slice(prefix.length), 16), utf8Text(value));
      if (rows.length < limits.pageMax) break;
      after = (rows.at(-1) as [string, Uint8Array])[0];
    }
  }
  while (wheel.advance(state.clockMs));
  await inTurns(state.rebuild(), PARTS_PER_TURN, soon);
  while (wheel.advance(state.clockMs)) await new Promise<void>((resolve) => soon(resolve));
}
