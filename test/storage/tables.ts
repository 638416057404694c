// A state to take checkpoints of: two tables of different shape and cold rows, a model of what they should hold, and ways to
// change, checkpoint, load and compare them.

import assert from "node:assert/strict";
import { ColumnTable } from "../../src/jobs/columns.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { StateStore } from "../../src/storage/state.ts";
import type { Kv } from "../../src/storage/disk.ts";
import type { CheckpointAt } from "../../src/storage/state.ts";
import type { LogPosition } from "../../src/storage/log.ts";

export const CAPACITY = 200;

export const logAt = (index: number): LogPosition => ({ number: index, index, term: 1, vote: "a", checksum: index * 3 });

export const momentAt = (index: number, position: LogPosition = logAt(index)): CheckpointAt => ({
  appliedIndex: index,
  appliedTerm: index % 5,
  scalars: Uint8Array.of(index & 255, 9),
  position,
  membership: { index: index >> 2, bytes: Uint8Array.of(index & 255, 3) },
});

export class Tables {
  readonly values = new Float64Array(CAPACITY + 1);
  readonly marks = new Uint16Array(CAPACITY + 1);
  readonly few = new Uint32Array(CAPACITY + 1);
  readonly jobs = new ColumnTable("jobs", CAPACITY, [this.values, this.marks], 200);
  readonly live = new ColumnTable("live", CAPACITY, [this.few], 64);

  set(row: number, value: number): void {
    this.values[row] = value;
    this.marks[row] = value & 0xffff;
    this.jobs.touch(row);
  }

  setFew(row: number, value: number): void {
    this.few[row] = value;
    this.live.touch(row);
  }
}

/** All that a checkpoint promises to give back. */
export type Model = {
  readonly applied: number;
  readonly scalars: readonly number[];
  readonly values: readonly number[];
  readonly few: readonly number[];
  readonly cold: ReadonlyMap<string, number>;
};

export const emptyModel: Model = { applied: 0, scalars: [], values: [], few: [], cold: new Map() };

/** One process: tables, store, and the cold rows as they should be. */
export class Replica {
  readonly tables = new Tables();
  readonly store: StateStore;
  readonly cold: Map<string, number>;
  applied: number;

  private constructor(tables: Tables, store: StateStore, cold: ReadonlyMap<string, number>) {
    this.tables = tables;
    this.store = store;
    this.cold = new Map(cold);
    this.applied = store.restored?.appliedIndex ?? 0;
  }

  static async open(kv: Kv, soon: (run: () => void) => void, cold: ReadonlyMap<string, number> = new Map()): Promise<Replica> {
    const tables = new Tables();
    return new Replica(tables, await StateStore.open(kv, [tables.jobs, tables.live], soon), cold);
  }

  /** Random changes, as a few entries of the log would make them. */
  change(random: () => number): void {
    const below = (count: number): number => Math.floor(random() * count);
    this.applied += 1 + below(5);
    const high = 1 + below(CAPACITY);
    for (let i = below(30); i > 0; i--) this.tables.set(1 + below(high), below(1e6));
    for (let i = below(8); i > 0; i--) this.tables.setFew(1 + below(high), below(1e6));
    for (let i = below(6); i > 0; i--) this.changeCold(`k${below(20)}`, random() < 0.3 ? undefined : below(256));
  }

  changeCold(key: string, value: number | undefined): void {
    if (value === undefined) {
      this.store.cold.del(key);
      this.cold.delete(key);
    } else {
      this.store.cold.put(key, Uint8Array.of(value, 7));
      this.cold.set(key, value);
    }
  }

  freeze(): Model {
    this.store.freeze(momentAt(this.applied), noHistory);
    return this.model();
  }

  model(): Model {
    const { values, few } = this.tables;
    return { applied: this.applied, scalars: [this.applied & 255, 9], values: [...values], few: [...few], cold: new Map(this.cold) };
  }

  /** Throws unless the tables and the cold rows are those of the model. */
  async check(model: Model, note: string): Promise<void> {
    const { restored } = this.store;
    assert.equal(restored?.appliedIndex ?? 0, model.applied, note);
    assert.deepEqual([...(restored?.scalars ?? [])], model.scalars, note);
    if (restored === undefined) return;
    const { appliedIndex, appliedTerm, scalars, logPosition: position, membership } = restored;
    assert.deepEqual({ appliedIndex, appliedTerm, scalars, position, membership }, momentAt(model.applied), note);
    assert.deepEqual([...this.tables.values], model.values, note);
    assert.deepEqual([...this.tables.marks], model.values.map((value) => value & 0xffff), note);
    assert.deepEqual([...this.tables.few], model.few, note);
    await this.checkCold(model.cold, note);
  }

  async checkCold(cold: ReadonlyMap<string, number>, note: string): Promise<void> {
    const rows = await this.store.cold.page({ limit: 100 });
    const expected = [...cold].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(rows.map(([key, value]) => [key, value[0]]), expected, note);
    for (let i = 0; i < 20; i++) assert.equal(this.store.cold.get(`k${i}`)?.[0], cold.get(`k${i}`), note);
  }
}
