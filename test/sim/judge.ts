// Owns: what must hold after every step, seen from outside: Raft's invariants, equal states at equal indexes (I4), tokens (I2), limits
// (I10), every due time's record (I1), and the callers' answers (I11, P1). It drives the reference and the oracle.

import type { LogPosition } from "../../src/storage/log.ts";
import { Invariants } from "../raft/invariants.ts";
import type { Observed } from "../raft/invariants.ts";
import { limits } from "../../src/limits.ts";
import { decodeDefinition } from "../../src/jobs/definition.ts";
import { definitionOf } from "../../src/jobs/executions.ts";
import { liveState } from "../../src/jobs/livetable.ts";
import type { StartSeen } from "./face.ts";
import { SLOTS } from "./node.ts";
import type { SimNode } from "./node.ts";
import { demand, Oracle } from "./oracle.ts";
import { digest, Reference } from "./reference.ts";

type DiskView = { position(): LogPosition; readonly firstIndex: number; term(index: number): number | undefined };

export class Judge {
  readonly reference = new Reference();
  readonly oracle: Oracle;
  readonly starts = new Map<number, StartSeen[]>();
  /** Jobs ever submitted, by id, with the index of the entry. */
  readonly submitted = new Map<string, number>();
  startCount = 0;
  private readonly invariants: Invariants;
  private readonly tokens = new Set<number>();
  private readonly onceOnly = new Set<number>();
  private readonly triggers = new Set<number>();
  private readonly observed = new Map<string, Observed>();
  private eventsSeen: { index: number; at: number } = { index: 0, at: -1 };
  private readonly checked = new Map<string, number>();

  constructor() {
    this.invariants = new Invariants(limits.appendsInFlightMax);
    this.oracle = new Oracle(this.reference.state);
  }

  /** A node was opened: its memory is new, its disk is what it is. */
  opened(node: SimNode): void {
    const { assembled } = node;
    if (!assembled) return;
    const { raft, state } = assembled.replica;
    const log: DiskView = assembled.log;
    this.invariants.restarted(node.id, state.appliedIndex);
    this.checked.set(node.id, -1);
    const process = node.process;
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

  /** After every event at a node. */
  afterStep(node: SimNode): void {
    const { assembled } = node;
    if (!assembled) return;
    this.invariants.observe(this.observed.get(node.id) as Observed, this.observed);
    const { state, raft } = assembled.replica;
    while (this.reference.state.appliedIndex < state.appliedIndex) {
      const index = this.reference.state.appliedIndex + 1;
      const [entry] = raft.entriesToApply(index, index, 1);
      this.commit(index, (entry as { data: Uint8Array }).data);
    }
    if (this.checked.get(node.id) === state.appliedIndex) return;
    this.checked.set(node.id, state.appliedIndex);
    if (state.appliedIndex > 0) {
      demand(
        digest(state) === this.reference.digestAt(state.appliedIndex),
        "I4",
        `${node.id} differs from the reference at index ${state.appliedIndex}`,
      );
    }
  }

  private commit(index: number, data: Uint8Array): void {
    const { reference } = this;
    const { state } = reference;
    reference.apply(index, data);
    const records = reference.records.filter((record) => record.sequence === 0);
    for (const record of reference.records) if (record.sequence !== 0 && record.origin === 1) this.triggers.add(record.sequence);
    const events = state.events.after(this.eventsSeen, Number.MAX_SAFE_INTEGER) ?? [];
    for (const event of events) {
      this.eventsSeen = event.position;
      if (event.type === "job.submitted") this.submitted.set(this.idOf(event.job, event.generation), index);
      this.oracle.event(
        event,
        () => records.shift() as (typeof records)[number],
        (sequence) => this.isTrigger(sequence),
      );
    }
    this.limitsHold();
  }

  private idOf(job: number, generation: number): string {
    const { state } = this.reference;
    const here = state.jobs.pool.has(job) && state.jobs.generation[job] === generation;
    return here ? decodeDefinition(definitionOf(state, job)).jobId : (state.departed.get(`${job}:${generation}`) ?? "");
  }

  private isTrigger(sequence: number): boolean {
    if (this.triggers.has(sequence)) return true;
    const { live } = this.reference.state;
    const slot = live.find(sequence);
    return slot !== 0 && live.origin[slot] === 1;
  }

  /** I10: no node has more than its slots, no `overlap: skip` job two scheduled executions; counts are those of the rows. */
  private limitsHold(): void {
    const { live, nodes, jobs, classes } = this.reference.state;
    const running = new Map<number, number>();
    const scheduled = new Map<number, number>();
    for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
      const job = live.job[slot] as number;
      if (live.state[slot] === liveState.running || live.state[slot] === liveState.cancelling) {
        running.set(live.session[slot] as number, (running.get(live.session[slot] as number) ?? 0) + 1);
      }
      const { spec } = classes.value(jobs.class[job] as number);
      if (spec.delivery === "at_most_once") this.onceOnly.add(live.sequence[slot] as number);
      if (spec.overlap === "skip" && live.origin[slot] === 0) scheduled.set(job, (scheduled.get(job) ?? 0) + 1);
    }
    for (const row of nodes.rows) {
      const count = running.get(row.session) ?? 0;
      demand(row.session === 0 || row.running === count, "I3", `${row.id} counts ${row.running} running, rows say ${count}`);
      demand(count <= SLOTS, "I10", `${row.id} runs ${count} of ${SLOTS}`);
    }
    for (const [job, count] of scheduled)
      demand(count <= 1 || this.changedOverlap.has(job), "I10", `job ${job} has ${count} live executions with overlap skip`);
  }

  /** Jobs whose overlap policy was changed while executions were live: those made before stay. */
  readonly changedOverlap = new Set<number>();

  /** I2: a token starts once, on one node; at_most_once starts once in all. */
  started(seen: StartSeen): void {
    this.startCount++;
    demand(!this.tokens.has(seen.token), "I2", `token ${seen.token} was started twice, now on ${seen.node}`);
    this.tokens.add(seen.token);
    const starts = this.starts.get(seen.sequence) ?? [];
    demand(
      starts.length === 0 || !this.onceOnly.has(seen.sequence),
      "I2",
      `at_most_once execution ${seen.sequence} was started again on ${seen.node}`,
    );
    starts.push(seen);
    this.starts.set(seen.sequence, starts);
  }
}
