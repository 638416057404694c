// Which way a frame travels: what nothing may hold up, what may be large, and what takes long.

import assert from "node:assert/strict";
import { test } from "node:test";
import { laneOf } from "../../src/cluster/frames.ts";
import type { Frame } from "../../src/cluster/frames.ts";

test("heartbeats and votes wait behind nothing large, and nothing waits behind a snapshot", () => {
  const bytes = new Uint8Array(1);
  const frames: [Frame, ReturnType<typeof laneOf>][] = [
    [{ kind: "raft", message: { kind: "heartbeat", term: 1, commit: 0, round: 1, leaderCommit: 0 } }, "control"],
    [{ kind: "raft", message: { kind: "vote", term: 1, lastIndex: 0, lastTerm: 0, transfer: false } }, "control"],
    [{ kind: "raft", message: { kind: "append", term: 1, prevIndex: 0, prevTerm: 0, entries: [], commit: 0 } }, "bulk"],
    [{ kind: "change", id: { birth: 1, number: 1 }, change: { kind: "trigger", jobId: "a" }, key: undefined, bytes: 1 }, "bulk"],
    [{ kind: "snapshot", message: { kind: "offer", term: 1, copy: "a.1.1" } }, "snapshot"],
    [{ kind: "snapshot", message: { kind: "chunk", term: 1, copy: "a.1.1", number: 0, bytes } }, "snapshot"],
    [{ kind: "snapshot", message: { kind: "want", copy: "a.1.1", next: 1 } }, "control"],
  ];
  for (const [frame, lane] of frames) assert.equal(laneOf(frame), lane, JSON.stringify(frame));
});
