// Owns: a snapshot on its way in: which copy is being laid down, what is asked for next, and what is done with a whole one. How chunks
// are laid and checked is src/storage/statestage.ts, who sends them snapshotsender.ts; taking the copy up is the owner's of the disk.
// (V1) Only the leader of the present term is listened to (the caller sees to that); a newer copy takes the place of an older one.
// (V2) A chunk is asked for when all before it are on disk, so a break or a restart costs no more than the one on its way.
// (V3) A copy is taken up only if it leads beyond what is committed here, the log does not hold its last entry already (what was
//      acknowledged beyond it would be lost), and its members include this node.

import { PawlError } from "../base/errors.ts";
import type { SnapshotFrame } from "./snapshotframes.ts";

/** What a whole copy holds: the state at an index of the log, and who were the members then. */
export type SnapshotEnd = { readonly index: number; readonly term: number; readonly members: readonly string[] };

/** A place on disk for one copy. */
export interface CopySink {
  /** Number of the chunk that is due. */
  readonly next: number;
  /** Known once the last chunk is laid down. */
  readonly end: SnapshotEnd | undefined;
  /** Lays down the chunk that is due; resolves when it is durable. Rejects what does not fit. */
  lay(bytes: Uint8Array): Promise<void>;
  /** Checks the whole copy as a start would. */
  verify(): Promise<void>;
}

export type ReceiverIo = {
  readonly self: string;
  send(to: string, frame: SnapshotFrame): void;
  /** Goes on with the copy of this name if a part of it is on disk, else makes place for it. */
  open(copy: string): Promise<CopySink>;
  isInstallable(end: SnapshotEnd): boolean;
  /** The copy in `sink` is whole and checked: takes it up. This ends the replica as it was. */
  install(end: SnapshotEnd): void;
  note(message: string): void;
  /** The disk failed, or this is a bug: the replica must not go on. */
  failed(error: unknown): void;
};

type Receiving = { readonly copy: string; readonly from: string; sink: CopySink | undefined; busy: boolean };

export class SnapshotReceiver {
  private readonly io: ReceiverIo;
  private receiving: Receiving | undefined;
  /** A copy that is being laid down or taken up is not disturbed; the sender repeats its offer. */
  private closing = false;

  constructor(io: ReceiverIo) {
    this.io = io;
  }

  receive(from: string, frame: Extract<SnapshotFrame, { kind: "offer" | "chunk" }>): void {
    if (this.closing || this.receiving?.busy === true) return;
    const { receiving } = this;
    if (receiving?.copy !== frame.copy || receiving.from !== from) return this.begin(from, frame.copy);
    if (receiving.sink === undefined) return;
    if (frame.kind === "chunk" && frame.number === receiving.sink.next) this.lay(receiving, receiving.sink, frame.bytes);
    else this.want(receiving, receiving.sink);
  }

  private begin(from: string, copy: string): void {
    const receiving: Receiving = { copy, from, sink: undefined, busy: true };
    this.receiving = receiving;
    this.io.note(`${from} sends a snapshot, since the log that this node lacks is not kept any more`);
    this.perform(receiving, async () => {
      receiving.sink = await this.io.open(copy);
      await this.goOn(receiving, receiving.sink);
    });
  }

  private lay(receiving: Receiving, sink: CopySink, bytes: Uint8Array): void {
    this.perform(receiving, async () => {
      await sink.lay(bytes);
      await this.goOn(receiving, sink);
    });
  }

  private async goOn(receiving: Receiving, sink: CopySink): Promise<void> {
    this.want(receiving, sink);
    const { end } = sink;
    if (end === undefined) return;
    await sink.verify();
    if (!end.members.includes(this.io.self)) return this.decline(receiving, "this node is not among its members");
    if (!this.io.isInstallable(end)) return this.decline(receiving, "it leads no further than the log here");
    this.closing = true;
    this.io.install(end);
  }

  private perform(receiving: Receiving, work: () => Promise<void>): void {
    receiving.busy = true;
    work().then(
      () => {
        receiving.busy = false;
      },
      (error: unknown) => {
        if (this.closing) return;
        const isItsFault = error instanceof PawlError && (error.code === "invalid" || error.code === "quarantined");
        if (isItsFault) this.decline(receiving, error.message);
        else this.io.failed(error);
      },
    );
  }

  private want(receiving: Receiving, sink: CopySink): void {
    this.io.send(receiving.from, { kind: "want", copy: receiving.copy, next: sink.next });
  }

  private decline(receiving: Receiving, reason: string): void {
    this.io.note(`the snapshot of ${receiving.from} is not taken up: ${reason}`);
    this.io.send(receiving.from, { kind: "decline", copy: receiving.copy, reason });
    if (this.receiving === receiving) this.receiving = undefined;
  }

  /** The replica has ended; what is still under way comes to nothing. */
  stop(): void {
    this.closing = true;
  }
}
