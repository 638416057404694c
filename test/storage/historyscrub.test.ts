// Rounds over the history: a whole one is passed again and again, and a bit anywhere in any file is found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyHistoryRow } from "../../src/jobs/history.ts";
import { HistoryStore } from "../../src/storage/history.ts";
import { HistoryScrub } from "../../src/storage/historyscrub.ts";
import { noHistory } from "../../src/storage/historymarks.ts";
import { Crashable, isQuarantine } from "./bench.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 10, 21);

/** Three days of history in several blocks each, one of them fetched from another node. */
function written(crashable: Crashable): HistoryStore {
  const marks = { ...noHistory, nextOrdinal: 51, holes: [{ from: 1, to: 51 }] };
  const store = HistoryStore.open(crashable.disk.files, 0, marks);
  const rowAt = (ordinal: number): ReturnType<typeof emptyHistoryRow> =>
    ({ ...emptyHistoryRow(), ordinal, endAtMs: START_MS + Math.floor(ordinal / 50) * DAY_MS, note: `n${ordinal}` });
  for (let ordinal = 51; ordinal <= 140; ordinal++) {
    store.append(rowAt(ordinal));
    if (ordinal % 20 === 0) store.flush(() => undefined);
  }
  store.fill({ rows: Array.from({ length: 50 }, (_, at) => rowAt(at + 1)), upTo: 51 });
  store.flush(() => undefined);
  crashable.settle();
  return store;
}

function round(scrub: HistoryScrub): number {
  let steps = 1;
  while (!scrub.step(200)) steps++;
  return steps;
}

test("a whole history is passed, a bounded number of bytes in a step, while it grows", () => {
  const crashable = new Crashable(1);
  const store = written(crashable);
  const scrub = new HistoryScrub(store);
  assert.ok(round(scrub) > 5);
  store.append({ ...emptyHistoryRow(), ordinal: 141, endAtMs: START_MS });
  round(scrub);
  store.dropBefore(Math.floor(START_MS / DAY_MS) + 1);
  round(scrub);
  assert.equal(scrub.rounds, 3);
  assert.equal(new HistoryScrub(HistoryStore.open(crashable.disk.files, 0, noHistory)).step(1), true, "and an empty one");
});

test("a flipped bit anywhere is found, and a file that was cut", () => {
  const crashable = new Crashable(2);
  const store = written(crashable);
  assert.equal(crashable.storage.files.size, 4);
  for (const [name, file] of crashable.storage.files) {
    for (let at = 0; at < file.length; at += 7) {
      file.data[at] = (file.data[at] as number) ^ 2;
      assert.throws(() => round(new HistoryScrub(store)), isQuarantine(/no sound block|fails its checksum/), `byte ${at} of ${name}`);
      file.data[at] = (file.data[at] as number) ^ 2;
    }
  }
  round(new HistoryScrub(store));
  const [[, file] = assert.fail()] = crashable.storage.files;
  file.truncate(file.length - 1);
  assert.throws(() => round(new HistoryScrub(store)), isQuarantine(/fails its checksum/));
});
