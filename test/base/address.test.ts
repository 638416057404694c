// Which hosts are this machine alone, and how addresses are written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, isLoopback } from "../../src/base/address.ts";

test("addresses are written with brackets around IPv6", () => {
  assert.equal(formatAddress({ host: "127.0.0.1", port: 7400 }), "127.0.0.1:7400");
  assert.equal(formatAddress({ host: "::1", port: 1 }), "[::1]:1");
});

test("loopback is this machine and nothing else", () => {
  const here = ["127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "LOCALHOST"];
  const names = ["localhost.example", "127.0.0.1.example", "", "1"];
  const elsewhere = [...names, "0.0.0.0", "::", "126.255.255.255", "128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1"];
  for (const host of here) assert.equal(isLoopback(host), true, host);
  for (const host of elsewhere) assert.equal(isLoopback(host), false, host);
});
