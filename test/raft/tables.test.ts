// Owns: scenarios that are a table or a property rather than a play; each carries its number.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Raft } from "../../src/raft/raft.ts";
import type { Message } from "../../src/raft/types.ts";
import { type Founders, generator, SimCluster } from "./cluster.ts";
import { SimDisk } from "./sim-disk.ts";

function cluster(voters: number, seed = 3): SimCluster {
  const ids = Array.from({ length: voters }, (_, i) => String(i + 1));
  const made = new SimCluster({ voters: [ids], learners: [] }, seed);
  for (const id of ids) made.start(id);
  return made;
}

function campaign(made: SimCluster, id: string): void {
  const node = made.node(id);
  made.advance(node, node.core.nextDeadlineMs());
}

test("5 vote matrix: a majority of grants leads, a majority of refusals ends it, anything else stays open", () => {
  for (const size of [1, 3, 5]) {
    const others = size - 1;
    for (let granted = 0; granted <= others; granted++) {
      for (let refused = 0; refused + granted <= others; refused++) {
        const made = cluster(size);
        made.checked = false;
        campaign(made, "1");
        const answer = (from: number, message: Message) => made.deliver({ from: String(from), to: "1", message });
        for (let peer = 2; peer <= size; peer++) answer(peer, { kind: "pre_vote_reply", term: 1, granted: true, round: 1 });
        for (let i = 0; i < granted; i++) answer(2 + i, { kind: "vote_reply", term: 1, granted: true });
        for (let i = 0; i < refused; i++) answer(2 + granted + i, { kind: "vote_reply", term: 1, granted: false });
        const needed = Math.floor(size / 2) + 1;
        const expected = granted + 1 >= needed ? "leader" : refused >= needed ? "follower" : "candidate";
        const status = made.node("1").core.status();
        assert.deepEqual([status.role, status.term], [expected, 1], `${granted} of ${size} grant, ${refused} refuse`);
      }
    }
  }
});

test("8 up-to-date rule: all combinations of last term and length", () => {
  for (const term of [1, 2, 3]) {
    for (const length of [1, 2, 3]) {
      const made = new SimCluster({ voters: [["1", "2"]], learners: [] }, 3);
      const { store } = made.node("2");
      store.entriesStored = [1, 2].map((one) => ({ index: one, term: 2, kind: "command", data: new Uint8Array(1) }));
      store.hardState = { term: 3, vote: "", commit: 0 };
      made.start("2");
      made.deliver({ from: "1", to: "2", message: { kind: "vote", term: 4, lastIndex: length, lastTerm: term, transfer: false } });
      made.deliver({ from: "1", to: "2", message: { kind: "pre_vote", term: 5, lastIndex: length, lastTerm: term, round: 1 } });
      const expected = term > 2 || (term === 2 && length >= 2);
      const granted = made.flying.map(({ message }) => "granted" in message && message.granted);
      assert.deepEqual(granted.sort(), [expected, expected], `last term ${term}, length ${length}`);
    }
  }
});

test("11 timeouts are spread over [T, 2T), and nodes seldom fire together", () => {
  const random = generator(11);
  const seen = new Set<number>();
  let together = 0;
  for (let round = 0; round < 1000; round++) {
    const deadlines = ["1", "2", "3", "4", "5"].map((id) => alone(id, random).nextDeadlineMs());
    for (const deadline of deadlines) {
      assert.ok(deadline >= 1000 && deadline < 2000, `deadline ${deadline}`);
      seen.add(Math.floor(deadline / 10));
    }
    const first = Math.min(...deadlines);
    if (deadlines.filter((deadline) => deadline < first + 10).length > 1) together++;
  }
  assert.equal(seen.size, 100, "every hundredth of the range occurs");
  assert.ok(together <= 300, `${together} of 1000 rounds have two nodes within 10 ms`);
});

function alone(id: string, random: () => number, founders: Founders = { voters: [["1", "2", "3", "4", "5"]], learners: [] }): Raft {
  const options = {
    id,
    electionTimeoutMs: 1000,
    heartbeatMs: 100,
    appendsInFlightMax: 2,
    appendMaxBytes: 1000,
    uncommittedMaxBytes: 1000,
    logCacheMaxBytes: 1000,
    readsWaitingMax: 10,
    random,
  };
  const membership = { index: 0, membership: { ...founders, places: new Map<string, string>() } };
  const hardState = { term: 0, vote: "", commit: 0 };
  return new Raft(options, { hardState, log: new SimDisk(membership), appliedIndex: 0, membership, joining: false }, 0);
}

test("23 a node that takes itself for a learner votes when asked, for it may have been promoted unawares", () => {
  const raft = alone("3", generator(1), { voters: [["1", "2"]], learners: ["3"] });
  raft.step("2", { kind: "pre_vote", term: 1, lastIndex: 0, lastTerm: 0, round: 1 }, 0);
  raft.step("2", { kind: "vote", term: 1, lastIndex: 0, lastTerm: 0, transfer: false }, 0);
  const { write, messages } = raft.take(0);
  assert.deepEqual(messages.map(({ message }) => message.kind), ["pre_vote_reply"]);
  assert.deepEqual(write?.hardState, { term: 1, vote: "2", commit: 0 });
  raft.persisted(write?.number as number, 0);
  assert.deepEqual(raft.take(0).messages, [{ to: "2", message: { kind: "vote_reply", term: 1, granted: true } }]);
});

test("26 ack matrix: committed if and only if a majority holds it, the leader's own copy being durable", () => {
  for (const size of [1, 3, 5]) {
    for (let acks = 0; acks < 2 ** size; acks++) {
      const made = cluster(size);
      made.checked = false;
      campaign(made, "1");
      made.settle();
      const leader = made.node("1");
      const before = leader.core.status().commit;
      leader.diskHeld = true;
      leader.core.propose(new Uint8Array(1), leader.nowMs);
      made.pump(leader);
      const message: Message = { kind: "append_reply", term: 1, accepted: true, match: 2, hintIndex: 0, hintTerm: 0 };
      for (let peer = 1; peer < size; peer++) if ((acks >> peer) & 1) made.deliver({ from: String(peer + 1), to: "1", message });
      if (acks & 1) made.land(leader);
      const holding = acks.toString(2).replaceAll("0", "").length;
      const expected = holding * 2 > size ? 2 : before;
      assert.equal(leader.core.status().commit, expected, `${size} nodes, acks ${acks.toString(2)}`);
    }
  }
});

test("31 ten thousand divergent entries are bridged in a few probes", () => {
  const made = new SimCluster({ voters: [["1", "2", "3"]], learners: [] }, 3);
  const entries = (terms: number[]) => terms.map((term, i) => ({ index: i + 1, term, kind: "command" as const, data: new Uint8Array(1) }));
  const long = entries([1, ...new Array<number>(10_000).fill(3)]);
  for (const id of ["1", "2"]) made.node(id).store.entriesStored = entries([1, ...new Array<number>(5_000).fill(2), 4]);
  made.node("3").store.entriesStored = long;
  for (const id of ["1", "2", "3"]) {
    made.node(id).store.hardState = { term: 4, vote: "", commit: 0 };
    made.start(id);
  }
  let refusals = 0;
  made.passes = ({ message }) => {
    if (message.kind === "append_reply" && !message.accepted) refusals++;
    return true;
  };
  campaign(made, "1");
  made.settle();
  made.run(300);
  assert.ok(refusals <= 4, `${refusals} probes were refused`);
  assert.equal(made.node("3").core.status().commit, 5003);
});

/** A short life of three nodes; at disk write number `point` of node `victim` the power goes, before or after the write lands. */
function lifeWithCrash(victim: string, point: number, landed: boolean): boolean {
  const made = cluster(3);
  const node = made.node(victim);
  node.diskHeld = true;
  let writes = 0;
  let crashed = false;
  const accepted: number[] = [];
  campaign(made, "1");
  for (let round = 0; round < 60; round++) {
    made.run(50, 25);
    const leader = made.leaders()[0];
    if (leader !== undefined && round % 2 === 0 && round < 40) {
      const answer = leader.core.propose(new Uint8Array([round]), leader.nowMs);
      made.pump(leader);
      if ("index" in answer) accepted.push(round);
    }
    while (node.raft !== undefined && node.store.pending !== undefined) {
      if (++writes === point && !crashed) {
        crashed = true;
        made.crash(victim, landed);
        made.start(victim);
        break;
      }
      made.land(node);
      made.pump(node);
      made.settle();
    }
  }
  node.diskHeld = false;
  if (node.store.pending !== undefined) made.land(node);
  made.pump(node);
  made.run(5000, 25);
  assert.equal(made.leaders().length, 1);
  const logs = made.running.map((one) => one.appliedEntries.map((entry) => `${entry.term}:${entry.data.join()}`).join(" "));
  assert.equal(new Set(logs).size, 1, "all applied the same");
  assert.ok(accepted.length > 3, `only ${accepted.length} proposals were taken`);
  return crashed;
}

test("46 a crash at every write point breaks nothing", () => {
  for (const victim of ["1", "2"]) {
    for (const landed of [false, true]) {
      let point = 1;
      while (lifeWithCrash(victim, point, landed)) point++;
      assert.ok(point > 10, `only ${point} write points`);
    }
  }
});

test("a commit that may wait travels with the next entry, or alone when none came in time", () => {
  const made = cluster(3);
  campaign(made, "1");
  made.settle();
  const leader = made.node("1");
  const proposed = (): void => {
    leader.core.propose(new Uint8Array(1), leader.nowMs);
    leader.core.commitMayWait(leader.nowMs + 30);
    made.pump(leader);
    made.settle();
  };
  const commits = (): number[] => ["1", "2", "3"].map((id) => made.node(id).core.status().commit);
  const [start] = commits() as [number];
  proposed();
  assert.deepEqual(commits(), [start + 1, start, start]);
  proposed();
  assert.deepEqual(commits(), [start + 2, start + 1, start + 1]);
  assert.equal(leader.core.nextDeadlineMs(), leader.nowMs + 30);
  made.advance(leader, leader.nowMs + 29);
  made.settle();
  assert.deepEqual(commits(), [start + 2, start + 1, start + 1]);
  made.advance(leader, leader.nowMs + 1);
  made.settle();
  assert.deepEqual(commits(), [start + 2, start + 2, start + 2]);
});

test("deadlines stay on their grid, whatever the delay of the ticks", () => {
  const raft = alone("1", () => 0, { voters: [["1"]], learners: [] });
  raft.tick(raft.nextDeadlineMs());
  const { write } = raft.take();
  raft.persisted(write?.number as number, 1000);
  assert.equal(raft.nextDeadlineMs(), 1100);
  raft.tick(1137);
  assert.equal(raft.nextDeadlineMs(), 1200);
  raft.tick(1455);
  assert.equal(raft.nextDeadlineMs(), 1500);
});

test("only a leader's word and a granted vote move the election timer", () => {
  const raft = alone("3", () => 0);
  const deadline = raft.nextDeadlineMs();
  raft.step("1", { kind: "pre_vote", term: 1, lastIndex: 0, lastTerm: 0, round: 1 }, 900);
  raft.propose(new Uint8Array(1), 900);
  raft.readIndex(1, 900);
  raft.step("2", { kind: "append_reply", term: 2, accepted: false, match: 0, hintIndex: 0, hintTerm: 0 }, 900);
  assert.equal(raft.status().term, 2);
  assert.equal(raft.nextDeadlineMs(), deadline);
  raft.step("1", { kind: "vote", term: 3, lastIndex: 0, lastTerm: 0, transfer: false }, 900);
  assert.equal(raft.nextDeadlineMs(), 1900);
  raft.step("1", { kind: "heartbeat", term: 3, commit: 0, round: 1, leaderCommit: 0 }, 950);
  raft.unreachable("1");
  assert.equal(raft.nextDeadlineMs(), 1950);
});

test("one write is in flight, and only that one can complete", () => {
  const raft = alone("1", () => 0, { voters: [["1"]], learners: [] });
  raft.tick(1000);
  const { write } = raft.take(1000);
  assert.equal(raft.take(1000).write, undefined);
  assert.throws(() => raft.persisted((write?.number as number) + 1, 1000), /write in flight/);
});
