// Links between running nodes: order, bounds, recovery. Time moves only where a test moves it.

import assert from "node:assert/strict";
import { connect as connectTcp, createServer } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";
import { closeAll, eventually, frames, freePorts, makeNode, makePair, outbound, upCount } from "./harness.ts";

test("frames of both lanes arrive in order, with their values and with memory of their own", async () => {
  const [a, b] = await makePair();
  for (let i = 0; i < 500; i++) {
    assert.equal(a.links.send("b", "control", ["beat", i]), true);
    assert.equal(a.links.send("b", "bulk", ["data", i, new Uint8Array(i % 300).fill(i)]), true);
  }
  const sample = ["all", [1.5, -7, 2 ** 40, -(2 ** 40), 255, 65_536, 2 ** 32 - 1, "", "äö😀", true, false, null, []], undefined];
  a.links.send("b", "control", sample);
  await b.watch.until(() => b.watch.of("frame").length === 1001);
  const control = frames(b, "control");
  assert.deepEqual(control.slice(0, 500), Array.from({ length: 500 }, (_, i) => ["beat", i]));
  assert.deepEqual(control[500], [sample[0], sample[1], null]);
  for (const [i, message] of frames(b, "bulk").entries()) {
    const bytes = message[2] as Uint8Array;
    assert.equal(message[1], i);
    assert.deepEqual([bytes.length, bytes.buffer.byteLength, bytes.every((byte) => byte === (i & 255))], [i % 300, i % 300, true]);
  }
  assert.deepEqual(b.watch.of("frame")[0]?.from, "a");
  await closeAll(a, b);
});

test("what is sent before closing still arrives, and closing ends no sooner", async () => {
  const [a, b] = await makePair();
  a.links.send("b", "bulk", ["last", new Uint8Array(3_000_000)]);
  a.links.send("b", "control", ["words"]);
  const gone = b.watch.until(() => b.watch.of("down").length === 1);
  await a.links.close();
  await gone;
  assert.equal(a.links.send("b", "control", ["late"]), false);
  assert.deepEqual([frames(b, "bulk").length, frames(b, "control").length], [1, 1]);
  assert.deepEqual(a.watch.of("down"), []); // (N3)
  assert.equal(a.system.timers.size, 0);
  await closeAll(b);
});

test("control frames overtake bulk frames of 1 MiB, and the largest frame passes", async () => {
  const [a, b] = await makePair();
  for (let i = 0; i < 16; i++) assert.equal(a.links.send("b", "bulk", ["part", i, new Uint8Array(1024 * 1024)]), true);
  assert.equal(a.links.send("b", "control", ["beat"]), true);
  const order: string[] = [];
  b.onFrame = (message) => order.push(String(message[0]));
  await b.watch.until(() => b.watch.of("frame").length === 17);
  assert.ok(order.indexOf("beat") < 8, `the heartbeat came as number ${order.indexOf("beat")}`);
  a.links.send("b", "bulk", ["largest", new Uint8Array(limits.frameMaxBytes - 100)]);
  await b.watch.until(() => frames(b, "bulk").length === 17);
  assert.equal((frames(b, "bulk")[16]?.[1] as Uint8Array).length, limits.frameMaxBytes - 100);
  await closeAll(a, b);
});

test("a queue at its bound refuses, loses nothing that it took, and takes again", async () => {
  const [a, b] = await makePair();
  const part = new Uint8Array(4 * 1024 * 1024);
  let taken = 0;
  while (a.links.send("b", "bulk", ["part", part])) taken++;
  assert.equal(taken, Math.floor(limits.linkQueueMaxBytes / (part.length + 20)));
  assert.equal(outbound(a, "b", "bulk").framesDropped, 1);
  assert.equal(a.links.send("b", "control", ["beat"]), true);
  await b.watch.until(() => frames(b, "bulk").length === taken);
  assert.equal(a.links.send("b", "bulk", ["part", part]), true);
  assert.equal(a.links.send("nobody", "bulk", ["part"]), false);
  await closeAll(a, b);
});

test("a message that makes no sense to its reader closes only its connection, and the link comes back", async () => {
  const [a, b] = await makePair();
  b.onFrame = (message) => {
    if (message[0] === "nonsense") throw new PawlError("invalid", "unknown kind");
  };
  a.links.send("b", "bulk", ["nonsense"]);
  a.links.send("b", "bulk", ["never read"]);
  await a.watch.until(() => a.watch.of("down").length === 1);
  a.links.send("b", "control", ["still here"]);
  await b.watch.until(() => frames(b, "control").length === 1);
  assert.deepEqual(frames(b, "bulk"), []);
  a.system.advance(limits.linkReconnectMaxMs);
  await a.watch.until(() => upCount(a, "b") === 2);
  a.links.send("b", "bulk", ["fine"]);
  await b.watch.until(() => frames(b, "bulk").length === 1);
  assert.equal(b.links.stats().inbound.badFrames, 1);
  assert.equal(b.watch.of("down").length, 0);
  await closeAll(a, b);
});

test("waits between attempts grow to the bound, never beyond, and a peer that comes back is reached", async () => {
  const ports = await freePorts("a", "b", "nowhere");
  const a = makeNode("a", ports, { peers: [{ id: "b", host: "127.0.0.1", port: ports.b as number }] });
  await a.links.start();
  const waits: number[] = [];
  const sweepMs = limits.linkSilenceMaxMs / 3;
  const waitingTimers = () => [...a.system.timers].filter(({ delayMs }) => delayMs <= limits.linkReconnectMaxMs && delayMs !== sweepMs);
  a.system.draw = 0.999;
  for (let attempt = 0; attempt < 9; attempt++) {
    await eventually(() => waitingTimers().length === 2);
    waits.push(...waitingTimers().map((timer) => timer.delayMs));
    for (const timer of waitingTimers()) {
      a.system.timers.delete(timer);
      timer.run();
    }
  }
  assert.ok(waits.every((wait) => wait >= limits.linkReconnectMinMs && wait <= limits.linkReconnectMaxMs));
  assert.ok((waits[0] as number) < 2.1 * limits.linkReconnectMinMs, String(waits));
  assert.ok((waits.at(-1) as number) > 0.9 * limits.linkReconnectMaxMs, String(waits));
  await eventually(() => waitingTimers().length === 2);
  // This peer cannot reach a, so nothing but a's own timer can bring the link up.
  const b = makeNode("b", ports, { peers: [{ id: "a", host: "127.0.0.1", port: ports.nowhere as number }] });
  await b.links.start();
  assert.equal(upCount(a, "b"), 0);
  a.system.advance(limits.linkReconnectMaxMs);
  await a.watch.until(() => upCount(a, "b") === 1);
  await closeAll(a, b);
});

test("a peer that restarts is linked again, under its new incarnation", async () => {
  const [a, b] = await makePair();
  await b.links.close();
  await a.watch.until(() => a.watch.of("down").length === 1);
  const again = makeNode("b", { a: a.port, b: b.port }, { incarnation: 2 });
  await again.links.start(); // it dials a, which thereupon dials it without waiting for its own timer
  await Promise.all([a.watch.until(() => upCount(a, "b") === 2), again.watch.until(() => upCount(again, "a") === 1)]);
  assert.equal(a.watch.of("up")[1]?.identity.incarnation, 2);
  a.links.send("b", "control", ["welcome"]);
  await again.watch.until(() => frames(again, "control").length === 1);
  await closeAll(a, again);
});

test("a peer that answers pings stays; a silent one and a killed one are given up and dialled again", async () => {
  const ports = await freePorts("a", "b", "middle", "nowhere");
  const sockets: Socket[] = [];
  const middle = createServer((socket) => {
    const onward = connectTcp(ports.b as number, "127.0.0.1");
    sockets.push(socket, onward);
    const cutBoth = (): void => [socket, onward].forEach((end) => end.destroy());
    for (const end of [socket, onward]) end.on("error", cutBoth).on("close", cutBoth);
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => middle.listen(ports.middle, "127.0.0.1", resolve));
  const a = makeNode("a", ports, { peers: [{ id: "b", host: "127.0.0.1", port: ports.middle as number }] });
  const b = makeNode("b", ports, { peers: [{ id: "a", host: "127.0.0.1", port: ports.nowhere as number }] });
  await b.links.start();
  await a.links.start();
  await a.watch.until(() => upCount(a, "b") === 1);
  const sweepMs = limits.linkSilenceMaxMs / 3;
  for (let sweep = 0; sweep < 9; sweep++) {
    a.system.advance(sweepMs);
    await eventually(() => outbound(a, "b", "control").silentSweeps === 0 && outbound(a, "b", "bulk").silentSweeps === 0);
  }
  assert.equal(a.watch.of("down").length, 0);
  for (const socket of sockets) socket.unpipe().pause(); // the network swallows everything from here on
  a.system.advance(2 * sweepMs);
  assert.equal(a.watch.of("down").length, 0);
  a.system.advance(sweepMs);
  assert.equal(a.watch.of("down").length, 1);
  a.system.advance(limits.linkReconnectMaxMs);
  await a.watch.until(() => upCount(a, "b") === 2);
  for (const socket of sockets) socket.destroy(); // a killed process: no farewell, but seen at once
  await a.watch.until(() => a.watch.of("down").length === 2);
  await closeAll(a, b);
  await new Promise((resolve) => middle.close(resolve));
});

test("ten thousand small frames", async (t) => {
  const [a, b] = await makePair();
  const count = 10_000;
  let received = 0;
  const all = new Promise<void>((resolve) => {
    b.onFrame = () => {
      if (++received === count) resolve();
    };
  });
  const startMs = realSystem.monotonicMs();
  for (let i = 0; i < count; i++) assert.equal(a.links.send("b", "control", [3, i, "abcdef", 1.5, i * 2]), true);
  await all;
  const ms = realSystem.monotonicMs() - startMs;
  t.diagnostic(`${count} frames in ${ms.toFixed(0)} ms, ${Math.round((count / ms) * 1000)} per second`);
  assert.deepEqual(frames(b, "control").map((message) => message[1]), Array.from({ length: count }, (_, i) => i));
  await closeAll(a, b);
});
