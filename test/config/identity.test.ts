// Whose data directory it is.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkIdentity, claimIdentity } from "../../src/config/identity.ts";
import { folder, load, put, refusal } from "./helpers.ts";

test("each start raises the incarnation, and the directory stays its first owner's (I1, I2)", (t) => {
  const dir = folder(t);
  const data = join(dir, "deep", "data");
  checkIdentity(data, "prod", "a");
  assert.equal(existsSync(data), false, "a check makes nothing");
  assert.deepEqual([1, 2, 3].map(() => claimIdentity(data, "prod", "a").incarnation), [1, 2, 3]);
  const before = readFileSync(join(data, "identity.json"), "utf8");
  assert.equal(
    refusal(dir, () => claimIdentity(data, "test", "a")),
    'deep/data holds node "a" of cluster "prod", not node "a" of cluster "test"',
  );
  assert.equal(
    refusal(dir, () => claimIdentity(data, "prod", "b")),
    'deep/data holds node "a" of cluster "prod", not node "b" of cluster "prod"',
  );
  assert.equal(readFileSync(join(data, "identity.json"), "utf8"), before);
});

test("the settings of another node or cluster are refused with the line of data_dir", (t) => {
  const dir = folder(t);
  const text = '[node]\nid = "a"\ndata_dir = "data"\n[cluster]\nname = "test"\n';
  const file = put(join(dir, "c.toml"), text);
  claimIdentity(join(dir, "data"), "prod", "b");
  const said = refusal(dir, () => load(file)).replaceAll(dir, "");
  assert.equal(
    said,
    'c.toml:3: [node] data_dir: data holds node "b" of cluster "prod", not node "a" of cluster "test"; '
    + "write another data_dir, or start it as what it is",
  );
  assert.equal(load(file, { flags: { "node-id": "b", "cluster-name": "prod" } }).node.id, "b");
});

test("a damaged identity or a file instead of a folder is refused, never overwritten", (t) => {
  const dir = folder(t);
  for (const text of ["", "null", '{"cluster":"prod"}', '{"cluster":"prod","node":"a","incarnation":"1"}',
    '{"cluster":"prod","node":"a","incarnation":1,"joined":1}']) {
    const file = put(join(dir, "data", "identity.json"), text);
    assert.match(refusal(dir, () => claimIdentity(join(dir, "data"), "prod", "a")), /identity\.json is damaged/);
    assert.equal(readFileSync(file, "utf8"), text);
  }
  const plain = put(join(dir, "plain"), "");
  assert.equal(refusal(dir, () => checkIdentity(plain, "prod", "a")), "plain is not a directory");
});

test("a directory that was made to join stays one that joined, and counts from the clock (I3)", (t) => {
  const dir = folder(t);
  const [joined, founded] = [join(dir, "joined"), join(dir, "founded")];
  assert.deepEqual(claimIdentity(joined, "prod", "a", 1_700_000_000_999), { incarnation: 1_700_000_001, joined: true });
  assert.deepEqual(claimIdentity(joined, "prod", "a"), { incarnation: 1_700_000_002, joined: true });
  assert.deepEqual(claimIdentity(joined, "prod", "a", 1_900_000_000_000), { incarnation: 1_700_000_003, joined: true });
  assert.deepEqual(claimIdentity(founded, "prod", "a"), { incarnation: 1, joined: false });
  const before = readFileSync(join(founded, "identity.json"), "utf8");
  assert.equal(
    refusal(dir, () => claimIdentity(founded, "prod", "a", 1_700_000_000_000)),
    "founded holds a node that cannot join with what it has; start it without --join, or with an empty data_dir",
  );
  assert.equal(readFileSync(join(founded, "identity.json"), "utf8"), before);
});

test("a joining node needs no entry of its own among the members, nor the flag once it has joined", (t) => {
  const dir = folder(t);
  const own = '[node]\nid = "d"\ndata_dir = "data"\n[peer]\nlisten = "127.0.0.1:7604"\n[cluster]\nname = "prod"\n';
  const others = '[[cluster.members]]\nid = "a"\npeer = "127.0.0.1:7601"\napi = "127.0.0.1:7501"\n';
  const file = put(join(dir, "c.toml"), own + others);
  assert.match(refusal(dir, () => load(file)), /"d" is not one of the members a/);
  for (const flags of [{ join: "true" }, { "cluster-join": "true" }]) {
    const { cluster } = load(file, { flags });
    assert.deepEqual([cluster.join, cluster.members.map(({ id, peer }) => `${id} ${peer.port}`)], [true, ["a 7601", "d 7604"]]);
  }
  const lonely = put(join(dir, "lonely.toml"), own);
  assert.equal(
    refusal(dir, () => load(lonely, { flags: { join: "true" } })),
    "lonely.toml:6: [[cluster.members]]: joining needs a member to ask; write [[cluster.members]] with id, peer and api of one that runs",
  );
  claimIdentity(join(dir, "data"), "prod", "d", 1_700_000_000_000);
  assert.deepEqual([file, lonely].map((each) => load(each).cluster.join), [true, true]);
});
