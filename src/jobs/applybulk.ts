// Owns: what a batch of new jobs does to the rows: each of its jobs as applychanges.ts would make it alone, the texts that they share
// looked up once. Its jobs stand in consecutive numbers, so that their definitions can be stored together (definitionrows.ts).
// (B1) A job that is refused is refused alone; what was done of the others is durable with the entry.

import { ByteReader } from "../base/bytes.ts";
import { notAnInstant } from "./applychanges.ts";
import { Bulk } from "./bulk.ts";
import { BLOCK_JOBS, definitionOf, addBlock, addDefinition } from "./definitionrows.ts";
import type { Origin } from "./definitionrows.ts";
import { forgetEnded, mayHaveEnded } from "./endedrows.ts";
import type { Interned } from "./interned.ts";
import { fillRow, isTaken, roomFor, tableIsFull } from "./newjob.ts";
import type { RefusedJob, Reply } from "./reply.ts";
import type { State } from "./state.ts";

export function applyCreateMany(state: State, body: ByteReader, index: number): Reply {
  const maker = new Maker(state, new Bulk(body.bytes()), { uid: index, createdAtMs: state.clockMs });
  return { kind: "done", status: "submitted", jobId: undefined, sequence: undefined, index, refused: maker.run() };
}

class Maker {
  private readonly state: State;
  private readonly bulk: Bulk;
  private readonly origin: Origin;
  private readonly schedules: Shared;
  private readonly classes: Shared;
  /** Numbers that were given, in ascending order, and the place of each in the batch. */
  private readonly numbers: number[] = [];
  private readonly places: number[] = [];
  private asked = 0;

  constructor(state: State, bulk: Bulk, origin: Origin) {
    this.state = state;
    this.bulk = bulk;
    this.origin = origin;
    this.schedules = new Shared(state.schedules, bulk.schedules);
    this.classes = new Shared(state.classes, bulk.classes);
  }

  run(): readonly RefusedJob[] {
    const refusals: RefusedJob[] = [];
    for (let i = 0; i < this.bulk.count; i++) {
      const reply = this.make(i);
      if (reply?.kind === "refused") refusals.push({ at: i, code: reply.code, message: reply.message });
    }
    this.storeDefinitions();
    return refusals;
  }

  /** The refusal, if there is one. */
  private make(i: number): Reply | undefined {
    const { state, bulk } = this;
    const { jobs } = state;
    const idHash = bulk.idHash(i);
    this.asked = i;
    const dueMs = bulk.dueMs(i);
    const found = jobs.ids.find(idHash, this.isAsked);
    // The text of an id is made only for what needs it.
    const jobId = found !== 0 || mayHaveEnded(state, idHash) ? bulk.jobId(i) : "";
    const problem = (jobId === "" ? undefined : isTaken(state, found, jobId)) ?? notAnInstant(dueMs) ?? this.roomForTexts(i);
    if (problem) return problem;
    const job = jobs.pool.take();
    if (job === 0) return tableIsFull(state);
    if (jobId !== "") forgetEnded(state, jobId);
    const schedule = bulk.schedule(i);
    fillRow(state, job, {
      idHash,
      dueMs,
      oneShot: schedule === 0,
      paused: bulk.isPaused(i),
      class: this.classes.acquire(bulk.class(i)),
      schedule: schedule === 0 ? 0 : this.schedules.acquire(schedule - 1),
    });
    this.numbers.push(job);
    this.places.push(i);
    return undefined;
  }

  /** One function for all jobs of a batch. Definitions of this batch are not stored yet. */
  private readonly isAsked = (job: number): boolean => {
    const place = this.places[this.numbers.indexOf(job)];
    const jobId = place === undefined ? definitionOf(this.state, job).jobId : this.bulk.jobId(place);
    return jobId === this.bulk.jobId(this.asked);
  };

  private roomForTexts(i: number): Reply | undefined {
    const schedule = this.bulk.schedule(i);
    return roomFor(this.classes.fits(this.bulk.class(i)), schedule === 0 || this.schedules.fits(schedule - 1));
  }

  /** In blocks where the numbers fill one, else one by one. */
  private storeDefinitions(): void {
    const { state, numbers, places, bulk, origin } = this;
    for (let at = 0; at < numbers.length; ) {
      const job = numbers[at] as number;
      if (job % BLOCK_JOBS === 0 && numbers[at + BLOCK_JOBS - 1] === job + BLOCK_JOBS - 1) {
        const bodies = places.slice(at, at + BLOCK_JOBS).map((place) => bulk.body(place));
        addBlock(state, job, origin, bodies);
        at += BLOCK_JOBS;
        continue;
      }
      const input = new ByteReader(bulk.body(places[at] as number));
      addDefinition(state, job, 1, { ...origin, jobId: input.string(), specJson: input.bytes() });
      at++;
    }
  }
}

/** Texts of a batch and their references, each looked up once. */
class Shared {
  private readonly interned: Interned<unknown>;
  private readonly texts: readonly string[];
  /** 0 while the text was not acquired by a job of this batch. */
  private readonly refs: Uint32Array;

  constructor(interned: Interned<unknown>, texts: readonly string[]) {
    this.interned = interned;
    this.texts = texts;
    this.refs = new Uint32Array(texts.length);
  }

  fits(place: number): boolean {
    return this.refs[place] !== 0 || this.interned.fits(this.texts[place] as string);
  }

  acquire(place: number): number {
    const known = this.refs[place] as number;
    if (known !== 0) {
      this.interned.again(known);
      return known;
    }
    const ref = this.interned.acquire(this.texts[place] as string);
    this.refs[place] = ref;
    return ref;
  }
}
