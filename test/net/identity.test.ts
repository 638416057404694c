// Whom a node believes: every reason to refuse, and the exactness of the certificate's URI.

import assert from "node:assert/strict";
import { test } from "node:test";
import { certificateUri, helloHeaders, noMembership, readHello, readIdentity, serverUri } from "../../src/net/identity.ts";
import { whyRefuseAnswer, whyRefuseHello } from "../../src/net/identity.ts";
import type { Acquaintances, Hello, LinkIdentity, RefusalReason } from "../../src/net/identity.ts";
import { someone } from "./harness.ts";

const own: LinkIdentity = { ...someone, node: "b", incarnation: 5, membership: 20 };
const peer: LinkIdentity = { ...own, node: "a", incarnation: 7 };
const hello: Hello = { identity: peer, lane: "bulk", to: "b", address: { host: "127.0.0.1", port: 7600 } };
const members = new Set(["a", "c"]);

/** Members, and what was met of whom. */
function knowing(newest: Record<string, number> = {}, connected?: LinkIdentity): Acquaintances {
  return {
    isMember: (node) => members.has(node),
    newest: (node) => newest[node],
    connected: (node) => (connected?.node === node ? connected : undefined),
  };
}

test("the acceptor's reasons", () => {
  const cases: [string, Partial<Hello> & { claims?: Partial<LinkIdentity> }, RefusalReason | undefined][] = [
    ["all well", {}, undefined],
    ["id not known there", { claims: { clusterId: "" } }, undefined],
    ["same incarnation again", { claims: { incarnation: 7 } }, undefined],
    ["other cluster", { claims: { cluster: "Test" } }, "wrong_cluster"],
    ["other cluster id", { claims: { clusterId: "c2" } }, "wrong_cluster_id"],
    ["itself", { claims: { node: "b" } }, "own_node"],
    ["meant for another", { to: "c" }, "not_for_me"],
    ["stranger", { claims: { node: "x" } }, "unknown_node"],
    ["one that was a member", { claims: { node: "gone", incarnation: 9 } }, "removed_node"],
    ["removed, and knows no newer membership", { claims: { node: "gone", incarnation: 9, membership: 19 } }, "removed_node"],
    ["stranger that knows a newer membership", { claims: { node: "x", membership: 21 } }, undefined],
    ["such a stranger of an unnamed cluster", { claims: { node: "x", membership: 21, clusterId: "" } }, "unknown_node"],
    ["older process", { claims: { incarnation: 6 } }, "stale_incarnation"],
  ];
  for (const [name, { claims, ...rest }, expected] of cases) {
    const said = { ...hello, ...rest, identity: { ...peer, ...claims } };
    const known = knowing({ a: 7, gone: 3 });
    assert.equal(whyRefuseHello(own, said, known, "no_tls"), expected, name);
    assert.equal(whyRefuseHello(own, said, known, serverUri("test", said.identity.node)), expected, name);
  }
  assert.equal(whyRefuseHello(own, undefined, knowing(), "no_tls"), "bad_request");
  const nameless = { ...own, clusterId: "", membership: noMembership };
  assert.equal(whyRefuseHello(nameless, hello, knowing(), "no_tls"), undefined);
  // One that joins hears strangers only once a member has told it which cluster this is.
  const stranger = { ...hello, identity: { ...peer, node: "x" } };
  assert.equal(whyRefuseHello(nameless, stranger, knowing(), "no_tls"), "unknown_node");
  assert.equal(whyRefuseHello({ ...nameless, clusterId: "c1" }, stranger, knowing(), "no_tls"), undefined);
});

test("of two processes with one incarnation the one that is connected is believed, in both directions (I4)", () => {
  const other = "00000000000000b2";
  const cases: [Partial<LinkIdentity>, RefusalReason | undefined][] = [
    [{}, undefined],
    [{ birth: other }, "copied_directory"],
    [{ birth: other, incarnation: 8 }, undefined],
    [{ birth: other, incarnation: 6 }, "stale_incarnation"],
  ];
  for (const [differs, expected] of cases) {
    const said = { ...peer, ...differs };
    const known = knowing({ a: 7 }, peer);
    assert.equal(whyRefuseHello(own, { ...hello, identity: said }, known, "no_tls"), expected);
    assert.equal(whyRefuseAnswer(own, "a", said, known), expected);
    if (expected === "copied_directory") assert.equal(whyRefuseAnswer(own, "a", said, knowing({ a: 7 })), undefined, "the first is gone");
  }
});

test("a certificate is for one node, exactly", () => {
  const wrong = ["spiffe://test/server/a/", "spiffe://test/server/A", "spiffe://test/server/%61", "spiffe://test/server/ab"];
  wrong.push("spiffe://test/server/*", "spiffe://test/worker/a");
  for (const uri of [...wrong, "SPIFFE://test/server/a", "spiffe://tes/server/a", "spiffe://test/server/c", "", undefined]) {
    assert.equal(whyRefuseHello(own, hello, knowing(), uri), "wrong_certificate", String(uri));
  }
});

test("the only URI of a certificate's names", () => {
  const uri = serverUri("test", "a");
  const table: [string | undefined, string | undefined][] = [
    [`URI:${uri}`, uri],
    [`DNS:localhost, URI:${uri}, IP Address:127.0.0.1`, uri],
    [`URI:${uri}, URI:${uri}`, undefined],
    [`URI:${uri}, URI:spiffe://test/server/b`, undefined],
    [`DNS:"x, URI:${uri}"`, undefined],
    [`URI:"${uri}\\u0000"`, undefined],
    [`email:URI:${uri}`, undefined],
    ["DNS:a", undefined],
    ["", undefined],
    [undefined, undefined],
  ];
  for (const [names, expected] of table) assert.equal(certificateUri(names), expected, String(names));
});

test("the connecting side checks the answer as well", () => {
  const answers: [Partial<LinkIdentity>, RefusalReason | undefined][] = [
    [{}, undefined],
    [{ clusterId: "" }, undefined],
    [{ incarnation: 8 }, undefined],
    [{ node: "c" }, "not_for_me"],
    [{ cluster: "x" }, "wrong_cluster"],
    [{ clusterId: "c2" }, "wrong_cluster_id"],
    [{ incarnation: 6 }, "stale_incarnation"],
  ];
  for (const [differs, expected] of answers) assert.equal(whyRefuseAnswer(own, "a", { ...peer, ...differs }, knowing({ a: 7 })), expected);
  assert.equal(whyRefuseAnswer(own, "a", undefined, knowing()), "bad_request");
});

test("what a node says of itself is read back; malformed headers are not", () => {
  const headers = helloHeaders(hello);
  assert.deepEqual(readHello(headers), hello);
  assert.deepEqual(readIdentity(headers), peer);
  const joining = { ...peer, membership: noMembership };
  assert.deepEqual(readIdentity(helloHeaders({ ...hello, identity: joining })), joining);
  const damage: [string, string | string[] | undefined][] = [
    ...Object.keys(headers).map((name): [string, undefined] => [name, undefined]),
    [":method", "GET"], [":path", "/pawl/link/"], ["pawl-lane", "Bulk"], ["pawl-node", "a/b"], ["pawl-node", ""], ["pawl-node", ["a", "a"]],
    ...["-1", "1.5", "1e3", "", "9007199254740992"].map((digits): [string, string] => ["pawl-incarnation", digits]),
    ["pawl-birth", "b1"], ["pawl-birth", "00000000000000G2"],
    ["pawl-version", "x".repeat(129)], ["pawl-membership", "-2"], ["pawl-state-version", "one"], ["pawl-entry-kinds", "-1"],
    ...["a", "a:0", "a:65536", "a b:1", "[a]:1", ":1"].map((text): [string, string] => ["pawl-address", text]),
  ];
  for (const [name, value] of damage) assert.equal(readHello({ ...headers, [name]: value }), undefined, `${name}: ${String(value)}`);
});
