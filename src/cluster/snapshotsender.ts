// Owns: snapshots on their way out: which follower is served, which chunk is on its way, and when a copy is given up. Making the copy is
// src/storage/statecopy.ts; that a follower needs one, and that it has caught up again, is the consensus core's to say.
// (X1) One copy at a time, one chunk on its way: a copy takes what the disk and the link can spare, and no more memory than a chunk.
// (X2) A chunk is sent again until the receiver wants the next one; it is made once. Who wants an earlier one, and says so again (a
//      word may be late), has lost what it had, and gets a new copy.
// (X3) A receiver that is silent for too long is given up; the core asks again when it is heard.

import { messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { SnapshotFrame } from "./snapshotframes.ts";

/** A copy of the state in the making. */
export interface CopySource {
  /** The next chunk, encoded; undefined behind the last. Rejects when the copy cannot be finished. */
  next(): Promise<Uint8Array | undefined>;
  close(): void;
}

export type SenderIo = {
  /** False when the frame was dropped. */
  send(to: string, frame: SnapshotFrame): boolean;
  begin(copy: string): CopySource;
  /** The peer got none: it may need another one. */
  failed(peer: string, reason: string): void;
  wake(): void;
};

const BEHIND_MAX = 4;

type Sending = {
  readonly peer: string;
  readonly copy: string;
  readonly source: CopySource;
  /** Number of the chunk that is on its way or in the making; -1 before the first. */
  number: number;
  chunk: Uint8Array | undefined;
  /** The last chunk is on disk at the receiver, which now checks the whole and takes it up. */
  complete: boolean;
  making: boolean;
  /** How often in a row the receiver wanted what it should have. */
  behind: number;
  heardAtMs: number;
  sentAtMs: number;
};

export class SnapshotSender {
  private readonly io: SenderIo;
  private readonly prefix: string;
  private waiting: string[] = [];
  private sending: Sending | undefined;
  private copies = 0;

  /** `prefix` is this node's and this life's own, so that names of copies never come again. */
  constructor(prefix: string, io: SenderIo) {
    this.prefix = prefix;
    this.io = io;
  }

  /** Who is being served, and how many chunks were laid down there. */
  get progress(): { readonly peer: string; readonly chunks: number } | undefined {
    return this.sending && { peer: this.sending.peer, chunks: Math.max(0, this.sending.number) };
  }

  /** The peer needs a snapshot. */
  need(peer: string): void {
    if (!this.waiting.includes(peer) && this.sending?.peer !== peer) this.waiting.push(peer);
  }

  /** Sends what is due in this term, or gives up on who is silent. */
  tick(term: number, nowMs: number): void {
    this.sending ??= this.begin(nowMs);
    const { sending } = this;
    if (sending === undefined) return;
    if (nowMs - sending.heardAtMs > limits.snapshotSilenceMaxMs) return this.end(sending, "it was silent for too long");
    if (sending.making || nowMs - sending.sentAtMs < limits.snapshotResendMs) return;
    sending.sentAtMs = nowMs;
    const { peer, copy, number, chunk } = sending;
    this.io.send(peer, chunk === undefined ? { kind: "offer", term, copy } : { kind: "chunk", term, copy, number, bytes: chunk });
  }

  private begin(nowMs: number): Sending | undefined {
    const peer = this.waiting.shift();
    if (peer === undefined) return undefined;
    const copy = `${this.prefix}.${++this.copies}`;
    const source = this.io.begin(copy);
    const times = { heardAtMs: nowMs, sentAtMs: Number.NEGATIVE_INFINITY };
    return { peer, copy, source, number: -1, chunk: undefined, complete: false, making: false, behind: 0, ...times };
  }

  receive(from: string, frame: Extract<SnapshotFrame, { kind: "want" | "decline" }>, nowMs: number): void {
    const { sending } = this;
    if (sending === undefined || sending.peer !== from || sending.copy !== frame.copy) return;
    sending.heardAtMs = nowMs;
    if (frame.kind === "decline") return this.end(sending, frame.reason);
    if (frame.next < sending.number) {
      if (++sending.behind > BEHIND_MAX) return this.end(sending, "it has lost what it had");
    } else {
      sending.behind = 0;
      if (frame.next === sending.number + 1) return this.make(sending);
    }
    if (!sending.making) sending.sentAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The chunk before is on disk there: makes the next one (X2). */
  private make(sending: Sending): void {
    if (sending.making || sending.complete) return;
    sending.making = true;
    sending.source.next().then(
      (chunk) => {
        if (this.sending !== sending) return;
        sending.making = false;
        sending.number++;
        sending.chunk = chunk;
        sending.complete = chunk === undefined;
        if (!sending.complete) sending.sentAtMs = Number.NEGATIVE_INFINITY;
        else sending.source.close();
        this.io.wake();
      },
      (error: unknown) => {
        if (this.sending === sending) this.end(sending, messageOf(error));
        this.io.wake();
      },
    );
  }

  /** What was refused by the link may be sent now. */
  room(): void {
    if (this.sending && !this.sending.making) this.sending.sentAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The peer follows the log again. */
  caughtUp(peer: string): void {
    this.waiting = this.waiting.filter((each) => each !== peer);
    if (this.sending?.peer === peer) this.drop(this.sending);
  }

  /** Who is a member no more needs none, and would only keep the others waiting until it is found silent. */
  members(ids: ReadonlySet<string>): void {
    this.waiting = this.waiting.filter((each) => ids.has(each));
    if (this.sending && !ids.has(this.sending.peer)) this.drop(this.sending);
  }

  private end(sending: Sending, reason: string): void {
    this.drop(sending);
    this.io.failed(sending.peer, reason);
  }

  private drop(sending: Sending): void {
    if (!sending.complete) sending.source.close();
    this.sending = undefined;
  }

  /** This node leads no more. */
  stop(): void {
    this.waiting = [];
    if (this.sending) this.drop(this.sending);
  }

  nextWakeMs(): number {
    if (this.waiting.length > 0 && !this.sending) return 0;
    if (this.sending === undefined || this.sending.making) return Number.POSITIVE_INFINITY;
    return Math.min(this.sending.heardAtMs + limits.snapshotSilenceMaxMs, this.sending.sentAtMs + limits.snapshotResendMs);
  }
}
