// Owns: what a replica is made of, what it sends by, and whom it tells. assemble.ts puts the parts together, replica.ts turns them.

import type { State } from "../jobs/state.ts";
import type { Raft } from "../raft/raft.ts";
import type { Circle, RaftStatus } from "../raft/types.ts";
import type { System } from "../system.ts";
import type { Wheel } from "../wheel/wheel.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { DiskSpace } from "./diskspace.ts";
import type { HousekeepingParts } from "./housekeeping.ts";
import type { LogWriter } from "./logwriter.ts";
import type { SnapshotParts } from "./snapshots.ts";
import type { Timings } from "./timings.ts";
import type { Voter } from "./voter.ts";

export interface Transport {
  /** False when the frame was dropped: not connected, or too much is waiting. */
  send(to: string, lane: "control" | "bulk" | "snapshot", message: readonly unknown[]): boolean;
}

export type ReplicaParts = {
  readonly id: string;
  /** Higher than that of every replica that this node was before. */
  readonly birth: number;
  readonly system: System;
  readonly raft: Raft;
  readonly writer: LogWriter;
  readonly voter: Voter;
  readonly state: State;
  readonly wheel: Wheel;
  readonly transport: Transport;
  readonly checkpointer: Checkpointer;
  readonly snapshots: SnapshotParts;
  readonly space: DiskSpace;
  readonly housekeeping: HousekeepingParts;
  readonly timings: Timings;
};

export interface ReplicaEvents {
  /** Something ended this replica: it must not go on. */
  fatal(error: Error): void;
  role(status: RaftStatus): void;
  /** Whom to be linked with from now on; told once at the start too. */
  members(circle: Circle): void;
  /** New events may be read. */
  events(): void;
  /** A snapshot took the place of state and log: this replica has stopped, and is to be assembled anew from the disk. */
  replaced(): void;
  alarm(message: string): void;
}
