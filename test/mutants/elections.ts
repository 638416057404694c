// Owns: mutants of who leads, who belongs to the cluster and how reads are confirmed: src/raft, without what is in replication.ts.

import { lines, mutant } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const raftMembership = "test/raft/membership.test.ts";
const raftPlays = "test/raft/plays.test.ts";
const raftQuorum = "test/raft/quorum.test.ts";
const raftTables = "test/raft/tables.test.ts";

export const elections: readonly Mutant[] = [
  mutant("1 5", "votes and acknowledgements leave before they are stored", raftPlays, {
    file: "src/raft/core.ts",
    find: "    if (this.unsaved) this.outbox.hold",
    put: lines(
      "    if (this.unsaved) this.outbox.send(to, message);",
      "    else if (this.unsaved) this.outbox.hold",
    ),
  }),
  mutant("4", "a change of term or vote alone is not written", raftPlays, {
    file: "src/raft/core.ts",
    find: "return this.term !== this.submittedTerm || this.vote !== this.submittedVote || this.log.unsubmitted;",
    put: "return this.log.unsubmitted;",
  }),
  mutant("5", "a vote is given before it is durable", raftPlays, {
    file: "src/raft/elections.ts",
    find: 'core.sendWhenDurable(from, { kind: "vote_reply"',
    put: 'core.send(from, { kind: "vote_reply"',
  }),
  mutant("21", "a wiped node votes while its log is empty", raftPlays, {
    file: "src/raft/elections.ts",
    find: "  const granted = free && core.log.isUpToDate(message.lastIndex, message.lastTerm) && !core.isBlank;",
    put: "  const granted = free && core.log.isUpToDate(message.lastIndex, message.lastTerm);",
  }),
  mutant("25", "half of an even number is a majority", raftPlays, {
    file: "src/raft/quorum.ts",
    find: "return Math.floor(count / 2) + 1;",
    put: "return Math.ceil(count / 2);",
  }),
  mutant("25", "a joint membership commits by a majority of all its voters together", raftPlays, {
    file: "src/raft/quorum.ts",
    find: "  for (const set of sets) lowest = Math.min(lowest, reachedByMajority(set, numberOf));",
    put: "  if (sets.length > 0) lowest = reachedByMajority([...new Set(sets.flat())], numberOf);",
  }),
  mutant("25 77", "an election in a joint membership asks the new voters alone", raftPlays, {
    file: "src/raft/elections.ts",
    find: "tally(core.voters, (id)",
    put: "tally(core.voters.slice(-1), (id)",
  }),
  mutant("26", "numbers are put in order as they come", raftQuorum, {
    file: "src/raft/quorum.ts",
    find: "(scratch[at - 1] as number) < value)",
    put: "(scratch[at - 1] as number) > value && at < 2)",
  }),
  mutant("27", "a refused pre-vote is not answered", raftPlays, {
    file: "src/raft/elections.ts",
    find: '  core.send(from, { kind: "pre_vote_reply"',
    put: '  if (granted) core.send(from, { kind: "pre_vote_reply"',
  }),
  mutant("28", "answers to an earlier round of pre-votes count", raftPlays, {
    file: "src/raft/elections.ts",
    find: 'if (core.role !== "pre_candidate" || message.round !== core.preVoteRound) return;',
    put: 'if (core.role !== "pre_candidate") return;',
  }),
  mutant("29", "stickiness holds against the leader itself", raftPlays, {
    file: "src/raft/core.ts",
    find: "if (this.leader === undefined || this.leader === candidate) return false;",
    put: "if (this.leader === undefined) return false;",
  }),
  mutant("33", "a learner campaigns", raftPlays, {
    file: "src/raft/core.ts",
    find: lines(
      "    if (this.isVoter) return true;",
      "    const committed",
    ),
    put: lines(
      "    if (this.isVoter || this.others.length > 0) return true;",
      "    const committed",
    ),
  }),
  mutant("33", "what a learner acknowledged counts when it is promoted", raftPlays, {
    file: "src/raft/core.ts",
    find: "before?.learner === learner ? before : fresh()",
    put: "before !== undefined ? Object.assign(before, { learner }) : fresh()",
  }),
  mutant("34", "all nodes wait for the same time", raftTables, {
    file: "src/raft/core.ts",
    find: "this.nowMs + timeoutMs + Math.floor(this.options.random() * timeoutMs);",
    put: "this.nowMs + timeoutMs + Math.floor(timeoutMs / 2);",
  }),
  mutant("35", "periods are counted from now", raftTables, {
    file: "src/raft/core.ts",
    find: "return dueMs + (Math.floor((this.nowMs - dueMs) / periodMs) + 1) * periodMs;",
    put: "return Math.max(this.nowMs, dueMs) + periodMs;",
  }),
  mutant("36", "a pre-vote that is granted moves the election timer", raftTables, {
    file: "src/raft/elections.ts",
    find: '  core.send(from, { kind: "pre_vote_reply", term: granted',
    put: lines(
      "  if (granted) core.armElection();",
      '  core.send(from, { kind: "pre_vote_reply", term: granted',
    ),
  }),
  mutant("37", "a sole voter leads again in the term that it was in", raftPlays, {
    file: "src/raft/core.ts",
    find: "      this.term++;\n",
    put: "      if (this.otherVoters.length > 0 || this.term === 0) this.term++;\n",
  }),
  mutant("38", "a campaign begins without a pre-vote", raftPlays, {
    file: "src/raft/elections.ts",
    find: '  core.becomeCandidate("pre_candidate");\n',
    put: lines(
      "  if (core.term > 0) return campaign(core, false);",
      '  core.becomeCandidate("pre_candidate");',
      "",
    ),
  }),
  mutant("39", "a restarted node waits longer than anybody may", raftPlays, {
    file: "src/raft/core.ts",
    find: lines(
      "    this.armElection();",
      "    // A sole voter",
    ),
    put: lines(
      "    this.armElection();",
      "    this.electionDeadlineMs += 10 * this.options.electionTimeoutMs;",
      "    // A sole voter",
    ),
  }),
  mutant("39", "a sole voter waits for others at its start", raftPlays, {
    file: "src/raft/core.ts",
    find: "if (this.isVoter && this.otherVoters.length === 0) this.electionDeadlineMs = nowMs;",
    put: "if (this.isVoter && this.otherVoters.length === 0) this.electionDeadlineMs += this.options.electionTimeoutMs;",
  }),
  mutant("44", "a heartbeat tells a commit above what the peer acknowledged", raftPlays, {
    file: "src/raft/heartbeats.ts",
    find: "const commit = Math.min(peer.match, core.commit);",
    put: "const commit = core.commit;",
  }),
  mutant("52", "a leader's step-down leaves its readers waiting", raftPlays, {
    file: "src/raft/core.ts",
    find: "    if (changed) this.refuseReads();\n",
    put: "",
  }),
  mutant("63", "a leader answers reads from what it believes, without asking a quorum", raftPlays, {
    file: "src/raft/heartbeats.ts",
    find: "  core.reads.addAsked(read, core.round + 1, core.commit);\n",
    put: lines(
      "  core.reads.addAsked(read, core.round + 1, core.commit);",
      "  for (const each of core.reads.confirmed(Number.POSITIVE_INFINITY)) {",
      "    const reply = { term: core.term, context: each.read.context, index: each.index, ok: true };",
      '    core.send(each.read.from as NodeId, { kind: "read_index_reply", ...reply });',
      "  }",
      "",
    ),
  }),
  mutant("64", "a leader answers reads before it committed in its own term", raftPlays, {
    file: "src/raft/heartbeats.ts",
    find: "  if (core.commit < core.termStart) {",
    put: "  if (core.commit < 0) {",
  }),
  mutant("65", "a read is confirmed by a round that began before it", raftPlays, {
    file: "src/raft/heartbeats.ts",
    find: "core.reads.addAsked(read, core.round + 1, core.commit);",
    put: "core.reads.addAsked(read, core.round, core.commit);",
  }),
  mutant("66", "reads that were answered count as waiting", raftPlays, {
    file: "src/raft/reads.ts",
    find: lines(
      "      this.waiting--;",
      "      if (read.from",
    ),
    put: "      if (read.from",
  }),
  mutant("69", "the target of a transfer is told before it has the log", raftPlays, {
    file: "src/raft/elections.ts",
    find: "  if (peer?.match === core.log.lastIndex) core.send",
    put: "  if (peer !== undefined) core.send",
  }),
  mutant("70", "a change begins before the leader committed in its own term", raftPlays, {
    file: "src/raft/changes.ts",
    find: '  if (core.commit < core.termStart) return { refused: "not_ready" };\n',
    put: "",
  }),
  mutant("70", "a change begins while the one before is not committed", raftPlays, {
    file: "src/raft/changes.ts",
    find: "  if (now.index > core.commit || isJoint(now.membership))",
    put: "  if (isJoint(now.membership))",
  }),
  mutant("71", "one more voter than one changes without a joint membership", raftMembership, {
    file: "src/raft/membership.ts",
    find: "const voters = differing <= 1 ?",
    put: "const voters = differing <= 2 ?",
  }),
  mutant("72", "a leader that is no voter counts itself", raftPlays, {
    file: "src/raft/core.ts",
    find: "    this.voters = voters;",
    put: "    this.voters = voters.map((set) => (set.includes(this.id) ? set : [...set, this.id]));",
  }),
  mutant("73", "a leader that removed itself goes on leading", raftPlays, {
    file: "src/raft/changes.ts",
    find: "  else if (!core.isVoter && core.transferTo === undefined) handOver(core);\n",
    put: "",
  }),
  mutant("74", "a leader that removed itself hands over before that is committed", raftPlays, {
    file: "src/raft/changes.ts",
    find: lines(
      '  if (core.role !== "leader" || index > core.commit || core.commit < core.termStart) return;',
      "  if (isJoint(membership))",
    ),
    put: lines(
      '  if (core.role !== "leader" || core.commit < core.termStart) return;',
      "  if (isJoint(membership) && index <= core.commit)",
    ),
  }),
  mutant("74", "a node that removed itself gives up although only it can be elected", raftPlays, {
    file: "src/raft/core.ts",
    find: "    return committed.voters.some((set) => set.includes(this.id));",
    put: "    return committed.voters.some((set) => set.includes(this.id)) && this.isVoter;",
  }),
  mutant("75", "a joint membership that was inherited is never left", raftPlays, {
    file: "src/raft/changes.ts",
    find: "  if (isJoint(membership)) append",
    put: "  if (isJoint(membership) && index >= core.termStart) append",
  }),
  mutant("76", "a membership whose entry is cut stays in force", raftPlays, {
    file: "src/raft/core.ts",
    find: "    if (this.memberships.cut(from)) this.followMembership();",
    put: "    this.memberships.cut(from);",
  }),
  mutant("78", "who was removed is still sent to", raftPlays, {
    file: "src/raft/core.ts",
    find: lines(
      "    for (const id of this.others) {",
      "      const learner",
    ),
    put: lines(
      "    for (const id of new Set([...kept.keys(), ...this.others])) {",
      "      const learner",
    ),
  }),
];
