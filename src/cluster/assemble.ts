// Owns: a replica put together from a disk: opens what is stored (stored.ts) and wires the rooms. The same for a real node and for one in
// the simulator: only the disk, the transport and the system differ.

import type { Capacity } from "../jobs/state.ts";
import type { MemberAddresses } from "../jobs/views.ts";
import type { Versions } from "../jobs/versions.ts";
import { limits } from "../limits.ts";
import type { Capabilities } from "../net/identity.ts";
import { decodeMembership, encodeMembership, nobody } from "../raft/membership.ts";
import { Raft } from "../raft/raft.ts";
import type { MembershipAt } from "../raft/types.ts";
import type { StoredMembership } from "../storage/checkpointformat.ts";
import type { ColdRows } from "../storage/coldrows.ts";
import type { Disk } from "../storage/disk.ts";
import { HistoryStore } from "../storage/history.ts";
import type { RaftLog } from "../storage/log.ts";
import type { StateStore } from "../storage/state.ts";
import { HistoryScrub } from "../storage/historyscrub.ts";
import { LogScrub, StateScrub } from "../storage/scrub.ts";
import type { System } from "../system.ts";
import type { Wheel } from "../wheel/wheel.ts";
import { Checkpointer } from "./checkpointer.ts";
import type { LogBounds } from "./checkpointer.ts";
import { DiskSpace } from "./diskspace.ts";
import { EndedReader } from "./endedreader.ts";
import { LogWriter } from "./logwriter.ts";
import { encodePlace } from "./members.ts";
import type { Pace } from "./pace.ts";
import type { ReplicaEvents, Transport } from "./parts.ts";
import { Queries } from "./queries.ts";
import { Replica } from "./replica.ts";
import { Scrubber } from "./scrubber.ts";
import { findStored } from "./stored.ts";
import type { FoundStored, Stored } from "./stored.ts";
import { Timings } from "./timings.ts";
import { Voter } from "./voter.ts";

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
  readonly pace: Pace;
  readonly retentionDays: number;
  /** Those of the process, which outlive the replica. */
  readonly timings?: Timings;
  /** What this build understands: ownVersions, unless a test has another one. */
  readonly versions?: Versions;
  /** The node votes from here on; of its state only the scalars are known. The rest goes on when this resolves. */
  votes(voter: Voter, found: FoundStored): Promise<void>;
  /** What a member that is linked says of itself. */
  capabilitiesOf(id: string): Capabilities | undefined;
};

export type Assembled = {
  readonly replica: Replica;
  readonly queries: Queries;
  readonly checkpointer: Checkpointer;
  readonly history: HistoryStore;
  readonly log: RaftLog;
  readonly store: StateStore;
  readonly cold: ColdRows;
  readonly space: DiskSpace;
  readonly scrubber: Scrubber;
  readonly wheel: Wheel;
  readonly timings: Timings;
  close(): Promise<void>;
};

export async function assemble(options: AssembleOptions): Promise<Assembled> {
  const { id, birth, system, disk, transport, events, capacity, logBounds, pace, timings = new Timings() } = options;
  const found = await findStored(disk, capacity, (run) => system.soon(run), options.versions, pace);
  const { log, stage, store, cold, state, wheel } = found;
  const raft = raftOf(options, log, state.appliedIndex, store.restored?.membership);
  const writer = new LogWriter(log, () => system.monotonicMs(), timings.logWrite);
  const voter = new Voter({ raft, writer, transport, system, fatal: (error) => events.fatal(error) });
  events.members(raft.circle());
  const { history, close: closeStored } = await voting(options, voter, found);
  const consensus = {
    membershipAt: (index: number) => storedMembership(raft, index),
    slowestHealthyMatch: () => raft.slowestHealthyMatch(),
  };
  const checkpointer = new Checkpointer(state, store, history, log, logBounds, system, consensus, events, timings);
  const tables = [state.jobs.rows, state.live.rows];
  const snapshots = { id, birth, raft, log, store, stage, history, tables, versions: state.versions };
  const space = new DiskSpace({
    self: id,
    system,
    freeBytes: () => disk.freeBytes(),
    membership: () => raft.membership().membership,
    alarm: (message) => events.alarm(message),
  });
  await space.watch();
  const { retentionDays, capabilitiesOf } = options;
  const housekeeping = { self: id, pace, state, raft, history, cold, retentionDays, capabilitiesOf };
  const parts = { id, birth, system, raft, writer, voter, state, wheel, transport, checkpointer, snapshots, space, housekeeping, timings };
  const replica = new Replica(parts, events);
  const scrubs = [new StateScrub(store), new LogScrub(log), new HistoryScrub(history)];
  const scrubber = new Scrubber(system, pace, scrubs, (error) => replica.fail(error));
  scrubber.start();
  const endedReader = new EndedReader(system, state, cold, (error) => replica.fail(error));
  endedReader.start();
  const queries = new Queries(state, history, cold, system);
  const close = async (): Promise<void> => {
    space.stop();
    await endedReader.stop();
    await scrubber.stop();
    await checkpointer.idle();
    await closeStored();
  };
  return { replica, queries, checkpointer, history, log, store, cold, space, scrubber, wheel, timings, close };
}

/** The rows are loaded while the node takes part already as far as it can. */
async function voting({ disk, votes }: AssembleOptions, voter: Voter, found: FoundStored): Promise<Stored<HistoryStore>> {
  try {
    await votes(voter, found);
    return await found.load((marks) => HistoryStore.open(disk.files, 0, marks));
  } catch (error) {
    voter.stop();
    throw error;
  }
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
