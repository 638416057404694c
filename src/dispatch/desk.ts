// Owns: the leader's side of the nodes as workers: leases, joins, results on their way into the log, and settling after a failover
// what the sessions hold. All of it is the leader's memory: made at election, dropped at step-down.
// (D1) A lease counts monotonic time in which this leader ran without a gap; an election or a gap of the loop starts all afresh (H7).
// (D2) A result is proposed whatever its verdict will be: its entry is the acknowledgement (H6f). It is taken once while it waits or is on
//      its way: of an attempt that still runs as far as is applied, copies are dropped. In a burst all slots have results that wait for
//      seconds, and nodes send again what waits for two: the copies took half of each entry, and freed slots that were free already.
// (D3) After an election each live session is asked what it holds once it has applied the leader's first entry: what it neither holds
//      nor has finished, of tokens given before that entry, was never started (H6c).
// (D4) Only beats heard by this leader make a session usable for new starts; a session that is silent keeps what it runs.

import type { Command, HeldAttempt } from "../jobs/command.ts";
import { ResultCursor, ResultWriter, resultOutcome } from "../jobs/items.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import type { LeaderMessage, WorkerMessage } from "./messages.ts";

export interface DeskIo {
  send(node: string, message: LeaderMessage): void;
  retryAt(slot: number, nowMs: number): number;
  /** A wall clock was reported by a node (H13). */
  wallClock(node: string, wallMs: number, nowMs: number): void;
}

type Lease = { heardAtMs: number; beatAtMs: number };
type Lot = { readonly items: Uint8Array; readonly count: number };

/** A lot is smaller by far than what an entry may have of results. */
const LOT_MAX_BYTES = limits.entryResultsMaxBytes / 4;
type Reconciliation = { readonly node: string; askedAtMs: number };

export class LeaderDesk {
  private readonly state: State;
  private readonly io: DeskIo;
  private readonly term: number;
  private readonly firstIndex: number;
  /** Newest token when the leader's first entry was applied: later starts are its own. */
  private readonly tokenAtStart: number;
  private readonly leases = new Map<number, Lease>();
  private readonly reconciling = new Map<number, Reconciliation>();
  private commands: Command[] = [];
  /** Nodes with a join, and sessions with a loss, on their way into the log. */
  private readonly joining = new Set<string>();
  private readonly losing = new Set<number>();
  /** Results in the order in which they came, in lots of which several make an entry. */
  private readonly packed: Lot[] = [];
  private packedCount = 0;
  private results = new ResultWriter();
  private lastTickMs: number;
  /** By live row: the token whose result was taken (D2). Rows are used again, tokens are not. */
  private readonly taken: Float64Array;

  constructor(state: State, term: number, nowMs: number, io: DeskIo) {
    this.state = state;
    this.io = io;
    this.term = term;
    this.firstIndex = state.appliedIndex;
    this.tokenAtStart = state.tokenCounter;
    this.taken = new Float64Array(state.live.token.length);
    this.lastTickMs = nowMs;
    for (const node of state.nodes.rows) {
      if (node.session === 0) continue;
      this.leases.set(node.session, { heardAtMs: nowMs, beatAtMs: Number.NEGATIVE_INFINITY });
      this.reconciling.set(node.session, { node: node.id, askedAtMs: Number.NEGATIVE_INFINITY });
    }
  }

  /** Whether new work may be given to a session now (D4). */
  usable(session: number, nowMs: number): boolean {
    const lease = this.leases.get(session);
    return lease !== undefined && nowMs - lease.beatAtMs < limits.beatSilenceMs && !this.losing.has(session);
  }

  tick(nowMs: number): void {
    if (nowMs - this.lastTickMs > limits.heartbeatMs + limits.beatMs) for (const lease of this.leases.values()) lease.heardAtMs = nowMs;
    this.lastTickMs = nowMs;
    for (const [session, lease] of this.leases) {
      if (nowMs - lease.heardAtMs < limits.leaseLeaderMs || this.losing.has(session)) continue;
      this.losing.add(session);
      this.commands.push({ kind: "nodeLost", session });
    }
    for (const [session, asked] of this.reconciling) {
      if (nowMs - asked.askedAtMs < limits.reconcileResendMs) continue;
      asked.askedAtMs = nowMs;
      this.io.send(asked.node, { kind: "reconcile", term: this.term, session, index: this.firstIndex });
    }
  }

  receive(from: string, message: WorkerMessage, nowMs: number): void {
    if (message.kind === "join") return this.join(message);
    if (message.kind === "beat") return this.beat(from, message, nowMs);
    if (message.kind === "results") return this.takeResults(message.items, nowMs);
    if (message.term === this.term) this.reconciled(message.session, message.held);
  }

  private join(message: Extract<WorkerMessage, { kind: "join" }>): void {
    const { node, incarnation, slots, tags, known, held } = message;
    const row = this.state.nodes.find(node);
    // It has a session of this incarnation that it has not applied yet.
    const ahead = row !== undefined && row.incarnation === incarnation && row.session > known;
    if (this.joining.has(node) || ahead) return;
    this.joining.add(node);
    this.commands.push({ kind: "nodeUp", node, incarnation, slots, tags, held });
  }

  private beat(from: string, message: Extract<WorkerMessage, { kind: "beat" }>, nowMs: number): void {
    const alive = this.state.nodes.withSession(message.session)?.id === from && !this.losing.has(message.session);
    const lease = this.leases.get(message.session);
    if (alive && lease) {
      lease.heardAtMs = nowMs;
      lease.beatAtMs = message.leaving ? Number.NEGATIVE_INFINITY : nowMs;
    }
    this.io.wallClock(from, message.wallMs, nowMs);
    this.io.send(from, { kind: "beat_reply", term: this.term, session: message.session, sentAtMs: message.sentAtMs, alive });
  }

  private takeResults(items: Uint8Array, nowMs: number): void {
    const { live } = this.state;
    // Nodes send again what no entry has: more than this is only copies of what waits already.
    if (this.resultsWaiting >= limits.resultsWaitingMax) return;
    const item = new ResultCursor(items);
    while (item.next()) {
      const slot = live.find(item.sequence);
      const runs = slot !== 0 && live.token[slot] === item.token;
      if (runs && this.taken[slot] === item.token) continue;
      if (runs) this.taken[slot] = item.token;
      const failed = item.outcome === resultOutcome.failed || item.outcome === resultOutcome.timeout;
      const retryAtMs = runs && failed ? this.io.retryAt(slot, nowMs) : 0;
      this.addResult(item.sequence, item.token, item.outcome, item.startAtMs, item.endAtMs, retryAtMs, item.error);
    }
  }

  private reconciled(session: number, held: readonly HeldAttempt[]): void {
    if (!this.reconciling.delete(session)) return;
    const answered = new Set(held.map((attempt) => attempt.token));
    const { live } = this.state;
    for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
      const token = live.token[slot] as number;
      if (live.session[slot] !== session || token > this.tokenAtStart || answered.has(token) || !this.state.occupies(slot)) continue;
      this.addResult(live.sequence[slot] as number, token, resultOutcome.notStarted, 0, 0, 0, "");
    }
  }

  private addResult(
    sequence: number,
    token: number,
    outcome: number,
    startAtMs: number,
    endAtMs: number,
    retryAtMs: number,
    error: string,
  ): void {
    this.results.add(sequence, token, outcome, startAtMs, endAtMs, retryAtMs, error);
    if (this.results.count >= limits.entryItemsMin || this.results.bytes >= LOT_MAX_BYTES) this.pack();
  }

  private pack(): void {
    const { count } = this.results;
    if (count === 0) return;
    this.packed.push({ items: this.results.take(), count });
    this.packedCount += count;
  }

  sessionOpened(node: string, session: number, nowMs: number): void {
    this.joining.delete(node);
    this.leases.set(session, { heardAtMs: nowMs, beatAtMs: Number.NEGATIVE_INFINITY });
  }

  sessionClosed(session: number): void {
    this.leases.delete(session);
    this.losing.delete(session);
    this.reconciling.delete(session);
  }

  /** A command of the leader itself, for the next entry. */
  add(command: Command): void {
    this.commands.push(command);
  }

  /** A join or loss that was proposed will not be applied by this proposal: it may be asked for again. */
  commandLost(command: Command): void {
    if (command.kind === "nodeUp") this.joining.delete(command.node);
    if (command.kind === "nodeLost") this.losing.delete(command.session);
  }

  get resultsWaiting(): number {
    return this.packedCount + this.results.count;
  }

  get waiting(): number {
    return this.resultsWaiting + this.commands.length;
  }

  takeCommands(): Command[] {
    const commands = this.commands;
    this.commands = [];
    return commands;
  }

  /** The oldest results: about `most` of them, in whole lots, and no more than fit into an entry. */
  takeResultItems(most: number): Uint8Array | undefined {
    this.pack();
    let [lots, count, bytes] = [0, 0, 0];
    for (const lot of this.packed) {
      if (lots > 0 && (count + lot.count > most || bytes + lot.items.length > limits.entryResultsMaxBytes)) break;
      lots++;
      count += lot.count;
      bytes += lot.items.length;
    }
    this.packedCount -= count;
    const taken = this.packed.splice(0, lots);
    return taken.length < 2 ? taken[0]?.items : joined(taken, bytes);
  }

  /** The log did not take them now: the first to go into the next entry. Nobody would send some of them again. */
  putBack(commands: readonly Command[], results: Uint8Array | undefined): void {
    this.commands.unshift(...commands);
    if (!results) return;
    const item = new ResultCursor(results);
    let count = 0;
    while (item.next()) count++;
    this.packed.unshift({ items: results, count });
    this.packedCount += count;
  }
}

function joined(lots: readonly Lot[], bytes: number): Uint8Array {
  const items = new Uint8Array(bytes);
  let at = 0;
  for (const lot of lots) {
    items.set(lot.items, at);
    at += lot.items.length;
  }
  return items;
}
