// What ages out, and when (H10, H13): by entries, on leaders' monotonic time, and nothing that is younger than the first day kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "../../src/jobs/command.ts";
import { limits } from "../../src/limits.ts";
import { agedRows, agingRanges, historyDrop } from "../../src/planner/retention.ts";
import { at, everySecond, Machine, NOON, SECOND, spec } from "../jobs/machine.ts";

const DAY_MS = 86_400_000;
const TODAY = Math.floor(NOON / DAY_MS);

function dropOf(command: Command | undefined): number | undefined {
  return command?.kind === "dropHistory" ? command.beforeDay : undefined;
}

test("H13: history goes once a day of leaders' time and a few days at once, however far the clock jumps", () => {
  const machine = new Machine();
  const retention = { days: 30, everyMs: limits.historyDropEveryMs };
  const propose = (oldestDay: number | undefined): number | undefined => dropOf(historyDrop(machine.state, retention, oldestDay));
  machine.entry([], limits.historyDropEveryMs - 1);
  assert.equal(propose(TODAY - 40), undefined, "not yet a day");
  machine.entry([], 1);
  assert.deepEqual([propose(undefined), propose(TODAY - 30), propose(TODAY - 29)], [undefined, undefined, undefined]);
  assert.deepEqual([propose(TODAY - 31), propose(TODAY - 40)], [TODAY - 30, TODAY - 40 + limits.historyDaysPerDropMax]);
  machine.clockMs += 400 * DAY_MS;
  machine.entry([]);
  assert.equal(propose(TODAY), TODAY + limits.historyDaysPerDropMax, "a clock that is years ahead costs no more than that a day");
  machine.entry([{ kind: "dropHistory", beforeDay: TODAY + 2 }]);
  assert.equal(machine.historyFrom, TODAY + 2);
  assert.equal(propose(TODAY + 2), undefined);
  machine.entry([{ kind: "dropHistory", beforeDay: TODAY }]);
  assert.deepEqual([machine.historyFrom, machine.state.historyFromDay], [TODAY + 2, TODAY + 2], "what was dropped stays dropped");
  assert.equal(machine.restarted().historyFrom, TODAY + 2, "a store that is opened anew is told");
});

/** Rows as the leader reads them, range by range. */
function aging(machine: Machine): [string, Uint8Array][] {
  return agingRanges.flatMap(({ gt, lt }) =>
    [...machine.cold.rows].filter(([key]) => key > gt && key < lt),
  );
}

test("H10f: rows of jobs that are gone go when the days of their history have gone, and not before", () => {
  const machine = new Machine();
  const end = (jobId: string): void => {
    machine.create(jobId, spec(at(NOON)), machine.clockMs);
    const session = machine.up("n");
    machine.fire(jobId, 0, session);
    machine.result(machine.only(jobId), "completed");
  };
  end("old");
  machine.create("removed", spec(everySecond), NOON + SECOND);
  machine.one({ kind: "cancel", key: undefined, ref: machine.ref("removed"), jobId: "removed", cancelRunning: false });
  machine.clockMs += DAY_MS;
  end("young");
  const keys = aging(machine).map(([key]) => key);
  assert.deepEqual(keys.filter((key) => key.startsWith("ended/")), ["ended/old", "ended/removed", "ended/young"]);
  machine.entry([{ kind: "forget", keys: [...keys, ...machine.cold.under("def/"), "ended/none", "x"] }]);
  assert.deepEqual(aging(machine).map(([key]) => key), keys, "no day has been dropped");
  assert.equal(agedRows(machine.state, aging(machine)), undefined);
  machine.entry([{ kind: "dropHistory", beforeDay: TODAY + 1 }]);
  const command = agedRows(machine.state, aging(machine));
  assert.equal(command?.kind === "forget" && command.keys.length, 3);
  machine.entry([command as Command, { kind: "forget", keys: ["ended/young"] }]);
  assert.deepEqual([machine.cold.under("ended/"), machine.cold.under("by/")], [["ended/young"], []]);
  assert.equal(machine.cold.under("left/").length, 1);
  assert.equal(machine.create("old", spec(at(machine.clockMs)), machine.clockMs).kind, "done", "its id is free again");
});
