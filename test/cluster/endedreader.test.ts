// A node that starts with jobs that ended reads their ids: until then a new job's id is looked for on disk, from then on only if one of
// them may have it; and an id that was used is refused before and after.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { at, spec } from "../jobs/machine.ts";
import { Alone } from "../support/alone.ts";

type Core = Alone["core"];

test("after a restart the ids of ended jobs are known again, and so is that others have none", async () => {
  const alone = await Alone.leading();
  const looked = (core: Core): string[] => {
    const keys: string[] = [];
    const { cold } = core;
    const get = cold.get.bind(cold);
    cold.get = (key) => {
      if (key.startsWith("ended/")) keys.push(key);
      return get(key);
    };
    return keys;
  };
  const submitted = async (jobId: string, atMs: number): Promise<string> => {
    let told = "nothing";
    const create = { kind: "create", jobId, spec: spec(at(atMs)) } as const;
    alone.core.replica.submit(create, undefined, limits.proposalTimeoutMs, (outcome) => {
      told = "status" in outcome ? outcome.status : outcome.code;
    });
    await alone.pass(200);
    return told;
  };
  const nowMs = (): number => alone.core.replica.state.clockMs;
  assert.equal(await submitted("one", nowMs() + 100), "submitted");
  await alone.pass(5_000);
  const before = looked(alone.core);
  assert.equal(alone.core.replica.state.endedJobs, 1);
  assert.equal(await submitted("two", nowMs() + 1e9), "submitted");
  assert.deepEqual(before, []);
  assert.equal(await submitted("one", nowMs() + 1e9), "exists");
  assert.deepEqual(before, ["ended/one"]);

  await alone.pass(2 * limits.checkpointMaxMs);
  assert.ok(alone.core.store.checkpointed, "a checkpoint holds the ended job");
  await alone.restart();
  const after = looked(alone.core);
  assert.equal(alone.core.replica.state.endedIds.mayHave(1), true, "not read yet");
  await alone.pass(5_000);
  assert.equal(alone.core.replica.state.endedIds.mayHave(1), false, "read");
  assert.equal(await submitted("three", nowMs() + 1e9), "submitted");
  assert.deepEqual(after, []);
  assert.equal(await submitted("one", nowMs() + 1e9), "exists");
});
