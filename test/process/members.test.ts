// Real processes: a node joins a running cluster through one of its members, votes, leads, starts again without any flag, and is removed.

import assert from "node:assert/strict";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { ClusterMember } from "../../src/client/index.ts";
import { freePorts, layOut, ran, RealNode, until } from "../support/processes.ts";
import type { RealCluster } from "../support/processes.ts";

type Joining = { readonly node: RealNode; readonly peer: string; readonly api: string };

/** Settings of a node that knows one member of the cluster and is not among its members itself. */
async function layOutJoining(t: TestContext, { folder, client }: RealCluster): Promise<Joining> {
  const [peerPort, apiPort] = await freePorts(2);
  const [peer, api] = [`127.0.0.1:${peerPort}`, `127.0.0.1:${apiPort}`];
  const contact = (await client.cluster.status()).members[0] as ClusterMember;
  const configFile = join(folder, "d.toml");
  const own = `[node]\nid = "d"\ndata_dir = "data-d"\n[api]\nlisten = "${api}"\n[peer]\nlisten = "${peer}"\n`;
  const member = `[[cluster.members]]\nid = "${contact.id}"\npeer = "${contact.peer}"\napi = "${contact.api}"\n`;
  writeFileSync(configFile, `${own}[auth]\nadmin_token_file = "admin.token"\n[cluster]\nname = "process"\n${member}`);
  const node = new RealNode("d", `http://${api}`, configFile, join(folder, "data-d"));
  t.after(() => node.kill("SIGKILL"));
  return { node, peer, api };
}

test("a node joins, votes, leads, starts again, is wiped and refused, and is removed", { timeout: 180_000 }, async (t) => {
  const cluster = await layOut(t, ["a", "b", "c"]);
  for (const node of cluster.nodes) node.start();
  for (const node of cluster.nodes) await node.ready();
  const { node: d, peer, api } = await layOutJoining(t, cluster);
  const servers = cluster.nodes.map((node) => node.api).join(",");
  const pawl = async (...args: readonly string[]): Promise<string> => {
    const done = await ran(["--server", servers, "--token-file", join(cluster.folder, "admin.token"), "cluster", ...args], 90_000);
    assert.equal(done.code, 0, `${args.join(" ")}: ${done.stderr}`);
    return done.stdout.trimEnd();
  };
  const says = (text: string): Promise<true> => until(`d says: ${text}`, 30_000, () => d.process?.stdout.includes(text) === true);

  d.start({ PAWL_CLUSTER_JOIN: "true" });
  await says("this node is not a member; add it with `pawl cluster add`");
  assert.match(await pawl("add", "d", "--peer", peer, "--api", `http://${api}`), /^d is a voter$/m);
  await d.ready();
  assert.equal(await pawl("transfer", "d"), "d leads");
  await d.kill("SIGTERM");
  await until("another one leads", 30_000, async () => !["d", null].includes((await cluster.client.cluster.status()).leader_id));
  d.start();
  await d.ready();

  await d.kill("SIGKILL");
  rmSync(d.dataDir, { recursive: true });
  appendFileSync(d.configFile, `[[cluster.members]]\nid = "d"\npeer = "${peer}"\napi = "${api}"\n`);
  d.start();
  await says("the directory was wiped, or is an old copy");
  await d.kill("SIGKILL");

  assert.equal(await pawl("remove", "d"), "d is no member any more; stop it if it still runs");
  const left = (await cluster.client.cluster.status()).members;
  assert.deepEqual(left.map(({ id, role }) => `${id} ${role === "learner"}`), ["a false", "b false", "c false"]);
});
