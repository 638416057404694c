// Owns: what a replica does at a mark in the log: it tells the leader what its state sums up to, and ends itself when it hears that the
// others have another sum. Who differs is agreement.ts's to say, when there is a mark housekeeping.ts's, the sum src/jobs's.
// (D1) A replica that differs must not go on: whatever it fires, answers or hands to others in a snapshot may be wrong. It ends as if it
//      had found damage on its disk, the leader included.
// (D2) A word that is lost, or belongs to an index that this replica never applied (it took up a snapshot), costs one comparison: the next
//      mark comes.

import { PawlError } from "../base/errors.ts";
import type { StateHash } from "../jobs/state.ts";
import type { Raft } from "../raft/raft.ts";
import { Agreement } from "./agreement.ts";

export type HashFrame =
  /** To the leader: the sender's state at this index. */
  | { readonly kind: "sum"; readonly index: number; readonly hash: string }
  /** From the leader: at this index a majority has this sum, and the receiver another one. */
  | { readonly kind: "diverged"; readonly index: number; readonly hash: string };

export type HashIo = {
  readonly self: string;
  readonly raft: Pick<Raft, "status" | "membership">;
  /** False when the frame was dropped. */
  send(to: string, frame: HashFrame): boolean;
  alarm(message: string): void;
};

const OWN_KEPT = 4;

export class StateHashes {
  /** Marks that this replica applied, and at which index the newest was. */
  readonly stats = { marks: 0, index: 0 };
  private readonly io: HashIo;
  private readonly agreement = new Agreement();
  private readonly own = new Map<number, string>();
  private untold: StateHash | undefined;
  private diverged: PawlError | undefined;

  constructor(io: HashIo) {
    this.io = io;
  }

  /** A mark was applied. It is told in the next turn: an entry is applied whole before anything follows from it. */
  marked(own: StateHash): void {
    this.stats.marks++;
    this.stats.index = own.index;
    this.own.set(own.index, own.hash);
    if (this.own.size > OWN_KEPT) this.own.delete(Math.min(...this.own.keys()));
    this.untold = own;
  }

  receive(from: string, { kind, index, hash }: HashFrame): void {
    const { role, leader } = this.io.raft.status();
    if (kind === "sum") {
      if (role === "leader") this.compare(from, index, hash);
    } else if (from === leader) this.differs(index, hash);
  }

  /** Throws PawlError("quarantined") once this replica is known to differ (D1). */
  tick(): void {
    if (this.untold) this.tell(this.untold);
    if (this.diverged) throw this.diverged;
  }

  private tell({ index, hash }: StateHash): void {
    const { role, leader } = this.io.raft.status();
    if (role === "leader") this.compare(this.io.self, index, hash);
    else if (leader === undefined || !this.io.send(leader, { kind: "sum", index, hash })) return;
    this.untold = undefined;
  }

  private compare(node: string, index: number, hash: string): void {
    const { voters, learners } = this.io.raft.membership().membership;
    const verdict = this.agreement.heard(node, index, hash, [...new Set([...voters.flat(), ...learners])]);
    for (const wrong of verdict?.wrong ?? []) {
      const right = verdict?.right ?? "";
      this.io.alarm(`the state of ${wrong} at index ${index} is not that of the majority, ${right}`);
      if (wrong === this.io.self) this.differs(index, right);
      else this.io.send(wrong, { kind: "diverged", index, hash: right });
    }
  }

  private differs(index: number, right: string): void {
    const own = this.own.get(index);
    if (own === undefined || own === right) return;
    const what = `the state at index ${index} sums up to ${own} on this node and to ${right} on most others`;
    const next = "this node must be resynchronised from them; do not start it on this data again";
    this.diverged = new PawlError("quarantined", `${what}: ${next}`);
  }
}
