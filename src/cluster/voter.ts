// Owns: a node's part in consensus while the rows of its state are being loaded: it votes, and it keeps and acknowledges what a leader
// sends. All else begins when they are loaded, with the same raft and the same log: replica.ts.
// (V1) It never stands for election: no time runs out for it (raft.tick is not called), and a leader's word to take over is not heard. Who
//      leads must be able to apply.
// (V2) What it promises rests on the log alone, which was read whole and held against the newest checkpoint before (H8). Rows that turn out
//      to be damaged later end the node, as they would at any time.
// (V3) Only frames of consensus are taken. Others come again, or are for nodes that apply.

import type { Raft } from "../raft/raft.ts";
import type { LogWrite } from "../raft/types.ts";
import type { System } from "../system.ts";
import { encodeFrame, laneOf, readableFrame } from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { LogWriter } from "./logwriter.ts";
import type { Transport } from "./parts.ts";

export type VoterParts = {
  readonly raft: Raft;
  readonly writer: LogWriter;
  readonly transport: Transport;
  readonly system: System;
  readonly fatal: (error: Error) => void;
};

export class Voter {
  readonly stats = { heard: 0 };
  readonly raft: Raft;
  readonly writer: LogWriter;
  private readonly parts: VoterParts;
  private stopped = false;
  /** Takes over: it hears of the write that is in flight. */
  private next: { wake(): void } | undefined;

  constructor(parts: VoterParts) {
    this.parts = parts;
    this.raft = parts.raft;
    this.writer = parts.writer;
  }

  receive(from: string, message: readonly unknown[]): void {
    const { raft, system } = this.parts;
    if (this.stopped) return;
    const frame = readableFrame(message);
    if (frame?.kind !== "raft" || frame.message.kind === "timeout_now") return;
    this.stats.heard++;
    raft.step(from, frame.message, system.monotonicMs());
    this.drain();
  }

  linkLost(peer: string): void {
    if (this.stopped) return;
    this.parts.raft.unreachable(peer);
    this.drain();
  }

  /** Its part is over; `next` goes on. */
  handOver(next: { wake(): void }): void {
    this.stop();
    this.next = next;
  }

  stop(): void {
    this.stopped = true;
  }

  private drain(): void {
    const { raft, transport, system } = this.parts;
    while (raft.hasReady()) {
      const ready = raft.take(system.monotonicMs());
      if (ready.write) this.write(ready.write);
      for (const { to, message } of ready.messages) {
        const frame: Frame = { kind: "raft", message };
        transport.send(to, laneOf(frame), encodeFrame(frame));
      }
    }
  }

  private write(write: LogWrite): void {
    const { raft, writer, system, fatal } = this.parts;
    writer.write(write, (error) => {
      if (this.stopped && this.next === undefined) return;
      if (error) return fatal(error);
      raft.persisted(write.number, system.monotonicMs());
      if (this.next) this.next.wake();
      else this.drain();
    });
  }
}
