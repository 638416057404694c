// Mixed versions (H14): what a build does not understand is neither proposed too early nor ever skipped.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../../src/base/bytes.ts";
import { PawlError } from "../../src/base/errors.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import { beginEntry, commandKind, encodeCommand } from "../../src/jobs/command.ts";
import type { Command } from "../../src/jobs/command.ts";
import { planType } from "../../src/jobs/items.ts";
import { lane, State, timerMemory } from "../../src/jobs/state.ts";
import { checkProposable, maxStateVersion, ownVersions } from "../../src/jobs/versions.ts";
import type { Versions } from "../../src/jobs/versions.ts";
import { Wheel } from "../../src/wheel/wheel.ts";
import { entryOf, Machine, MapRows, NOON, planOf, smallCapacity } from "./machine.ts";

/** A build in which pauses and ranges of missed due times came with version 2. */
const newer: Versions = {
  max: 2,
  commands: new Map([...ownVersions.commands, [commandKind.pause, 2]]),
  items: new Map([...ownVersions.items, [planType.range, 2]]),
};

function stateOf(versions: Versions): State {
  const memory = timerMemory(smallCapacity);
  const wheel = new Wheel(memory.items, memory.dueAtMs, memory.lanes, lane.count, 0);
  return new State(smallCapacity, memory, wheel, new MapRows(), versions);
}

const pause: Command = { kind: "pause", key: undefined, ref: { job: 1, generation: 1, revision: 1 }, specJson: new Uint8Array(0) };
const trigger: Command = { kind: "trigger", key: undefined, ref: { job: 1, generation: 1, revision: 1 } };
const range: Command = { kind: "plan", items: planOf((out) => out.range(1, 1, 1, NOON, NOON, 1, 0)) };
const start: Command = { kind: "plan", items: planOf((out) => out.start(1, 1, 0, 1)) };

test("H14: a kind of command or item is proposed only once the state has the version that it needs", () => {
  const state = stateOf(newer);
  const asked = (command: Command) => (): void => checkProposable(state, encodeCommand(command));
  for (const command of [trigger, start]) asked(command)();
  const tooEarly = (error: unknown): boolean =>
    error instanceof PawlError && error.code === "conflict" && /needs version 2/.test(error.message);
  for (const command of [pause, range]) assert.throws(asked(command), tooEarly);
  applyEntry(state, 1, entryOf([{ kind: "raiseVersion", to: 2 }], NOON));
  for (const command of [trigger, start, pause, range]) asked(command)();
  applyEntry(state, 2, entryOf([{ kind: "raiseVersion", to: 1 }], NOON));
  assert.equal(state.version, 2, "it never goes back");
});

test("H14: a build ends, before it applies any part of an entry, at what it does not understand; it never skips it", () => {
  const unknownKind = new ByteWriter();
  beginEntry(unknownKind, { clockMs: NOON, elapsedMs: 0 });
  const create = new Machine();
  unknownKind.raw(encodeCommand({ kind: "bootstrap", clusterId: "c", idSpace: "s", jobsMax: 100, liveMax: 100, shard: 0 }));
  unknownKind.raw(Uint8Array.of(200, 1, 0, 0, 0, 7));
  const entries = [
    unknownKind.take(),
    entryOf([{ kind: "nodeUp", node: "n", incarnation: 1, slots: 1, tags: [], held: [] }, { kind: "plan", items: Uint8Array.of(9) }], NOON),
    entryOf([{ kind: "raiseVersion", to: maxStateVersion + 1 }], NOON),
    entryOf([{ kind: "results", items: new Uint8Array(41).fill(9, 14, 15) }], NOON),
  ];
  const before = create.image();
  for (const data of entries) {
    assert.throws(
      () => applyEntry(create.state, 1, data),
      (error) => error instanceof PawlError && error.code === "too_new" && /upgrade/.test(error.message),
    );
    assert.deepEqual(create.image(), before);
  }
});

test("H14: a build refuses to load a state of a version above its own", () => {
  const state = stateOf(newer);
  applyEntry(state, 1, entryOf([{ kind: "raiseVersion", to: 2 }], NOON));
  stateOf(newer).restoreScalars(state.encodeScalars(), 1);
  assert.throws(
    () => stateOf(ownVersions).restoreScalars(state.encodeScalars(), 1),
    (error) => error instanceof PawlError && error.code === "too_new",
  );
});
