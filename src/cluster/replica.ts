// Owns: one replica's turn. Inputs (frames, changes, results, completed writes, time) are taken in as they come; one turn of the loop
// then does everything that follows from them: ticks, writes, sends, applies, answers, proposes. What is decided is decided in pure
// code (src/raft, src/jobs, src/planner, src/worker/session.ts, src/dispatch); this file performs it.
// (R1) A turn is synchronous: nothing interleaves within it. Writes and sends complete as later inputs.
// (R2) Entries are applied in order, once, and only when committed; the state's applied index says how far.
// (R3) Leader memory lives in `leadership` and dies with the leadership; it begins when the leader's own first entry is applied.
// (R4) After a gap of the loop longer than an election timeout a leader proposes nothing before a quorum round confirmed it.
// (R5) Members are those of the newest membership in the log, committed or not, for clocks as for consensus; links know a few more.

import { assert, PawlError } from "../base/errors.ts";
import type { WorkerMessage } from "../dispatch/messages.ts";
import { applyEntry } from "../jobs/apply.ts";
import { readHeader } from "../jobs/command.ts";
import type { KeyUse } from "../jobs/command.ts";
import { changedMembers } from "../jobs/reply.ts";
import type { State, Watcher } from "../jobs/state.ts";
import type { Change } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Raft } from "../raft/raft.ts";
import type { Circle, Entry, LogWrite } from "../raft/types.ts";
import type { WorkerSession } from "../worker/session.ts";
import type { ResultBatch } from "../worker/types.ts";
import { TrustedClock } from "./clock.ts";
import { Contact } from "./contact.ts";
import { Freshness } from "./freshness.ts";
import { encodeFrame, laneOf, readableFrame } from "./frames.ts";
import type { Frame } from "./frames.ts";
import { Leadership } from "./leadership.ts";
import type { LogWriter } from "./logwriter.ts";
import { isLater, Proposals } from "./proposals.ts";
import type { Answering, ForwardId, Order } from "./proposals.ts";
import { HistoryFetch } from "./historyfetch.ts";
import type { ReplicaEvents, ReplicaParts } from "./parts.ts";
import { Reads } from "./reads.ts";
import { Snapshots } from "./snapshots.ts";
import { RidingResults } from "./riding.ts";
import { StateHashes } from "./statehashes.ts";
import { Steward } from "./steward.ts";
import { timed } from "./timings.ts";
import { WakeTimer } from "./waketimer.ts";

/** Of which as many are applied in one turn as its slice of time allows. */
const APPLY_PER_TURN_MAX_BYTES = 512 * 1024;

export class Replica {
  readonly id: string;
  readonly state: State;
  readonly raft: Raft;
  readonly clock: TrustedClock;
  readonly reads: Reads;
  readonly proposals: Proposals;
  readonly writer: LogWriter;
  readonly snapshots: Snapshots;
  readonly hashes: StateHashes;
  readonly historyFetch: HistoryFetch;
  readonly stats = { turns: 0, framesRefused: 0 };
  private readonly parts: ReplicaParts;
  private readonly events: ReplicaEvents;
  private session: WorkerSession | undefined;
  private leadership: Leadership | undefined;
  private readonly timer: WakeTimer;
  private turnWaiting = false;
  private stopped = false;
  private lastTurnMs: number;
  private readonly contact = new Contact();
  private readonly freshness = new Freshness();
  /** The newest change that each node has passed on: their ids only grow (H11). */
  private readonly passedOn = new Map<string, ForwardId>();
  private confirming = false;
  private readonly riding: RidingResults;
  private expiryDueMs = 0;
  private appliedInTurn = 0;

  constructor(parts: ReplicaParts, events: ReplicaEvents) {
    this.parts = parts;
    this.events = events;
    this.id = parts.id;
    this.state = parts.state;
    this.raft = parts.raft;
    this.clock = new TrustedClock(parts.system, parts.id, (message) => events.alarm(message));
    this.clock.applied(parts.state.clockMs, parts.system.monotonicMs());
    this.proposals = new Proposals(parts.birth, (change) => parts.space.refusal(change));
    this.reads = new Reads(parts.raft);
    this.lastTurnMs = parts.system.monotonicMs();
    this.writer = parts.writer;
    this.riding = new RidingResults(parts.writer);
    this.snapshots = new Snapshots(parts.snapshots, {
      send: (to, message) => this.send(to, { kind: "snapshot", message }),
      wake: () => this.wake(),
      note: (message) => events.alarm(message),
      failed: (error) => this.fail(error),
      arrived: () => this.takeUpSnapshot(),
    });
    this.hashes = new StateHashes({
      self: parts.id,
      raft: parts.raft,
      send: (to, message) => this.send(to, { kind: "hash", message }),
      alarm: (message) => events.alarm(message),
    });
    this.historyFetch = new HistoryFetch({
      self: parts.id,
      raft: parts.raft,
      history: parts.snapshots.history,
      send: (to, message) => this.send(to, { kind: "history", message }),
      note: (message) => events.alarm(message),
      failed: (error) => this.fail(error),
    });
    this.timer = new WakeTimer(parts.system, () => this.wake());
    this.state.watcher = this.watcher();
  }

  /** Takes over from the voter, with the leader that it found. The session is made by the caller, since it runs on its executors. */
  start(session: WorkerSession): void {
    this.session = session;
    this.parts.voter.handOver(this);
    if (this.raft.status().leader !== undefined) this.roleChanged(this.parts.system.monotonicMs());
    this.membersChanged(this.raft.circle());
    this.wake();
  }

  private watcher(): Watcher {
    return {
      started: (slot, session) => this.session?.started(slot, session),
      stopped: (sequence, token, _session, reason) => this.session?.stopped(sequence, token, reason),
      settled: (sequence, token) => this.session?.settled(sequence, token),
      sessionOpened: (node, incarnation, session) => {
        this.session?.sessionOpened(node, incarnation, session);
        this.leadership?.desk.sessionOpened(node, session, this.parts.system.monotonicMs());
      },
      sessionClosed: (session) => {
        this.session?.sessionClosed(session);
        this.leadership?.desk.sessionClosed(session);
      },
      marked: (_number, hash) => this.hashes.marked(hash),
    };
  }

  // Inputs.

  receive(from: string, message: readonly unknown[]): void {
    if (this.stopped) return;
    const frame = readableFrame(message);
    if (frame === undefined) return void this.stats.framesRefused++;
    this.take(from, frame);
    this.wake();
  }

  private take(from: string, frame: Frame): void {
    const nowMs = this.parts.system.monotonicMs();
    switch (frame.kind) {
      case "raft":
        this.contact.heard(from, nowMs);
        this.raft.step(from, frame.message, nowMs);
        if ((frame.message.kind === "append" || frame.message.kind === "heartbeat") && frame.message.term === this.raft.status().term) {
          this.contact.heardLeader(nowMs);
          const commit = frame.message.kind === "append" ? frame.message.commit : frame.message.leaderCommit;
          this.freshness.heard(commit, frame.message.term, nowMs);
          this.freshness.applied(this.state.appliedIndex, (index) => this.raft.term(index));
        }
        return;
      case "change":
        return this.forwarded(from, frame);
      case "answer":
        return this.proposals.forwardAnswered(frame.id, frame.outcome);
      case "worker":
        return this.fromWorker(from, frame.message);
      case "snapshot":
        return this.snapshots.receive(from, frame.message, nowMs);
      case "history":
        return this.historyFetch.receive(from, frame.message, nowMs);
      case "hash":
        return this.hashes.receive(from, frame.message);
      case "leader":
        if (frame.message.term < this.raft.status().term) return;
        if (frame.message.kind === "reconcile") this.session?.reconciled(frame.message.term, frame.message.session, frame.message.index);
        else this.session?.beatReply(frame.message.session, frame.message.sentAtMs, frame.message.alive);
    }
  }

  /** A copy of a frame is dropped: a change that was refused must not be tried again behind its caller's back (I11). */
  private forwarded(from: string, { id, change, key, bytes }: Extract<Frame, { kind: "change" }>): void {
    if (!isLater(id, this.passedOn.get(from))) return;
    this.passedOn.set(from, id);
    const answer: Answering = (outcome) => void this.send(from, { kind: "answer", id, outcome });
    if (this.raft.status().role !== "leader") return answer(new PawlError("not_leader", "this node does not lead"));
    this.proposals.submit(change, key, bytes, this.parts.system.monotonicMs(), answer);
  }

  /** A change of a caller of this node, or an operator's order; its one answer comes later. */
  submit(change: Change | Order, key: KeyUse | undefined, bytes: number, answer: Answering): void {
    if (this.stopped) return answer(new PawlError("unavailable", "this node is stopping; ask another one"));
    this.proposals.submit(change, key, bytes, this.parts.system.monotonicMs(), answer);
    this.wake();
  }

  /** What the face says became of attempts. */
  results(batch: ResultBatch): void {
    this.session?.results(batch, this.parts.system.monotonicMs());
    this.wake();
  }

  /** A message of this node's own session for whoever leads. */
  toLeader(message: WorkerMessage, mayRide = true): boolean {
    const { leader } = this.raft.status();
    if (leader === undefined) return false;
    const told = message.kind === "beat" ? { ...message, diskLow: this.parts.space.isLow } : message;
    const nowMs = this.parts.system.monotonicMs();
    if (leader !== this.id) return (mayRide && this.riding.take(told, nowMs)) || this.send(leader, { kind: "worker", message: told });
    if (!this.leadership) return false;
    this.leadership.desk.receive(this.id, message, nowMs);
    this.wake();
    return true;
  }

  private fromWorker(from: string, message: WorkerMessage): void {
    if ((message.kind === "join" || message.kind === "beat") && message.node !== from) return;
    if (message.kind === "beat") this.parts.space.heard(from, message.diskLow === true);
    this.leadership?.desk.receive(from, message, this.parts.system.monotonicMs());
  }

  linkLost(peer: string): void {
    this.proposals.linkLost(peer);
    this.raft.unreachable(peer);
    this.wake();
  }

  private send(to: string, frame: Frame): boolean {
    return this.parts.transport.send(to, laneOf(frame), encodeFrame(frame));
  }

  // The turn.

  /** Asks for a turn soon. Any number of inputs shares one. */
  wake(): void {
    if (this.turnWaiting || this.stopped) return;
    this.turnWaiting = true;
    this.parts.system.soon(() => this.turn());
  }

  private turn(): void {
    this.turnWaiting = false;
    if (this.stopped) return;
    this.stats.turns++;
    try {
      timed(this.parts.timings.turn, this.parts.system, () => this.performTurn(this.parts.system.monotonicMs()));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Something that this replica must not outlive. */
  fail(error: unknown): void {
    this.stop();
    this.events.fatal(error instanceof Error ? error : new Error(String(error)));
  }

  private performTurn(nowMs: number): void {
    const gapMs = nowMs - this.lastTurnMs;
    this.lastTurnMs = nowMs;
    if (gapMs > limits.electionTimeoutMs) this.afterGap(gapMs, nowMs);
    if (this.writer.isStalled(nowMs)) this.raft.stepDown(nowMs);
    this.raft.tick(nowMs);
    this.session?.tick(nowMs, this.parts.system.wallMs());
    this.leadership?.desk.tick(nowMs);
    this.snapshots.tick(nowMs);
    this.hashes.tick();
    this.historyFetch.tick(nowMs);
    this.drain(nowMs);
    this.advanceWheel();
    this.proposeAndForward(nowMs);
    this.drain(nowMs);
    for (const message of this.riding.due(nowMs)) this.toLeader(message, false);
    this.parts.checkpointer.maybe(nowMs);
    this.timer.set(this.nextWakeMs(), nowMs);
  }

  /** Performs what the core asks for until it asks for nothing more. */
  private drain(nowMs: number): void {
    while (this.raft.hasReady()) {
      const ready = this.raft.take(nowMs);
      if (ready.write) this.write(ready.write);
      for (const { to, message } of ready.messages) this.send(to, { kind: "raft", message });
      for (const peer of ready.snapshots) this.snapshots.sender.need(peer);
      if (ready.circle) this.membersChanged(ready.circle);
      if (ready.role) this.roleChanged(nowMs);
      this.reads.done(ready.reads, this.state.appliedIndex);
    }
    this.applyCommitted(nowMs);
  }

  private write(write: LogWrite): void {
    this.writer.write(write, (error) => {
      if (error) return this.fail(error);
      if (this.stopped) return;
      this.raft.persisted(write.number, this.parts.system.monotonicMs());
      this.riding.written();
      this.wake();
    });
  }

  /** This replica ends here; another one goes on from what the snapshot holds. */
  private takeUpSnapshot(): void {
    this.stop();
    const idle = this.writer.idle().then(() => this.parts.checkpointer.idle());
    idle
      .then(() => this.snapshots.takeUp())
      .then(
        () => this.events.replaced(),
        (error: unknown) => this.fail(error),
      );
  }

  private applyCommitted(nowMs: number): void {
    const { commit } = this.raft.status();
    if (this.state.appliedIndex >= commit) return;
    const untilMs = nowMs + limits.applySliceMs;
    if (this.appliedInTurn === this.stats.turns && this.parts.system.monotonicMs() >= untilMs) return this.wake();
    this.appliedInTurn = this.stats.turns;
    const entries = this.raft.entriesToApply(this.state.appliedIndex + 1, commit, APPLY_PER_TURN_MAX_BYTES);
    for (const entry of entries) if (this.applyOne(entry, nowMs) >= untilMs) break;
    this.raft.applied(this.state.appliedIndex);
    this.reads.applied(this.state.appliedIndex);
    this.freshness.applied(this.state.appliedIndex, (index) => this.raft.term(index));
    this.events.events();
    if (this.state.appliedIndex < commit) this.wake();
  }

  /** Returns the time at its end. */
  private applyOne(entry: Entry, nowMs: number): number {
    const { system, timings } = this.parts;
    const fromMs = system.monotonicMs();
    // What a membership entry means is the consensus core's; the state only counts it.
    const command = entry.kind === "command" ? entry.data : new Uint8Array(0);
    const applied = applyEntry(this.state, entry.index, command);
    const replies = entry.kind === "command" ? applied : [changedMembers(entry.index)];
    if (command.length > 0) this.clock.applied(readHeader(command).clockMs, nowMs, this.state.clockMs);
    // What starts here is a part of what the entry costs: each needs a definition from anywhere on disk.
    this.session?.entryApplied(nowMs);
    const endMs = system.monotonicMs();
    timings.apply.add(endMs - fromMs);
    this.proposals.applied(entry.index, entry.term, replies, this.state.idSpace, endMs - fromMs);
    if (entry.kind === "command" && entry.data.length === 0) this.termBegun(entry.term);
    return endMs;
  }

  /** A leader's first entry of its term is applied: if it is this node's, it may lead now (R3). */
  private termBegun(term: number): void {
    const status = this.raft.status();
    if (status.role !== "leader" || status.term !== term) return;
    assert(this.leadership === undefined, "leadership begins twice");
    const { system, wheel } = this.parts;
    this.leadership = new Leadership(this.state, system, this.clock, this.proposals, wheel, term, {
      send: (to, message) => this.toWorker(to, message),
      steward: new Steward(this.raft, this.proposals, this.clock, (message) => this.events.alarm(message), system.monotonicMs()),
      housekeeping: this.parts.housekeeping,
      timings: this.parts.timings,
      alarm: (message) => this.events.alarm(message),
      failed: (error) => void (this.stopped || this.fail(error)),
    });
    this.session?.leaderChanged(system.monotonicMs(), system.wallMs());
  }

  private toWorker(to: string, message: Extract<Frame, { kind: "leader" }>["message"]): void {
    if (to !== this.id) return void this.send(to, { kind: "leader", message });
    this.parts.system.soon(() => {
      if (!this.stopped) this.take(this.id, { kind: "leader", message });
      this.wake();
    });
  }

  /** (R5) */
  private membersChanged(circle: Circle): void {
    const { voters, learners } = this.raft.membership().membership;
    this.clock.setVoters([...new Set(voters.flat())]);
    this.snapshots.sender.members(new Set([...voters.flat(), ...learners]));
    this.events.members(circle);
  }

  private roleChanged(nowMs: number): void {
    const status = this.raft.status();
    if (status.role !== "leader") {
      this.leadership = undefined;
      this.confirming = false;
    }
    if (status.leader !== undefined && status.leader !== this.id) this.session?.leaderChanged(nowMs, this.parts.system.wallMs());
    this.events.role(status);
  }

  private afterGap(gapMs: number, nowMs: number): void {
    this.events.alarm(`the loop stood still for ${Math.round(gapMs)} ms`);
    this.writer.paused(gapMs, nowMs);
    this.parts.checkpointer.paused(gapMs, nowMs);
    if (!this.leadership || this.confirming) return;
    this.confirming = true;
    this.confirmLeadership(this.leadership, nowMs);
  }

  private confirmLeadership(leadership: Leadership, nowMs: number): void {
    this.reads.ask(nowMs, (index) => {
      if (this.leadership !== leadership || this.stopped) return;
      if (index === undefined) return this.confirmLeadership(leadership, this.parts.system.monotonicMs());
      this.confirming = false;
      this.wake();
    });
  }

  private advanceWheel(): void {
    const { wheel } = this.parts;
    const toMs = this.leadership ? this.leaderTime() : this.state.clockMs;
    if (toMs > 0 && wheel.advance(toMs)) this.wake();
  }

  private leaderTime(): number {
    const reading = this.clock.read();
    return reading.trusted ? reading.nowMs : this.state.clockMs;
  }

  private proposeAndForward(nowMs: number): void {
    const { raft, proposals } = this;
    const status = raft.status();
    const { leader } = status;
    if (nowMs >= this.expiryDueMs) {
      this.expiryDueMs = nowMs + limits.heartbeatMs;
      const lost = this.contact.silentMs(status, nowMs) > limits.electionTimeoutMs;
      proposals.expire(nowMs, lost, leader === this.id && !this.leadership ? undefined : leader);
    }
    if (this.leadership) {
      this.leadership.tick(nowMs);
      if (!this.confirming) while (this.leadership.propose((data) => this.offer(data, nowMs), this.parts.wheel.hasDue));
      raft.commitMayWait(this.leadership.nextExpectedMs);
      return;
    }
    if (leader !== undefined && leader !== this.id && proposals.waiting > 0) {
      proposals.forward(leader, (id, change, key) => this.send(leader, { kind: "change", id, change, key, bytes: 0 }));
    }
  }

  private offer(data: Uint8Array, nowMs: number): { index: number; term: number } | undefined {
    const taken = this.raft.propose(data, nowMs);
    return "refused" in taken ? undefined : taken;
  }

  private nextWakeMs(): number {
    const { wheel, checkpointer, system } = this.parts;
    let atMs = Math.min(this.raft.nextDeadlineMs(), this.session?.nextWakeMs() ?? Number.POSITIVE_INFINITY, checkpointer.nextWakeMs());
    atMs = Math.min(atMs, this.writer.nextWakeMs(this.raft.status().role === "leader"), this.snapshots.sender.nextWakeMs());
    atMs = Math.min(atMs, this.historyFetch.nextWakeMs(), this.riding.nextWakeMs);
    if (this.proposals.unanswered > 0) atMs = Math.min(atMs, system.monotonicMs() + limits.heartbeatMs);
    if (!this.leadership) return atMs;
    const waiting = this.leadership.desk.waiting + this.proposals.waiting > 0 || this.parts.wheel.hasDue;
    if (this.leadership.isHeld) return atMs;
    // What becomes due before the next entry may leave is found by the turn that makes it: where each millisecond has something due, a
    // timer for each was ten turns for one entry.
    const dueMs = Math.max(wheel.nextWakeMs() - this.leaderTime() + system.monotonicMs(), this.leadership.pacedUntilMs);
    return Math.min(atMs, dueMs, this.leadership.nextEntryMs(waiting));
  }

  // Questions.

  get leads(): boolean {
    return this.leadership !== undefined;
  }

  /** How old the state is: milliseconds since a leader spoke of a commit index that is applied here; 0 on the leader. */
  ageMs(): number {
    return this.leadership ? 0 : this.freshness.ageMs(this.parts.system.monotonicMs());
  }

  /** A point in the log that a linearizable read must have applied; undefined when no quorum answers. */
  readPoint(done: (index: number | undefined) => void): void {
    this.reads.ask(this.parts.system.monotonicMs(), done);
    this.wake();
  }

  /** Before an orderly end: hands leadership to the follower that is furthest, if this node leads, and takes no new work. */
  leave(): void {
    const { role, peers } = this.raft.status();
    const best = peers.filter((peer) => peer.recentActive && !peer.learner).sort((a, b) => b.match - a.match)[0];
    if (role === "leader" && best) this.raft.transfer(best.id, this.parts.system.monotonicMs());
    this.session?.leave(this.parts.system.monotonicMs(), this.parts.system.wallMs());
    this.wake();
  }

  /** Whether its end at this moment would leave others without a leader, or callers without an answer. */
  get isNeeded(): boolean {
    const { role, peers } = this.raft.status();
    const leadsOthers = role === "leader" && peers.some((peer) => peer.recentActive && !peer.learner);
    return leadsOthers || this.proposals.unanswered > 0;
  }

  /** Takes no further part. What was asked is answered as unknown or rejected. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.timer.cancel();
    this.proposals.abandon();
    this.reads.abandon();
    this.snapshots.stop();
  }
}
