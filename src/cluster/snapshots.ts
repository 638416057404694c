// Owns: the snapshots of one replica, both ways: those that a leader sends to followers whose log is gone, and the one that this node may
// get. The talk is snapshotsender.ts's and snapshotreceiver.ts's, copies and stages are src/storage; this file joins them.
// (N1) A snapshot is sent as the leader of a term and taken from the leader of the present term.
// (N2) What was laid down outlives a restart, for as long as its sender goes on with the same copy.
// (N3) Damage that shows while a copy is made is this node's own: it ends as if it had been found at a start.
// (N4) A snapshot of a version of the state that this build does not understand ends the node by that name, before anything of its own
//      is replaced (H14).

import type { HistoryStore } from "../storage/history.ts";
import { decodeChunk, encodeChunk } from "../storage/copychunk.ts";
import { versionIn } from "../jobs/state.ts";
import { checkVersion } from "../jobs/versions.ts";
import type { Versions } from "../jobs/versions.ts";
import { ownAfterSnapshot } from "../storage/historymarks.ts";
import { install } from "../storage/install.ts";
import type { RaftLog } from "../storage/log.ts";
import type { Restored } from "../storage/restore.ts";
import type { PagedTable, StateStore } from "../storage/state.ts";
import { StateCopy } from "../storage/statecopy.ts";
import type { StateStage } from "../storage/statestage.ts";
import { assert, PawlError } from "../base/errors.ts";
import { decodeMembership } from "../raft/membership.ts";
import type { Raft } from "../raft/raft.ts";
import type { SnapshotFrame } from "./snapshotframes.ts";
import { SnapshotReceiver } from "./snapshotreceiver.ts";
import type { CopySink, SnapshotEnd } from "./snapshotreceiver.ts";
import { SnapshotSender } from "./snapshotsender.ts";
import type { CopySource } from "./snapshotsender.ts";

export type SnapshotParts = {
  readonly id: string;
  readonly birth: number;
  readonly raft: Raft;
  readonly log: RaftLog;
  readonly store: StateStore;
  readonly stage: StateStage;
  readonly history: HistoryStore;
  readonly tables: readonly PagedTable[];
  readonly versions: Versions;
};

export type SnapshotIo = {
  send(to: string, frame: SnapshotFrame): boolean;
  wake(): void;
  note(message: string): void;
  failed(error: unknown): void;
  /** A whole snapshot waits to be taken up with `takeUp`, when nothing is written any more. */
  arrived(): void;
};

export class Snapshots {
  readonly sender: SnapshotSender;
  private readonly parts: SnapshotParts;
  private readonly receiver: SnapshotReceiver;
  private verified: Restored | undefined;

  constructor(parts: SnapshotParts, io: SnapshotIo) {
    this.parts = parts;
    this.sender = new SnapshotSender(`${parts.id}.${parts.birth}`, {
      send: io.send,
      begin: (copy) => this.source(copy, io),
      failed: (peer, reason) => {
        io.note(`the snapshot for ${peer} was given up: ${reason}`);
        parts.raft.snapshotFailed(peer);
      },
      wake: io.wake,
    });
    this.receiver = new SnapshotReceiver({
      self: parts.id,
      send: (to, frame) => void io.send(to, frame),
      open: async (copy) => this.sink(copy),
      isInstallable: ({ index, term }) => parts.raft.installable(index, term),
      install: () => io.arrived(),
      note: io.note,
      failed: io.failed,
    });
  }

  private source(copy: string, io: SnapshotIo): CopySource {
    const made = new StateCopy(this.parts.store, copy);
    const next = async (): Promise<Uint8Array | undefined> => {
      try {
        const chunk = await made.next();
        return chunk && encodeChunk(chunk);
      } catch (error) {
        if (!(error instanceof PawlError) || error.code === "quarantined") io.failed(error);
        throw error;
      }
    };
    return { next, close: () => made.end() };
  }

  private sink(copy: string): CopySink {
    const { stage, tables, versions } = this.parts;
    const isOwn = (): boolean => stage.copy === copy;
    return {
      get next() {
        return isOwn() ? stage.next : 0;
      },
      get end() {
        return isOwn() && stage.end !== undefined ? endOf(stage.end) : undefined;
      },
      lay: (bytes) => stage.lay(decodeChunk(bytes)),
      verify: async () => {
        const verified = await stage.verify(tables);
        checkVersion(versions, versionIn(verified.scalars), `the snapshot at ${verified.appliedIndex}`);
        this.verified = verified;
      },
    };
  }

  /** Puts the snapshot in the place of state and log. The replica has stopped, and its log is not being written. */
  async takeUp(): Promise<void> {
    const { log, stage, history } = this.parts;
    assert(this.verified !== undefined, "only a checked snapshot is taken up");
    const synced = new Promise<void>((resolve, reject) => history.flush((error) => (error ? reject(error) : resolve())));
    const own = ownAfterSnapshot(history.marks(), this.verified.historyMarks.nextOrdinal);
    await synced;
    await install(log, stage, this.verified, own);
  }

  receive(from: string, frame: SnapshotFrame, nowMs: number): void {
    const { term, leader, role } = this.parts.raft.status();
    if (frame.kind === "want" || frame.kind === "decline") {
      if (role === "leader") this.sender.receive(from, frame, nowMs);
    } else if (frame.term === term && leader === from) this.receiver.receive(from, frame);
  }

  tick(nowMs: number): void {
    const { role, term, peers } = this.parts.raft.status();
    if (role !== "leader") return this.sender.stop();
    for (const peer of peers) if (peer.state !== "snapshot") this.sender.caughtUp(peer.id);
    this.sender.tick(term, nowMs);
  }

  stop(): void {
    this.sender.stop();
    this.receiver.stop();
  }
}

function endOf({ index, term, membership }: { index: number; term: number; membership: { bytes: Uint8Array } }): SnapshotEnd {
  const { voters, learners } = decodeMembership(membership.bytes);
  return { index, term, members: [...voters.flat(), ...learners] };
}
