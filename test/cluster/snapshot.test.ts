// A snapshot on its way from a sender to a receiver over a link that loses, repeats and breaks: every chunk is laid down once and in
// order, a break costs one chunk, and what cannot be finished is given up by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import type { SnapshotFrame } from "../../src/cluster/snapshotframes.ts";
import { decodeSnapshotFrame, encodeSnapshotFrame } from "../../src/cluster/snapshotframes.ts";
import { SnapshotReceiver } from "../../src/cluster/snapshotreceiver.ts";
import type { CopySink, SnapshotEnd } from "../../src/cluster/snapshotreceiver.ts";
import { SnapshotSender } from "../../src/cluster/snapshotsender.ts";
import { limits } from "../../src/limits.ts";
import { generator } from "../raft/cluster.ts";

const CHUNKS = 12;
const end: SnapshotEnd = { index: 100, term: 3, members: ["a", "b"] };

class Pair {
  readonly random: () => number;
  readonly laid = new Map<string, number[]>();
  readonly made: number[] = [];
  readonly failures: string[] = [];
  readonly notes: string[] = [];
  installed: SnapshotEnd[] = [];
  installable = true;
  members = end.members;
  nowMs = 0;
  loss = 0;
  linked = true;
  private waiting: { to: "a" | "b"; frame: SnapshotFrame }[] = [];
  readonly sender: SnapshotSender;
  receiver = this.received();

  constructor(seed: number) {
    this.random = generator(seed);
    this.sender = new SnapshotSender("a.1", {
      send: (_to, frame) => this.post("b", frame),
      begin: () => this.source(),
      failed: (peer, reason) => void this.failures.push(`${peer}: ${reason}`),
      wake: () => undefined,
    });
  }

  private source(): { next(): Promise<Uint8Array | undefined>; close(): void } {
    let at = 0;
    return {
      next: async () => {
        if (at === CHUNKS) return undefined;
        this.made.push(at);
        return Uint8Array.of(at++);
      },
      close: () => undefined,
    };
  }

  received(): SnapshotReceiver {
    return new SnapshotReceiver({
      self: "b",
      send: (_to, frame) => void this.post("a", frame),
      open: async (copy) => this.sink(copy),
      isInstallable: () => this.installable,
      install: (got) => void this.installed.push(got),
      note: (message) => void this.notes.push(message),
      failed: (error) => assert.fail(String(error)),
    });
  }

  private sink(copy: string): CopySink {
    const chunks = this.laid.get(copy) ?? [];
    const { members } = this;
    this.laid.set(copy, chunks);
    return {
      get next() {
        return chunks.length;
      },
      get end() {
        return chunks.length === CHUNKS ? { ...end, members } : undefined;
      },
      lay: async (bytes) => {
        const number = bytes[0] as number;
        if (number !== chunks.length) throw new PawlError("invalid", "out of order");
        chunks.push(number);
      },
      verify: async () => undefined,
    };
  }

  private post(to: "a" | "b", frame: SnapshotFrame): boolean {
    if (!this.linked || this.random() < this.loss) return false;
    const decoded = decodeSnapshotFrame(encodeSnapshotFrame(frame));
    this.waiting.push({ to, frame: decoded });
    if (this.loss > 0 && this.random() < 0.2) this.waiting.push({ to, frame: decoded });
    return true;
  }

  /** Time goes on; frames arrive in some order; promises settle. */
  async pass(ms: number): Promise<void> {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs; this.nowMs += 100) {
      this.sender.tick(3, this.nowMs);
      for (let count = this.waiting.length; count > 0; count--) {
        const at = this.loss > 0 ? Math.floor(this.random() * this.waiting.length) : 0;
        const [{ to, frame }] = this.waiting.splice(at, 1) as [{ to: "a" | "b"; frame: SnapshotFrame }];
        if (frame.kind === "offer" || frame.kind === "chunk") {
          if (to === "b") this.receiver.receive("a", frame);
        } else this.sender.receive("b", frame, this.nowMs);
        for (let turn = 0; turn < 8; turn++) await Promise.resolve();
      }
    }
  }
}

test("53 chunks arrive once and in order over a link that loses, repeats and breaks, and over restarts of the receiver", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const pair = new Pair(seed);
    pair.loss = 0.3;
    pair.sender.need("b");
    for (let round = 0; round < 60 && pair.installed.length === 0; round++) {
      if (pair.random() < 0.15) pair.receiver = pair.received();
      pair.linked = pair.random() < 0.8;
      await pair.pass(1_000);
    }
    pair.linked = true;
    pair.loss = 0;
    await pair.pass(30_000);
    assert.deepEqual(pair.installed, [end], `seed ${seed}`);
    assert.deepEqual([...pair.laid.values()], [Array.from({ length: CHUNKS }, (_, i) => i)], `seed ${seed}`);
    assert.equal(pair.made.length, CHUNKS, "each chunk is made once");
    assert.deepEqual(pair.failures, []);
    pair.sender.caughtUp("b");
    assert.equal(pair.sender.progress, undefined);
  }
});

test("54 who has lost what it had gets another copy from its beginning", async () => {
  const pair = new Pair(1);
  pair.sender.need("b");
  await pair.pass(1_500);
  assert.ok((pair.laid.get("a.1.1")?.length ?? 0) > 2);
  pair.laid.clear();
  pair.receiver = pair.received();
  await pair.pass(5_000);
  assert.deepEqual(pair.failures, ["b: it has lost what it had"]);
  pair.sender.need("b");
  await pair.pass(5_000);
  assert.equal(pair.laid.get("a.1.2")?.length, CHUNKS);
  assert.equal(pair.installed.length, 1);
});

test("52 a receiver that is silent is given up, and the next one that waits is served", async () => {
  const pair = new Pair(1);
  pair.linked = false;
  pair.sender.need("b");
  pair.sender.need("c");
  await pair.pass(limits.snapshotSilenceMaxMs + 1_000);
  assert.deepEqual(pair.failures, ["b: it was silent for too long"]);
  assert.equal(pair.sender.progress?.peer, "c");
});

test("50, 57 a copy that leads no further than the log is not taken up, nor one without this node", async () => {
  const useless: [Partial<Pair>, string][] = [
    [{ installable: false }, "b: it leads no further than the log here"],
    [{ members: ["a", "c"] }, "b: this node is not among its members"],
  ];
  for (const [how, reason] of useless) {
    const pair = Object.assign(new Pair(1), how);
    pair.sender.need("b");
    await pair.pass(5_000);
    assert.deepEqual(pair.installed, []);
    assert.deepEqual(pair.failures, [reason]);
  }
});

test("words that are none are refused", () => {
  for (const value of [[], ["offer", 1, 2], ["chunk", "a", 1, 2, "text"], ["want", "a", -1], ["want", "a", 0.5], ["what", "a", 1]]) {
    assert.throws(() => decodeSnapshotFrame(value), { code: "invalid" }, JSON.stringify(value));
  }
});

test("who leaves the cluster gets no snapshot any more, and keeps nobody waiting", () => {
  const offered: string[] = [];
  const sender = new SnapshotSender("a.1", {
    send: (to) => offered.push(to) > 0,
    begin: () => ({ next: () => Promise.resolve(undefined), close: () => undefined }),
    failed: () => assert.fail("a peer that is none is not told of"),
    wake: () => undefined,
  });
  for (const peer of ["b", "c", "d"]) sender.need(peer);
  sender.tick(1, 1000);
  assert.deepEqual(offered, ["b"]);
  sender.members(new Set(["a", "d"]));
  sender.tick(1, 1001);
  assert.deepEqual(offered, ["b", "d"]);
  assert.equal(sender.progress?.peer, "d");
});
