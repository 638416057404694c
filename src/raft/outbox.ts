// Owns: messages on their way out, those that may leave and those that speak of state that is not durable yet. Which are which is
// decided where they are made.
// (O1) A held message leaves after the write it was held for, never before. One that speaks of an earlier term by then is dropped:
//      what it promised may have been undone by the new term before it reached the disk, and its receiver is deposed.
// (O2) What is held is bounded: acknowledgements to one peer in one term and for one write are merged into the highest, and an equal
//      message is held once.

import type { Message, NodeId } from "./types.ts";

export type Addressed = { readonly to: NodeId; readonly message: Message };
type Held = { readonly gate: number; readonly to: NodeId; message: Message };

export class Outbox {
  private ready: Addressed[] = [];
  private held: Held[] = [];

  get isEmpty(): boolean {
    return this.ready.length === 0;
  }

  send(to: NodeId, message: Message): void {
    this.ready.push({ to, message });
  }

  /** Holds the message until write number `gate` is durable. */
  hold(gate: number, to: NodeId, message: Message): void {
    for (const held of this.held) {
      if (held.gate !== gate || held.to !== to || held.message.term !== message.term) continue;
      if (held.message.kind === "append_reply" && message.kind === "append_reply") {
        if (message.match > held.message.match) held.message = message;
        return;
      }
      if (held.message.kind === "vote_reply" && message.kind === "vote_reply" && held.message.granted === message.granted) return;
    }
    this.held.push({ gate, to, message });
  }

  /** Lets go what waited for `gate` or an earlier write and belongs to `term`; messages to `self` are returned instead of sent. */
  release(gate: number, term: number, self: NodeId): Message[] {
    const own: Message[] = [];
    const still: Held[] = [];
    for (const held of this.held) {
      if (held.message.term !== term) continue;
      if (held.gate > gate) still.push(held);
      else if (held.to === self) own.push(held.message);
      else this.ready.push({ to: held.to, message: held.message });
    }
    this.held = still;
    return own;
  }

  take(): Addressed[] {
    const out = this.ready;
    if (out.length > 0) this.ready = [];
    return out;
  }
}
