// The hash that replicas compare (H8): the same over whatever past led to a state, another one for any difference in it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { allAtOnce } from "../../src/base/parts.ts";
import { ColumnTable } from "../../src/jobs/columns.ts";
import type { Column } from "../../src/jobs/columnloops.ts";
import type { HashSum } from "../../src/jobs/hashsum.ts";
import { at, everySecond, Machine, NOON, SECOND, spec } from "./machine.ts";

const ROWS = 40;

function rehashed(table: ColumnTable): HashSum {
  allAtOnce(table.rehash());
  return table.sum();
}

function tableOf(): { table: ColumnTable; columns: Column[] } {
  const columns = [new Float64Array(ROWS + 1), new Uint32Array(ROWS + 1), new Uint16Array(ROWS + 1), new Uint8Array(ROWS + 1)];
  return { table: new ColumnTable("t", ROWS, columns, 256), columns };
}

function fill({ table, columns }: ReturnType<typeof tableOf>, rows: readonly number[], seed: number): void {
  for (const row of rows) {
    columns.forEach((column, i) => (column[row] = (row * 7 + seed + i) % 251));
    table.touch(row);
  }
}

const all = Array.from({ length: ROWS }, (_, i) => i + 1);

test("the sum is that of the rows, in whatever order and how often they changed, asked or copied in between", () => {
  const straight = tableOf();
  fill(straight, all, 3);
  const roundabout = tableOf();
  fill(roundabout, [5, 9], 1);
  roundabout.table.sum();
  fill(roundabout, [9, 30], 2);
  roundabout.table.takeChanged();
  fill(roundabout, [...all].reverse(), 8);
  roundabout.table.sum();
  fill(roundabout, [...all].reverse(), 3);
  assert.equal(roundabout.table.sum().text(), straight.table.sum().text());
  assert.deepEqual([...roundabout.table.takeChanged()].sort((a, b) => a - b), all, "a sum takes nothing away from the next checkpoint");
  const loaded = tableOf();
  for (let page = 0; page * straight.table.pageRows <= ROWS; page++) loaded.table.restorePage(page, straight.table.copyPage(page));
  assert.equal(rehashed(loaded.table).text(), straight.table.sum().text());
});

test("one flipped bit of any column of any row, two rows that swapped, or a row elsewhere give another sum", () => {
  const { table, columns } = tableOf();
  fill({ table, columns }, all.slice(0, 30), 3);
  const seen = new Set([table.sum().text()]);
  for (const column of columns) {
    const bytes = new Uint8Array(column.buffer);
    for (let bit = column.BYTES_PER_ELEMENT * 8; bit < 31 * column.BYTES_PER_ELEMENT * 8; bit += 3) {
      const flip = (): void => {
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        table.touch(Math.floor(bit / 8 / column.BYTES_PER_ELEMENT));
      };
      flip();
      const { size } = seen;
      assert.equal(seen.add(table.sum().text()).size, size + 1, `bit ${bit}`);
      flip();
      assert.ok(seen.has(table.sum().text()));
    }
  }
  const before = table.sum().text();
  for (const column of columns) [column[3], column[4]] = [column[4] as number, column[3] as number];
  for (const row of [3, 4]) table.touch(row);
  assert.notEqual(table.sum().text(), before);
});

test("what many entries change is summed in between, and changes again afterwards", () => {
  const count = 20_000;
  const values = new Uint32Array(count + 1);
  const table = new ColumnTable("t", count, [values], 4096);
  const other = new ColumnTable("t", count, [values], 4096);
  for (let round = 1; round <= 3; round++) {
    for (let row = round; row <= count; row += round) {
      table.touch(row);
      values[row] = row * round;
      if (row % 7 === 0) table.keepUp();
    }
  }
  for (let page = 0; page * table.pageRows <= count; page++) other.restorePage(page, table.copyPage(page));
  assert.equal(table.sum().text(), rehashed(other).text());
  assert.equal(table.takeChanged().length, count);
});

function lived(): Machine {
  const machine = new Machine();
  machine.create("a", spec(everySecond), NOON);
  machine.create("b", spec(at(NOON)), NOON);
  const session = machine.up("n");
  machine.fire("a", NOON + SECOND, session);
  return machine;
}

test("H8: equal entries give equal hashes, also after a restart; any difference in rows, cold rows or scalars shows", () => {
  const hash = lived().state.hash();
  assert.deepEqual(lived().state.hash(), hash);
  const restarted = lived().restarted();
  assert.deepEqual(restarted.state.hash(), hash);
  const cases: ((machine: Machine) => void)[] = [
    ({ state }) => (state.jobs.lastAtMs[1] as number) && ((state.jobs.lastAtMs[1] = NOON + 1), state.jobs.rows.touch(1)),
    ({ state }) => ((state.live.attempt[1] = 2), state.live.rows.touch(1)),
    ({ state }) => state.cold.put("def/00000001/00000001", Uint8Array.of(1)),
    ({ state }) => state.cold.del("note/000000000001"),
    ({ state }) => (state.tokenCounter += 1),
    ({ state }) => (state.nodes.find("n") as { slots: number }).slots++,
  ];
  for (const differ of cases) {
    const machine = lived();
    differ(machine);
    assert.notEqual(machine.state.hash().hash, hash.hash);
    assert.equal(isDeepStrictEqual(machine.restarted().state.hash(), machine.state.hash()), true);
  }
});

test("H8: expired Idempotency-Keys are each node's own to remove: the hash does not know when", () => {
  const key = { scope: "caller/route/key", bodyHash: "00" };
  const [one, other] = [lived(), lived()];
  for (const machine of [one, other]) machine.create("c", spec(everySecond), NOON + SECOND, key);
  for (const row of [...other.cold.under("key/"), ...other.cold.under("gen/")]) other.state.cold.del(row);
  assert.deepEqual(other.state.hash(), one.state.hash());
});

test("H8: a mark tells whoever asks the hash at its place in the log", () => {
  const machine = lived();
  machine.entry([{ kind: "mark", number: 6 }]);
  const marks: unknown[] = [];
  machine.state.watcher = { ...machine.state.watcher, marked: (number, hash) => marks.push([number, hash]) };
  machine.entry([{ kind: "mark", number: 7 }]);
  assert.deepEqual(marks, [[7, machine.state.hash()]]);
});

test("H8: rows that were loaded otherwise than the checkpoint was made are refused", () => {
  const machine = lived();
  const scalars = machine.state.encodeScalars();
  const other = machine.restarted();
  other.state.jobs.dueAtMs[1] = NOON;
  other.state.restoreScalars(scalars, machine.state.appliedIndex);
  assert.throws(() => allAtOnce(other.state.checkRows()), /jobs that were loaded are not those of the checkpoint/);
});
