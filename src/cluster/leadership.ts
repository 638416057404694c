// Owns: what a leader does beyond consensus: puts entries together from results, joins, changes and the planner's decisions, at a pace.
// Made when the leader's first entry of its term is applied, dropped at step-down with all its memory (H3, H6).
// (L1) An entry is put together at the last moment, from the applied state; what it was computed from is checked again by apply (H1).
// (L2) Entries are paced: at once when idle, else at least a few milliseconds apart, and further at high rates; sooner when many items
//      wait, or the last one was full: group commit without burning the processor on small entries. An entry costs three nodes 3 ms of
//      processor time beside its items: a dozen wakes of threads, writes and messages on each.
// (L3) How many entries are on their way is bounded; beyond the first few each follows one that was full.

import { ByteWriter } from "../base/bytes.ts";
import { LeaderDesk } from "../dispatch/desk.ts";
import type { DeskIo } from "../dispatch/desk.ts";
import { beginEntry, writeCommand } from "../jobs/command.ts";
import type { Command } from "../jobs/command.ts";
import type { State } from "../jobs/state.ts";
import { checkProposable } from "../jobs/versions.ts";
import { limits } from "../limits.ts";
import { planChange } from "../planner/changes.ts";
import type { Plannable } from "../planner/changes.ts";
import { Planner } from "../planner/planner.ts";
import type { DueLists, Planned } from "../planner/planner.ts";
import { planRedue } from "../planner/redue.ts";
import { retryAt } from "../planner/retry.ts";
import { ScheduleBook } from "../planner/schedulebook.ts";
import type { System } from "../system.ts";
import type { TrustedClock } from "./clock.ts";
import { EntryCost } from "./entrycost.ts";
import { Housekeeping } from "./housekeeping.ts";
import type { HousekeepingIo, HousekeepingParts } from "./housekeeping.ts";
import { refusalOf } from "./proposals.ts";
import type { Proposals, Waiting } from "./proposals.ts";
import type { Steward } from "./steward.ts";
import type { Timings } from "./timings.ts";

/** Offers an entry to the log; undefined when it is not taken now. */
export type Propose = (data: Uint8Array) => { index: number; term: number } | undefined;

export type Draft = {
  readonly data: Uint8Array;
  readonly clockMs: number;
  readonly changes: (Waiting | undefined)[];
  readonly commands: readonly Command[];
  readonly results: Uint8Array | undefined;
  readonly planned: Planned | undefined;
  readonly items: number;
  /** Of its items and of what callers asked for (entrycost.ts). */
  readonly planItems: number;
  readonly changeBytes: number;
  readonly isFull: boolean;
};

export type LeadershipIo = Pick<DeskIo, "send"> &
  Pick<HousekeepingIo, "alarm" | "failed"> & {
    readonly steward: Steward;
    readonly housekeeping: HousekeepingParts;
    readonly timings: Timings;
  };

export class Leadership {
  readonly desk: LeaderDesk;
  private readonly steward: Steward;
  private readonly housekeeping: Housekeeping;
  private readonly timings: Timings;
  private readonly state: State;
  private readonly system: System;
  private readonly clock: TrustedClock;
  private readonly proposals: Proposals;
  private readonly planner: Planner;
  private readonly book: ScheduleBook;
  private lastEntryAtMs = Number.NEGATIVE_INFINITY;
  /** When there was last nothing that could be put into an entry, and how much waited then. */
  private nothingAtMs = Number.NEGATIVE_INFINITY;
  private nothingOf = 0;
  private lastElapsedAtMs: number;
  private itemsPerSecond = 0;
  private lastWasFull = false;
  private readonly cost = new EntryCost();
  private reduedFrom = 0;
  /** In which every entry is put together. */
  private readonly entryBytes = new ByteWriter(65_536, limits.entryMaxBytes);

  constructor(
    state: State,
    system: System,
    clock: TrustedClock,
    proposals: Proposals,
    due: DueLists,
    term: number,
    io: LeadershipIo,
  ) {
    this.steward = io.steward;
    this.timings = io.timings;
    this.state = state;
    this.system = system;
    this.clock = clock;
    this.proposals = proposals;
    this.book = new ScheduleBook(state);
    const nowMs = system.monotonicMs();
    this.lastElapsedAtMs = nowMs;
    this.desk = new LeaderDesk(state, term, nowMs, {
      send: io.send,
      retryAt: (slot) => this.retryAt(slot),
      wallClock: (node, wallMs) => clock.heard(node, wallMs),
    });
    const usable = (session: number): boolean => this.desk.usable(session, system.monotonicMs());
    if (state.clusterId === "") this.desk.add(bootstrap(state, system));
    this.housekeeping = new Housekeeping(io.housekeeping, { ...io, propose: (command) => this.desk.add(command) }, nowMs);
    this.planner = new Planner(state, due, this.book, nowMs, usable, () => system.random());
  }

  /** What a leader does on its own. Called in every turn. */
  tick(nowMs: number): void {
    this.steward.tick(nowMs);
    this.housekeeping.tick(nowMs);
    this.redue();
  }

  /** Due times after the clock was set back, some in each entry: where the next begins is known when one is applied (H13). */
  private redue(): void {
    const from = this.state.redueFrom;
    if (from === this.reduedFrom) return;
    this.reduedFrom = from;
    const command = planRedue(this.state, this.book);
    if (command) this.desk.add(command);
  }

  private retryAt(slot: number): number {
    const { live } = this.state;
    const spec = this.state.classOfLive(slot);
    const tries = (live.attempt[slot] as number) - (live.losses[slot] as number);
    return retryAt(spec.retry, tries, this.clock.read().nowMs, this.system.random());
  }

  /** When the next entry may be proposed; Infinity when only something new can make one (L2). */
  nextEntryMs(waiting: boolean): number {
    if (!waiting) return Number.POSITIVE_INFINITY;
    // What is due but finds no slot, and changes while the clock is in doubt, wait for something else to happen.
    const stuck = this.nothingAtMs > this.lastEntryAtMs && this.nothingOf === this.waiting;
    return stuck ? this.nothingAtMs + limits.rereadMs : this.pacedUntilMs;
  }

  /** Before that no entry leaves, unless many items come to wait for it. */
  get pacedUntilMs(): number {
    return this.lastEntryAtMs + this.paceMs();
  }

  /**
   * Until when the next entry will have left, as things go; a time that is over when none can be expected. Where entries are far apart
   * it is not worth waiting for: a start on another node would wait as long.
   */
  get nextExpectedMs(): number {
    const paceMs = this.paceMs();
    const isBusy = paceMs >= limits.entryPaceBusyMs && paceMs <= limits.commitRideMaxMs;
    return isBusy ? this.lastEntryAtMs + paceMs + limits.commitRideSlackMs : Number.NEGATIVE_INFINITY;
  }

  private get waiting(): number {
    return this.desk.waiting + this.proposals.waiting;
  }

  /** Whether so much is on its way that the next entry waits (L3). */
  get isHeld(): boolean {
    return this.proposals.entriesInFlight >= (this.lastWasFull ? limits.entriesInFlightMax : limits.entriesInFlightUsual);
  }

  private paceMs(): number {
    if (this.lastWasFull) return limits.entryPaceMinMs;
    const busy = this.itemsPerSecond / limits.entryBusyItemsPerSecond;
    if (busy <= 1) return Math.max(limits.entryPaceMinMs, busy * limits.entryPaceBusyMs);
    const times = Math.max(1, this.itemsPerSecond / limits.entryFastItemsPerSecond);
    return Math.min(limits.entryPaceMaxMs, times * limits.entryPaceBusyMs);
  }

  /** Puts the next entry together and offers it, when it is time. Returns whether one was taken. */
  propose(offer: Propose, hasDue: boolean): boolean {
    const nowMs = this.system.monotonicMs();
    const { waiting } = this;
    if (waiting === 0 && !hasDue) return false;
    if (this.steward.isLowering) return false;
    if (this.isHeld) return false;
    if (nowMs < this.pacedUntilMs && waiting < limits.entryItemsMax) return false;
    const draft = this.draft(nowMs);
    if (!draft) {
      this.nothingAtMs = nowMs;
      this.nothingOf = this.waiting;
      return false;
    }
    const taken = offer(draft.data);
    if (!taken) {
      this.drop(draft);
      this.nothingAtMs = nowMs;
      this.nothingOf = this.waiting;
      return false;
    }
    this.clock.applied(draft.clockMs, nowMs);
    this.proposals.proposed(taken.index, taken.term, draft.changes, (appliedInMs) => {
      if (appliedInMs !== undefined) this.committed(draft, this.system.monotonicMs() - nowMs, appliedInMs);
      this.settle(draft);
    });
    this.noteWaits(draft, nowMs);
    this.count(draft.items, nowMs);
    this.lastWasFull = draft.isFull;
    return true;
  }

  private committed({ planItems, changeBytes }: Draft, tookMs: number, appliedInMs: number): void {
    this.timings.commit.add(tookMs);
    this.cost.applied(planItems, changeBytes, appliedInMs);
  }

  /** How long what is in the entry waited for it. Neighbours are mostly due at the same time. */
  private noteWaits({ changes, planned, clockMs }: Draft, nowMs: number): void {
    const { dueWait, proposalWait } = this.timings;
    for (const waiting of changes) if (waiting) proposalWait.add(nowMs - waiting.dueAtMs + limits.proposalTimeoutMs);
    if (!planned) return;
    const { seen } = planned;
    for (let from = 0, to = 1; from < seen.length; from = to++) {
      while (to < seen.length && seen[to] === seen[from]) to++;
      dueWait.add(clockMs - (seen[from] as number), to - from);
    }
  }

  private count(items: number, nowMs: number): void {
    const gapMs = Math.max(1, nowMs - this.lastEntryAtMs);
    const weight = Math.min(1, gapMs / 1000);
    this.itemsPerSecond = this.itemsPerSecond * (1 - weight) + ((items * 1000) / gapMs) * weight;
    this.lastEntryAtMs = nowMs;
    this.lastElapsedAtMs = nowMs;
  }

  private drop(draft: Draft): void {
    this.proposals.putBack(draft.changes.filter((waiting) => waiting !== undefined));
    this.desk.putBack(draft.commands, draft.results);
    if (draft.planned) this.planner.settled(draft.planned);
  }

  private settle(draft: Draft): void {
    for (const command of draft.commands) this.desk.commandLost(command);
    if (draft.planned) this.planner.settled(draft.planned);
  }

  private draft(nowMs: number): Draft | undefined {
    if (this.proposals.confirming) this.clock.confirm();
    const reading = this.clock.read();
    const out = new EntryWriter(this.state, this.entryBytes);
    beginEntry(out.bytes, { clockMs: reading.nowMs, elapsedMs: nowMs - this.lastElapsedAtMs });
    const before = this.desk.resultsWaiting;
    const most = this.cost.items;
    const results = this.desk.takeResultItems(most);
    const resultCount = before - this.desk.resultsWaiting;
    if (results) out.command({ kind: "results", items: results });
    const commands = this.desk.takeCommands();
    for (const command of commands) out.command(command);
    const changesFrom = out.bytes.length;
    if (reading.trusted) this.takeChanges(out, reading.nowMs);
    const changeBytes = out.bytes.length - changesFrom;
    const planned = reading.trusted ? this.plan(out, reading.nowMs, nowMs, most, results) : undefined;
    const data = out.bytes.copy();
    if (out.commands === 0) return undefined;
    const count = planned?.count ?? 0;
    // To be queued costs next to nothing.
    const planItems = resultCount + count - (planned?.queueing.reduce((sum, each) => sum + each, 0) ?? 0);
    const isFull = count >= most || this.waiting > 0;
    const items = resultCount + count + out.commands;
    return { data, clockMs: reading.nowMs, changes: out.changes, commands, results, planned, items, planItems, changeBytes, isFull };
  }

  private takeChanges(out: EntryWriter, clockMs: number): void {
    const mostBytes = this.cost.changeBytes;
    const changes = this.proposals.take(limits.entryItemsMax, mostBytes);
    // What a change asks for in bytes and what its command has differ: a pause rewrites a whole definition, a passed due time its records.
    let taken = 0;
    for (const toBytes = out.bytes.length + mostBytes; taken < changes.length && out.bytes.length < toBytes; )
      this.change(out, changes[taken++] as Waiting<Plannable>, clockMs);
    this.proposals.putBack(changes.slice(taken));
  }

  private plan(out: EntryWriter, clockMs: number, nowMs: number, most: number, results: Uint8Array | undefined): Planned | undefined {
    const planned = this.planner.plan(clockMs, nowMs, most, results);
    if (planned?.timeouts) out.command({ kind: "results", items: planned.timeouts });
    if (planned?.plan) out.command({ kind: "plan", items: planned.plan });
    return planned;
  }

  private change(out: EntryWriter, waiting: Waiting<Plannable>, clockMs: number): void {
    try {
      const { settle, command } = planChange(this.state, this.book, waiting.change, waiting.key, clockMs);
      if (settle) out.command({ kind: "plan", items: settle });
      out.command(command, waiting);
    } catch (error) {
      waiting.answer(refusalOf(error));
    }
  }
}

/** An entry in the making: the bytes, and who waits for the reply of which command. */
class EntryWriter {
  readonly bytes: ByteWriter;
  readonly changes: (Waiting | undefined)[] = [];
  commands = 0;
  private readonly state: State;

  constructor(state: State, bytes: ByteWriter) {
    this.state = state;
    this.bytes = bytes;
  }

  /** Throws, and leaves the entry as it was, when the command may not be proposed yet. */
  command(command: Command, waiting?: Waiting): void {
    const from = this.bytes.length;
    writeCommand(this.bytes, command);
    try {
      checkProposable(this.state, this.bytes.written(from));
    } catch (error) {
      this.bytes.cut(from);
      throw error;
    }
    this.changes.push(waiting);
    this.commands++;
  }
}

/** The first command of a cluster's life; its chances are drawn here, once, and replicated. */
function bootstrap(
  state: State,
  system: System,
): { kind: "bootstrap"; clusterId: string; idSpace: string; jobsMax: number; liveMax: number; shard: number } {
  const letters = (count: number): string => Array.from({ length: count }, () => Math.floor(system.random() * 36).toString(36)).join("");
  return { kind: "bootstrap", clusterId: letters(20), idSpace: letters(8), ...state.capacity, shard: 0 };
}
