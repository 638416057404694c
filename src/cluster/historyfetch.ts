// Owns: history on its way between replicas: what a node asks others for that took up a snapshot and lacks the records before it, and what
// it answers them (H10e). What is missing, and where records go, is src/storage/history.ts's.
// (G1) One question at a time, answered with one bounded batch, and a pause after it: firing goes on beside it on both nodes. What is
//      lost on the way is asked for again.
// (G2) The leader is asked first, then the other members in turn. Ordinals are equal on all replicas, files and blocks are not.
// (G3) What no member has is given up, by name, once every one of them has said so: there is nobody left who could have it.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { Raft } from "../raft/raft.ts";
import { decodeBatch, encodeBatch } from "../storage/historybatch.ts";
import type { HistoryBatch } from "../storage/history.ts";
import type { Hole } from "../storage/historymarks.ts";

export type HistoryFrame =
  /** For the records with ordinals in [from, to). */
  | { readonly kind: "ask"; readonly from: number; readonly to: number }
  /** All of [from, upTo) that are kept, as src/storage/historybatch.ts writes them. */
  | { readonly kind: "rows"; readonly from: number; readonly upTo: number; readonly bytes: Uint8Array }
  /** The sender lacks [from, to) itself; nobody knows how much when `to` is `from`: it has not come so far. */
  | { readonly kind: "lacks"; readonly from: number; readonly to: number };

export interface FetchedHistory {
  readonly hole: Hole | undefined;
  batch(from: number, to: number): HistoryBatch;
  fill(batch: HistoryBatch): void;
}

export type HistoryIo = {
  readonly self: string;
  readonly raft: Pick<Raft, "status" | "membership">;
  readonly history: FetchedHistory;
  /** False when the frame was dropped. */
  send(to: string, frame: HistoryFrame): boolean;
  note(message: string): void;
  /** What is stored here is damaged: the replica must not go on. */
  failed(error: unknown): void;
};

export class HistoryFetch {
  private readonly io: HistoryIo;
  private asked: { readonly peer: string; readonly from: number; readonly untilMs: number } | undefined;
  private dueAtMs = 0;
  /** Who has not answered this question, and who lacks the same, up to where. */
  private silent = new Set<string>();
  private readonly lacking = new Map<string, number>();
  private wasWhole = true;

  constructor(io: HistoryIo) {
    this.io = io;
  }

  receive(from: string, frame: HistoryFrame, nowMs: number): void {
    if (frame.kind === "ask") return this.answer(from, frame);
    const { asked } = this;
    const { hole } = this.io.history;
    if (!asked || asked.peer !== from || asked.from !== frame.from || hole?.from !== frame.from) return;
    this.asked = undefined;
    if (frame.kind === "rows") this.take(from, frame, hole, nowMs);
    else if (frame.to > frame.from) this.lacking.set(from, frame.to);
    else this.silent.add(from);
  }

  private answer(to: string, ask: Extract<HistoryFrame, { kind: "ask" }>): void {
    try {
      const { rows, upTo, lackingTo = upTo } = this.io.history.batch(ask.from, ask.to);
      if (upTo > ask.from) this.io.send(to, { kind: "rows", from: ask.from, upTo, bytes: encodeBatch(rows) });
      else this.io.send(to, { kind: "lacks", from: ask.from, to: lackingTo });
    } catch (error) {
      this.io.failed(error);
    }
  }

  private take(peer: string, { from, upTo, bytes }: Extract<HistoryFrame, { kind: "rows" }>, hole: Hole, nowMs: number): void {
    try {
      if (upTo <= from || upTo > hole.to) throw new PawlError("invalid", "a batch of history leads nowhere");
      this.goOn({ rows: decodeBatch(bytes, from, upTo), upTo }, nowMs);
    } catch (error) {
      if (!(error instanceof PawlError) || error.code !== "invalid") throw error;
      this.io.note(`${peer}: ${error.message}`);
      this.silent.add(peer);
    }
  }

  private goOn(batch: HistoryBatch, nowMs: number): void {
    this.io.history.fill(batch);
    this.dueAtMs = nowMs + limits.historyFetchPaceMs;
    this.silent.clear();
    this.lacking.clear();
  }

  /** Called in every turn. */
  tick(nowMs: number): void {
    const { hole } = this.io.history;
    if (hole === undefined) return this.whole();
    this.wasWhole = false;
    if (this.asked !== undefined && nowMs >= this.asked.untilMs) {
      this.silent.add(this.asked.peer);
      this.asked = undefined;
    }
    if (this.asked === undefined && nowMs >= this.dueAtMs) this.ask(hole, nowMs);
  }

  private whole(): void {
    if (!this.wasWhole) this.io.note("the history of ended executions is whole again");
    this.wasWhole = true;
    this.asked = undefined;
  }

  private ask({ from, to }: Hole, nowMs: number): void {
    const others = this.others();
    if (others.length > 0 && others.every((peer) => this.lacking.has(peer))) return this.giveUp(from, to, nowMs);
    const peer = others.find((each) => !this.lacking.has(each) && !this.silent.has(each));
    if (peer === undefined) {
      this.silent.clear();
      this.lacking.clear();
      this.dueAtMs = nowMs + limits.historyAskMs;
    } else if (this.io.send(peer, { kind: "ask", from, to })) {
      this.asked = { peer, from, untilMs: nowMs + limits.historyAskMs };
    } else {
      this.silent.add(peer);
      this.dueAtMs = nowMs + limits.historyFetchPaceMs;
    }
  }

  /** (G3) */
  private giveUp(from: number, to: number, nowMs: number): void {
    const upTo = Math.min(to, ...this.lacking.values());
    this.io.note(`the records ${from} to ${upTo - 1} of the history are lost: no member has them`);
    this.goOn({ rows: [], upTo }, nowMs);
  }

  /** (G2) */
  private others(): string[] {
    const { voters, learners } = this.io.raft.membership().membership;
    const { leader } = this.io.raft.status();
    const ids = [...new Set([...voters.flat(), ...learners])].filter((id) => id !== this.io.self).sort();
    return ids.sort((a, b) => Number(b === leader) - Number(a === leader));
  }

  nextWakeMs(): number {
    if (this.io.history.hole === undefined) return Number.POSITIVE_INFINITY;
    return this.asked?.untilMs ?? this.dueAtMs;
  }
}

export function encodeHistoryFrame(frame: HistoryFrame): unknown[] {
  if (frame.kind === "rows") return [frame.kind, frame.from, frame.upTo, frame.bytes];
  return [frame.kind, frame.from, frame.to];
}

export function decodeHistoryFrame([kind, from, to, bytes]: readonly unknown[]): HistoryFrame {
  const range = { from: ordinal(from), to: ordinal(to) };
  if (kind === "ask" || kind === "lacks") return { kind, ...range };
  if (kind === "rows" && bytes instanceof Uint8Array) return { kind, from: range.from, upTo: range.to, bytes };
  throw invalid();
}

function ordinal(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) throw invalid();
  return value;
}

function invalid(): PawlError {
  return new PawlError("invalid", "malformed word about the history; the other node may run a newer Pawl");
}
