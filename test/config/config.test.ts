// What a good file means, which source wins, and the example file.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyLines } from "../../src/config/toml.ts";
import { allKeys, memberFields, pluginFields } from "../../src/config/keys.ts";
import { formatAddress, isLoopback } from "../../src/base/address.ts";
import { isCidr, parseAddress } from "../../src/config/address.ts";
import type { KeyKind } from "../../src/config/keys.ts";
import { folder, load, put, putTls } from "./helpers.ts";

const alone = '[node]\nid = "a"\ndata_dir = "data"\n[cluster]\nname = "test"\n';
const example = join(import.meta.dirname, "../../cluster.example.toml");

test("defaults of a node alone", (t) => {
  const dir = folder(t);
  const config = load(put(join(dir, "c.toml"), alone));
  assert.deepEqual(config, {
    node: { id: "a", dataDir: join(dir, "data") },
    api: { host: "127.0.0.1", port: 7500 },
    peer: { host: "127.0.0.1", port: 7600 },
    cluster: {
      name: "test", shards: 1, members: [{ id: "a", peer: { host: "127.0.0.1", port: 7600 }, api: "127.0.0.1:7500" }], join: false,
    },
    auth: { adminTokenFile: join(dir, "data", "admin.token") },
    worker: { slots: 100, tags: [] },
    http: { allowAddresses: [] },
    shell: { enabled: false },
    history: { retentionDays: 30 },
    storage: { logKeepMib: 128 },
    log: { level: "info" },
    plugins: [],
    tls: undefined,
  });
});

test("a flag wins over a variable, a variable over the file", (t) => {
  const dir = folder(t);
  const text = `${alone}[worker]\nslots = 1\ntags = ["file"]\n[shell]\nenabled = true\n`;
  const file = put(join(dir, "c.toml"), text);
  const env = { PAWL_WORKER_SLOTS: "2", PAWL_WORKER_TAGS: "env, more", PAWL_SHELL_ENABLED: "", PAWL_LOG_LEVEL: "debug" };
  const fromFile = load(file);
  assert.deepEqual([fromFile.worker, fromFile.shell], [{ slots: 1, tags: ["file"] }, { enabled: true }]);
  const fromEnv = load(file, { env });
  assert.deepEqual([fromEnv.worker, fromEnv.shell, fromEnv.log.level], [{ slots: 2, tags: ["env", "more"] }, { enabled: true }, "debug"]);
  const fromFlag = load(file, { env, flags: { "worker-slots": "3", "shell-enabled": "false", "worker-tags": "" } });
  assert.deepEqual([fromFlag.worker, fromFlag.shell], [{ slots: 3, tags: [] }, { enabled: false }]);
});

test("every key can be given without a file", (t) => {
  const dir = folder(t);
  const token = put(join(dir, "token"), "0123456789abcdef");
  const plugin = put(join(dir, "report.js"), "");
  const env = {
    PAWL_NODE_ID: "b", PAWL_NODE_DATA_DIR: join(dir, "env"), PAWL_CLUSTER_NAME: "test", PAWL_CLUSTER_SHARDS: "1",
    PAWL_CLUSTER_MEMBERS: "a=127.0.0.1:1/127.0.0.1:2,b=127.0.0.1:3/[::1]:4", PAWL_AUTH_ADMIN_TOKEN_FILE: token,
    PAWL_HTTP_ALLOW_ADDRESSES: "10.0.0.0/8,fd00::/8", PAWL_PLUGINS: `report=${plugin}`, PAWL_PEER_LISTEN: "127.0.0.1:5",
  };
  const config = load(undefined, { env, flags: { "data-dir": join(dir, "flag") } });
  assert.deepEqual(config.node, { id: "b", dataDir: join(dir, "flag") });
  assert.deepEqual(config.api, { host: "::1", port: 4 });
  assert.deepEqual(config.peer, { host: "127.0.0.1", port: 5 });
  assert.deepEqual(config.cluster.members[1], { id: "b", peer: { host: "127.0.0.1", port: 3 }, api: "[::1]:4" });
  assert.deepEqual(config.http.allowAddresses, ["10.0.0.0/8", "fd00::/8"]);
  assert.deepEqual(config.plugins, [{ type: "report", module: plugin }]);
  assert.equal(config.auth.adminTokenFile, token);
});

test("the example has every key, none besides, and is accepted on each of its machines", (t) => {
  const dir = folder(t);
  const text = readFileSync(example, "utf8");
  const written = new Set([...keyLines(text).keys()].map((path) => path.replaceAll(/\.\d+(?=\.|$)/g, "")));
  const fields: Partial<Record<KeyKind, readonly string[]>> = { members: memberFields, plugins: pluginFields };
  const wanted = allKeys.flatMap(({ path, kind }) => fields[kind]?.map((field) => `${path}.${field}`) ?? [path]);
  assert.deepEqual([...written].filter((path) => path.includes(".") && path !== "cluster.members").sort(), [...wanted].sort());
  const file = put(join(dir, "cluster.toml"), text);
  put(join(dir, "admin.token"), "0123456789abcdef");
  for (const id of ["node-a", "node-b", "node-c"]) {
    putTls(join(dir, id));
    const config = load(file, { flags: { "node-id": id, "data-dir": join(dir, id) } });
    assert.equal(config.node.id, id);
    assert.deepEqual(config.cluster.members.map((member) => member.id), ["node-a", "node-b", "node-c"]);
    assert.deepEqual([config.worker, config.http.allowAddresses], [{ slots: 100, tags: ["eu"] }, ["10.20.0.0/16"]]);
  }
});

test("lines of keys, in every way TOML has to write them", () => {
  const text = [
    "a = 1 # [no.table]", "", "[t]", 's = """', "x = 1", '[not] """"', "l = [", '  "]", # ]', "  1,", "]", "'q=.r' = 2", "",
    "[[many.rows]]", "id = 1", "[[many.rows]]", "id = '''", "'''", "n = { a = 1, b = [2] }", "last.one = 3",
  ].join("\n");
  assert.deepEqual(Object.fromEntries(keyLines(text)), {
    "a": 1, "t": 3, "t.s": 4, "t.l": 7, "t.q=.r": 11, "many.rows": 13, "many.rows.0": 13, "many.rows.0.id": 14,
    "many.rows.1": 15, "many.rows.1.id": 16, "many.rows.1.n": 18, "many.rows.1.last.one": 19,
  });
});

test("addresses and networks", () => {
  assert.deepEqual(parseAddress("a-1.example:80"), { host: "a-1.example", port: 80 });
  assert.equal(formatAddress({ host: "::1", port: 80 }), "[::1]:80");
  assert.deepEqual(parseAddress("127.0.0.1:0", 0), { host: "127.0.0.1", port: 0 });
  for (const bad of ["", ":80", "a:", "a:x", "::1:80", "[a]:80", "127.0.0.1:0", "1.2.3:80", "-a:80", "a b:80", "http://a:80"]) {
    assert.equal(parseAddress(bad), undefined, bad);
  }
  assert.deepEqual(["127.9.9.9", "::1", "localhost", "0.0.0.0", "::", "127.example", "10.0.0.1"].map(isLoopback),
    [true, true, true, false, false, false, false]);
  assert.deepEqual(["10.0.0.0/8", "::/0"].map(isCidr), [true, true]);
  assert.deepEqual(["10.0.0.0/33", "10.0.0.0", "x/8", "fd00::/129"].map(isCidr), [false, false, false, false]);
});
