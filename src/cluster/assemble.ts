// Owns: a replica put together from a disk: opens the log and the state, checks that they belong together, rebuilds what is derived, and
// wires the rooms. The same for a real node and for one in the simulator: only the disk, the transport and the system differ.
// (O1) The log must reach at least what the newest checkpoint witnessed of it (H8); the state never is ahead of the log.
// (O2) Tables come from the checkpoint, everything derived from the tables, and what was committed later from the log.

import { utf8Text } from "../base/bytes.ts";
import { coldKeys } from "../jobs/cold.ts";
import { State, lane, timerMemory } from "../jobs/state.ts";
import type { Capacity } from "../jobs/state.ts";
import type { MemberAddresses } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import { decodeMembership, encodeMembership, nobody } from "../raft/membership.ts";
import { Raft } from "../raft/raft.ts";
import type { MembershipAt } from "../raft/types.ts";
import type { StoredMembership } from "../storage/checkpointformat.ts";
import { ColdRows } from "../storage/coldrows.ts";
import type { Disk } from "../storage/disk.ts";
import { HistoryStore } from "../storage/history.ts";
import { noHistory } from "../storage/historymarks.ts";
import { checkState, logOptions, openLog } from "../storage/log.ts";
import { tidyStates } from "../storage/install.ts";
import type { RaftLog } from "../storage/log.ts";
import { StateStore, stateName, stateOptions } from "../storage/state.ts";
import type { System } from "../system.ts";
import { Wheel } from "../wheel/wheel.ts";
import { Checkpointer } from "./checkpointer.ts";
import type { LogBounds } from "./checkpointer.ts";
import { DiskSpace } from "./diskspace.ts";
import { encodePlace } from "./members.ts";
import { Queries } from "./queries.ts";
import { Replica } from "./replica.ts";
import type { ReplicaEvents, Transport } from "./replica.ts";

export type AssembleOptions = {
  readonly id: string;
  /** Of the replica: raised at each start of the node, and each time that it is assembled anew. */
  readonly birth: number;
  /** The voters that the settings name: those of a cluster whose log has no membership yet. */
  readonly founders: readonly MemberAddresses[];
  /** The node is new in a cluster that exists, or was wiped: it waits to be told who the members are. */
  readonly joining: boolean;
  readonly system: System;
  readonly disk: Disk;
  readonly transport: Transport;
  readonly events: ReplicaEvents;
  readonly capacity: Capacity;
  readonly logBounds: LogBounds;
};

export type Assembled = {
  readonly replica: Replica;
  readonly queries: Queries;
  readonly checkpointer: Checkpointer;
  readonly history: HistoryStore;
  readonly log: RaftLog;
  readonly cold: ColdRows;
  readonly space: DiskSpace;
  close(): Promise<void>;
};

export async function assemble(options: AssembleOptions): Promise<Assembled> {
  const { id, birth, system, disk, transport, events, capacity, logBounds } = options;
  const logKv = await disk.open("log", logOptions);
  const log = await openLog(logKv);
  const stage = await tidyStates(disk, log);
  const stateKv = await disk.open(stateName(log.stateNumber), stateOptions);
  const cold = new ColdRows(stateKv);
  const memory = timerMemory(capacity);
  const wheel = new Wheel(memory.items, memory.dueAtMs, memory.lanes, lane.count, 0);
  const state = new State(capacity, memory, wheel, cold);
  const tables = [state.jobs.rows, state.live.rows];
  const store = await StateStore.open(stateKv, tables, (run) => system.soon(run), cold);
  const history = HistoryStore.open(disk.files, 0, store.restored?.historyMarks ?? noHistory);
  state.historySink = history;
  await restoreState(state, store, cold, log, wheel);
  const raft = raftOf(options, log, state.appliedIndex, store.restored?.membership);
  const consensus = {
    membershipAt: (index: number) => storedMembership(raft, index),
    slowestHealthyMatch: () => raft.slowestHealthyMatch(),
  };
  const checkpointer = new Checkpointer(state, store, history, log, logBounds, system, consensus, (error) => events.fatal(error));
  const snapshots = { id, birth, raft, log, store, stage, history, tables };
  const space = new DiskSpace({
    self: id,
    system,
    freeBytes: () => disk.freeBytes(),
    membership: () => raft.membership().membership,
    alarm: (message) => events.alarm(message),
  });
  await space.watch();
  const replica = new Replica({ id, birth, system, raft, log, state, wheel, transport, checkpointer, snapshots, space }, events);
  const queries = new Queries(state, history, cold, system);
  const close = async (): Promise<void> => {
    space.stop();
    await checkpointer.idle();
    await stage.close();
    await stateKv.close();
    await logKv.close();
  };
  return { replica, queries, checkpointer, history, log, cold, space, close };
}

async function restoreState(state: State, store: StateStore, cold: ColdRows, log: RaftLog, wheel: Wheel): Promise<void> {
  const { restored } = store;
  checkState(log, restored);
  if (!restored) return;
  state.restoreScalars(restored.scalars, restored.appliedIndex);
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
  state.rebuild();
}

/** No bytes while the members are not known. */
function storedMembership(raft: Raft, index: number): StoredMembership {
  const at = raft.membershipAt(index);
  return { index: at.index, bytes: at === nobody ? new Uint8Array(0) : encodeMembership(at.membership) };
}

function raftOf(options: AssembleOptions, log: RaftLog, appliedIndex: number, stored: StoredMembership | undefined): Raft {
  const { id, joining, system } = options;
  const { electionTimeoutMs, heartbeatMs, appendsInFlightMax, appendMaxBytes, uncommittedMaxBytes, logCacheMaxBytes, readsWaitingMax } =
    limits;
  const timing = {
    electionTimeoutMs,
    heartbeatMs,
    appendsInFlightMax,
    appendMaxBytes,
    uncommittedMaxBytes,
    logCacheMaxBytes,
    readsWaitingMax,
  };
  const isKnown = stored !== undefined && stored.bytes.length > 0;
  const membership = isKnown ? { index: stored.index, membership: decodeMembership(stored.bytes) } : founded(options);
  const restored = { hardState: log.hardState, log, appliedIndex, membership, joining };
  return new Raft({ id, ...timing, random: () => system.random() }, restored, system.monotonicMs());
}

function founded({ founders, joining }: AssembleOptions): MembershipAt {
  if (joining) return nobody;
  const places = new Map(founders.map(({ id, peer, api }) => [id, encodePlace({ peer, api })]));
  return { index: 0, membership: { voters: [founders.map(({ id }) => id).sort()], learners: [], places } };
}
