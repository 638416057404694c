// Whom a node believes: every reason to refuse, and the exactness of the certificate's URI.

import assert from "node:assert/strict";
import { test } from "node:test";
import { certificateUri, helloHeaders, readHello, readIdentity, serverUri } from "../../src/net/identity.ts";
import { whyRefuseAnswer, whyRefuseHello } from "../../src/net/identity.ts";
import type { Hello, LinkIdentity, RefusalReason } from "../../src/net/identity.ts";

const own: LinkIdentity = { cluster: "test", clusterId: "c1", node: "b", incarnation: 5, version: "0.1.0" };
const peer: LinkIdentity = { ...own, node: "a", incarnation: 7 };
const hello: Hello = { identity: peer, lane: "bulk", to: "b" };
const members = new Set(["a", "c"]);

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
    ["older process", { claims: { incarnation: 6 } }, "stale_incarnation"],
  ];
  const seen = new Map([["a", 7]]);
  for (const [name, { claims, ...rest }, expected] of cases) {
    const said = { ...hello, ...rest, identity: { ...peer, ...claims } };
    assert.equal(whyRefuseHello(own, said, members, seen, "no_tls"), expected, name);
    assert.equal(whyRefuseHello(own, said, members, seen, serverUri("test", "a")), expected, name);
  }
  assert.equal(whyRefuseHello(own, undefined, members, seen, "no_tls"), "bad_request");
  assert.equal(whyRefuseHello({ ...own, clusterId: "" }, hello, members, seen, "no_tls"), undefined);
  assert.deepEqual([...seen], [["a", 7]]); // deciding changes nothing (I2)
});

test("a certificate is for one node, exactly", () => {
  const wrong = ["spiffe://test/server/a/", "spiffe://test/server/A", "spiffe://test/server/%61", "spiffe://test/server/ab"];
  wrong.push("spiffe://test/server/*", "spiffe://test/worker/a");
  for (const uri of [...wrong, "SPIFFE://test/server/a", "spiffe://tes/server/a", "spiffe://test/server/c", "", undefined]) {
    assert.equal(whyRefuseHello(own, hello, members, new Map(), uri), "wrong_certificate", String(uri));
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
  const seen = new Map([["a", 7]]);
  const answers: [Partial<LinkIdentity>, RefusalReason | undefined][] = [
    [{}, undefined],
    [{ clusterId: "" }, undefined],
    [{ incarnation: 8 }, undefined],
    [{ node: "c" }, "unknown_node"],
    [{ cluster: "x" }, "wrong_cluster"],
    [{ clusterId: "c2" }, "wrong_cluster_id"],
    [{ incarnation: 6 }, "stale_incarnation"],
  ];
  for (const [differs, expected] of answers) assert.equal(whyRefuseAnswer(own, "a", { ...peer, ...differs }, seen), expected);
  assert.equal(whyRefuseAnswer(own, "a", undefined, seen), "bad_request");
});

test("what a node says of itself is read back; malformed headers are not", () => {
  const headers = helloHeaders(hello);
  assert.deepEqual(readHello(headers), hello);
  assert.deepEqual(readIdentity(headers), peer);
  const damage: [string, string | string[] | undefined][] = [
    ...Object.keys(headers).map((name): [string, undefined] => [name, undefined]),
    [":method", "GET"], [":path", "/pawl/link/"], ["pawl-lane", "Bulk"], ["pawl-node", "a/b"], ["pawl-node", ""], ["pawl-node", ["a", "a"]],
    ...["-1", "1.5", "1e3", "", "9007199254740992"].map((digits): [string, string] => ["pawl-incarnation", digits]),
    ["pawl-version", "x".repeat(129)],
  ];
  for (const [name, value] of damage) assert.equal(readHello({ ...headers, [name]: value }), undefined, `${name}: ${String(value)}`);
});
