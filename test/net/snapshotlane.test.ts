// The lane for snapshots: a connection of its own that is there only while it is used, and that makes its sender wait instead of piling up.

import assert from "node:assert/strict";
import { connect as connectTcp, createServer } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { realSystem } from "../../src/system.ts";
import { closeAll, eventually, frames, freePorts, makeNode, makePair, outbound, upCount } from "./harness.ts";
import type { TestNode } from "./harness.ts";

const MIB = 1024 * 1024;
const chunk = new Uint8Array(MIB).fill(7);

function drainedCount(node: TestNode): number {
  return node.watch.of("drained").filter(({ lane }) => lane === "snapshot").length;
}

/** Asks for the lane as a sender does: the first message is refused, and there is room soon. */
async function opened(a: TestNode): Promise<void> {
  const before = drainedCount(a);
  assert.equal(a.links.send("b", "snapshot", ["begin"]), false);
  await a.watch.until(() => drainedCount(a) === before + 1);
}

/** Sends chunks as they are taken, and goes on whenever there is room. */
async function sendAll(a: TestNode, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const before = drainedCount(a);
    if (a.links.send("b", "snapshot", ["chunk", number, chunk])) continue;
    await a.watch.until(() => drainedCount(a) > before);
    number--;
  }
}

test("the lane opens when it is wanted, closes when nobody uses it, and the link is none the wiser", async () => {
  const [a, b] = await makePair();
  assert.equal(outbound(a, "b", "snapshot").state, "idle");
  assert.equal(b.links.stats().inbound.accepted, 2);
  await opened(a);
  assert.equal(a.links.send("b", "snapshot", ["page", chunk]), true);
  await b.watch.until(() => frames(b, "snapshot").length === 1);
  assert.equal((frames(b, "snapshot")[0]?.[1] as Uint8Array).length, MIB);
  const sweepMs = limits.linkSilenceMaxMs / 3;
  const sweep = async (): Promise<void> => {
    for (const node of [a, b]) node.system.advance(sweepMs);
    const silent = (): number => [a, b].flatMap((node) => node.links.stats().outbound).reduce((sum, each) => sum + each.silentSweeps, 0);
    await eventually(() => silent() === 0);
  };
  for (let atMs = sweepMs; atMs < limits.linkIdleMaxMs - sweepMs / 2; atMs += sweepMs) await sweep();
  assert.equal(outbound(a, "b", "snapshot").state, "open");
  for (let extra = 0; extra < 2; extra++) await sweep();
  assert.equal(outbound(a, "b", "snapshot").state, "idle");
  await eventually(() => b.links.stats().inbound.connections === 2);
  a.system.advance(limits.linkReconnectMaxMs);
  assert.deepEqual([outbound(a, "b", "snapshot").dials, a.watch.of("down"), b.watch.of("down")], [1, [], []]);
  await opened(a);
  assert.equal(a.links.send("b", "snapshot", ["again"]), true);
  await b.watch.until(() => frames(b, "snapshot").length === 2);
  await closeAll(a, b);
});

test("a full queue refuses, tells when there is room, and 64 MiB arrive whole and in order", async (t) => {
  const [a, b] = await makePair();
  await opened(a);
  const startMs = realSystem.monotonicMs();
  const chunks = 64;
  await sendAll(a, chunks);
  await b.watch.until(() => frames(b, "snapshot").length === chunks);
  const ms = realSystem.monotonicMs() - startMs;
  t.diagnostic(`${chunks} MiB in ${ms.toFixed(0)} ms, ${Math.round((chunks / ms) * 1000)} MiB per second, both ends in one process`);
  assert.deepEqual(frames(b, "snapshot").map((message) => message[1]), Array.from({ length: chunks }, (_, number) => number));
  assert.ok(frames(b, "snapshot").every((message) => Buffer.compare(message[2] as Uint8Array, chunk) === 0));
  await closeAll(a, b);
});

test("a receiver that reads nothing makes the sender wait at its bound, while control and bulk pass", async () => {
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
  await Promise.all([b.links.start(), a.links.start()]);
  await a.watch.until(() => upCount(a, "b") === 1);
  await opened(a);
  const [slow, onward] = sockets.slice(4) as [Socket, Socket];
  slow.unpipe().pause();
  let sent = 0;
  let turns = 0;
  await eventually(() => {
    while (a.links.send("b", "snapshot", ["chunk", sent, chunk])) sent++;
    assert.ok(outbound(a, "b", "snapshot").queuedBytes <= limits.snapshotQueueMaxBytes);
    return ++turns === 500;
  });
  // What is neither queued nor in the window is in buffers of the operating system.
  assert.ok(sent >= 3 && sent <= (limits.linkWindowBytes + limits.snapshotQueueMaxBytes) / MIB + 12, `${sent} chunks were taken`);
  assert.equal(a.links.send("b", "bulk", ["entries", chunk]), true);
  assert.equal(a.links.send("b", "control", ["beat"]), true);
  await b.watch.until(() => frames(b, "bulk").length === 1 && frames(b, "control").length === 1);
  const before = drainedCount(a);
  slow.pipe(onward);
  await a.watch.until(() => drainedCount(a) > before);
  await b.watch.until(() => frames(b, "snapshot").length === sent);
  // Who waits for room is told of it over a connection that breaks meanwhile (O4).
  while (a.links.send("b", "snapshot", ["more", chunk]));
  slow.destroy();
  const waited = drainedCount(a);
  await eventually(() => outbound(a, "b", "snapshot").state === "waiting");
  a.system.advance(limits.linkReconnectMaxMs);
  await a.watch.until(() => drainedCount(a) === waited + 1);
  assert.deepEqual([a.watch.of("down"), outbound(a, "b", "snapshot").state], [[], "open"]);
  await closeAll(a, b);
  await new Promise((resolve) => middle.close(resolve));
});
