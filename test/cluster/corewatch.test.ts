// A core thread that stands still is noticed from outside of it; a process that was paused is left alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { PawlError } from "../../src/base/errors.ts";
import { CoreWatch } from "../../src/cluster/corewatch.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";

class Face {
  asks = 0;
  readonly errors: PawlError[] = [];
  readonly watch: CoreWatch;
  private next: (() => void) | undefined;

  constructor() {
    const after = (delayMs: number, run: () => void): { cancel(): void } => {
      assert.equal(delayMs, limits.coreAskMs);
      this.next = run;
      return { cancel: () => (this.next = undefined) };
    };
    this.watch = new CoreWatch({ ...realSystem, after }, () => void this.asks++, (error) => void this.errors.push(error));
    this.watch.start();
  }

  /** The timer runs out so often. */
  ticks(count: number): void {
    for (let at = 0; at < count; at++) {
      const run = this.next;
      this.next = undefined;
      run?.();
    }
  }
}

test("a core that leaves so many asks without answer ends the node, once", () => {
  const face = new Face();
  face.ticks(limits.coreUnansweredMax);
  assert.deepEqual([face.asks, face.errors.length], [limits.coreUnansweredMax, 0]);
  face.ticks(5);
  assert.deepEqual(face.errors.map(({ code, outcome }) => [code, outcome]), [["io", "unknown"]]);
});

test("one answer begins the count anew; a stopped watch asks nothing", () => {
  const face = new Face();
  for (let round = 0; round < 5; round++) {
    face.ticks(limits.coreUnansweredMax);
    face.watch.answered();
  }
  face.watch.stop();
  face.ticks(limits.coreUnansweredMax + 1);
  assert.deepEqual([face.errors, face.asks], [[], 5 * limits.coreUnansweredMax]);
});
