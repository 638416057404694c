// Owns: the leader's decisions about what is due: which due times become executions, which executions start, and where. Reads the
// state and the wheel's due lists, returns packed items for the next entry. What the items do is decided again by apply (src/jobs).
// (P1) Nothing is taken out of the wheel here: an item that was proposed is remembered as in flight until its entry is applied or
//      lost, and is found again if it is still due (H3).
// (P2) What was proposed and not yet applied counts as taken: free slots are those of the rows less those in flight (H1e). A slot is free
//      again for the entry that holds the result of what had it, and for those behind: apply comes to the result first.
// (P3) All memory here is the leader's: made at election, dropped at step-down.
// (P4) Higher priority first; within a priority ready executions before due jobs, and each in due order. What was proposed to be queued,
//      since no slot at all was free, is in no lane until it is applied: nothing that is behind it starts before.
// (P5) A lane is read to its end before it is read again, however many of its items can not be placed: none starves behind them. What
//      was passed over is looked at again after a while, since slots, tags and deadlines change without a word to the planner.
// (P6) What must be queued lest it count as missed has room of its own in each entry, however few starts one holds: a million due times
//      that wait for slots become rows within half of their misfire window.

import { placeable } from "../jobs/executions.ts";
import { PlanWriter, ResultCursor, ResultWriter, resultOutcome } from "../jobs/items.ts";
import { liveState } from "../jobs/livetable.ts";
import type { NodeRow } from "../jobs/nodes.ts";
import type { ClassSpec } from "../jobs/spec.ts";
import { lane } from "../jobs/state.ts";
import type { State } from "../jobs/state.ts";
import { isUnsure } from "../jobs/unsure.ts";
import { limits } from "../limits.ts";
import { retryAt } from "./retry.ts";
import type { ScheduleBook } from "./schedulebook.ts";

/** The wheel as the planner sees it. */
export interface DueLists {
  readDue(lane: number): number;
  rewind(lane: number): void;
  isArmed(item: number): boolean;
}

/** What was proposed in one entry: the items, and the due time or attempt that each was computed from. */
export type Planned = {
  readonly plan: Uint8Array | undefined;
  readonly timeouts: Uint8Array | undefined;
  readonly count: number;
  readonly items: Uint32Array;
  readonly seen: Float64Array;
  /** Of the slots that were given out, and of those that results in the entry free. */
  readonly sessions: Uint32Array;
  readonly freed: Uint32Array;
  /** Due times that become queued executions since no slot was free, by priority (P4). */
  readonly queueing: Uint32Array;
};

const PRIORITIES = lane.ready - lane.jobs;
const SCANS_PER_PLAN = 16_384;

export class Planner {
  private readonly state: State;
  private readonly due: DueLists;
  private readonly book: ScheduleBook;
  private readonly usable: (session: number) => boolean;
  private readonly random: () => number;
  /** 1: proposed; 2: proposed, and read again since then: it was armed anew, perhaps for another time (P1). */
  private readonly inFlight: Uint8Array;
  /** Slots that entries in flight give out less those that they free, by session (P2). */
  private readonly reserved = new Map<number, number>();
  /** An item that was read and could not be planned yet, by lane. */
  private readonly held = new Uint32Array(lane.count);
  /** Lanes with due items behind the reading position: found stale, to be read again at once; or passed over, in a while (P5). */
  private readonly stale = new Uint8Array(lane.count);
  private readonly passed = new Uint8Array(lane.count);
  private readonly atEnd = new Uint8Array(lane.count);
  /** On their way to be queued, by priority; and those of the entry in the making. */
  private readonly queueing = new Uint32Array(PRIORITIES);
  private toQueue = new Uint32Array(PRIORITIES);
  private mayStart = true;
  /** Only what must be queued is planned now (P6). */
  private onlyMust = false;
  private rereadAtMs = Number.NEGATIVE_INFINITY;
  private sessions: NodeRow[] = [];
  private turn = 0;
  private readonly writer = new PlanWriter();
  private readonly timeouts = new ResultWriter();
  private items: number[] = [];
  private seen: number[] = [];
  private taken: number[] = [];
  private freed: number[] = [];
  /** Monotonic time at which this leader took over: attempts get their deadline in full after a failover (H7). */
  private readonly electedAtMs: number;

  constructor(
    state: State,
    due: DueLists,
    book: ScheduleBook,
    electedAtMs: number,
    usable: (session: number) => boolean,
    random: () => number,
  ) {
    this.state = state;
    this.due = due;
    this.book = book;
    this.electedAtMs = electedAtMs;
    this.usable = usable;
    this.random = random;
    this.inFlight = new Uint8Array(state.memory.items);
    for (let at = 0; at < lane.count; at++) due.rewind(at);
  }

  /**
   * Plans up to `budget` items for an entry whose clock is `nowMs` and which begins with `results`; undefined when there is nothing to do.
   */
  plan(nowMs: number, monotonicMs: number, budget: number, results?: Uint8Array): Planned | undefined {
    this.sessions = this.state.nodes.rows.filter((node) => node.session !== 0 && this.usable(node.session));
    if (results && this.free() < budget) this.freeBy(results);
    this.reread(monotonicMs);
    let left = this.planDeadlines(nowMs, monotonicMs, budget);
    this.mayStart = true;
    for (let priority = 0; priority < PRIORITIES && left > 0; priority++) {
      left = this.planLane(lane.ready + priority, nowMs, left);
      if (this.queueing[priority] !== 0) this.mayStart = false;
      left = this.planLane(lane.jobs + priority, nowMs, left);
    }
    this.queueLate(nowMs);
    return this.finish();
  }

  /** (P6) */
  private queueLate(nowMs: number): void {
    this.mayStart = false;
    this.onlyMust = true;
    let left: number = limits.entryItemsMax;
    for (let priority = 0; priority < PRIORITIES && left > 0; priority++) left = this.planLane(lane.jobs + priority, nowMs, left);
    this.onlyMust = false;
  }

  /** An entry's items are applied or will never be: what is still due of them is found again (P1). */
  settled(planned: Planned): void {
    const { items, seen, sessions, freed, queueing } = planned;
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as number;
      const reread = this.inFlight[item] === 2;
      this.inFlight[item] = 0;
      if (this.due.isArmed(item) && (reread || this.unchanged(item, seen[i] as number)))
        this.stale[this.state.memory.lanes[item] as number] = 1;
    }
    for (const session of sessions) this.reserve(session, -1);
    for (const session of freed) this.reserve(session, 1);
    for (let priority = 0; priority < PRIORITIES; priority++)
      this.queueing[priority] = (this.queueing[priority] as number) - (queueing[priority] as number);
    for (let at = 0; at < lane.count; at++) if (this.stale[at] === 1) this.again(at);
  }

  private reserve(session: number, slots: 1 | -1): void {
    const after = (this.reserved.get(session) ?? 0) + slots;
    if (after === 0) this.reserved.delete(session);
    else this.reserved.set(session, after);
  }

  /** (P2) A copy of a result in another entry frees a slot twice: apply then finds none, and what was to start in it is queued. */
  private freeBy(results: Uint8Array): void {
    const { live } = this.state;
    const item = new ResultCursor(results);
    while (item.next()) {
      const slot = live.find(item.sequence);
      if (slot === 0 || live.token[slot] !== item.token || !this.state.occupies(slot)) continue;
      const session = live.session[slot] as number;
      this.reserve(session, -1);
      this.freed.push(session);
    }
  }

  private again(at: number): void {
    this.stale[at] = 0;
    this.passed[at] = 0;
    this.atEnd[at] = 0;
    this.held[at] = 0;
    this.due.rewind(at);
  }

  private reread(monotonicMs: number): void {
    if (monotonicMs - this.rereadAtMs < limits.rereadMs) return;
    this.rereadAtMs = monotonicMs;
    for (let at = 0; at < lane.count; at++) if (this.passed[at] === 1 && this.atEnd[at] === 1) this.again(at);
  }

  private unchanged(item: number, seen: number): boolean {
    const slot = this.state.liveOfItem(item);
    return slot === 0 ? this.state.jobs.dueAtMs[item] === seen : this.state.live.timerAtMs[slot] === seen;
  }

  private finish(): Planned | undefined {
    const count = this.writer.count + this.timeouts.count;
    if (count + this.freed.length === 0) return undefined;
    const planned: Planned = {
      plan: this.writer.count > 0 ? this.writer.take() : undefined,
      timeouts: this.timeouts.count > 0 ? this.timeouts.take() : undefined,
      count,
      items: Uint32Array.from(this.items),
      seen: Float64Array.from(this.seen),
      sessions: Uint32Array.from(this.taken),
      freed: Uint32Array.from(this.freed),
      queueing: this.toQueue,
    };
    for (let priority = 0; priority < PRIORITIES; priority++)
      this.queueing[priority] = (this.queueing[priority] as number) + (this.toQueue[priority] as number);
    this.toQueue = new Uint32Array(PRIORITIES);
    this.items = [];
    this.seen = [];
    this.taken = [];
    this.freed = [];
    return planned;
  }

  private next(at: number): number {
    const held = this.held[at] as number;
    this.held[at] = 0;
    const item = held !== 0 ? held : this.due.readDue(at);
    this.atEnd[at] = item === 0 ? 1 : 0;
    return item;
  }

  private note(item: number, seen: number): void {
    this.inFlight[item] = 1;
    this.items.push(item);
    this.seen.push(seen);
  }

  private planLane(at: number, nowMs: number, budget: number): number {
    let left = budget;
    for (let scans = 0; left > 0; scans++) {
      const item = this.next(at);
      if (item === 0) break;
      if (scans >= SCANS_PER_PLAN) {
        this.held[at] = item;
        break;
      }
      if (this.skips(item)) continue;
      if ((this.state.memory.dueAtMs[item] as number) > nowMs) {
        this.passed[at] = 1;
        continue;
      }
      const slot = this.state.liveOfItem(item);
      const used = slot === 0 ? this.planJob(item, nowMs) : this.planReady(item, slot, nowMs);
      if (used === 0 && this.isFull) {
        this.held[at] = item;
        break;
      }
      if (used === 0) this.passed[at] = 1;
      left -= used;
    }
    return left;
  }

  private skips(item: number): boolean {
    if (this.inFlight[item] !== 0) this.inFlight[item] = 2;
    return this.inFlight[item] !== 0 || !this.due.isArmed(item);
  }

  private free(): number {
    let free = 0;
    for (const node of this.sessions) free += Math.max(0, this.freeOf(node));
    return free;
  }

  /** Whether nothing can be started, wherever it may run. */
  private get isFull(): boolean {
    return !this.mayStart || this.free() === 0;
  }

  private freeOf(node: NodeRow): number {
    return node.slots - node.running - (this.reserved.get(node.session) ?? 0);
  }

  /** A session with a free slot and the right tags, taken in turn; 0 for none. */
  private place(spec: ClassSpec): number {
    const { sessions } = this;
    if (!this.mayStart) return 0;
    for (let step = 1; step <= sessions.length; step++) {
      const at = (this.turn + step) % sessions.length;
      const node = sessions[at] as NodeRow;
      if (this.freeOf(node) <= 0 || !placeable(node, spec.placement)) continue;
      this.turn = at;
      this.reserve(node.session, 1);
      this.taken.push(node.session);
      return node.session;
    }
    return 0;
  }

  private planReady(item: number, slot: number, nowMs: number): number {
    const { live } = this.state;
    const ready = live.state[slot] === liveState.queued || live.state[slot] === liveState.retrying;
    if (!ready || (live.timerAtMs[slot] as number) > nowMs) return 0;
    const session = this.place(this.state.classOf(live.job[slot] as number).spec);
    if (session === 0) return 0;
    this.writer.start(slot, live.sequence[slot] as number, live.attempt[slot] as number, session);
    this.note(item, live.timerAtMs[slot] as number);
    return 1;
  }

  /** Returns how many items were written: 0 when the job must wait for a slot. */
  private planJob(job: number, nowMs: number): number {
    const { jobs } = this.state;
    const dueMs = jobs.dueAtMs[job] as number;
    if (dueMs === 0 || dueMs > nowMs || !jobs.enabled(job)) return 0;
    if (isUnsure(this.state, job)) {
      unsureItem(this.state, this.book, this.writer, job, dueMs);
      this.note(job, dueMs);
      return 1;
    }
    const { spec } = this.state.classOf(job);
    if (nowMs - dueMs > spec.misfire.withinMs) return this.planMisfire(job, dueMs, nowMs, spec);
    const session = this.place(spec);
    if (session === 0 && !this.isToQueue(nowMs - dueMs, spec)) return 0;
    if (session === 0 && this.isFull) this.countQueueing(job);
    this.fire(job, dueMs, session);
    this.note(job, dueMs);
    return 1;
  }

  /**
   * Without a slot a due time waits in the wheel, which costs nothing: a burst of a million is not a million rows. The first of them become
   * queued executions after a while, to be seen, and each one does before it would count as missed: waiting for a slot is no misfire (H9).
   */
  private isToQueue(lateMs: number, spec: ClassSpec): boolean {
    if (lateMs >= spec.misfire.withinMs / 2) return true;
    return !this.onlyMust && lateMs >= limits.queueAfterMs && (this.state.live.counts[liveState.queued] as number) < limits.queuedEarlyMax;
  }

  private placeOrQueue(job: number, spec: ClassSpec): number {
    const session = this.place(spec);
    if (session === 0 && this.isFull) this.countQueueing(job);
    return session;
  }

  private countQueueing(job: number): void {
    const priority = (this.state.memory.lanes[job] as number) - lane.jobs;
    this.toQueue[priority] = (this.toQueue[priority] as number) + 1;
  }

  private fire(job: number, dueMs: number, session: number): void {
    const { jobs } = this.state;
    this.writer.due(job, jobs.generation[job] as number, jobs.revision[job] as number, dueMs, this.book.next(job, dueMs), session);
  }

  private planMisfire(job: number, dueMs: number, nowMs: number, spec: ClassSpec): number {
    const written = misfireItems(this.state, this.book, this.writer, job, dueMs, nowMs, spec, () => this.placeOrQueue(job, spec));
    this.note(job, dueMs);
    return written;
  }

  /** Attempts past their deadline and grace: the node should have ended them itself (H7). */
  private planDeadlines(nowMs: number, monotonicMs: number, budget: number): number {
    const { live } = this.state;
    let left = budget;
    for (let scans = 0; left > 0 && scans < SCANS_PER_PLAN; scans++) {
      const item = this.next(lane.deadline);
      if (item === 0) return left;
      const slot = this.state.liveOfItem(item);
      if (this.skips(item) || (live.timerAtMs[slot] as number) > nowMs || !this.state.occupies(slot)) continue;
      const spec = this.state.classOfLive(slot);
      if (monotonicMs - this.electedAtMs < spec.timeoutMs + limits.timeoutGraceMs) {
        this.passed[lane.deadline] = 1;
        continue;
      }
      const attempt = (live.attempt[slot] as number) - (live.losses[slot] as number);
      const outcome = live.state[slot] === liveState.cancelling ? resultOutcome.cancelled : resultOutcome.timeout;
      this.timeouts.add(
        live.sequence[slot] as number,
        live.token[slot] as number,
        outcome,
        live.startedAtMs[slot] as number,
        nowMs,
        retryAt(spec.retry, attempt, nowMs, this.random()),
        "timeout: nothing was heard of it by its deadline",
      );
      this.note(item, live.timerAtMs[slot] as number);
      left--;
    }
    return left;
  }
}

/**
 * Items for a due time older than `within` (H9): what the policy fires, and one range record for what it does not. Returns how many.
 * The job stays due until it has caught up, so long gaps take several entries.
 */
export function misfireItems(
  state: State,
  book: ScheduleBook,
  writer: PlanWriter,
  job: number,
  dueMs: number,
  nowMs: number,
  spec: ClassSpec,
  place: () => number,
): number {
  const { jobs } = state;
  const generation = jobs.generation[job] as number;
  const revision = jobs.revision[job] as number;
  const missed = book.missed(job, dueMs, nowMs - spec.misfire.withinMs - 1);
  const { policy, max } = spec.misfire;
  const fireAll = policy === "fire_all" && missed.count <= max;
  if (fireAll || (policy === "fire_once" && missed.count === 1)) {
    writer.due(job, generation, revision, dueMs, book.next(job, dueMs), place());
    return 1;
  }
  if (policy === "fire_once" && !missed.more) {
    writer.range(job, generation, revision, dueMs, missed.beforeLastMs, missed.count - 1, missed.lastMs);
    writer.due(job, generation, revision, missed.lastMs, book.next(job, missed.lastMs), place());
    return 2;
  }
  const skipped = policy === "fire_all" && !missed.more ? firstOf(book, job, dueMs, missed.count - max) : missed;
  writer.range(job, generation, revision, dueMs, skipped.lastMs, skipped.count, book.next(job, skipped.lastMs));
  return 1;
}

/** The item for the due times of a job that an earlier cluster may have run (H15); the misfire policy has no say in them. */
export function unsureItem(state: State, book: ScheduleBook, writer: PlanWriter, job: number, dueMs: number): void {
  const { generation, revision } = state.jobs;
  const { count, lastMs } = book.missed(job, dueMs, state.unsureUntilMs);
  writer.unsure(job, generation[job] as number, revision[job] as number, dueMs, lastMs, count, book.next(job, lastMs));
}

/** The first `count` due times from `dueMs` on. */
function firstOf(book: ScheduleBook, job: number, dueMs: number, count: number): { count: number; lastMs: number } {
  let lastMs = dueMs;
  for (let i = 1; i < count; i++) lastMs = book.next(job, lastMs);
  return { count, lastMs };
}
