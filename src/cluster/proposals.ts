// Owns: callers' changes on their way into the log, at the node that leads and at those that pass them on, and the answers on their
// way back. A change has exactly one answer: done, refused, or unknown (P2).
// (Q1) A change that was put into an entry is answered when that index is applied: by its reply if the entry is the one proposed, and
//      by a new try if another entry took its place, for then it never happened.
// (Q2) Waiting is bounded in number, bytes and time; the time's end says "rejected" before the change was sent, "unknown" after.

import { messageOf, PawlError } from "../base/errors.ts";
import { executionId } from "../base/token.ts";
import type { KeyUse } from "../jobs/command.ts";
import type { Reply } from "../jobs/reply.ts";
import type { Change, ChangeReply, MembershipRequest } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Plannable } from "../planner/changes.ts";

export type Answering = (outcome: ChangeReply | PawlError) => void;

/** What a caller asks of the cluster itself; the leader's steward does it. `to` is whoever is furthest when undefined. */
export type Order =
  | { readonly kind: "membership"; readonly request: MembershipRequest }
  | { readonly kind: "transfer"; readonly to?: string | undefined }
  | Extract<Change, { kind: "lower_clock" }>;

/**
 * Names a forwarded change. Ids grow; they are never those of an earlier replica of the node, whose answers may still be on their way,
 * since each replica is born with a higher number (H11).
 */
export type ForwardId = { readonly birth: number; readonly number: number };

export function isLater(id: ForwardId, than: ForwardId | undefined): boolean {
  return than === undefined || id.birth > than.birth || (id.birth === than.birth && id.number > than.number);
}

export type Waiting<Asked = Change | Order> = {
  readonly change: Asked;
  readonly key: KeyUse | undefined;
  readonly bytes: number;
  readonly dueAtMs: number;
  readonly answer: Answering;
  tries: number;
};

type InFlight = {
  readonly index: number;
  readonly term: number;
  readonly changes: readonly (Waiting | undefined)[];
  readonly settle: (appliedInMs: number | undefined) => void;
};
type Forwarded = { readonly waiting: Waiting; readonly leader: string };

export class Proposals {
  private queue: Waiting[] = [];
  private queueBytes = 0;
  private inFlight: InFlight[] = [];
  private readonly forwarded = new Map<number, Forwarded>();
  private readonly birth: number;
  private lastForward = 0;
  /** Who could take changes when that was last asked, and since when. */
  private leader: string | undefined;
  private leaderSinceMs = 0;
  /** How many of the waiting changes are an operator's word on the clock, and how many are orders. */
  private confirmations = 0;
  private orders = 0;

  private readonly refusal: (change: Change | Order) => PawlError | undefined;

  /** `refusal` says why a change is not taken at all, if so. */
  /** `birth` is higher than that of any replica that this node was before. */
  constructor(birth: number, refusal: (change: Change | Order) => PawlError | undefined = () => undefined) {
    this.refusal = refusal;
    this.birth = birth;
  }

  get waiting(): number {
    return this.queue.length;
  }

  /** Waiting, sent to the leader or in entries. */
  get unanswered(): number {
    return this.queue.length + this.forwarded.size + this.inFlight.length;
  }

  get entriesInFlight(): number {
    return this.inFlight.length;
  }

  submit(change: Change | Order, key: KeyUse | undefined, bytes: number, nowMs: number, answer: Answering): void {
    const full = this.queue.length >= limits.proposalsWaitingMax || this.queueBytes + bytes > limits.proposalsWaitingMaxBytes;
    if (full) return answer(new PawlError("overloaded", "too many changes are waiting; retry after a moment"));
    const refusal = this.refusal(change);
    if (refusal) return answer(refusal);
    this.push({ change, key, bytes, dueAtMs: nowMs + limits.proposalTimeoutMs, answer, tries: 0 });
  }

  /** Whether an operator's word on the clock waits: it counts before the clock is read. */
  get confirming(): boolean {
    return this.confirmations > 0;
  }

  private push(waiting: Waiting): void {
    this.queue.push(waiting);
    this.count(waiting, 1);
  }

  private count(waiting: Waiting, by: 1 | -1): void {
    this.queueBytes += by * waiting.bytes;
    if (waiting.change.kind === "confirm_clock") this.confirmations += by;
    if (isOrder(waiting.change)) this.orders += by;
  }

  /** Takes all orders; what is left are changes of the state. */
  takeOrders(): Waiting[] {
    if (this.orders === 0) return [];
    const orders = this.queue.filter((waiting) => isOrder(waiting.change));
    this.queue = this.queue.filter((waiting) => !isOrder(waiting.change));
    for (const order of orders) this.count(order, -1);
    return orders;
  }

  /** Takes up to `count` changes and `bytes` of them, at least one if there is any. An order that could not be done yet stays. */
  take(count: number, bytes: number): Waiting<Plannable>[] {
    const orders = this.takeOrders();
    const taken = this.shift(count, bytes) as Waiting<Plannable>[];
    this.putBack(orders);
    return taken;
  }

  private shift(count: number, bytes: number): Waiting[] {
    let size = 0;
    let taken = 0;
    while (taken < this.queue.length && taken < count && (taken === 0 || size < bytes)) size += (this.queue[taken++] as Waiting).bytes;
    const changes = this.queue.slice(0, taken);
    this.queue = this.queue.slice(taken);
    for (const change of changes) this.count(change, -1);
    return changes;
  }

  /**
   * The entry at (index, term) holds these changes, by position. `settle` is called when it is applied, with how long that took, or known
   * to be lost.
   */
  proposed(index: number, term: number, changes: readonly (Waiting | undefined)[], settle: InFlight["settle"]): void {
    this.inFlight.push({ index, term, changes, settle });
  }

  /** Back to the front of the queue: they were not put into any entry, or into one that was lost. */
  putBack(changes: readonly Waiting[]): void {
    this.queue.unshift(...changes);
    for (const change of changes) this.count(change, 1);
  }

  /** The entry that this node proposed at `index` is applied, or another one took its place (Q1). */
  applied(index: number, term: number, replies: readonly (Reply | undefined)[], idSpace: string, tookMs: number): void {
    while (this.inFlight.length > 0 && (this.inFlight[0] as InFlight).index <= index) {
      const entry = this.inFlight.shift() as InFlight;
      const ours = entry.index === index && entry.term === term;
      if (entry.index < index)
        for (const waiting of entry.changes) waiting?.answer(unknown("this node did not see what became of the change"));
      else this.putBack(ours ? this.answerAll(entry, replies, idSpace) : entry.changes.filter((waiting) => waiting !== undefined));
      entry.settle(ours ? tookMs : undefined);
    }
  }

  private answerAll(entry: InFlight, replies: readonly (Reply | undefined)[], idSpace: string): Waiting[] {
    const again: Waiting[] = [];
    for (let position = 0; position < entry.changes.length; position++) {
      const waiting = entry.changes[position];
      const reply = replies[position];
      if (!waiting || !reply) continue;
      if (reply.kind === "stale") this.retry(waiting, again);
      else waiting.answer(answerOf(reply, idSpace));
    }
    return again;
  }

  private retry(waiting: Waiting, again: Waiting[]): void {
    waiting.tries++;
    if (waiting.tries < limits.recomputesMax) again.push(waiting);
    else waiting.answer(new PawlError("conflict", "the job changed again and again while this change was made; retry"));
  }

  /** Follower: sends what waits to the leader. */
  forward(leader: string, send: (id: ForwardId, change: Change | Order, key: KeyUse | undefined) => boolean): void {
    const changes = this.shift(limits.entryItemsMax, limits.entryMaxBytes);
    for (let i = 0; i < changes.length; i++) {
      const waiting = changes[i] as Waiting;
      const id = { birth: this.birth, number: ++this.lastForward };
      if (!send(id, waiting.change, waiting.key)) return this.putBack(changes.slice(i));
      this.forwarded.set(id.number, { waiting, leader });
    }
  }

  /** The leader's one answer, relayed. A leader that no longer leads has done nothing: the change is sent to the next. */
  forwardAnswered({ birth, number }: ForwardId, outcome: ChangeReply | PawlError): void {
    const entry = this.forwarded.get(number);
    if (!entry || birth !== this.birth) return;
    this.forwarded.delete(number);
    if (outcome instanceof PawlError && outcome.code === "not_leader") this.putBack([entry.waiting]);
    else entry.waiting.answer(outcome);
  }

  /** The link to a node broke: what it was sent may or may not happen. */
  linkLost(leader: string): void {
    for (const [id, entry] of this.forwarded) {
      if (entry.leader !== leader) continue;
      this.forwarded.delete(id);
      entry.waiting.answer(unknown("the leader became unreachable while it held this change"));
    }
  }

  /**
   * Answers what waited too long: before it was sent it is rejected, after that nobody can tell (Q2). Nothing waits long for a majority
   * that is not heard of (`lost`), nor while there is no `leader` that can take it, nor for a node that was the leader once.
   */
  expire(nowMs: number, lost: boolean, leader?: string): void {
    if (leader !== this.leader) {
      this.leader = leader;
      this.leaderSinceMs = nowMs;
    }
    const isLate = (waiting: Waiting, hopeless: boolean): boolean =>
      nowMs >= waiting.dueAtMs - (hopeless ? limits.proposalTimeoutMs - limits.noQuorumPatienceMs : 0);
    const nobody = lost || leader === undefined;
    const late = this.queue.filter((waiting) => isLate(waiting, nobody));
    if (late.length > 0) this.queue = this.queue.filter((waiting) => !isLate(waiting, nobody));
    for (const waiting of late) {
      this.count(waiting, -1);
      waiting.answer(nobody ? new PawlError("no_quorum", lost ? LOST : LEADERLESS) : overdue());
    }
    const isFollowed = leader !== undefined && nowMs - this.leaderSinceMs >= limits.formerLeaderMs;
    for (const [id, entry] of this.forwarded) {
      const isFormer = entry.leader !== leader;
      if (!(isFormer && isFollowed) && !isLate(entry.waiting, lost || isFormer)) continue;
      this.forwarded.delete(id);
      entry.waiting.answer(lost ? unknown(LOST, "no_quorum") : unknown("the leader did not answer in time"));
    }
    this.expireInFlight(lost, (waiting) => isLate(waiting, lost));
  }

  private expireInFlight(lost: boolean, isLate: (waiting: Waiting) => boolean): void {
    for (let at = 0; at < this.inFlight.length; at++) {
      const entry = this.inFlight[at] as InFlight;
      const late = entry.changes.filter((waiting) => waiting !== undefined && isLate(waiting));
      if (late.length === 0) continue;
      this.inFlight[at] = { ...entry, changes: entry.changes.map((waiting) => (late.includes(waiting) ? undefined : waiting)) };
      const doubt = lost ? unknown(LOST, "no_quorum") : unknown("the change was not committed in time");
      for (const waiting of late) waiting?.answer(doubt);
    }
  }

  /** At the end of this node's life: nobody will answer later. */
  abandon(): void {
    for (const waiting of this.queue) waiting.answer(new PawlError("unavailable", "this node is stopping; ask another one"));
    for (const { waiting } of this.forwarded.values()) waiting.answer(unknown("this node is stopping"));
    for (const entry of this.inFlight) for (const waiting of entry.changes) waiting?.answer(unknown("this node is stopping"));
    this.queue = [];
    this.queueBytes = 0;
    this.confirmations = 0;
    this.orders = 0;
    this.inFlight = [];
    this.forwarded.clear();
  }
}

function isOrder(change: Change | Order): change is Order {
  return change.kind === "membership" || change.kind === "transfer" || change.kind === "lower_clock";
}

const LOST = "no majority is heard of: most nodes must be up and connected";
const LEADERLESS = "no leader can take changes yet: one is being elected or prepares itself; retry after a moment";

function unknown(message: string, code: "timeout" | "no_quorum" = "timeout"): PawlError {
  return new PawlError(code, `${message}; it may still happen: retry with the same Idempotency-Key`, { outcome: "unknown" });
}

function overdue(): PawlError {
  return new PawlError(
    "unavailable",
    "the change waited too long to be proposed; retry, and if it stays so compare the nodes' clocks (`pawl cluster confirm-clock`)",
  );
}

function answerOf(reply: Exclude<Reply, { kind: "stale" }>, idSpace: string): ChangeReply | PawlError {
  if (reply.kind === "refused") return new PawlError(reply.code, reply.message);
  const sequence = reply.sequence;
  return {
    status: reply.status,
    jobId: reply.jobId,
    executionId: sequence ? executionId(idSpace, sequence) : undefined,
    index: reply.index,
    ...(reply.refused && { refused: reply.refused }),
  };
}

/** Whatever was thrown while a change was planned, as its refusal. */
export function refusalOf(error: unknown): PawlError {
  if (error instanceof PawlError) return error;
  throw new Error(`planning a change failed: ${messageOf(error)}`, { cause: error });
}
