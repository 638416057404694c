// Owns: what must hold after every turn of a node, seen from outside. It drives the reference and the oracle. Where what is checked:
//   Raft 1-3, 5-10, 12   test/raft/invariants.ts, after every turn, and for votes and acknowledgements as they leave
//   Raft 4               commit() takes every entry once, afterTurn() compares states; finished() compares the logs byte by byte
//   Raft 11              test/raft/invariants.ts; memberships.ts for what operators asked and were told
//   Raft 13              acknowledged(): what a caller was told is in the log at that index, which no leader can lack (3, 6)
//   Raft 14              history.ts and linear.ts over all calls; shown() for each answer by itself
//   Raft 15              callers.ts repeats every key; acknowledged() finds its one entry
//   Raft 16, I2          target.ts at the target, executions.ts in the log
//   Raft 17, 18, I1      oracle.ts: each due time has its one record, both ways
//   I3                   counts() after every entry and every restart; ending.ts demands that nothing hangs
//   I4                   afterTurn()     I5  faults/damage.ts     I6  faults/clocks.ts, pauses.ts, sim.test.ts     I10  limitsHold()
//   I11                  rejected()
// I7 (versions), I8 (installed copies) and I9 (restores) need what is tested by itself.

import { checksum } from "../../src/base/checksum.ts";
import { findJob } from "../../src/jobs/applychanges.ts";
import { coldKeys } from "../../src/jobs/cold.ts";
import { decodeDefinition, decodeEnded, specOf } from "../../src/jobs/definition.ts";
import { PawlError } from "../../src/base/errors.ts";
import type { StoredEvent } from "../../src/jobs/eventlog.ts";
import { definitionOf } from "../../src/jobs/definitionrows.ts";
import type { State } from "../../src/jobs/state.ts";
import type { Change } from "../../src/jobs/views.ts";
import { limits } from "../../src/limits.ts";
import { decodeMembership } from "../../src/raft/membership.ts";
import type { Entry } from "../../src/raft/types.ts";
import { decodeMessage } from "../../src/raft/wire.ts";
import type { LogPosition } from "../../src/storage/log.ts";
import { Invariants } from "../raft/invariants.ts";
import type { Observed } from "../raft/invariants.ts";
import { Executions } from "./executions.ts";
import type { Seen } from "./linear.ts";
import { Memberships } from "./memberships.ts";
import { SLOTS } from "./node.ts";
import type { SimNode } from "./node.ts";
import { demand, Oracle } from "./oracle.ts";
import { digest, Reference } from "./reference.ts";
import { Target } from "./target.ts";
import type { World } from "./world.ts";

type DiskView = { position(): LogPosition; readonly firstIndex: number; term(index: number): number | undefined };
type Shown = { readonly index: number; readonly seen: Seen };
type Watched = { turns: number; writes: number; checkedIndex: number };

/** Answers to votes and appends, by their numbers in src/raft/wire.ts. */
const promises = new Set([3, 5]);

/** A number over the entries of a node's log from one index to another. */
function logHash(node: SimNode, from: number, to: number): number {
  let hash = 0;
  for (let index = from; index <= to; ) {
    const entries = node.assembled?.replica.raft.entriesToApply(index, to, 2 ** 20) ?? [];
    for (const { term, data } of entries) hash = checksum(data, checksum(`${term}`, hash));
    index += Math.max(1, entries.length);
  }
  return hash;
}

export class Judge {
  readonly reference = new Reference();
  readonly oracle: Oracle;
  readonly target: Target;
  readonly memberships: Memberships;
  private readonly world: World;
  private readonly executions: Executions;
  private readonly invariants: Invariants;
  private readonly onceOnly = new Set<number>();
  private readonly triggers = new Set<number>();
  private readonly observed = new Map<string, Observed>();
  private readonly watched = new Map<string, Watched>();
  private eventsSeen: { index: number; at: number } = { index: 0, at: -1 };
  /** What callers may be shown of each job, from which index on. */
  private readonly definitions = new Map<string, Shown[]>();
  /** When each index was first applied anywhere. */
  private readonly appliedAtMs: number[] = [0];
  private disturbedUntilMs = 0;

  constructor(world: World, founders: readonly string[]) {
    this.world = world;
    this.memberships = new Memberships(founders);
    this.invariants = new Invariants(limits.appendsInFlightMax);
    this.oracle = new Oracle(this.reference.state);
    this.target = new Target(this.onceOnly);
    this.executions = new Executions(this.target);
  }

  /** A node takes part from here on: its memory is new, its disk is what it is. */
  votes(node: SimNode): void {
    const { voting, process } = node;
    if (!voting) return;
    demand(node.mustBeFound !== "before it votes", "I5", `the log of ${node.id} was damaged, and it votes all the same`);
    const { raft } = voting.voter;
    const log: DiskView = voting.log;
    this.invariants.restarted(node.id, voting.appliedIndex);
    this.watched.set(node.id, { turns: -1, writes: -1, checkedIndex: -1 });
    this.observed.set(node.id, {
      id: node.id,
      get status() {
        return process?.alive ? raft.status() : undefined;
      },
      termAt: (index) => raft.term(index),
      get membership() {
        return process?.alive ? raft.membership() : undefined;
      },
      disk: {
        get term() {
          return log.position().term;
        },
        get vote() {
          return log.position().vote;
        },
        get lastIndex() {
          return log.position().index;
        },
        holds: (index, term) => log.firstIndex > index || log.term(index) === term,
      },
    });
  }

  /** Its state is loaded. */
  opened(node: SimNode): void {
    const { assembled } = node;
    if (!assembled) return;
    demand(node.mustBeFound === "no", "I5", `the data of ${node.id} was damaged, and it was opened all the same`);
    this.counts(assembled.replica.state, node.id);
  }

  /** The node's disk was replaced by an empty one. */
  wiped(node: SimNode): void {
    this.invariants.wiped(node.id);
    this.observed.delete(node.id);
    this.watched.delete(node.id);
  }

  /** The term in which the entry was committed. */
  termOfCommit(index: number): number | undefined {
    return this.invariants.termOfCommit(index);
  }

  /** After every event at a node; between its turns and the ends of its writes nothing of it shows. */
  afterEvent(node: SimNode): void {
    const { assembled, voting } = node;
    const watched = this.watched.get(node.id);
    if (!voting || !watched) return;
    const turns = voting.voter.stats.heard + (assembled?.replica.stats.turns ?? 0);
    const { writes } = voting.voter.writer.stats;
    if (turns === watched.turns && writes === watched.writes) return;
    watched.turns = turns;
    watched.writes = writes;
    this.afterTurn(node, watched);
  }

  private afterTurn(node: SimNode, watched: Watched): void {
    this.invariants.observe(this.observed.get(node.id) as Observed, this.observed);
    if (node.assembled === undefined) return;
    const { state, raft } = node.assembled.replica;
    while (this.reference.state.appliedIndex < state.appliedIndex) {
      const index = this.reference.state.appliedIndex + 1;
      this.commit(raft.entriesToApply(index, index, 1)[0] as Entry);
    }
    if (watched.checkedIndex === state.appliedIndex) return;
    watched.checkedIndex = state.appliedIndex;
    const due = this.reference.compared(state.appliedIndex);
    if (due === undefined || due === digest(state)) return;
    // A cold row that is not where it was is seen by the next comparison of sums, or when it is read again, whichever comes first.
    demand(node.damaged, "I4", `${node.id} differs from the reference at index ${state.appliedIndex}`);
    node.failed(new PawlError("quarantined", "its state differs from that of the others"));
  }

  /** At the end: every node that is up has the state of the reference, and the log, byte by byte. */
  finished(nodes: readonly SimNode[]): void {
    const { state } = this.reference;
    const from = Math.max(...nodes.map((node) => node.assembled?.log.firstIndex ?? 1));
    const hashes = nodes.map((node) => logHash(node, from, state.appliedIndex));
    for (const [i, node] of nodes.entries()) {
      const own = node.assembled?.replica.state;
      demand(own?.appliedIndex === state.appliedIndex && digest(own) === digest(state), "I4", `${node.id} is not where the others are`);
      demand(hashes[i] === hashes[0], "invariant 4", `the log of ${node.id} is not that of ${nodes[0]?.id}`);
    }
  }

  /** A frame leaves a node: what it promises must be on its disk. */
  sent(node: SimNode, to: string, message: readonly unknown[]): void {
    if (message[0] !== "r" || !promises.has(message[1] as number)) return;
    const observed = this.observed.get(node.id);
    if (observed) this.invariants.sent(observed, to, decodeMessage(message.slice(1)));
  }

  private commit(entry: Entry): void {
    const { reference } = this;
    const { state } = reference;
    reference.apply(entry);
    this.appliedAtMs[entry.index] = this.world.nowMs;
    if (entry.kind === "membership") this.memberships.committed(entry.index, this.world.nowMs, decodeMembership(entry.data));
    const records = reference.records.filter((record) => record.sequence === 0);
    for (const record of reference.records) if (record.sequence !== 0 && record.origin === 1) this.triggers.add(record.sequence);
    const events = state.events.after(this.eventsSeen, Number.MAX_SAFE_INTEGER) ?? [];
    for (const event of events) {
      this.eventsSeen = event.position;
      if (event.type.startsWith("job.")) this.defined(event, entry.index);
      else this.executions.event(event);
      this.oracle.event(
        event,
        () => records.shift() as (typeof records)[number],
        (sequence) => this.isTrigger(sequence),
      );
    }
    this.limitsHold();
  }

  /** The definition of a job changed: what may be shown of it from this index on. */
  private defined(event: StoredEvent, index: number): void {
    const { state } = this.reference;
    const here = state.jobs.pool.has(event.job) && state.jobs.generation[event.job] === event.generation;
    const departed = state.departed.get(event.job, event.generation) ?? "";
    const jobId = here ? definitionOf(state, event.job).jobId : departed;
    const seen = this.inTable(event, here) ?? this.ended(jobId);
    const shown = this.definitions.get(jobId) ?? [];
    if (seen) this.definitions.set(jobId, [...shown, { index, seen: { ...seen, gone: event.type === "job.cancelled" } }]);
  }

  private inTable({ job }: StoredEvent, here: boolean): Seen | undefined {
    if (!here) return undefined;
    const { state } = this.reference;
    const { description, paused } = specOf(definitionOf(state, job));
    return { revision: state.jobs.revision[job] as number, tag: description, paused, gone: false };
  }

  private ended(jobId: string): Seen | undefined {
    const stored = this.reference.state.cold.get(coldKeys.ended(jobId));
    if (!stored) return undefined;
    const { revision, definition } = decodeEnded(stored);
    const { description, paused } = specOf(decodeDefinition(definition));
    return { revision, tag: description, paused, gone: false };
  }

  private isTrigger(sequence: number): boolean {
    if (this.triggers.has(sequence)) return true;
    const { live } = this.reference.state;
    const slot = live.find(sequence);
    return slot !== 0 && live.origin[slot] === 1;
  }

  /** I3: the counts of the nodes are those of the rows. */
  private counts(state: State, where: string): void {
    const { live, nodes } = state;
    for (const row of nodes.rows) {
      let count = 0;
      for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
        if (live.session[slot] === row.session && state.occupies(slot)) count++;
      }
      demand(row.session === 0 || row.running === count, "I3", `${where}: ${row.id} counts ${row.running} running, rows say ${count}`);
      demand(count <= SLOTS || row.session === 0, "I10", `${where}: ${row.id} runs ${count} of ${SLOTS}`);
    }
  }

  /** I10: no node has more than its slots, no `overlap: skip` job two scheduled executions. */
  private limitsHold(): void {
    const { state } = this.reference;
    const { live, jobs, classes } = state;
    const scheduled = new Set<number>();
    for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
      const job = live.job[slot] as number;
      const { spec } = classes.value(jobs.class[job] as number);
      if (spec.delivery === "at_most_once") this.onceOnly.add(live.sequence[slot] as number);
      if (spec.overlap !== "skip" || live.origin[slot] !== 0) continue;
      demand(!scheduled.has(job), "I10", `job ${job} has two live executions with overlap skip`);
      scheduled.add(job);
    }
    this.counts(state, "the reference");
  }

  /** What a read at this index showed of a job must be what the reference had there (invariant 14: no phantoms). */
  shown(jobId: string, seen: Seen | undefined, index: number, who: string): void {
    const due = this.definitions.get(jobId)?.findLast((shown) => shown.index <= index)?.seen;
    if (seen === undefined && this.agedOut(jobId)) return;
    const told = (what: Seen | undefined): string => (what === undefined ? "nothing" : `${what.revision} ${what.tag} ${what.paused}`);
    demand(told(seen) === told(due), "read", `${who} at index ${index} shows of ${jobId}: ${told(seen)}; it should be: ${told(due)}`);
  }

  /** Days were dropped, and what became of the job went with one of them. */
  private agedOut(jobId: string): boolean {
    const { state } = this.reference;
    return state.historyFromDay > 0 && findJob(state, jobId) === 0 && this.ended(jobId) === undefined;
  }

  /** P1, P2: what a caller was told is done is in the log, at that index, as that caller asked for it. */
  acknowledged(change: Change, key: string, index: number): void {
    const { appliedIndex } = this.reference.state;
    demand(index >= 1 && index <= appliedIndex, "P1", `${key} was acknowledged at index ${index}, the log ends at ${appliedIndex}`);
    if (change.kind !== "create" && change.kind !== "update") return;
    const wrote = this.definitions.get(change.jobId)?.filter((shown) => shown.index === index) ?? [];
    const isThere = wrote.length > 1 || wrote[0]?.seen.tag === key;
    demand(isThere, "P1", `${change.kind} of ${change.jobId} (${key}) was acknowledged at ${index} and is not there`);
  }

  /** I11 */
  rejected(change: Change, key: string): void {
    if (change.kind !== "create" && change.kind !== "update") return;
    const at = this.definitions.get(change.jobId)?.find((shown) => shown.seen.tag === key)?.index;
    demand(at === undefined, "I11", `${change.jobId} (${key}) was rejected and happened at ${at}`);
  }

  /** Nodes stand still until this time: what they say of time they cannot know. */
  disturbed(untilMs: number): void {
    this.disturbedUntilMs = Math.max(this.disturbedUntilMs, untilMs);
  }

  disturbedWithin(ms: number): boolean {
    return this.world.nowMs < this.disturbedUntilMs + ms;
  }

  /** The highest index that was applied anywhere by this time. */
  appliedBy(atMs: number): number {
    let low = 0;
    let high = this.appliedAtMs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.appliedAtMs[middle] as number) <= atMs) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
