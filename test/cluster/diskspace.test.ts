// What is refused while disks are nearly full, by whom, and when that ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskSpace } from "../../src/cluster/diskspace.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";

class Machine {
  free = Number.POSITIVE_INFINITY;
  mono = 0;
  readonly alarms: string[] = [];
  readonly space: DiskSpace;
  private next: () => void = () => assert.fail("nothing waits");

  constructor(...voters: readonly (readonly string[])[]) {
    const after = (delayMs: number, run: () => void): { cancel(): void } => {
      assert.equal(delayMs, limits.diskCheckMs);
      this.next = run;
      return { cancel: () => undefined };
    };
    this.space = new DiskSpace({
      self: "a", system: { ...realSystem, monotonicMs: () => this.mono, after }, freeBytes: async () => this.free,
      membership: () => ({ voters }), alarm: (message) => void this.alarms.push(message),
    });
  }

  async looks(free: number): Promise<void> {
    this.free = free;
    this.next();
    await Promise.resolve();
    await Promise.resolve();
  }

  refused(kind = "create"): string | undefined {
    return this.space.refusal({ kind })?.code;
  }
}

test("below the reserve what grows is refused, what shrinks or goes on is not; it ends by itself, not by a hair (S1, S2)", async () => {
  const at = new Machine(["a"]);
  await at.space.watch();
  await at.looks(limits.diskReserveBytes);
  assert.deepEqual([at.refused(), at.alarms.length], [undefined, 0]);
  await at.looks(limits.diskReserveBytes - 1);
  const growing = ["create", "create_many", "update", "trigger"];
  assert.deepEqual(growing.map((kind) => at.refused(kind)), growing.map(() => "disk_full"));
  const goOn = ["cancel", "pause", "resume", "cancel_execution", "confirm_clock", "membership", "transfer"];
  assert.deepEqual(goOn.filter((kind) => at.refused(kind) !== undefined), []);
  await at.looks(limits.diskReserveEndBytes - 1);
  assert.equal(at.refused(), "disk_full");
  await at.looks(limits.diskReserveEndBytes);
  assert.equal(at.refused(), undefined);
  assert.deepEqual(at.alarms.map((text) => /no longer/.test(text)), [false, true]);
});

test("a leader refuses when the disks that are not low make no majority, in each of two sets of voters", () => {
  const at = new Machine(["a", "b", "c"]);
  at.space.heard("b", true);
  assert.equal(at.refused(), undefined);
  at.space.heard("c", true);
  assert.equal(at.refused(), "disk_full");
  at.mono += limits.diskToldMaxMs;
  assert.equal(at.refused(), undefined, "what was heard long ago does not count");
  const joint = new Machine(["a", "b", "c"], ["a", "d", "e"]);
  joint.space.heard("d", true);
  assert.equal(joint.refused(), undefined);
  joint.space.heard("e", true);
  assert.equal(joint.refused(), "disk_full");
  joint.space.heard("e", false);
  assert.equal(joint.refused(), undefined);
});
