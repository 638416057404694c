// How long a node has had no word of a majority, as a leader and as a follower.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Contact } from "../../src/cluster/contact.ts";
import type { PeerStatus } from "../../src/raft/types.ts";

function leading(...ids: string[]): { role: "leader"; peers: PeerStatus[] } {
  const more = { match: 0, next: 1, state: "replicate" as const, inFlight: 0, recentActive: true, hasAnswered: true };
  const peers = ids.map((id) => ({ id, ...more, learner: false }));
  return { role: "leader", peers: [...peers, { id: "learner", ...more, learner: true }] };
}

test("a leader counts from the follower that makes up its majority, and remembers that when it leads no more", () => {
  const contact = new Contact();
  contact.heard("b", 10);
  contact.heard("c", 20);
  assert.equal(contact.silentMs(leading("b", "c"), 25), 5);
  contact.heard("d", 12);
  contact.heard("e", 5);
  assert.equal(contact.silentMs(leading("b", "c", "d", "e"), 32), 12, "it was nearer a majority before");
  assert.equal(contact.silentMs({ role: "follower", peers: [] }, 42), 22);
});

test("three of five: the second of the others decides", () => {
  const contact = new Contact();
  for (const [id, atMs] of [["b", 10], ["c", 20], ["d", 12]] as const) contact.heard(id, atMs);
  assert.equal(contact.silentMs(leading("b", "c", "d", "e"), 30), 18);
});

test("a single node is its own majority; who never heard of one is silent for ever", () => {
  assert.equal(new Contact().silentMs(leading(), 7), 0);
  assert.equal(new Contact().silentMs({ role: "follower", peers: [] }, 7), Number.POSITIVE_INFINITY);
});

test("a follower counts from its leader alone", () => {
  const contact = new Contact();
  contact.heardLeader(10);
  contact.heard("c", 20);
  assert.equal(contact.silentMs({ role: "follower", peers: [] }, 30), 20);
});
