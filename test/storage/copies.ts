// Senders and receivers of copies of a state: a replica that goes on changing while it is copied, and a node that lays a copy down,
// crashes, and is opened again.

import assert from "node:assert/strict";
import { noHistory } from "../../src/storage/historymarks.ts";
import { install, tidyStates } from "../../src/storage/install.ts";
import { checkState, openLog } from "../../src/storage/log.ts";
import { stateName } from "../../src/storage/state.ts";
import { StateCopy } from "../../src/storage/statecopy.ts";
import { Crashable, atOnce, finished, options, randomOf } from "./bench.ts";
import { Replica } from "./tables.ts";
import type { Chunk } from "../../src/storage/copychunk.ts";
import type { Disk } from "../../src/storage/disk.ts";
import type { RaftLog } from "../../src/storage/log.ts";
import type { StateStage } from "../../src/storage/statestage.ts";
import type { Model } from "./tables.ts";

const CHECKPOINTS_MAX = 30;

export class Sender {
  readonly replica: Replica;
  readonly random: () => number;
  /** The state as of each checkpoint. */
  readonly models = new Map<number, Model>();
  private underWay: Promise<void> = Promise.resolve();

  constructor(replica: Replica, seed: number) {
    this.replica = replica;
    this.random = randomOf(seed);
  }

  static async open(disk: Disk, seed: number, checkpoints: number): Promise<Sender> {
    const sender = new Sender(await Replica.open(await disk.open("state-1", options), atOnce), seed);
    for (let i = 0; i < checkpoints; i++) await sender.checkpoint();
    return sender;
  }

  /** Changes and makes a checkpoint, once the one before is done; resolves when it is durable. */
  checkpoint(): Promise<void> {
    this.underWay = this.underWay.then(() => {
      this.replica.change(this.random);
      const number = (this.replica.store.checkpointed?.number ?? 0) + 1;
      this.models.set(number, this.replica.freeze());
      return finished((done) => this.replica.store.commit(done));
    });
    return this.underWay;
  }

  /** All chunks, while with the given likelihood a checkpoint begins after each of the first ones. */
  async copy(id: string, maxBytes: number, likelihood = 0): Promise<Chunk[]> {
    const copy = new StateCopy(this.replica.store, id);
    const chunks: Chunk[] = [];
    for (let chunk = await copy.next(maxBytes); chunk !== undefined; chunk = await copy.next(maxBytes)) {
      chunks.push(chunk);
      if (chunks.length < CHECKPOINTS_MAX && this.random() < likelihood) void this.checkpoint();
      if (this.random() < 0.5) await this.underWay;
    }
    await this.underWay;
    assert.equal(this.replica.store.followers.size, 0, "a copy that is whole follows no more");
    return chunks;
  }

  modelAt(chunks: readonly Chunk[]): Model {
    return this.models.get(chunks.at(-1)?.end?.checkpoint ?? 0) as Model;
  }
}

export class Receiver {
  readonly crashable: Crashable;
  log!: RaftLog;
  stage!: StateStage;
  replica!: Replica;

  private constructor(seed: number) {
    this.crashable = new Crashable(seed);
  }

  static async open(seed: number): Promise<Receiver> {
    const receiver = new Receiver(seed);
    await receiver.open();
    return receiver;
  }

  /** Opens all as a node does at its start. */
  open(): Promise<void> {
    return this.crashable.finish(this.openAll());
  }

  private async openAll(): Promise<void> {
    const { disk } = this.crashable;
    this.log = await openLog(await disk.open("log", options));
    this.stage = await tidyStates(disk, this.log);
    this.replica = await Replica.open(await disk.open(stateName(this.log.stateNumber), options), (run) => run());
    checkState(this.log, this.replica.store.restored);
  }

  async crash(): Promise<void> {
    this.crashable.crash();
    await this.open();
  }

  lay(chunk: Chunk): Promise<void> {
    return this.crashable.finish(this.stage.lay(chunk));
  }

  async layAll(chunks: readonly Chunk[]): Promise<void> {
    for (const chunk of chunks.slice(this.stage.next)) await this.lay(chunk);
  }

  async verified(): Promise<void> {
    await this.crashable.finish(this.stage.verify(this.shapes));
  }

  async install(): Promise<void> {
    const verified = await this.stage.verify(this.shapes);
    await install(this.log, this.stage, verified, noHistory);
  }

  get shapes(): readonly Replica["tables"]["jobs"][] {
    const { jobs, live } = this.replica.tables;
    return [jobs, live] as never;
  }

  /** The state in use is the one of the model. */
  async check(model: Model, note: string): Promise<void> {
    const { restored } = this.replica.store;
    assert.equal(restored?.appliedIndex ?? 0, model.applied, note);
    const { tables } = this.replica;
    assert.deepEqual([[...tables.values], [...tables.few]], [model.values, model.few], note);
    await this.replica.checkCold(model.cold, note);
  }
}
