// Spellings of addresses: what is read, what is refused, what counts as this machine.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/base/errors.ts";
import { formatAddress, isLoopback, parseAddress } from "../../src/net/address.ts";

test("an address is read and written alike", () => {
  const good = [["127.0.0.1:7400", "127.0.0.1", 7400], ["[::1]:1", "::1", 1], ["node-1.example:65535", "node-1.example", 65535]] as const;
  for (const [value, host, port] of good) {
    const address = parseAddress(value, "peer");
    assert.deepEqual(address, { host, port });
    assert.equal(formatAddress(address), value);
  }
});

test("anything else is refused, with the field's name", () => {
  const bad = ["", "7400", ":7400", "a:", "a:0", "a:65536", "a:123456", "a:-1", "::1:7400", "[127.0.0.1]:7400", "[x]:1"];
  const odd = ["a b:1", "a/b:1", "a@b:1", "-a:1", "127.1:80"];
  for (const value of [...bad, ...odd, "999.1.1.1:80", "0x7f.1:80", "http://a:80", "a:80\n", `${"a".repeat(64)}:1`]) {
    assert.throws(
      () => parseAddress(value, "members[0].peer"),
      (error) => error instanceof PawlError && error.code === "config" && error.message.startsWith("members[0].peer: "),
      value,
    );
  }
});

test("loopback is this machine and nothing else", () => {
  const here = ["127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "LOCALHOST"];
  const names = ["localhost.example", "127.0.0.1.example", "", "1"];
  const elsewhere = [...names, "0.0.0.0", "::", "126.255.255.255", "128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1"];
  for (const host of here) assert.equal(isLoopback(host), true, host);
  for (const host of elsewhere) assert.equal(isLoopback(host), false, host);
});
