// Every event on an execution in every state, for both promises of delivery. The types keep the table complete.

import assert from "node:assert/strict";
import { test } from "node:test";
import { endings } from "../../src/jobs/history.ts";
import { at, Machine, NOON, SECOND, spec } from "./machine.ts";

type LiveState = "queued" | "running" | "retrying" | "cancelling";
type EventKind =
  | "start" | "completed" | "failed_retry" | "failed_last" | "timeout" | "cancelled" | "not_started"
  | "cancel" | "node_lost" | "node_up" | "node_up_held";
/** The state afterwards, or how it ended. */
type Expected = LiveState | (typeof endings)[number];
type Table = Record<LiveState, Record<EventKind, Expected>>;

const ignored = <T extends LiveState>(state: T): Record<Exclude<EventKind, "start" | "cancel">, T> => ({
  completed: state, failed_retry: state, failed_last: state, timeout: state, cancelled: state, not_started: state,
  node_lost: state, node_up: state, node_up_held: state,
});

const cancelling: Record<EventKind, Expected> = {
  start: "cancelling", completed: "completed", failed_retry: "failed", failed_last: "failed", timeout: "failed", cancelled: "cancelled",
  not_started: "cancelled", cancel: "cancelling", node_lost: "cancelled", node_up: "cancelled", node_up_held: "cancelling",
};

const atLeastOnce: Table = {
  queued: { ...ignored("queued"), start: "running", cancel: "cancelled" },
  running: {
    start: "running", completed: "completed", failed_retry: "retrying", failed_last: "failed", timeout: "retrying", cancelled: "cancelled",
    not_started: "queued", cancel: "cancelling", node_lost: "queued", node_up: "queued", node_up_held: "running",
  },
  retrying: { ...ignored("retrying"), start: "running", cancel: "cancelled" },
  cancelling,
};

const atMostOnce: Table = {
  queued: { ...ignored("queued"), start: "running", cancel: "cancelled" },
  running: {
    start: "running", completed: "completed", failed_retry: "failed", failed_last: "failed", timeout: "unknown", cancelled: "cancelled",
    not_started: "queued", cancel: "cancelling", node_lost: "unknown", node_up: "unknown", node_up_held: "running",
  },
  // Only what certainly did not run waits: an attempt that no node started, twice.
  retrying: { ...ignored("retrying"), start: "running", cancel: "cancelled" },
  cancelling: { ...cancelling, timeout: "unknown" },
};

class Life {
  readonly machine = new Machine();
  readonly slot: number;
  session: number;

  constructor(delivery: "at_least_once" | "at_most_once", state: LiveState) {
    const { machine } = this;
    machine.create("job", spec(at(NOON), { delivery }), NOON);
    this.session = machine.up("n");
    machine.fire("job", 0, state === "queued" ? 0 : this.session);
    this.slot = machine.only("job");
    if (state === "cancelling") this.cancel();
    if (state !== "retrying") return;
    if (delivery === "at_least_once") machine.result(this.slot, "failed", NOON + SECOND);
    else this.twiceNotStarted();
  }

  private twiceNotStarted(): void {
    this.machine.result(this.slot, "notStarted");
    this.machine.start(this.slot, this.session);
    this.machine.result(this.slot, "notStarted");
  }

  cancel(): void {
    this.machine.one({ kind: "cancelExecution", key: undefined, sequence: 1 });
  }

  happen(event: EventKind): void {
    const { machine, slot } = this;
    const held = [{ sequence: 1, token: machine.state.live.token[slot] as number }];
    const retryMs = NOON + SECOND;
    const events: Record<EventKind, () => void> = {
      start: () => machine.start(slot, this.session),
      completed: () => machine.result(slot, "completed"),
      failed_retry: () => machine.result(slot, "failed", retryMs),
      failed_last: () => machine.result(slot, "failed"),
      timeout: () => machine.result(slot, "timeout", retryMs),
      cancelled: () => machine.result(slot, "cancelled"),
      not_started: () => machine.result(slot, "notStarted"),
      cancel: () => this.cancel(),
      node_lost: () => void machine.entry([{ kind: "nodeLost", session: this.session }]),
      node_up: () => void machine.up("n"),
      node_up_held: () => void machine.up("n", { held }),
    };
    events[event]();
  }

  check(expected: Expected): void {
    const { machine, slot } = this;
    const live = machine.state.live.pool.has(slot);
    assert.equal(live ? machine.stateOf(slot) : machine.history.at(-1)?.how, expected);
    assert.equal(machine.history.length, live ? 0 : 1, "an end is one record (X1)");
    assert.equal(machine.job("job") !== 0, live, "a one-shot leaves with its execution");
    const occupied = live && (expected === "running" || expected === "cancelling") ? 1 : 0;
    assert.equal(machine.running("n"), occupied, "slots follow the rows");
    assert.deepEqual(machine.restarted().image(), machine.image());
    if (live) assert.ok(machine.wheel.isArmed(machine.state.itemOfLive(slot)), "a live row always has a timer (H4)");
    if (!live) assert.deepEqual(machine.cold.under("note/"), []);
  }
}

for (const [delivery, table] of [["at_least_once", atLeastOnce], ["at_most_once", atMostOnce]] as const) {
  for (const [state, events] of Object.entries(table) as [LiveState, Record<EventKind, Expected>][]) {
    test(`${delivery}: every event on an execution that is ${state}`, () => {
      for (const [event, expected] of Object.entries(events) as [EventKind, Expected][]) {
        const life = new Life(delivery, state);
        assert.equal(life.machine.stateOf(life.slot), state);
        life.happen(event);
        try {
          life.check(expected);
        } catch (error) {
          throw new Error(`${state} + ${event}: expected ${expected}`, { cause: error });
        }
      }
    });
  }
}

test("H5, P5: every start raises the token, and of all attempts only the newest can end the execution", () => {
  const { machine, slot, session } = new Life("at_least_once", "running");
  machine.result(slot, "notStarted");
  machine.start(slot, session);
  const { live } = machine.state;
  assert.deepEqual([live.token[slot], live.attempt[slot]], [2, 2]);
  machine.resultOf(1, 1, "completed");
  assert.equal(machine.stateOf(slot), "running");
  machine.resultOf(1, 2, "completed");
  assert.equal(machine.history.at(-1)?.token, 2);
});
