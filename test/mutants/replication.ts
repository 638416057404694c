// Owns: mutants of how the log is copied and committed: src/raft, without what is in elections.ts.

import { lines, mutant, SEEDS } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const raftLog = "test/raft/log.test.ts";
const raftPlays = "test/raft/plays.test.ts";
const raftTables = "test/raft/tables.test.ts";

export const replication: readonly Mutant[] = [
  mutant("1", "a follower acknowledges before its write is durable", raftPlays, {
    file: "src/raft/replication.ts",
    find: lines(
      "  if (match <= core.log.durableIndex && core.durableTerm === core.term) core.send(to, message);",
      "  else core.sendWhenDurable(to, message);",
    ),
    put: "  core.send(to, message);",
  }),
  mutant("2", "a leader counts entries that its own disk does not have", raftPlays, {
    file: "src/raft/replication.ts",
    find: "(id === core.id ? log.durableIndex :",
    put: "(id === core.id ? log.lastIndex :",
  }),
  mutant("3", "entries become durable under the term before theirs", raftPlays, {
    file: "src/raft/raft.ts",
    find: "hardState: { term: core.term, vote: core.vote, commit: core.commit }",
    put: "hardState: { term: core.durableTerm, vote: core.vote, commit: core.commit }",
  }),
  mutant("6", "a second write leaves while one is in flight", raftPlays, {
    file: "src/raft/raft.ts",
    find: "if (core.writeInFlight !== undefined || !core.unsaved) return undefined;",
    put: "if (!core.unsaved) return undefined;",
  }),
  mutant("7", "a late completion makes other entries durable", raftPlays, {
    file: "src/raft/log.ts",
    find: "    this.inFlightLast = Math.min(this.inFlightLast, this.last);\n",
    put: "",
  }),
  mutant("18", "a page of the log holds its last entries instead of its first", raftPlays, {
    file: "src/raft/log.ts",
    find: "return count === stored.length ? stored : stored.slice(0, count);",
    put: "return count === stored.length ? stored : stored.slice(stored.length - count);",
  }),
  mutant("21", "a voter that lost what it acknowledged counts again", raftPlays, {
    file: "src/raft/progress.ts",
    find: lines(
      '    if (!this.learner) this.state = "regressed";',
      "    return this.learner;",
    ),
    put: "    return true;",
  }),
  mutant("23", "entries of earlier terms are committed by counting", raftPlays, {
    file: "src/raft/replication.ts",
    find: "if (reached <= core.commit || log.term(reached) !== core.term) return;",
    put: "if (reached <= core.commit) return;",
  }),
  mutant("24", "logs are compared part by part", raftTables, {
    file: "src/raft/log.ts",
    find: "return lastTerm > this.lastEntryTerm || (lastTerm === this.lastEntryTerm && lastIndex >= this.last);",
    put: "return lastTerm >= this.lastEntryTerm && lastIndex >= this.last;",
  }),
  mutant("30", "a vote of a higher term counts as a grant", raftPlays, {
    file: "src/raft/raft.ts",
    find: "      if (message.term > core.term) {\n",
    put: '      if (message.term > core.term && message.kind !== "vote_reply") {\n',
  }),
  mutant("31", "whoever hears a leader follows a higher term all the same", raftPlays, {
    file: "src/raft/raft.ts",
    find: '        if (message.kind === "vote" && !message.transfer && core.sticksToLeader(from)) return;\n',
    put: "",
  }),
  mutant("32", "candidates outside the own membership are refused", raftPlays, {
    file: "src/raft/raft.ts",
    find: 'new Set(["append", "heartbeat", "vote", "pre_vote", "timeout_now"])',
    put: 'new Set(["append", "heartbeat", "timeout_now"])',
  }),
  mutant("38", "a leader that hears nobody goes on", raftPlays, {
    file: "src/raft/raft.ts",
    find: "if (reachedByQuorum(core.voters, (id) => (isHeard(id) ? 1 : 0)) === 0) core.becomeFollower",
    put: "if (reachedByQuorum(core.voters, (id) => (isHeard(id) ? 1 : 0)) < 0) core.becomeFollower",
  }),
  mutant("40", "the hint of a refusal is the refused place itself", raftTables, {
    file: "src/raft/replication.ts",
    find: lines(
      "const hintIndex = Math.max(core.commit, core.log.lastWithTermAtMost(prevIndex, prevTerm));",
      "  const hintTerm = core.log.term(hintIndex) ?? 0;",
    ),
    put: lines(
      "const hintIndex = prevIndex;",
      "  const hintTerm = prevTerm;",
    ),
  }, {
    file: "src/raft/progress.ts",
    find: "Math.min(prevIndex, agreed + 1)",
    put: "agreed + 1",
  }),
  mutant("41", "one index is probed after the other", raftPlays, {
    file: "src/raft/progress.ts",
    find: "Math.min(prevIndex, agreed + 1)",
    put: "Math.max(prevIndex, agreed + 1 - agreed)",
  }),
  mutant("42", "a message cuts the log without a conflict", raftPlays, {
    file: "src/raft/replication.ts",
    find: "const fresh = firstNew(core, entries);",
    put: "const fresh = 0;",
  }),
  mutant("43", "more is acknowledged than the message proved", raftPlays, {
    file: "src/raft/replication.ts",
    find: "  acknowledge(core, from, proven);",
    put: "  acknowledge(core, from, log.lastIndex);",
  }),
  mutant("45", "the answer to a heartbeat of an earlier term names its round", raftPlays, {
    file: "src/raft/raft.ts",
    find: "heartbeatReply(core, 0)",
    put: "heartbeatReply(core, message.round)",
  }),
  mutant("46", "an entry that was dropped is taken for a conflict", raftPlays, {
    file: "src/raft/replication.ts",
    find: "  if (prevIndex < core.commit) {",
    put: "  if (prevIndex < 0) {",
  }),
  mutant("47", "a lost window is never noticed", raftPlays, {
    file: "src/raft/progress.ts",
    find: "    if (waiting && this.match === this.matchAtBeat) this.stuck = true;\n",
    put: "",
  }),
  mutant("48", "a peer that was unreachable stays in the probe", raftPlays, {
    file: "src/raft/progress.ts",
    find: lines(
      '    this.probing = this.state === "probe";',
      "    this.stuck = true;",
    ),
    put: '    this.probing = this.state === "probe";',
  }),
  mutant("49", "nobody is told that a peer needs a snapshot", raftPlays, {
    file: "src/raft/replication.ts",
    find: lines(
      "    core.snapshotsDue.add(peer.id);",
      "    return false;",
    ),
    put: "    return false;",
  }),
  mutant("50", "an acknowledgement of many appends makes room for one", raftPlays, {
    file: "src/raft/progress.ts",
    find: "    while (freed < this.inFlight.length && (this.inFlight[freed] as number) <= index) freed++;",
    put: "    if (freed < this.inFlight.length && (this.inFlight[freed] as number) <= index) freed++;",
  }),
  mutant("51", "the tail of a leader that cannot commit is not bounded", raftPlays, {
    file: "src/raft/quota.ts",
    find: "return this.bytes === 0 || this.bytes + size <= this.maxBytes;",
    put: "return size > 0;",
  }),
  mutant("53", "what was cut is still read from the cache", raftLog, {
    file: "src/raft/log.ts",
    find: "    while (this.tail.length > this.head && this.last >= from) {",
    put: "    while (this.tail.length > this.head && this.last >= Math.max(from, this.tailFirst + 1)) {",
  }),
  mutant("56", "a snapshot that failed is not asked for again", raftPlays, {
    file: "src/raft/replication.ts",
    find: lines(
      '  if (peer.state === "snapshot") core.snapshotsDue.add(peer.id);',
      "  else sendAppend",
    ),
    put: '  if (peer.state !== "snapshot") sendAppend',
  }),
  mutant("57", "a snapshot of what the log holds is installed over it", raftPlays, {
    file: "src/raft/raft.ts",
    find: lines(
      "    if (core.log.term(index) !== term) return true;",
      "    core.commit = index;",
      "    return false;",
    ),
    put: "    return index > core.commit;",
  }),
  mutant("57", "a snapshot that is older than the commit moves it back", raftPlays, {
    file: "src/raft/raft.ts",
    find: "    if (index <= core.commit) return false;\n",
    put: "",
  }),
  mutant("59", "a peer that has got a snapshot is not noticed", raftPlays, {
    file: "src/raft/replication.ts",
    find: '  if (peer.state === "snapshot") acknowledged(core, peer, Math.min(message.commit, message.lastIndex));\n',
    put: "",
  }),
  mutant("63", "a follower answers reads by itself", raftPlays, {
    file: "src/raft/raft.ts",
    find: "    else core.reads.forward(context, core.nowMs);",
    put: lines(
      "    else {",
      "      core.reads.forward(context, core.nowMs);",
      "      core.reads.answered(core.reads.sendBatch(), core.commit);",
      "    }",
    ),
  }),
  mutant("69", "a leader takes proposals while it hands over", raftPlays, {
    file: "src/raft/raft.ts",
    find: '    if (core.transferTo !== undefined) return { refused: "transferring" };\n',
    put: "",
  }),
  mutant("H6a", "a node applies, and starts, what was not committed", SEEDS, {
    file: "src/raft/replication.ts",
    find: "Math.max(core.commit, Math.min(message.commit, proven))",
    put: "Math.max(core.commit, Math.min(message.commit, core.log.lastIndex))",
  }),
];
