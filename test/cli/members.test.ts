// The commands that change the members: what they ask for, how they wait, and what they tell.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { limits } from "../../src/limits.ts";
import { fakeServer, ranWith } from "./helpers.ts";
import type { Canned, FakeServer } from "./helpers.ts";

function cluster(leader: string | null, roles: Readonly<Record<string, string>>): object {
  const members = Object.entries(roles).map(([id, role]) => ({ id, role, state: "up" }));
  return { cluster_id: "c1", name: "prod", term: 4, leader_id: leader, commit_index: 9, members };
}

const before = cluster("a", { a: "leader", b: "voter" });
const learning = cluster("a", { a: "leader", b: "voter", c: "learner" });
const voting = cluster("a", { a: "leader", b: "voter", c: "voter" });

/** Answers a change with 202 and `at`, and then each look with the next of `looks`, the last one for ever. */
function server(t: TestContext, change: string, at: object, looks: readonly object[]): Promise<FakeServer> {
  let looked = 0;
  const status: Canned = {
    get body() {
      return looks[Math.min(looked++, looks.length - 1)];
    },
  };
  return fakeServer(t, { [change]: { status: 202, body: at }, "GET /api/v1/cluster": status });
}

const ADD = ["cluster", "add", "c", "--peer", "10.0.0.3:7600", "--api", "https://10.0.0.3:7500"];

test("add tells what happens meanwhile and waits until the member votes", async (t) => {
  const fake = await server(t, "POST /api/v1/cluster/members", learning, [learning, learning, voting]);
  const { code, stdout } = await ranWith(ADD, { env: fake.env });
  assert.deepEqual(
    [code, stdout],
    [0, "c is a learner: it votes when it has caught up; start it with `pawl start --join` if it does not run\nc is a voter\n"],
  );
  assert.deepEqual(fake.asked[0]?.body, { id: "c", peer: "10.0.0.3:7600", api: "https://10.0.0.3:7500", role: "voter" });
  assert.equal(fake.asked.length, 4);
});

test("a learner is there as soon as it is up; --no-wait and --json do as they say", async (t) => {
  const fake = await server(t, "POST /api/v1/cluster/members", learning, [voting]);
  const learner = await ranWith([...ADD, "--learner"], { env: fake.env });
  assert.deepEqual([learner.code, learner.stdout], [0, "c is a learner\n"]);
  const impatient = await ranWith([...ADD, "--no-wait"], { env: fake.env });
  assert.equal(impatient.stdout, "accepted; `pawl cluster status` shows when it is so\n");
  const json = await ranWith([...ADD, "--json"], { env: fake.env });
  assert.deepEqual(JSON.parse(json.stdout), voting);
});

test("what does not come in time ends as unknown and says how to look (W1)", async (t) => {
  const fake = await server(t, "POST /api/v1/cluster/members", learning, [learning]);
  const { code, stderr } = await ranWith(ADD, { env: fake.env });
  assert.equal(code, 3);
  assert.match(stderr, /not so after 60 seconds, but it may come; `pawl cluster status` shows the members and their state/);
  assert.equal(fake.asked.length, 1 + limits.memberWaitMs / limits.memberPollMs);
});

test("remove, promote and transfer ask for what they say and wait for it", async (t) => {
  const removal = await server(t, "DELETE /api/v1/cluster/members/c", learning, [learning, learning, before]);
  const removed = await ranWith(["cluster", "remove", "c", "--force"], { env: removal.env });
  assert.deepEqual([removed.code, removed.stdout], [0, "c is no member any more; stop it if it still runs\n"]);
  assert.equal(removal.asked[1]?.url, "/api/v1/cluster/members/c?force=true");
  const mistyped = await ranWith(["cluster", "remove", "x"], {
    env: (await server(t, "DELETE /api/v1/cluster/members/x", before, [before])).env,
  });
  assert.deepEqual([mistyped.code, mistyped.stderr], [4, "pawl: x is not a member; `pawl cluster status` lists them\n"]);
  const promotion = await server(t, "POST /api/v1/cluster/members/c/promote", learning, [voting]);
  assert.equal((await ranWith(["cluster", "promote", "c"], { env: promotion.env })).stdout, "c is a voter\n");
  const moved = cluster("b", { a: "voter", b: "leader" });
  const named = await server(t, "POST /api/v1/cluster/transfer", before, [cluster(null, {}), moved]);
  assert.equal((await ranWith(["cluster", "transfer", "b"], { env: named.env })).stdout, "b leads\n");
  assert.deepEqual(named.asked[0]?.body, { to: "b" });
  const unnamed = await server(t, "POST /api/v1/cluster/transfer", before, [before, before, moved]);
  assert.equal((await ranWith(["cluster", "transfer"], { env: unnamed.env })).stdout, "b leads\n");
  assert.deepEqual(
    unnamed.asked.map(({ body }) => body),
    [undefined, {}, undefined, undefined],
  );
});

test("refusals keep their exit codes", async (t) => {
  const refused = (code: string): Canned => ({ status: 409, body: { code, detail: "because", outcome: "rejected" } });
  const cases = [
    ["would_lose_quorum", 1],
    ["change_pending", 1],
    ["not_ready", 1],
    ["unknown_member", 4],
    ["already_member", 1],
  ] as const;
  for (const [code, expected] of cases) {
    const fake = await fakeServer(t, { "POST /api/v1/cluster/members/c/promote": refused(code) });
    const ended = await ranWith(["cluster", "promote", "c"], { env: fake.env });
    assert.deepEqual([ended.code, ended.stderr], [expected, "pawl: because\n"], code);
  }
});
