// Peers that come, move and go while a node runs, nodes that join, and those that must not be heard any more. Real sockets; time moves only
// where a test moves it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/limits.ts";
import { noMembership } from "../../src/net/identity.ts";
import type { PeerAddress } from "../../src/net/address.ts";
import { closeAll, eventually, frames, freePorts, makeNode, makePair, outbound, upCount } from "./harness.ts";
import type { TestNode } from "./harness.ts";

function addresses(...nodes: readonly TestNode[]): PeerAddress[] {
  return nodes.map(({ id, port }) => ({ id, host: "127.0.0.1", port }));
}

/** What the operator of a node is told of its refusals. */
function told(node: TestNode): string[] {
  return node.watch.of("log").map(({ message }) => message).filter((message) => message.includes("refuses this node"));
}

function refusalsOf(node: TestNode): string[] {
  return [...new Set(node.watch.of("refused").map(({ reason }) => reason))];
}

/** Lets every wait for another attempt pass, until `holds`. */
async function retried(node: TestNode, holds: () => boolean): Promise<void> {
  await eventually(() => {
    if (!holds()) node.system.advance(limits.linkReconnectMinMs);
    return holds();
  });
}

test("a removed peer gets what was queued, is heard no more, and learns why; it asks again and again, but says so once", async () => {
  const [a, b] = await makePair();
  assert.equal(a.links.send("b", "control", ["goodbye"]), true);
  a.links.setPeers(addresses(a), 5);
  assert.deepEqual(a.watch.of("down").map(({ peer }) => peer), ["b"]);
  assert.equal(a.links.send("b", "control", ["too late"]), false);
  await b.watch.until(() => b.watch.of("down").length === 1 && frames(b, "control").length === 1);
  assert.equal(b.links.send("a", "control", ["higher term"]), false);
  await retried(b, () => b.watch.of("refused").length >= 12);
  assert.deepEqual([refusalsOf(b), a.watch.of("frame").length, upCount(b, "a")], [["removed_node"], 0, 1]);
  assert.deepEqual(told(b), [
    "a refuses this node: it says that this node was removed from the cluster; stop it; to have it back, empty its data directory, "
    + "start it with `pawl start --join` and add it with `pawl cluster add`",
  ]);
  assert.equal(a.watch.of("log").filter(({ message }) => message === "refused a link").length, 1);
  b.system.draw = 0.999;
  const dials = (): number => outbound(b, "a", "control").dials;
  b.system.advance(limits.linkReconnectMaxMs);
  await eventually(() => outbound(b, "a", "control").state === "waiting");
  const before = dials();
  b.system.advance(limits.linkReconnectMaxMs * 0.9);
  assert.equal(dials(), before, "a refused node waits as long as any other");
  await closeAll(a, b);
});

test("a stranger is refused by name; once it is a member both ends are up, and its link outlives other changes", async () => {
  const ports = await freePorts("a", "b", "c");
  const [a, c] = [makeNode("a", { a: ports.a as number }), makeNode("c", ports)];
  await Promise.all([a.links.start(), c.links.start()]);
  await c.watch.until(() => c.watch.of("refused").length >= 2);
  assert.deepEqual(refusalsOf(c), ["unknown_node"]);
  assert.match(told(c).join(), /this node is not a member; add it with `pawl cluster add`, and start it with `pawl start --join`/);
  a.links.setPeers(addresses(a, c), 7);
  await Promise.all([a.watch.until(() => upCount(a, "c") === 1), c.watch.until(() => upCount(c, "a") === 1)]);
  a.links.setPeers([...addresses(a, c), { id: "b", host: "127.0.0.1", port: ports.b as number }], 8);
  a.links.setPeers(addresses(a, c), 9);
  assert.equal(a.links.send("c", "bulk", ["welcome"]), true);
  await c.watch.until(() => frames(c, "bulk").length === 1);
  assert.deepEqual([a.watch.of("down"), a.links.stats().outbound.length], [[], 3]);
  await closeAll(a, c);
});

test("a member at another address is linked with there", async () => {
  const [a, b] = await makePair();
  const ports = await freePorts("b");
  const moved = makeNode("b", { a: a.port, b: ports.b as number }, { incarnation: 2, peers: [] });
  await moved.links.start();
  a.links.setPeers(addresses(a, moved), 4);
  await a.watch.until(() => upCount(a, "b") === 2);
  assert.equal(a.watch.of("up")[1]?.identity.incarnation, 2);
  assert.deepEqual(a.watch.of("down").map(({ peer }) => peer), ["b"]);
  await closeAll(a, b, moved);
});

test("a data directory that is older than what the log tells of its node is refused by a node that has just started", async () => {
  const ports = await freePorts("a", "b");
  const wiped = makeNode("a", ports, { incarnation: 1 });
  const b = makeNode("b", ports, { known: { a: 9 } });
  await Promise.all([wiped.links.start(), b.links.start()]);
  await wiped.watch.until(() => wiped.watch.of("refused").length >= 2);
  await b.watch.until(() => b.watch.of("refused").length >= 2);
  assert.deepEqual([refusalsOf(wiped), refusalsOf(b), b.watch.of("up"), wiped.watch.of("up")], [
    ["stale_incarnation"], ["stale_incarnation"], [], [],
  ]);
  assert.match(told(wiped).join(), /the directory was wiped, or is an old copy; end what else runs under this id/);
  const known = makeNode("c", await freePorts("c"), { known: { gone: 3 } });
  await known.links.start();
  const gone = makeNode("gone", await freePorts("gone"), { incarnation: 4, peers: addresses(known) });
  await gone.links.start();
  await gone.watch.until(() => gone.watch.of("refused").length >= 2);
  assert.deepEqual(refusalsOf(gone), ["removed_node"], "who was a member before a restart is known as removed after it");
  await closeAll(wiped, b, known, gone);
});

test("a node that was away takes a member that it has not heard of, until it goes by a membership as new", async () => {
  const [a, b] = await makePair();
  const ports = await freePorts("d", "old");
  const d = makeNode("d", ports, { membership: 9, peers: addresses(a) });
  const old = makeNode("old", ports, { membership: 0, peers: addresses(a) });
  await Promise.all([d.links.start(), old.links.start()]);
  await Promise.all([d.watch.until(() => upCount(d, "a") === 1), a.watch.until(() => upCount(a, "d") === 1)]);
  await old.watch.until(() => old.watch.of("refused").length >= 2);
  assert.deepEqual(refusalsOf(old), ["unknown_node"]);
  assert.equal(d.links.send("a", "bulk", ["entries"]), true);
  await a.watch.until(() => frames(a, "bulk").length === 1);
  assert.equal(a.links.send("d", "control", ["thanks"]), true); // at the address that d gave
  a.links.setPeers(addresses(a, b), 8);
  assert.equal(a.links.send("d", "control", ["still a guest"]), true);
  a.links.setPeers(addresses(a, b, d), 9);
  a.links.setPeers(addresses(a, b, d), 10);
  assert.deepEqual(a.watch.of("down"), []);
  await d.links.close();
  const again = makeNode("d", ports, { membership: 9, incarnation: 2, peers: addresses(a) });
  await again.links.start();
  // As a member, whatever it goes by.
  await Promise.all([again.watch.until(() => upCount(again, "a") === 1), a.watch.until(() => upCount(a, "d") === 2)]);
  a.links.setPeers(addresses(a, b), 11);
  await again.watch.until(() => again.watch.of("down").length === 1);
  assert.deepEqual(a.watch.of("up").map(({ peer }) => peer), ["b", "d", "d"]);
  await closeAll(a, b, again, old);
});

test("a guest leaves when this node goes by a membership as new that does not have it", async () => {
  const [a, b] = await makePair();
  const d = makeNode("d", await freePorts("d"), { membership: 9, peers: addresses(a) });
  await d.links.start();
  await a.watch.until(() => upCount(a, "d") === 1);
  a.links.setPeers(addresses(a, b), 9);
  assert.deepEqual(a.watch.of("down").map(({ peer }) => peer), ["d"]);
  await retried(d, () => refusalsOf(d).includes("removed_node"));
  await closeAll(a, b, d);
});

test("a joining node takes the cluster id of the member it was given, then hears members that it was not given", async () => {
  const [a, b] = await makePair();
  const ports = await freePorts("j", "x");
  const j = makeNode("j", ports, { membership: noMembership, clusterId: "", incarnation: 1_800_000_000, peers: addresses(a) });
  await j.links.start();
  await j.watch.until(() => j.watch.of("refused").length >= 2);
  assert.deepEqual(refusalsOf(j), ["unknown_node"]);
  for (const member of [a, b]) member.links.setPeers(addresses(a, b, j), 12);
  await Promise.all([a, b].map((member) => retried(member, () => upCount(member, "j") === 1)));
  await Promise.all([a, b].map((member) => j.watch.until(() => upCount(j, member.id) === 1)));
  assert.equal(a.watch.of("up").at(-1)?.identity.membership, noMembership);
  assert.equal(j.links.send("b", "bulk", ["to one that its settings do not name"]), true);
  await b.watch.until(() => frames(b, "bulk").length === 1);
  const other = makeNode("x", ports, { clusterId: "c9", membership: 99, peers: addresses(j) });
  await other.links.start();
  await other.watch.until(() => other.watch.of("refused").length >= 2);
  assert.deepEqual(refusalsOf(other), ["wrong_cluster_id"]);
  j.links.setPeers(addresses(a, b, j), 12);
  assert.deepEqual(j.watch.of("down"), []);
  await closeAll(a, b, j, other);
});

test("a joining node hears nobody that it was not given before it knows which cluster it joins", async () => {
  const ports = await freePorts("j", "x", "nowhere");
  const peers = [{ id: "a", host: "127.0.0.1", port: ports.nowhere as number }];
  const j = makeNode("j", ports, { membership: noMembership, clusterId: "", peers });
  const x = makeNode("x", ports, { membership: 3, peers: addresses(j) });
  await Promise.all([j.links.start(), x.links.start()]);
  await x.watch.until(() => x.watch.of("refused").length >= 2);
  assert.deepEqual([refusalsOf(x), j.watch.of("up")], [["unknown_node"], []]);
  await closeAll(j, x);
});

test("what a node can read is told to its peers", async () => {
  const [a, b] = await makePair();
  assert.deepEqual(a.watch.of("up")[0]?.identity.capabilities, { stateVersion: 1, entryKinds: 2 });
  await closeAll(a, b);
});
