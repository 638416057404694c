// Every way to get the file wrong, with the exact line that says so.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folder, load, put, putTls, refusal } from "./helpers.ts";

const good = `[node]
id = "a"
data_dir = "data"
[cluster]
name = "test"
`;
const members = `${good}
[[cluster.members]]
id = "a"
peer = "127.0.0.1:7601"
api = "127.0.0.1:7501"

[[cluster.members]]
id = "b"
peer = "127.0.0.1:7602"
api = "127.0.0.1:7502"
`;
const name = "1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit";
const levels = "trace, debug, info, warn, error, fatal, silent";
const tables = "[node], [api], [peer], [cluster], [auth], [worker], [http], [shell], [history], [storage], [log], [[plugins]]";

type Case = readonly [what: string, text: string, message: string];
const cases: readonly Case[] = [
  ["empty", "", 'c.toml:1: [node] id: missing; write id = "node-a", --node-id node-a or PAWL_NODE_ID=node-a'],
  ["no data_dir", '\n[node]\nid = "a"\n[cluster]\nname = "x"',
    'c.toml:2: [node] data_dir: missing; write data_dir = "./data/node-a", '
    + "--node-data-dir ./data/node-a or PAWL_NODE_DATA_DIR=./data/node-a"],
  ["not TOML", `${good}[api]\nlisten = 127.0.0.1:7500\n`, 
    "c.toml:7: not TOML at column 15: illegal character in numeric literal; correct this line (texts stand in double quotes)"],
  ["a key twice", `${good}name = "other"\n`, 
    "c.toml:6: not TOML at column 1: trying to redefine an already defined table or value; "
    + "correct this line (texts stand in double quotes)"],
  ["unknown table", `${good}\n[nodes]\nid = "a"\n`, `c.toml:7: "nodes": unknown; remove it, the tables are ${tables}`],
  ["key at the top", `id = "a"\n${good}`, `c.toml:1: "id": unknown; remove it, the tables are ${tables}`],
  ["unknown key", good.replace("data_dir", "datadir"), 'c.toml:3: [node] "datadir": unknown key; remove it, the keys are id, data_dir'],
  ["no table", 'api = 1\n', "c.toml:1: api: expected a table, got 1; write [api] and its keys below it"],
  ["id is a number", good.replace('"a"', "7"), `c.toml:2: [node] id: expected ${name}, got 7; write id = "node-a"`],
  ["id with a slash", good.replace('"a"', '"a/b"'), `c.toml:2: [node] id: expected ${name}, got "a/b"; write id = "node-a"`],
  ["cluster name with a line break", good.replace('"test"', '"te\\nst"'),
    `c.toml:5: [cluster] name: expected ${name}, got "te\\nst"; write name = "production"`],
  ["two shards", `${good}shards = 2\n`, "c.toml:6: [cluster] shards: expected 1, more shards do not exist yet, got 2; write shards = 1"],
  ["no port", `${good}# how\n[api]\nlisten = "127.0.0.1"\n`,
    'c.toml:8: [api] listen: expected host:port, got "127.0.0.1"; write listen = "127.0.0.1:7500"'],
  ["no such IPv4", `${good}[peer]\nlisten = "300.0.0.1:7600"\n`,
    'c.toml:7: [peer] listen: expected host:port, got "300.0.0.1:7600"; write listen = "127.0.0.1:7600"'],
  ["port too high", `${good}[api]\nlisten = "127.0.0.1:65536"\n`,
    'c.toml:7: [api] listen: expected host:port, got "127.0.0.1:65536"; write listen = "127.0.0.1:7500"'],
  ["beyond loopback", `${good}[api]\nlisten = "0.0.0.0:7500"\n`,
    "c.toml:7: [api] listen: 0.0.0.0:7500 is beyond loopback, which needs TLS, and data/tls/ca.pem does not exist; "
    + 'run pawl cluster certs --config c.toml --out DIR and copy DIR/a/ to data/tls/, or write listen = "127.0.0.1:7500"'],
  ["slots as text", `${good}[worker]\nslots = "many"\n`,
    'c.toml:7: [worker] slots: expected an integer from 1 to 4096, got "many"; write slots = 100'],
  ["slots too many", `${good}[worker]\nslots = 4097\n`,
    "c.toml:7: [worker] slots: expected an integer from 1 to 4096, got 4097; write slots = 100"],
  ["tags as text", `${good}[worker]\ntags = "eu"\n`,
    `c.toml:7: [worker] tags: expected a list of ${name}, got "eu"; write tags = ["gpu", "eu"]`],
  ["tags hold a number", `${good}[worker]\ntags = [\n  "eu",\n  1,\n]\n`,
    `c.toml:7: [worker] tags: expected a list of ${name}, got 1; write tags = ["gpu", "eu"]`],
  ["an address is no network", `${good}[http]\nallow_addresses = ["10.0.0.1"]\n`,
    'c.toml:7: [http] allow_addresses: expected a list of networks as CIDR, got "10.0.0.1"; write allow_addresses = ["10.0.0.0/8"]'],
  ["shell as text", `${good}[shell]\nenabled = "yes"\n`,
    'c.toml:7: [shell] enabled: expected true or false, got "yes"; write enabled = false'],
  ["log level", `${good}[log]\nlevel = "loud"\n`, `c.toml:7: [log] level: expected one of ${levels}, got "loud"; write level = "info"`],
  ["token file absent", `${good}[auth]\nadmin_token_file = "none"\n`,
    "c.toml:7: [auth] admin_token_file: none does not exist; make one with: openssl rand -hex 32 > none"],
  ["token file empty", `${good}[auth]\nadmin_token_file = "empty.token"\n`,
    "c.toml:7: [auth] admin_token_file: empty.token is empty; make one with: openssl rand -hex 32 > empty.token"],
  ["token short", `${good}[auth]\nadmin_token_file = "short.token"\n`,
    "c.toml:7: [auth] admin_token_file: the token in short.token has 15 characters, fewer than 16; "
    + "make one with: openssl rand -hex 32 > short.token"],
  ["a member's unknown key", members.replace("peer", "pear"),
    'c.toml:9: [[cluster.members]] "pear": unknown key; remove it, the keys are id, peer, api'],
  ["a member without api", members.replace('api = "127.0.0.1:7502"\n', ""),
    'c.toml:12: [[cluster.members]] api: missing; write api = "..." in this table'],
  ["a member's bad address", members.replace("127.0.0.1:7602", "127.0.0.1"),
    'c.toml:14: [[cluster.members]] peer: expected host:port, got "127.0.0.1"; write peer = "127.0.0.1:7600"'],
  ["an id twice", members.replace('"b"', '"a"'),
    'c.toml:13: [[cluster.members]] id: "a" is already used on line 8; give each member its own id'],
  ["an address twice", members.replace("7602", "7501"),
    'c.toml:14: [[cluster.members]] peer: "127.0.0.1:7501" is already used on line 10; give each member its own peer'],
  ["members without this node", members.replace('"a"', '"z"'),
    'c.toml:2: [node] id: "z" is not one of the members a, b; write one of them or add [[cluster.members]] with this id'],
  ["a plugin twice", `${good}[[plugins]]\ntype = "x"\nmodule = "m"\n[[plugins]]\ntype = "x"\nmodule = "m"\n`,
    'c.toml:10: [[plugins]] type: "x" is already a job type; give each plugin its own type'],
  ["a plugin that is built in", `${good}[[plugins]]\ntype = "http"\nmodule = "m"\n`,
    'c.toml:7: [[plugins]] type: "http" is already a job type; give each plugin its own type'],
  ["a plugin's module absent", `${good}[[plugins]]\ntype = "x"\nmodule = "./none.js"\n`,
    "c.toml:8: [[plugins]] module: none.js is not a file; name an existing JavaScript module"],
  ["plugins as a table", `${good}[plugins]\ntype = "x"\n`,
    'c.toml:6: [[plugins]]: expected an array of tables, got {"type":"x"}; write [[plugins]] with type, module'],
];

for (const [what, text, message] of cases) {
  test(`refused: ${what}`, (t) => {
    const dir = folder(t);
    const file = put(join(dir, "c.toml"), text);
    put(join(dir, "empty.token"), "\n");
    put(join(dir, "short.token"), "123456789012345\n");
    const said = refusal(dir, () => load(file));
    assert.equal(said, message);
    assert.doesNotMatch(said, /\n/);
    assert.deepEqual(readdirSync(dir).sort(), ["c.toml", "empty.token", "short.token"], "nothing may be touched");
  });
}

test("the good files of this table are accepted", (t) => {
  const dir = folder(t);
  for (const text of [good, members]) assert.equal(refusal(dir, () => load(put(join(dir, "c.toml"), text))), "accepted");
  assert.equal(existsSync(join(dir, "data")), false);
});

test("a file that is not there", (t) => {
  const dir = folder(t);
  assert.equal(refusal(dir, () => load(join(dir, "c.toml"))), "c.toml: cannot be read (ENOENT); name a readable file with --config");
});

test("flags and variables are named instead of a line", (t) => {
  const dir = folder(t);
  const file = put(join(dir, "c.toml"), good);
  const flag = refusal(dir, () => load(file, { flags: { "api-listen": "7500" } }));
  assert.equal(flag, '--api-listen: expected host:port, got "7500"; write --api-listen 127.0.0.1:7500');
  const variable = refusal(dir, () => load(file, { env: { PAWL_WORKER_SLOTS: "0" } }));
  assert.equal(variable, "PAWL_WORKER_SLOTS: expected an integer from 1 to 4096, got 0; write PAWL_WORKER_SLOTS=100");
  const list = refusal(dir, () => load(file, { env: { PAWL_CLUSTER_MEMBERS: "a:1" } }));
  assert.equal(
    list,
    'PAWL_CLUSTER_MEMBERS: expected id=peer/api,..., got "a:1"; write PAWL_CLUSTER_MEMBERS=a=10.0.0.1:7600/10.0.0.1:7500',
  );
  const missing = refusal(dir, () => load(undefined));
  assert.equal(missing, "--node-id: missing; write --node-id node-a or PAWL_NODE_ID=node-a, or name a file with --config");
});

test("TLS files must be complete, and beyond loopback a token must be there", (t) => {
  const dir = folder(t);
  const file = put(join(dir, "c.toml"), `${good}[api]\nlisten = "0.0.0.0:7500"\n`);
  putTls(join(dir, "data"));
  assert.equal(
    refusal(dir, () => load(file)),
    "c.toml:1: [auth] admin_token_file: missing, and the API on 0.0.0.0:7500 is beyond loopback, which needs a token; "
    + 'write admin_token_file = "./admin.token" and make one with: openssl rand -hex 32 > admin.token',
  );
  put(join(dir, "data", "admin.token"), "0123456789abcdef\n");
  assert.equal(load(file).tls?.key, join(dir, "data", "tls", "node-key.pem"));
  const partial = put(join(dir, "p.toml"), good.replace('"data"', '"other"'));
  put(join(dir, "other", "tls", "ca.pem"), "x");
  assert.match(refusal(dir, () => load(partial)), /^other\/tls\/node\.pem: missing beside the other TLS files; run pawl cluster certs/);
});
