// What a leader proposes on its own, and when: marks, days of history and rows that have aged out, and a newer version of the state once
// every member understands it (H10, H13, H14).

import assert from "node:assert/strict";
import { test } from "node:test";
import { Housekeeping } from "../../src/cluster/housekeeping.ts";
import type { HousekeepingParts } from "../../src/cluster/housekeeping.ts";
import { usualPace } from "../../src/cluster/pace.ts";
import type { Command } from "../../src/jobs/command.ts";
import { ownVersions } from "../../src/jobs/versions.ts";
import { at, Machine, NOON, spec } from "../jobs/machine.ts";

const DAY_MS = 86_400_000;
const TODAY = Math.floor(NOON / DAY_MS);
const pace = { ...usualPace, firstMarkMs: 5_000, markMs: 20_000, stateUpkeepMs: 1_000, agingPageMs: 100, historyDropMs: DAY_MS };

/** The leader a of a, b and the learner c. */
class Leading {
  readonly machine = new Machine();
  readonly proposed: Command[] = [];
  readonly failures: unknown[] = [];
  readonly versions = new Map([["b", 1], ["c", 1]]);
  oldestDay: number | undefined;
  nowMs = 1_000;
  pages = 0;
  readonly housekeeping: Housekeeping;

  constructor(page?: HousekeepingParts["cold"]["page"]) {
    const { state, cold } = this.machine;
    const bench = this;
    const rowsAfter: HousekeepingParts["cold"]["page"] = async ({ gt = "", lt = "", limit }) => {
      this.pages++;
      return [...cold.rows].filter(([key]) => key > gt && key < lt).sort().slice(0, limit);
    };
    const parts: HousekeepingParts = {
      self: "a",
      pace,
      state: Object.assign(state, { versions: { ...ownVersions, max: 3 } }),
      raft: { membership: () => ({ index: 0, membership: { voters: [["a", "b"]], learners: ["c"], places: new Map() } }) },
      history: {
        get oldestDay() {
          return bench.oldestDay;
        },
      },
      cold: { page: page ?? rowsAfter },
      retentionDays: 30,
      capabilitiesOf: (id) => {
        const stateVersion = this.versions.get(id);
        return stateVersion === undefined ? undefined : { stateVersion, entryKinds: 2 };
      },
    };
    const io = { propose: (command: Command) => void this.proposed.push(command), alarm: () => undefined };
    this.housekeeping = new Housekeeping(parts, { ...io, failed: (error) => void this.failures.push(error) }, this.nowMs);
  }

  /** What is proposed within so much time. */
  async within(ms: number): Promise<Command[]> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += 50;
      this.housekeeping.tick(this.nowMs);
      for (let turns = 0; turns < 4; turns++) await undefined;
    }
    return this.proposed.splice(0);
  }
}

test("marks come a while after the leadership began, and again and again", async () => {
  const leading = new Leading();
  assert.deepEqual(await leading.within(4_950), []);
  assert.deepEqual(await leading.within(50), [{ kind: "mark", number: 1 }]);
  assert.deepEqual(await leading.within(40_000), [{ kind: "mark", number: 2 }, { kind: "mark", number: 3 }]);
});

test("H14: the version is raised to what every member understands, and not while one is away", async () => {
  const leading = new Leading();
  const raised = async (): Promise<number[]> => {
    const proposed = await leading.within(1_000);
    return proposed.flatMap((each) => (each.kind === "raiseVersion" ? [each.to] : []));
  };
  leading.versions.set("b", 3);
  assert.deepEqual(await raised(), [], "the learner does not understand more");
  leading.versions.delete("c");
  assert.deepEqual(await raised(), [], "nobody knows what it runs");
  leading.versions.set("c", 2);
  assert.deepEqual(await raised(), [2]);
  leading.machine.entry([{ kind: "raiseVersion", to: 2 }]);
  assert.deepEqual(await raised(), []);
  leading.versions.set("b", 9).set("c", 9);
  assert.deepEqual(await raised(), [3], "no more than this leader understands itself");
});

test("H10f: days that are too old go once a day, and then what is left of jobs that ended in them, page by page", async () => {
  const leading = new Leading();
  const { machine } = leading;
  machine.create("old", spec(at(NOON)), machine.clockMs);
  const session = machine.up("n");
  machine.fire("old", 0, session);
  machine.result(machine.only("old"), "completed");
  leading.oldestDay = TODAY;
  machine.clockMs += 40 * DAY_MS;
  assert.deepEqual(await leading.within(1_000), []);
  assert.equal(leading.pages, 0, "nothing can be too old before a day has gone");
  machine.entry([], DAY_MS);
  const [drop] = await leading.within(1_000);
  assert.deepEqual(drop, { kind: "dropHistory", beforeDay: TODAY + 2 });
  machine.entry([drop as Command]);
  assert.deepEqual(await leading.within(200), [{ kind: "forget", keys: ["ended/old"] }]);
  machine.entry([{ kind: "forget", keys: ["ended/old"] }]);
  machine.entry((await leading.within(500)).slice(0, 1));
  assert.deepEqual(machine.cold.under("left/"), []);
  await leading.within(200);
  const before = leading.pages;
  assert.deepEqual((await leading.within(2_000)).filter(({ kind }) => kind === "forget"), []);
  assert.ok(leading.pages > before + 5, "it goes round and round");
});

test("rows that cannot be read end the node", async () => {
  const damage = new Error("damage");
  const leading = new Leading(() => Promise.reject(damage));
  leading.machine.state.historyFromDay = TODAY;
  await leading.within(500);
  assert.deepEqual(leading.failures, [damage]);
});
