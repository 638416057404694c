// Certificates of a cluster: what they say, how long they hold, and how they are read back.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { loadTls, makeCertificates } from "../../src/net/certificates.ts";
import { certificateUri } from "../../src/net/identity.ts";

const NOW_MS = Date.UTC(2026, 10, 21);
const DAY_MS = 86_400_000;

test("each node gets a certificate of the authority with its names, for both directions", async () => {
  const members = [{ id: "n1", hosts: ["10.0.0.1", "n1.example"] }, { id: "n2", hosts: ["fd00::2"] }];
  const { ca, nodes } = await makeCertificates("prod", members, { days: 30, nowMs: NOW_MS });
  const authority = new X509Certificate(ca.cert);
  const [n1, n2] = ["n1", "n2"].map((id) => new X509Certificate(nodes[id]?.cert ?? "")) as [X509Certificate, X509Certificate];
  assert.deepEqual([authority.ca, n1.ca, n2.ca], [true, false, false]);
  for (const node of [n1, n2]) {
    assert.ok(node.verify(authority.publicKey) && node.checkIssued(authority));
    assert.deepEqual(node.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert.equal(node.publicKey.asymmetricKeyType, "ec");
    assert.equal(Date.parse(node.validTo), NOW_MS + 30 * DAY_MS);
    assert.ok(Date.parse(node.validFrom) < NOW_MS);
  }
  assert.equal(n1.subjectAltName, "URI:spiffe://prod/server/n1, IP Address:10.0.0.1, DNS:n1.example, DNS:localhost, IP Address:127.0.0.1");
  assert.equal(certificateUri(n2.subjectAltName), "spiffe://prod/server/n2");
  assert.notEqual(nodes.n1?.key, nodes.n2?.key);
  assert.notEqual(n1.serialNumber, n2.serialNumber);
});

test("names that could be read as something else are refused", async () => {
  const clusters = [["a/b", "n", "h"], ["", "n", "h"]] as const;
  const nodes = [["a", "n/../m", "h"], ["a", "n,CN=x", "h"]] as const;
  const hosts = [["a", "n", "h, URI:x"], ["a", "n", "*"]] as const;
  for (const [cluster, id, host] of [...clusters, ...nodes, ...hosts]) {
    const making = makeCertificates(cluster, [{ id, hosts: [host] }], { days: 1, nowMs: NOW_MS });
    await assert.rejects(making, (error) => error instanceof PawlError && error.code === "invalid", `${cluster} ${id} ${host}`);
  }
});

test("the three files are read together or not at all", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "pawl-tls-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const refuses = (pattern: RegExp): void => {
    const told = (error: unknown): boolean => error instanceof PawlError && error.code === "config" && pattern.test(error.message);
    assert.throws(() => loadTls(directory), told);
  };
  assert.equal(loadTls(directory), undefined);
  assert.equal(loadTls(join(directory, "absent")), undefined);
  writeFileSync(join(directory, "ca.pem"), "-----BEGIN CERTIFICATE-----\nca");
  refuses(/node\.pem and .*node-key\.pem are missing/);
  writeFileSync(join(directory, "node.pem"), "-----BEGIN CERTIFICATE-----\nnode");
  refuses(/node-key\.pem is missing/);
  writeFileSync(join(directory, "node-key.pem"), "key");
  refuses(/node-key\.pem holds no PEM/);
  writeFileSync(join(directory, "node-key.pem"), "-----BEGIN PRIVATE KEY-----\nkey");
  assert.deepEqual(Object.keys(loadTls(directory) ?? {}), ["ca", "cert", "key"]);
  assert.match(loadTls(directory)?.cert ?? "", /node$/);
});
