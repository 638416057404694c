import assert from "node:assert/strict";
import { it } from "node:test";
import { sweepKeys } from "../../src/cluster/keysweep.ts";
import { coldKeys } from "../../src/jobs/cold.ts";
import { keysAreFull, rememberKey, seenKey, turnKeys } from "../../src/jobs/keys.ts";
import { State, timerMemory } from "../../src/jobs/state.ts";
import { limits } from "../../src/limits.ts";

const HOUR_MS = 3_600_000;

function stateOver(rows: Map<string, Uint8Array>): State {
  const cold = {
    get: (key: string) => rows.get(key),
    put: (key: string, value: Uint8Array) => void rows.set(key, value),
    add: (key: string, value: Uint8Array) => void rows.set(key, value),
    del: (key: string) => void rows.delete(key),
  };
  return new State(
    { jobsMax: 4, liveMax: 4 },
    timerMemory({ jobsMax: 4, liveMax: 4 }),
    { arm: () => undefined, disarm: () => undefined, turnBack: () => undefined },
    cold,
  );
}

it("expired keys are absent at once and swept later; a key used again stays (H11)", async () => {
  const rows = new Map<string, Uint8Array>();
  const state = stateOver(rows);
  const use = (scope: string, index: number): void => {
    rememberKey(state, { scope, bodyHash: "b" }, { kind: "done", status: "submitted", jobId: "j", sequence: undefined, index });
  };
  const pages = {
    page: async ({ gte = "", lt = "", limit }: { gte?: string; lt?: string; limit: number }): Promise<[string, Uint8Array][]> =>
      [...rows]
        .filter(([key]) => key >= gte && key < lt)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, limit),
  };
  use("old", 1);
  use("again", 2);
  state.elapsedMs = limits.keyGenerations * HOUR_MS - 1;
  turnKeys(state);
  await sweepKeys(state, pages, setImmediate);
  assert.equal(seenKey(state, { scope: "old", bodyHash: "b" })?.kind, "done", "a key is kept for its 24 generations");
  use("again", 3);
  state.elapsedMs += 1;
  turnKeys(state);
  assert.equal(seenKey(state, { scope: "old", bodyHash: "b" }), undefined, "an expired key is absent before it is swept");
  assert.ok(rows.has(coldKeys.idempotency("old")));
  await sweepKeys(state, pages, setImmediate);
  assert.ok(!rows.has(coldKeys.idempotency("old")) && !rows.has(coldKeys.generation(0, "old")), "an expired key is swept");
  assert.equal(seenKey(state, { scope: "again", bodyHash: "b" })?.kind, "done", "a key used again is of its newer generation");
  assert.equal(keysAreFull(state), false);
});

it("a sweep leaves turns to others, and says that there is more (H11)", async () => {
  const rows = new Map<string, Uint8Array>();
  const state = stateOver(rows);
  const count = limits.keysPerSweepMax + 5;
  const reply = { kind: "done", status: "submitted", jobId: "j", sequence: undefined, index: 1 } as const;
  for (let i = 0; i < count; i++) rememberKey(state, { scope: `key-${i}`, bodyHash: "b" }, reply);
  state.elapsedMs = limits.keyGenerations * HOUR_MS;
  turnKeys(state);
  const page = async ({ limit }: { limit: number }): Promise<[string, Uint8Array][]> => {
    return [...rows].filter(([key]) => key.startsWith(coldKeys.generations)).slice(0, limit);
  };
  let turns = 0;
  const soon = (run: () => void): void => {
    turns++;
    setImmediate(run);
  };
  assert.equal(await sweepKeys(state, { page }, soon), true);
  assert.ok(turns >= 10, `${limits.keysPerSweepMax} keys in ${turns} turns`);
  assert.equal(await sweepKeys(state, { page }, soon), false);
  assert.equal(rows.size, 0);
});
