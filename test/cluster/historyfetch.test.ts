// Who is asked for missing history, and when: the leader first, then the others; what no member has is given up only when all have said so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistoryFrame, encodeHistoryFrame, HistoryFetch } from "../../src/cluster/historyfetch.ts";
import type { HistoryFrame, HistoryIo } from "../../src/cluster/historyfetch.ts";
import { emptyHistoryRow } from "../../src/jobs/history.ts";
import { limits } from "../../src/limits.ts";
import { encodeBatch } from "../../src/storage/historybatch.ts";
import type { HistoryBatch } from "../../src/storage/history.ts";

type Hole = { from: number; to: number };

/** Node a of a, b, c, led by c; it lacks the records from 10 to 20. */
class Bench {
  readonly sent: { to: string; frame: HistoryFrame }[] = [];
  readonly notes: string[] = [];
  readonly filled: number[] = [];
  readonly failures: unknown[] = [];
  hole: Hole | undefined = { from: 10, to: 20 };
  nowMs = 1000;
  linked = new Set(["b", "c"]);
  members = ["a", "b", "c"];
  readonly fetch: HistoryFetch;

  constructor(batch: (from: number, to: number) => HistoryBatch = () => ({ rows: [], upTo: 0 })) {
    const bench = this;
    const io: HistoryIo = {
      self: "a",
      raft: {
        status: () => ({ leader: "c" }) as ReturnType<HistoryIo["raft"]["status"]>,
        membership: () => ({ index: 0, membership: { voters: [this.members], learners: [], places: new Map() } }),
      },
      history: {
        get hole() {
          return bench.hole;
        },
        batch,
        fill: ({ rows, upTo }) => {
          this.filled.push(...rows.map(({ ordinal }) => ordinal));
          this.hole = upTo === 20 ? undefined : { from: upTo, to: 20 };
        },
      },
      send: (to, frame) => {
        if (!this.linked.has(to)) return false;
        this.sent.push({ to, frame });
        return true;
      },
      note: (message) => void this.notes.push(message),
      failed: (error) => void this.failures.push(error),
    };
    this.fetch = new HistoryFetch(io);
  }

  after(ms: number): string {
    this.nowMs += ms;
    this.fetch.tick(this.nowMs);
    return this.sent.splice(0).map(({ to, frame }) => `${to} ${frame.kind} ${frame.from}`).join(", ");
  }

  hears(from: string, frame: HistoryFrame): void {
    this.fetch.receive(from, decodeHistoryFrame(encodeHistoryFrame(frame)), this.nowMs);
  }

  rows(from: string, first: number, upTo: number): void {
    const rows = Array.from({ length: upTo - first }, (_, at) => ({ ...emptyHistoryRow(), ordinal: first + at }));
    this.hears(from, { kind: "rows", from: first, upTo, bytes: encodeBatch(rows) });
  }
}

test("the leader is asked, again after each batch and a pause, until nothing is missing", () => {
  const bench = new Bench();
  assert.equal(bench.after(0), "c ask 10");
  bench.rows("c", 10, 15);
  assert.equal(bench.after(0), "");
  assert.equal(bench.fetch.nextWakeMs(), bench.nowMs + limits.historyFetchPaceMs);
  assert.equal(bench.after(limits.historyFetchPaceMs), "c ask 15");
  bench.rows("c", 15, 20);
  assert.equal(bench.after(limits.historyAskMs), "");
  assert.deepEqual(bench.filled, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.match(bench.notes.join(), /whole again/);
  assert.equal(bench.fetch.nextWakeMs(), Number.POSITIVE_INFINITY);
});

test("who does not answer, is not linked, lacks it too or sends nonsense is followed by the next one", () => {
  const bench = new Bench();
  assert.equal(bench.after(0), "c ask 10");
  assert.equal(bench.after(limits.historyAskMs - 1), "");
  assert.equal(bench.after(1), "b ask 10");
  bench.hears("b", { kind: "lacks", from: 10, to: 18 });
  assert.equal(bench.after(0), "", "nobody is left: all are asked again later");
  assert.equal(bench.after(limits.historyAskMs), "c ask 10");
  bench.hears("c", { kind: "rows", from: 10, upTo: 12, bytes: Uint8Array.of(1, 2, 3) });
  assert.equal(bench.after(0), "b ask 10");
  bench.linked.delete("c");
  assert.equal(bench.after(limits.historyAskMs), "");
  assert.equal(bench.after(limits.historyAskMs), "");
  assert.equal(bench.after(limits.historyAskMs), "b ask 10");
  assert.deepEqual([bench.filled, bench.hole], [[], { from: 10, to: 20 }]);
});

test("what every other member lacks is given up, by name, as far as all lack it; and not while one has not said so", () => {
  const bench = new Bench();
  bench.after(0);
  bench.hears("c", { kind: "lacks", from: 10, to: 18 });
  assert.equal(bench.after(0), "b ask 10");
  bench.hears("b", { kind: "lacks", from: 10, to: 10 });
  bench.after(0);
  assert.deepEqual(bench.hole, { from: 10, to: 20 }, "b has not come so far: it may yet have them");
  assert.deepEqual(bench.notes, []);
  assert.equal(bench.after(limits.historyAskMs), "c ask 10");
  bench.hears("c", { kind: "lacks", from: 10, to: 18 });
  bench.after(0);
  bench.hears("b", { kind: "lacks", from: 10, to: 14 });
  bench.after(0);
  assert.deepEqual(bench.hole, { from: 14, to: 20 });
  assert.match(bench.notes.join(), /10 to 13 of the history are lost/);
});

test("words of others, of earlier questions and beyond the hole change nothing", () => {
  const bench = new Bench();
  bench.after(0);
  bench.rows("b", 10, 15);
  bench.rows("c", 9, 15);
  assert.deepEqual(bench.hole, { from: 10, to: 20 });
  bench.rows("c", 10, 21);
  assert.deepEqual([bench.hole, bench.filled], [{ from: 10, to: 20 }, []]);
});

test("a question is answered with what there is; damage met on the way ends the node", () => {
  const rows = [{ ...emptyHistoryRow(), ordinal: 4 }];
  const bench = new Bench((from, to) => (from === 4 ? { rows, upTo: to } : { rows: [], upTo: from, lackingTo: 9 }));
  bench.hole = undefined;
  bench.hears("b", { kind: "ask", from: 4, to: 6 });
  bench.hears("b", { kind: "ask", from: 7, to: 9 });
  assert.deepEqual(bench.sent, [
    { to: "b", frame: { kind: "rows", from: 4, upTo: 6, bytes: encodeBatch(rows) } },
    { to: "b", frame: { kind: "lacks", from: 7, to: 9 } },
  ]);
  const damage = new Error("damage");
  const damaged = new Bench(() => {
    throw damage;
  });
  damaged.hears("b", { kind: "ask", from: 1, to: 2 });
  assert.deepEqual(damaged.failures, [damage]);
});

test("a word that makes no sense is refused", () => {
  for (const value of [["ask", 0, 4], ["ask", 1], ["rows", 1, 2, "x"], ["other", 1, 2], ["lacks", 1.5, 2]]) {
    assert.throws(() => decodeHistoryFrame(value), { code: "invalid" }, JSON.stringify(value));
  }
});
