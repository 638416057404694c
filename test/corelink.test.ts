import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { pino } from "pino";
import type { Backend } from "../src/api/backend.ts";
import type { FaceToCore } from "../src/cluster/port.ts";
import { CoreLink } from "../src/corelink.ts";
import type { System } from "../src/system.ts";

/** A core that keeps what it is told, and answers what the test says. */
class FakeCore extends EventEmitter {
  readonly told: FaceToCore[] = [];

  postMessage(message: FaceToCore): void {
    this.told.push(message);
  }

  async terminate(): Promise<number> {
    return 0;
  }

  /** The ids of the changes in each message, and the kind of every other message. */
  get words(): readonly (readonly number[] | string)[] {
    return this.told.map((message) => (message.kind === "changes" ? message.changes.map(({ id }) => id) : message.kind));
  }
}

function linked(): { core: FakeCore; link: CoreLink; backend: Backend; turn: () => void } {
  const core = new FakeCore();
  let due: (() => void)[] = [];
  const system: System = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    random: () => 0,
    after: () => ({ cancel: () => undefined }),
    soon: (run) => void due.push(run),
  };
  const turn = (): void => {
    const now = due;
    due = [];
    for (const run of now) run();
  };
  const link = new CoreLink(core, system, pino({ level: "silent" }));
  core.emit("message", { kind: "opened" });
  const backend = link.backend({ executors: new Map(), self: "n1", clusterName: "c", version: "0", faceMetrics: async () => "" });
  return { core, link, backend, turn };
}

const pause = (backend: Backend, jobId: string) => backend.change({ kind: "pause", jobId }, { principal: "admin", route: "r" });

test("changes of one turn travel as one message, whatever microtasks lie between them (C2)", async () => {
  const { core, backend, turn } = linked();
  const first = pause(backend, "a");
  await Promise.resolve();
  const second = pause(backend, "b");
  assert.deepEqual(core.words, []);
  turn();
  const third = pause(backend, "c");
  turn();
  turn();
  assert.deepEqual(core.words, [[1, 2], [3]]);
  core.emit("message", { kind: "changed", outcomes: [1, 2, 3].map((id) => ({ id, reply: { status: "paused", index: id } })) });
  assert.deepEqual((await Promise.all([first, second, third])).map(({ index }) => index), [1, 2, 3]);
});

test("what was asked for before the end goes to the core before the end does (C1)", async () => {
  const { core, link, backend, turn } = linked();
  const before = pause(backend, "a");
  link.leave();
  await assert.rejects(pause(backend, "b"), { code: "unavailable", outcome: "rejected" });
  turn();
  assert.deepEqual(core.words, [[1], "hand_over"]);
  core.emit("message", { kind: "changed", outcomes: [{ id: 1, reply: { status: "paused", index: 7 } }] });
  assert.equal((await before).index, 7);

  const other = linked();
  const late = pause(other.backend, "a");
  const stopped = other.link.stop();
  assert.deepEqual(other.core.words, [[1], "stop"]);
  other.core.emit("message", { kind: "changed", outcomes: [{ id: 1, reply: { status: "paused", index: 8 } }] });
  other.core.emit("message", { kind: "stopped" });
  await stopped;
  assert.equal((await late).index, 8);
});

test("when the core has failed, the outcome of what it did not answer is unknown (C1)", async () => {
  const { core, backend, turn } = linked();
  const sent = pause(backend, "a");
  turn();
  const kept = pause(backend, "b");
  core.emit("message", { kind: "failed", error: { code: "io", message: "the disk is gone", outcome: "unknown" }, isBug: false });
  turn();
  for (const each of [sent, kept]) await assert.rejects(each, { code: "unavailable", outcome: "unknown" });
  assert.deepEqual(core.words, [[1]]);
});
