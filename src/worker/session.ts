// Owns: this node as a worker, on the core's side: its session, its lease, which attempts it holds, and results until they are in the
// log. The executors and user code are on the face (runner.ts); leases at the other end are in src/dispatch.
// (W1) Only a start that this node applied itself, for its present session, while its lease is alive, reaches the face; every other
//      start of this session is reported as not_started (H6a, b).
// (W2) A session ends when its lease lapses on this node's clock, and is never revived; the next join names what is still held, so
//      that running work outlives silence (H6e, P8).
// (W3) A result is kept and sent again until an applied entry has it, whatever its verdict (H6f).
// (W4) A lease is counted from when the node sent the beat that was answered, the leader's from when it heard it: the node's lapses
//      first. A session has no lease before its first beat: how old its nodeUp is, the node cannot know.

import type { HeldAttempt } from "../jobs/command.ts";
import type { Definition } from "../jobs/definition.ts";
import { findDefinition } from "../jobs/definitionrows.ts";
import { ResultWriter, resultOutcome } from "../jobs/items.ts";
import { liveState } from "../jobs/livetable.ts";
import type { ClassSpec } from "../jobs/spec.ts";
import type { State } from "../jobs/state.ts";
import { limits } from "../limits.ts";
import { FinishedAttempts, RunningAttempts } from "./attempttable.ts";
import type { AttemptTable } from "./attempttable.ts";
import { DetailsWriter } from "./startdetails.ts";
import type { ResultBatch, StartBatch, StopBatch } from "./types.ts";

export type SessionMessage =
  /** Asks for a session. `known`: the newest session of its own that the node has applied. */
  | {
      readonly kind: "join";
      readonly node: string;
      readonly incarnation: number;
      readonly slots: number;
      readonly tags: readonly string[];
      readonly known: number;
      readonly held: readonly HeldAttempt[];
    }
  /** Renews the lease of a session. `sentAtMs`: the node's monotonic time, echoed; `wallMs`: its wall clock (H13). */
  | {
      readonly kind: "beat";
      readonly node: string;
      readonly session: number;
      readonly sentAtMs: number;
      readonly wallMs: number;
      /** The node is leaving: it ends what it runs and takes nothing new. */
      readonly leaving: boolean;
      /** Its disk is nearly full; said by who passes the message on. */
      readonly diskLow?: boolean | undefined;
    }
  /** Packed result items (src/jobs/items.ts). */
  | { readonly kind: "results"; readonly session: number; readonly items: Uint8Array }
  /** Answer to reconcile: every attempt that the node still answers for. */
  | { readonly kind: "held"; readonly term: number; readonly session: number; readonly held: readonly HeldAttempt[] };

export interface SessionIo {
  /** To whoever leads now, this node itself included; false when nobody is known to. */
  toLeader(message: SessionMessage): boolean;
  start(batch: StartBatch): void;
  stop(batch: StopBatch): void;
}

export type WorkerIdentity = {
  readonly node: string;
  readonly incarnation: number;
  readonly slots: number;
  readonly tags: readonly string[];
};

export class WorkerSession {
  private readonly identity: WorkerIdentity;
  private readonly io: SessionIo;
  private state: State;
  private session = 0;
  /** Newest session of this node, this incarnation, that was applied; open or not. */
  private known = 0;
  private leaseUntilMs = Number.NEGATIVE_INFINITY;
  private nextBeatMs = 0;
  private readonly running = new RunningAttempts();
  private readonly finished = new FinishedAttempts();
  private arrivals: number[] = [];
  /** What ended in this call and was not sent yet: thousands may wait for their entry meanwhile, which need not be looked through. */
  private fresh: number[] = [];
  private leaving = false;
  private reconcile: { readonly term: number; readonly session: number; readonly index: number } | undefined;

  constructor(identity: WorkerIdentity, state: State, io: SessionIo) {
    this.identity = identity;
    this.state = state;
    this.io = io;
  }

  /** Number of the open session, 0 while there is none. */
  get number(): number {
    return this.session;
  }

  get runningCount(): number {
    return this.running.count;
  }

  /** From now on this node takes nothing new; the leader hears of it at once. */
  leave(nowMs: number, wallMs: number): void {
    this.leaving = true;
    this.nextBeatMs = nowMs;
    this.tick(nowMs, wallMs);
  }

  /** Results that no applied entry has yet. */
  get unsettled(): number {
    return this.finished.count;
  }

  nextWakeMs(): number {
    return this.nextBeatMs;
  }

  /** Renews the lease or asks for a session; sends again what was not heard of. */
  tick(nowMs: number, wallMs: number): void {
    if (this.session !== 0 && nowMs >= this.leaseUntilMs && this.leaseUntilMs !== Number.NEGATIVE_INFINITY) this.session = 0;
    if (nowMs < this.nextBeatMs) return;
    this.nextBeatMs = nowMs + limits.beatMs;
    const { node } = this.identity;
    if (this.session === 0) this.join();
    else this.io.toLeader({ kind: "beat", node, session: this.session, sentAtMs: nowMs, wallMs, leaving: this.leaving });
    this.resend(nowMs, limits.resultResendMs);
  }

  private join(): void {
    const { node, incarnation, slots, tags } = this.identity;
    this.io.toLeader({ kind: "join", node, incarnation, slots, tags, known: this.known, held: this.held() });
  }

  private held(): HeldAttempt[] {
    const held: HeldAttempt[] = [];
    const { running, finished } = this;
    const hold = ({ sequence, token }: AttemptTable, row: number): void => {
      held.push({ sequence: sequence[row] as number, token: token[row] as number });
    };
    for (let row = 0; row < running.count; row++) if (running.void[row] === 0) hold(running, row);
    for (let row = 0; row < finished.count; row++) hold(finished, row);
    return held;
  }

  /** A new leader is known: it hears at once that this node lives and what it has finished. */
  leaderChanged(nowMs: number, wallMs: number): void {
    this.nextBeatMs = nowMs;
    this.finished.sentAtMs.fill(Number.NEGATIVE_INFINITY);
    this.tick(nowMs, wallMs);
  }

  beatReply(session: number, sentAtMs: number, alive: boolean): void {
    if (session !== this.session) return;
    if (alive) this.leaseUntilMs = Math.max(this.leaseUntilMs, sentAtMs + limits.leaseNodeMs);
    else this.session = 0;
  }

  /** Leadership over this session is asked to be settled; answered once the entry at `index` is applied. */
  reconciled(term: number, session: number, index: number): void {
    this.reconcile = { term, session, index };
    this.answerReconcile();
  }

  private answerReconcile(): void {
    const asked = this.reconcile;
    if (!asked || this.state.appliedIndex < asked.index) return;
    this.reconcile = undefined;
    if (asked.session !== this.session) return;
    this.resend(Number.POSITIVE_INFINITY, 0);
    this.io.toLeader({ kind: "held", term: asked.term, session: asked.session, held: this.held() });
  }

  // Called by apply (the Watcher of src/jobs/state.ts).

  started(slot: number, session: number): void {
    if (session === this.session) this.arrivals.push(slot);
  }

  stopped(sequence: number, token: number, reason: "cancelled" | "void"): void {
    if (reason === "void") this.settled(sequence, token);
    if (!holds(this.running, sequence, token)) return;
    if (reason === "void") this.running.void[this.running.find(sequence)] = 1;
    this.io.stop({ sequences: [sequence], tokens: [token], reason });
  }

  settled(sequence: number, token: number): void {
    if (holds(this.finished, sequence, token)) this.finished.remove(this.finished.find(sequence));
  }

  sessionOpened(node: string, incarnation: number, session: number): void {
    if (node !== this.identity.node || incarnation !== this.identity.incarnation) return;
    this.known = session;
    this.session = session;
    this.leaseUntilMs = Number.NEGATIVE_INFINITY;
    this.nextBeatMs = 0;
    this.voidRunning((sequence, token) => this.owns(sequence, token));
    const { finished } = this;
    for (let row = finished.count - 1; row >= 0; row--) {
      if (!this.owns(finished.sequence[row] as number, finished.token[row] as number)) finished.remove(row);
    }
  }

  private voidRunning(isOurs: (sequence: number, token: number) => boolean): void {
    const { running } = this;
    for (let row = 0; row < running.count; row++) {
      const sequence = running.sequence[row] as number;
      const token = running.token[row] as number;
      if (running.void[row] === 0 && !isOurs(sequence, token)) this.stopped(sequence, token, "void");
    }
  }

  sessionClosed(session: number): void {
    if (session !== this.session) return;
    this.session = 0;
    this.nextBeatMs = 0;
  }

  /**
   * The state is another one now, much later in the log: this node took up a snapshot. What was applied in between was not seen here, so
   * no start of the session can be told from one that was missed: it ends (W2), and the next join names what is held (W1).
   */
  stateReplaced(state: State): void {
    this.state = state;
    const row = state.nodes.find(this.identity.node);
    this.known = row?.incarnation === this.identity.incarnation ? row.session : 0;
    this.session = 0;
    this.nextBeatMs = 0;
    this.arrivals = [];
    this.reconcile = undefined;
    this.voidRunning((sequence, token) => this.isGiven(sequence, token, this.known));
  }

  private owns(sequence: number, token: number): boolean {
    return this.isGiven(sequence, token, this.session);
  }

  private isGiven(sequence: number, token: number, session: number): boolean {
    const { live } = this.state;
    const slot = live.find(sequence);
    return slot !== 0 && live.token[slot] === token && live.session[slot] === session;
  }

  /** After each applied entry: hands its starts to the face as one batch, or reports them as not started (W1). */
  entryApplied(nowMs: number): void {
    if (this.arrivals.length > 0) this.takeArrivals(nowMs);
    this.answerReconcile();
  }

  private takeArrivals(nowMs: number): void {
    const { live } = this.state;
    const alive = this.session !== 0 && nowMs < this.leaseUntilMs;
    const startable: number[] = [];
    const definitions: (Definition | undefined)[] = [];
    for (const slot of this.arrivals) {
      if (live.session[slot] !== this.session || !this.state.occupies(slot)) continue;
      const sequence = live.sequence[slot] as number;
      const token = live.token[slot] as number;
      // A slot that was started twice in this entry is here twice.
      if (holds(this.running, sequence, token) || holds(this.finished, sequence, token)) continue;
      const isStartable = alive && live.state[slot] === liveState.running;
      const isNeeded = isStartable && needsDetails(this.state.classOfLive(slot));
      const definition = isNeeded ? pinned(this.state, slot) : undefined;
      if (isStartable && (definition !== undefined || !isNeeded)) {
        this.running.void[this.running.put(sequence, token)] = 0;
        startable.push(slot);
        definitions.push(definition);
      } else this.finish(sequence, token, resultOutcome.notStarted, 0, 0, "");
    }
    this.arrivals = [];
    if (startable.length > 0) this.io.start(startBatch(this.state, startable, definitions, this.leaseUntilMs));
    this.sendFresh(nowMs);
  }

  /** What the face says became of attempts. */
  results(batch: ResultBatch, nowMs: number): void {
    const { running } = this;
    for (let i = 0; i < batch.count; i++) {
      const sequence = batch.sequences[i] as number;
      const token = batch.tokens[i] as number;
      const row = running.find(sequence);
      if (row < 0 || running.token[row] !== token) continue;
      const isVoid = running.void[row] === 1;
      running.remove(row);
      if (isVoid) continue;
      this.finish(
        sequence,
        token,
        batch.outcomes[i] as number,
        batch.startAtMs[i] as number,
        batch.endAtMs[i] as number,
        batch.errors?.[i] ?? "",
      );
    }
    this.sendFresh(nowMs);
  }

  private finish(sequence: number, token: number, outcome: number, startAtMs: number, endAtMs: number, error: string): void {
    this.finished.finish(sequence, token, outcome, startAtMs, endAtMs, error);
    this.fresh.push(sequence);
  }

  private sendFresh(nowMs: number): void {
    const { fresh } = this;
    if (fresh.length === 0) return;
    this.fresh = [];
    this.send(fresh, nowMs);
  }

  /** Sends the results that were not sent in the last `olderMs`. */
  private resend(nowMs: number, olderMs: number): void {
    const { count, sequence, sentAtMs } = this.finished;
    const due: number[] = [];
    for (let row = 0; row < count; row++) if (nowMs - (sentAtMs[row] as number) >= olderMs) due.push(sequence[row] as number);
    if (due.length > 0) this.send(due, nowMs);
  }

  private send(sequences: readonly number[], nowMs: number): void {
    const writer = new ResultWriter();
    const { finished } = this;
    const { token, outcome, startAtMs, endAtMs, sentAtMs } = finished;
    for (const sequence of sequences) {
      const at = finished.find(sequence);
      if (at < 0) continue;
      if (nowMs !== Number.POSITIVE_INFINITY) sentAtMs[at] = nowMs;
      const error = finished.error(at);
      writer.add(sequence, token[at] as number, outcome[at] as number, startAtMs[at] as number, endAtMs[at] as number, 0, error);
    }
    if (writer.count > 0) this.io.toLeader({ kind: "results", session: this.session, items: writer.take() });
  }
}

function holds(attempts: AttemptTable, sequence: number, token: number): boolean {
  const row = attempts.find(sequence);
  return row >= 0 && attempts.token[row] === token;
}

/** A no-op without payload runs from the columns alone. */
function needsDetails(spec: ClassSpec): boolean {
  return spec.jobType !== "noop" || spec.hasPayload;
}

/** `definitions`: of each slot, where one is needed. */
function startBatch(
  state: State, slots: readonly number[], definitions: readonly (Definition | undefined)[], notAfterMs: number,
): StartBatch {
  const { live } = state;
  const count = slots.length;
  const batch = {
    count,
    notAfterMs,
    sequences: new Float64Array(count),
    tokens: new Float64Array(count),
    attempts: new Uint16Array(count),
    scheduledAtMs: new Float64Array(count),
    timeoutsMs: new Float64Array(count),
    types: new Uint16Array(count),
    typeNames: [] as string[],
  };
  const details = new DetailsWriter(count);
  for (let i = 0; i < count; i++) {
    const slot = slots[i] as number;
    const spec = state.classOfLive(slot);
    let type = batch.typeNames.indexOf(spec.jobType);
    if (type < 0) type = batch.typeNames.push(spec.jobType) - 1;
    batch.sequences[i] = live.sequence[slot] as number;
    batch.tokens[i] = live.token[slot] as number;
    batch.attempts[i] = live.attempt[slot] as number;
    batch.scheduledAtMs[i] = live.scheduledAtMs[slot] as number;
    batch.timeoutsMs[i] = spec.timeoutMs;
    batch.types[i] = type;
    details.add(definitions[i]);
  }
  return { ...batch, details: details.take(state.idSpace) };
}

/** The definition that the execution was pinned to (H12). */
function pinned(state: State, slot: number): Definition | undefined {
  const { live } = state;
  return findDefinition(state, live.job[slot] as number, live.version[slot] as number);
}
