// Who is let in: each refusal over real sockets, with and without TLS, and what a refused or broken connection leaves behind.

import assert from "node:assert/strict";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { generate } from "selfsigned";
import { PawlError } from "../../src/base/errors.ts";
import { limits } from "../../src/limits.ts";
import { makeCertificates } from "../../src/net/certificates.ts";
import type { TlsMaterial } from "../../src/net/certificates.ts";
import { encodeFrame } from "../../src/net/frame.ts";
import { helloHeaders, serverUri } from "../../src/net/identity.ts";
import { realSystem } from "../../src/system.ts";
import { closeAll, eventually, freePorts, makeNode, makePair, outbound, someone, upCount } from "./harness.ts";
import type { NodeOverrides, TestNode } from "./harness.ts";

type Answer = { status: number; reason: string | undefined; session: ClientHttp2Session; stream: ClientHttp2Stream };

const good = { ...someone, incarnation: 3 };
const goodHello = helloHeaders({ identity: good, lane: "control", to: "b", address: { host: "127.0.0.1", port: 1 } });

/** Connects like a peer would, with headers of the test's choice. Rejects when no answer comes. */
function knock(port: number, headers: Record<string, string>, tls?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connect(`${tls ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false, ...tls });
    session.on("error", reject);
    session.on("close", () => reject(new Error("closed")));
    const stream = session.request(headers, { endStream: false });
    stream.on("error", reject);
    stream.on("response", (answer) => {
      resolve({ status: Number(answer[":status"]), reason: answer["pawl-reason"] as string | undefined, session, stream });
    });
    stream.resume();
  });
}

async function lonelyNode(overrides: NodeOverrides = {}): Promise<TestNode> {
  const ports = await freePorts("a", "b", "c");
  const node = makeNode("b", ports, overrides);
  await node.links.start();
  return node;
}

function closed(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => (session.closed || session.destroyed ? resolve() : session.once("close", () => resolve())));
}

test("the acceptor answers each wrong handshake with its reason and keeps none of it", async () => {
  const b = await lonelyNode();
  const cases: [Record<string, string>, number, string][] = [
    [{ "pawl-cluster": "other" }, 409, "wrong_cluster"],
    [{ "pawl-cluster-id": "c2" }, 409, "wrong_cluster_id"],
    [{ "pawl-node": "stranger", "pawl-incarnation": "99" }, 403, "unknown_node"],
    [{ "pawl-node": "b" }, 403, "own_node"],
    [{ "pawl-to": "c", "pawl-incarnation": "99" }, 421, "not_for_me"],
    [{ "pawl-lane": "third" }, 400, "bad_request"],
    [{ ":path": "/" }, 400, "bad_request"],
  ];
  for (const [wrong, status, reason] of cases) {
    const answer = await knock(b.port, { ...goodHello, ...wrong });
    assert.deepEqual([answer.status, answer.reason], [status, reason]);
    answer.stream.write(encodeFrame(["sneaked in"]));
    answer.session.destroy();
  }
  const welcome = await knock(b.port, goodHello); // incarnation 3: the 99 above left no trace (I2)
  assert.equal(welcome.status, 200);
  const late = await knock(b.port, { ...goodHello, "pawl-incarnation": "2" });
  assert.deepEqual([late.status, late.reason], [409, "stale_incarnation"]);
  welcome.stream.write(encodeFrame(["hello"]));
  await b.watch.until(() => b.watch.of("frame").length === 1);
  assert.deepEqual(b.watch.of("frame").map(({ from, lane, message }) => [from, lane, message[0]]), [["a", "control", "hello"]]);
  assert.equal(b.links.stats().inbound.refusals, cases.length + 1);
  welcome.session.destroy();
  late.session.destroy();
  await closeAll(b);
});

test("a process on a copy of a directory is refused while the first one is connected", async () => {
  const b = await lonelyNode();
  const copy = { ...goodHello, "pawl-birth": "00000000000000b2" };
  const first = await knock(b.port, goodHello);
  const second = await knock(b.port, { ...copy, "pawl-lane": "bulk" });
  assert.deepEqual([first.status, second.status, second.reason], [200, 409, "copied_directory"]);
  assert.equal(first.session.destroyed, false);
  first.session.destroy();
  await eventually(() => b.links.stats().inbound.accepted === 0);
  const alone = await knock(b.port, copy);
  assert.equal(alone.status, 200, "with the first one gone nobody can tell, and it is the only one");
  for (const { session } of [second, alone]) session.destroy();
  await closeAll(b);
});

test("a newer connection replaces the older of its lane; a higher incarnation ends both lanes of the old process", async () => {
  const b = await lonelyNode();
  const first = await knock(b.port, goodHello);
  const bulk = await knock(b.port, { ...goodHello, "pawl-lane": "bulk" });
  const second = await knock(b.port, goodHello);
  await closed(first.session);
  assert.deepEqual([second.session.destroyed, bulk.session.destroyed], [false, false]);
  const restarted = await knock(b.port, { ...goodHello, "pawl-incarnation": "4" });
  await Promise.all([closed(second.session), closed(bulk.session)]);
  assert.equal(b.links.stats().inbound.accepted, 1);
  restarted.session.destroy();
  await closeAll(b);
});

test("an over-long or damaged frame closes only its connection", async () => {
  const [a, b] = await makePair();
  const long = Buffer.alloc(4);
  long.writeUInt32LE(limits.frameMaxBytes + 1);
  const date = Buffer.from([8, 0, 0, 0, 0x91, 0xd7, 0xff, 0, 0, 0, 0, 0]);
  for (const [count, bytes] of [long, date, Buffer.alloc(4)].entries()) {
    const bad = await knock(b.port, { ...goodHello, "pawl-lane": "bulk", "pawl-incarnation": "1" }); // takes the place of a's own bulk lane
    await a.watch.until(() => a.watch.of("down").length === count + 1);
    bad.stream.write(bytes);
    await closed(bad.session);
    assert.equal(b.links.stats().inbound.badFrames, count + 1);
    a.links.send("b", "control", ["still here", count]);
    await b.watch.until(() => b.watch.of("frame").length === count + 1);
    a.system.advance(10 * limits.linkReconnectMinMs);
    await a.watch.until(() => upCount(a, "b") === count + 2);
  }
  assert.deepEqual([b.watch.of("down"), b.watch.of("frame").length], [[], 3]);
  await closeAll(a, b);
});

test("connections that never finish their handshake, or fall silent, are closed by the sweep", async () => {
  const b = await lonelyNode();
  const raw = connectTcp({ host: "127.0.0.1", port: b.port });
  const mute = connect(`http://127.0.0.1:${b.port}`);
  const member = await knock(b.port, goodHello);
  await eventually(() => b.links.stats().inbound.connections === 3);
  const ends = [new Promise((resolve) => raw.once("close", resolve)), closed(mute), closed(member.session)];
  raw.resume();
  b.system.advance(limits.linkSilenceMaxMs * 0.9);
  assert.equal(b.links.stats().inbound.connections, 3);
  b.system.advance(limits.linkSilenceMaxMs * 0.2);
  await Promise.all(ends);
  await eventually(() => b.links.stats().inbound.connections === 0);
  await closeAll(b);
});

test("garbage and a second stream end their own connection", async () => {
  const b = await lonelyNode();
  const raw = connectTcp({ host: "127.0.0.1", port: b.port });
  raw.on("error", () => undefined);
  raw.resume();
  const rawEnd = new Promise((resolve) => raw.once("close", resolve));
  raw.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20));
  await rawEnd;
  const session = connect(`http://127.0.0.1:${b.port}`);
  session.on("error", () => undefined);
  const streams = [1, 2].map(() => session.request(goodHello, { endStream: false }));
  const ends = streams.map((stream) => new Promise((resolve) => stream.on("error", () => undefined).once("close", resolve)));
  await ends[1];
  session.destroy();
  const leaver = await knock(b.port, goodHello);
  leaver.stream.close(); // whoever gives up the stream gives up the connection
  await closed(leaver.session);
  await closeAll(b);
});

test("the connecting side reports a refusal and tries again, and refuses an answer of the wrong node", async () => {
  const ports = await freePorts("a", "b");
  const a = makeNode("a", ports, { clusterId: "c9" });
  const b = makeNode("b", ports);
  await Promise.all([a.links.start(), b.links.start()]);
  await a.watch.until(() => a.watch.of("refused").length >= 2);
  await b.watch.until(() => b.watch.of("refused").length >= 2);
  assert.ok([...a.watch.of("refused"), ...b.watch.of("refused")].every(({ reason }) => reason === "wrong_cluster_id"));
  assert.deepEqual([upCount(a, "b"), upCount(b, "a"), a.links.send("b", "control", [1])], [0, 0, false]);
  const dials = outbound(a, "b", "control").dials;
  a.system.advance(limits.linkReconnectMaxMs);
  assert.equal(outbound(a, "b", "control").dials, dials + 1);
  // A node that reaches b under the name of c hears that it knocked at the wrong door.
  const lost = makeNode("a", await freePorts("a"), { peers: [{ id: "c", host: "127.0.0.1", port: b.port }] });
  await lost.links.start();
  await lost.watch.until(() => lost.watch.of("refused").length > 0);
  assert.deepEqual(lost.watch.of("refused")[0], { kind: "refused", peer: "c", reason: "not_for_me" });
  await closeAll(a, b, lost);
});

test("learning the cluster id drops links to another cluster's nodes", async () => {
  const [a, b] = await makePair({ clusterId: "" });
  a.links.setClusterId("c9");
  await Promise.all([a.watch.until(() => a.watch.of("down").length === 1), b.watch.until(() => b.watch.of("down").length === 1)]);
  a.system.advance(limits.linkReconnectMaxMs);
  await a.watch.until(() => a.watch.of("refused").length > 0);
  await closeAll(a, b);
});

test("a taken address is told with the next step", async () => {
  const b = await lonelyNode();
  const twin = makeNode("b", { b: b.port });
  await assert.rejects(twin.links.start(), (error) => {
    assert.ok(error instanceof PawlError && error.code === "config");
    return error.message.includes(`127.0.0.1:${b.port}: EADDRINUSE; another process has this port`);
  });
  await closeAll(b);
});

type Authority = Awaited<ReturnType<typeof makeCertificates>>;

const made = (): Promise<Authority> => {
  const members = ["a", "b", "c"].map((id) => ({ id, hosts: [] }));
  return makeCertificates("test", members, { days: 1, nowMs: realSystem.wallMs() });
};

function materialOf(authority: Authority, node: string, trusts: Authority = authority): TlsMaterial {
  const own = authority.nodes[node];
  assert(own);
  return { ca: trusts.ca.cert, cert: own.cert, key: own.key };
}

/** A certificate that the authority did sign, but with names of the test's choice. */
async function oddCertificate(authority: Authority, uris: string[]): Promise<{ cert: string; key: string }> {
  const altNames = [{ type: 2 as const, value: "localhost" }, ...uris.map((value) => ({ type: 6 as const, value }))];
  const odd = await generate([{ name: "commonName", value: serverUri("test", "a") }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: authority.ca,
    extensions: [{ name: "extKeyUsage", clientAuth: true, serverAuth: true }, { name: "subjectAltName", altNames }],
  });
  return { cert: odd.cert, key: odd.private };
}

test("with TLS, only the certificate of the node itself opens a link", async () => {
  const authority = await made();
  const other = await made();
  const b = await lonelyNode({ tls: materialOf(authority, "b") });
  const a = materialOf(authority, "a");
  assert.equal((await knock(b.port, goodHello, a)).status, 200);
  const uri = serverUri("test", "a");
  const odd = [[], [uri, uri], [`${uri}/`], [`${uri}b`], ["spiffe://other/server/a"], ["spiffe://test/worker/a"], [uri.toUpperCase()]];
  for (const certificate of [materialOf(authority, "c"), ...(await Promise.all(odd.map((uris) => oddCertificate(authority, uris))))]) {
    const answer = await knock(b.port, goodHello, certificate);
    assert.deepEqual([answer.status, answer.reason], [403, "wrong_certificate"]);
    answer.session.destroy();
  }
  const self = await generate([{ name: "commonName", value: "a" }], { keyType: "ec", algorithm: "sha256" });
  const without = { ca: authority.ca.cert };
  for (const certificate of [without, materialOf(other, "a"), { cert: self.cert, key: self.private }]) {
    await assert.rejects(knock(b.port, goodHello, certificate));
  }
  await assert.rejects(knock(b.port, goodHello, { ...a, maxVersion: "TLSv1.1" }));
  await assert.rejects(knock(b.port, goodHello)); // no TLS at all
  assert.equal(b.links.stats().inbound.accepted, 1);
  await closeAll(b);
});

test("with TLS, two nodes link, and neither believes a node with another's certificate or another authority", async () => {
  const authority = await made();
  const other = await made();
  const [a, b] = await makePair({ tls: materialOf(authority, "a") }, { tls: materialOf(authority, "b") });
  a.links.send("b", "bulk", ["over TLS", new Uint8Array(2_000_000)]);
  await b.watch.until(() => b.watch.of("frame").length === 1);
  await closeAll(a, b);
  // The server side is at fault: it proves to be c, or comes from an authority that a does not know but that trusts a.
  for (const material of [materialOf(authority, "c"), { ...materialOf(other, "b"), ca: authority.ca.cert }]) {
    const ports = await freePorts("a", "b");
    const connecting = makeNode("a", ports, { tls: materialOf(authority, "a") });
    const impostor = makeNode("b", ports, { tls: material });
    await impostor.links.start();
    await connecting.links.start();
    await connecting.watch.until(() => connecting.watch.of("log").some(({ message }) => message === "cannot link"));
    const reasons = connecting.watch.of("log").map(({ details }) => String(details.reason));
    assert.match(reasons.join(), /certificate|issuer/);
    await closeAll(connecting, impostor);
    assert.equal(upCount(connecting, "b"), 0);
  }
});
