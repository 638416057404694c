// Checks: no spelling of an address, no name and no connection reaches a refused address (G1, G2): a canary that listens on every
// local address must not see a single connection, and the failure must be the refusal, not that nobody listens.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import type { LookupAddress } from "node:dns";
import type { Resolver } from "../../src/worker/guard.ts";
import { Guard } from "../../src/worker/guard.ts";
import { httpExecutor } from "../../src/worker/http.ts";
import { TestSystem, contextOf } from "./fixtures.ts";

let connections = 0;
const canary = net.createServer((socket) => {
  connections++;
  socket.on("error", () => undefined);
  socket.end("HTTP/1.1 204 No Content\r\n\r\n");
});
before(() => new Promise<void>((resolve) => void canary.listen(0, "::", resolve)));
after(() => void canary.close());

const port = (): number => (canary.address() as net.AddressInfo).port;

/** Names of the table that no real resolver is asked for. */
const names: Record<string, string[]> = {
  "loop.example": ["127.0.0.1"], "loop6.example": ["::1"], "mapped.example": ["::ffff:127.0.0.1"], "nat64.example": ["64:ff9b::7f00:1"],
  "metadata.example": ["169.254.169.254"], "private.example": ["10.0.0.1", "192.168.1.1", "fd00::1"], "zero.example": ["0.0.0.0"],
  "scoped.example": ["fe80::1%lo"], "none.example": [],
  "localhost": ["127.0.0.1", "::1"], "localhost.": ["127.0.0.1"], "sub.localhost": ["::1"], "127.0.0.1.nip.example": ["127.0.0.1"],
  "xn--n3h.example": ["127.8.8.8"], "2130706433.example": ["127.0.0.1"],
};
const addresses = (all: readonly string[]): LookupAddress[] => all.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
const resolve: Resolver = (hostname, _options, done) => {
  const found = names[hostname];
  done(found === undefined ? Object.assign(new Error(`unexpected name ${hostname}`), { code: "ENOTFOUND" }) : null, addresses(found ?? []));
};

const SPELLINGS = [
  "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0x7f000001", "0x7f.1", "0x7F.0x0.0x0.0x1", "2130706433", "017700000001",
  "0177.0.0.1",
  "0177.1", "127.0.0.1.", "①②⑦.0.0.1", "127。0。0。1", "%31%32%37.0.0.1", "１２７.０.０.１", "0", "0.0.0.0", "0x0", "0.0.0.1", "[::]", "[::1]",
  "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::fFFf:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::ffff:0:7f00:1]", "[fe80::1]", "[fc00::1]",
  "[fd00::2]",
  "[fec0::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]", "10.0.0.1", "10.255.255.255", "172.16.0.1",
  "172.31.255.255",
  "192.168.0.1", "192.0.2.2", "192.0.0.1", "192.88.99.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "0xa9fea9fe",
  "[::ffff:a9fe:a9fe]",
  "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", ...Object.keys(names),
];

test(`${SPELLINGS.length} spellings of refused addresses reach nothing`, async () => {
  const http = httpExecutor({ system: new TestSystem(), allowAddresses: [], resolve });
  for (const deliverOnce of [false, true]) {
    for (const host of SPELLINGS) {
      const { context } = contextOf({ url: `http://${host}:${port()}/` }, { deliverOnce });
      const outcome = await http.run(context);
      assert.match(outcome.ok ? "it ran" : outcome.error, /which HTTP jobs may not reach: add its range/, host);
    }
  }
  assert.equal(connections, 0);
  http.close?.();
});

test("the system's own resolver is filtered as well", async () => {
  const http = httpExecutor({ system: new TestSystem(), allowAddresses: [] });
  const outcome = await http.run(contextOf({ url: `http://localhost:${port()}/` }).context);
  assert.match(outcome.ok ? "it ran" : outcome.error, /may not reach/);
  assert.equal(connections, 0);
  http.close?.();
});

test("https is refused before a byte of the handshake", async () => {
  const http = httpExecutor({ system: new TestSystem(), allowAddresses: [], resolve });
  const outcome = await http.run(contextOf({ url: `https://loop.example:${port()}/` }).context);
  assert.match(outcome.ok ? "it ran" : outcome.error, /may not reach/);
  assert.equal(connections, 0);
  http.close?.();
});

test("the address that the socket is connected to has the last word, over http and https (G2)", async () => {
  const received: Buffer[] = [];
  const ended: Promise<void>[] = [];
  const listener = net.createServer((socket) => {
    ended.push(new Promise((done) => void socket.on("close", () => done())));
    socket.on("error", () => undefined).on("data", (data) => received.push(data));
  });
  await new Promise<void>((done) => void listener.listen(0, "127.0.0.1", done));
  const to = (listener.address() as net.AddressInfo).port;
  // As if the name had answered otherwise between the check and the connection.
  const dial = (): net.Socket => net.connect(to, "127.0.0.1");
  const publicly: Resolver = (_host, _options, done) => done(null, addresses(["1.1.1.1"]));
  const http = httpExecutor({ system: new TestSystem(), allowAddresses: [], dial, resolve: publicly });
  for (const url of ["http://rebound.example/", "https://rebound.example/", "http://8.8.8.8/"]) {
    const outcome = await http.run(contextOf({ url }).context);
    assert.match(outcome.ok ? "it ran" : outcome.error, /is at 127\.0\.0\.1, which HTTP jobs may not reach/, url);
  }
  await Promise.all(ended);
  assert.deepEqual([ended.length, received], [3, []]);
  listener.close();
  http.close?.();
});

test("of several answers only the allowed ones are dialled", async () => {
  const dialled: string[] = [];
  const dial = (options: net.TcpNetConnectOpts): net.Socket => {
    options.lookup?.("mixed.example", { all: true }, (_error, found) => {
      dialled.push(...(found as LookupAddress[]).map(({ address }) => address));
    });
    return net.connect(port(), "127.0.0.1");
  };
  const mixed: Resolver = (_host, _options, done) => done(null, addresses(["127.0.0.1", "9.9.9.9", "::1", "2606:4700::1"]));
  const http = httpExecutor({ system: new TestSystem(), allowAddresses: [], dial, resolve: mixed });
  await http.run(contextOf({ url: "http://mixed.example/" }).context);
  assert.deepEqual(dialled, ["9.9.9.9", "2606:4700::1"]);
  http.close?.();
});

test("ranges open what they name and nothing else; wrong ones are refused at start", () => {
  const system = new TestSystem();
  const guard = new Guard({ system, allowAddresses: ["10.1.0.0/16", "::1", "192.168.7.7"] });
  const answers = Object.fromEntries(
    ["10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "::1", "::2", "192.168.7.7", "192.168.7.8", "8.8.8.8", "::ffff:8.8.8.8",
      "2606:4700::1", "junk", ""].map((address) => [address, guard.allows(address)]),
  );
  assert.deepEqual(answers, {
    "10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "::1": true, "::2": false, "192.168.7.7": true, "192.168.7.8": false,
    "8.8.8.8": true, "::ffff:8.8.8.8": true, "2606:4700::1": true, junk: false, "": false,
  });
  for (const range of ["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "example.org", "::1/129", "10.0.0.0/8/8", "10.0.0.0/-1"]) {
    assert.throws(() => new Guard({ system, allowAddresses: [range] }), { code: "config", field: "http.allow_addresses" }, range);
  }
});
