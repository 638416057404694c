// Owns: mutants of what a leader decides, and of a replica's turn: src/planner and src/cluster.

import { lines, mutant, SEEDS } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const clusterClock = "test/cluster/clock.test.ts";
const clusterFrames = "test/cluster/frames.test.ts";
const clusterHistoryfetch = "test/cluster/historyfetch.test.ts";
const clusterLeadership = "test/cluster/leadership.test.ts";
const clusterLogwriter = "test/cluster/logwriter.test.ts";
const clusterProposals = "test/cluster/proposals.test.ts";
const clusterQueries = "test/cluster/queries.test.ts";
const clusterSnapshot = "test/cluster/snapshot.test.ts";
const clusterVoter = "test/cluster/voter.test.ts";
const jobsTimelines = "test/jobs/timelines.test.ts";
const plannerPlanner = "test/planner/planner.test.ts";
const plannerRestored = "test/planner/restored.test.ts";
const plannerRetention = "test/planner/retention.test.ts";

export const leading: readonly Mutant[] = [
  mutant("11", "a failed write of the log is taken for done", clusterLogwriter, {
    file: "src/cluster/logwriter.ts",
    find: "      if (error) return done(new PawlError",
    put: "      if (error && this.stats.writes < 0) return done(new PawlError",
  }),
  mutant("17", "a checkpoint names one entry more than was applied", SEEDS, {
    file: "src/cluster/checkpointer.ts",
    find: "    const index = state.appliedIndex;\n",
    put: "    const index = Math.min(position.index, state.appliedIndex + 1);\n",
  }),
  mutant("19", "a read is answered at its index before that is applied", SEEDS, {
    file: "src/cluster/reads.ts",
    find: "else if (read.index <= appliedIndex) done(read.index);",
    put: "else if (read.index >= 0) done(read.index);",
  }),
  mutant("19", "a stale answer is as fresh as the last word of a leader, whatever that was about", SEEDS, {
    file: "src/cluster/freshness.ts",
    find: lines(
      "    if (!told || told.commit > appliedIndex) return;",
      "    if (termOf(told.commit) === told.term) this.freshMs",
    ),
    put: lines(
      "    if (!told) return;",
      "    this.freshMs",
    ),
  }),
  mutant("22", "a leader whose disk hangs goes on", clusterLogwriter, {
    file: "src/cluster/logwriter.ts",
    find: "return stalledMs > limits.diskStallStepDownMs;",
    put: "return stalledMs > limits.diskStallExitMs;",
  }),
  mutant("52", "changes in an entry that another took the place of are never answered", clusterProposals, {
    file: "src/cluster/proposals.ts",
    find: ": entry.changes.filter((waiting) => waiting !== undefined));",
    put: ": []);",
  }),
  mutant("55", "a receiver that does not want a snapshot says nothing", clusterSnapshot, {
    file: "src/cluster/snapshotreceiver.ts",
    find: '    this.io.send(receiving.from, { kind: "decline", copy: receiving.copy, reason });\n',
    put: "",
  }),
  mutant("58", "a snapshot without this node is taken up", clusterSnapshot, {
    file: "src/cluster/snapshotreceiver.ts",
    find: "if (!end.members.includes(this.io.self)) return",
    put: "if (end.members.length === 0) return",
  }),
  mutant("61", "heartbeats wait behind entries", clusterFrames, {
    file: "src/cluster/frames.ts",
    find: 'return frame.message.kind === "append" ? "bulk" : "control";',
    put: 'return frame.message.kind === "vote" ? "control" : "bulk";',
  }),
  mutant("61", "a snapshot travels among the heartbeats", clusterFrames, {
    file: "src/cluster/frames.ts",
    find: 'frame.message.kind === "chunk" || frame.message.kind === "offer" ? "snapshot" : "control"',
    put: 'frame.message.kind === "offer" ? "snapshot" : "control"',
  }),
  mutant("79", "a change that was sent and not answered in time is said to be rejected", clusterProposals, {
    file: "src/cluster/proposals.ts",
    find: 'unknown("the leader did not answer in time"))',
    put: "overdue())",
  }),
  mutant("H1b", "a change of the payload carries the due time it was computed beside", SEEDS, {
    file: "src/planner/changes.ts",
    find: "const nextDueMs = !reschedule ? 0 :",
    put: "const nextDueMs = !reschedule ? (state.jobs.dueAtMs[ref.job] as number) :",
  }, {
    file: "src/jobs/applychanges.ts",
    find: "if (reschedule && paused === 0) {",
    put: "if (paused === 0) {",
  }, {
    file: "src/jobs/applyitems.ts",
    find: lines(
      " &&",
      "    item.atMs > (jobs.lastAtMs[job] as number)",
    ),
    put: "",
  }),
  mutant("H1f", "a change turns unsure due times into executions", plannerRestored, {
    file: "src/planner/changes.ts",
    find: "isUnsure(state, job) ? state.unsureUntilMs : 0",
    put: "isUnsure(state, job) ? 0 : 0",
  }),
  mutant("H3", "what was proposed and lost is never due again", SEEDS, {
    file: "src/planner/planner.ts",
    find: "      this.inFlight[item] = 0;\n",
    put: "",
  }),
  mutant("H4a", "live executions are not in the checkpoint", SEEDS, {
    file: "src/cluster/assemble.ts",
    find: "[state.jobs.rows, state.live.rows]",
    put: "[state.jobs.rows]",
  }),
  mutant("H6g", "an entry of another term at its place is taken for the proposed one", clusterProposals, {
    file: "src/cluster/proposals.ts",
    find: "const ours = entry.index === index && entry.term === term;",
    put: "const ours = entry.index === index;",
  }),
  mutant("H7c", "the leader ends no attempt that a hung node holds", plannerPlanner, {
    file: "src/planner/planner.ts",
    find: "let left = this.planDeadlines(nowMs, monotonicMs, budget);",
    put: "let left = monotonicMs < 0 ? this.planDeadlines(nowMs, monotonicMs, budget) : budget;",
  }),
  mutant("H7c", "after a failover deadlines count from before", plannerPlanner, {
    file: "src/planner/planner.ts",
    find: "if (monotonicMs - this.electedAtMs < spec.timeoutMs + limits.timeoutGraceMs) {",
    put: "if (monotonicMs < this.electedAtMs) {",
  }),
  mutant("H9", "whatever is late is a misfire", plannerPlanner, {
    file: "src/planner/planner.ts",
    find: "if (nowMs - dueMs > spec.misfire.withinMs) return this.planMisfire",
    put: "if (nowMs > dueMs) return this.planMisfire",
  }),
  mutant("H9", "what was missed leaves no record", plannerPlanner, {
    file: "src/planner/planner.ts",
    find: "    writer.range(job, generation, revision, dueMs, missed.beforeLastMs, missed.count - 1, missed.lastMs);\n",
    put: "",
  }),
  mutant("H10e", "history that one member lacks is given up without a word of the others", clusterHistoryfetch, {
    file: "src/cluster/historyfetch.ts",
    find: "others.every((peer) => this.lacking.has(peer))",
    put: "others.some((peer) => this.lacking.has(peer))",
  }),
  mutant("H13a", "a cluster without a time takes that of the first leader", clusterClock, {
    file: "src/cluster/clock.ts",
    find: "if (this.agreed(nowMs, wallMs) && (this.baseMs === 0",
    put: "if ((this.agreed(nowMs, wallMs) || this.baseMs === 0) && (this.baseMs === 0",
  }),
  mutant("H13a", "one wrong clock moves the replicated one", SEEDS, {
    file: "src/cluster/clock.ts",
    find: "    return agreeing >= this.quorum;",
    put: "    return agreeing >= 0;",
  }),
  mutant("H13b", "wall clocks an hour apart agree", clusterClock, {
    file: "src/cluster/clock.ts",
    find: "if (other !== undefined && Math.abs(other - wallMs) <= limits.clockAgreementMs) agreeing++;",
    put: "if (other !== undefined) agreeing++;",
  }),
  mutant("H13b", "a clock that was heard long ago agrees", clusterClock, {
    file: "src/cluster/clock.ts",
    find: "return sample && nowMs - sample.atMs < limits.clockSampleMaxMs ?",
    put: "return sample ?",
  }),
  mutant("H13c", "a leader whose clock is behind goes back", clusterClock, {
    file: "src/cluster/clock.ts",
    find: "return { nowMs: Math.max(wallMs, this.baseMs), trusted",
    put: "return { nowMs: wallMs, trusted",
  }),
  mutant("H13c", "a due time that has fired is computed again", jobsTimelines, {
    file: "src/planner/changes.ts",
    find: "return firstDue(spec.schedule, Math.max(nowMs, lastMs));",
    put: "return firstDue(spec.schedule, nowMs);",
  }),
  mutant("H9", "what is behind a due time that is being queued starts before it", "test/planner/burst.test.ts", {
    file: "src/planner/planner.ts",
    find: "      if (this.queueing[priority] !== 0) this.mayStart = false;\n",
    put: "",
  }),
  mutant("H8d", "a late acknowledgement of an earlier life brings a member its vote back", "test/raft/membership.test.ts", {
    file: "src/raft/core.ts",
    find: "learner, this.nowMs, this.round);",
    put: "learner, this.nowMs, 0);",
  }),
  mutant("H6f", "copies of a result that waits are taken too", "test/dispatch/desk.test.ts", {
    file: "src/dispatch/desk.ts",
    find: "      if (runs && this.taken[slot] === item.token) continue;\n",
    put: "",
  }),
  mutant("H16.16", "entries stay as large as they were however long they take to apply", "test/cluster/entrycost.test.ts", {
    file: "src/cluster/entrycost.ts",
    find: "Math.min(SURPRISE_MAX, tookMs / expectedMs - 1)",
    put: "Math.min(0, tookMs / expectedMs - 1)",
  }),
  mutant("H9", "what must be queued shares the room of an entry's starts", "test/planner/burst.test.ts", {
    file: "src/planner/planner.ts",
    find: "    this.queueLate(nowMs);\n",
    put: "",
  }),
  mutant("H10b", "rows that are asked for while a checkpoint is put together are missing in it", "test/storage/coldrowreads.test.ts", {
    file: "src/storage/addedrows.ts",
    find: "    const lists = [...this.lists];\n    yield* [...this.map];\n",
    put: "    const { lists } = this;\n    yield* this.map;\n",
  }),
  mutant("H13d", "a clock that is years ahead drops all history", plannerRetention, {
    file: "src/planner/retention.ts",
    find: "Math.max(oldestDay, state.historyFromDay) + limits.historyDaysPerDropMax",
    put: "Number.MAX_SAFE_INTEGER",
  }),
  mutant("H13d", "retention runs on the wall clock", plannerRetention, {
    file: "src/planner/retention.ts",
    find: "state.elapsedMs - state.historyDroppedAtMs <",
    put: "state.clockMs - state.historyDroppedAtMs <",
  }),
  mutant("H16.6", "what is due waits until there are no changes", clusterLeadership, {
    file: "src/cluster/leadership.ts",
    find: "const planned = reading.trusted ? this.plan(",
    put: "const planned = reading.trusted && changeBytes === 0 ? this.plan(",
  }),
  mutant("H16.14", "answers to an earlier life of a node are taken for this one's", clusterProposals, {
    file: "src/cluster/proposals.ts",
    find: "if (!entry || birth !== this.birth) return;",
    put: "if (!entry) return;",
  }),
  mutant("H8b", "a node takes over before its state is loaded", clusterVoter, {
    file: "src/cluster/voter.ts",
    find: ' || frame.message.kind === "timeout_now"',
    put: "",
  }),
  mutant("H8b", "a write in flight is forgotten when the state is loaded", clusterVoter, {
    file: "src/cluster/voter.ts",
    find: "    this.next = next;\n",
    put: "",
  }),
  mutant("H16.14", "a copy of a forwarded change is tried again", SEEDS, {
    file: "src/cluster/replica.ts",
    find: "    if (!isLater(id, this.passedOn.get(from))) return;\n",
    put: "",
  }),
  mutant("H16.15", "a page begins one row behind its cursor", clusterQueries, {
    file: "src/cluster/joblist.ts",
    find: "    return from - 1;",
    put: "    return from;",
  }),
  mutant("H16.15", "a page of live executions begins one row behind its cursor", clusterQueries, {
    file: "src/cluster/executionlist.ts",
    find: "    return slot - 1;",
    put: "    return slot;",
  }),
  mutant("H16.16", "a leader proposes while what it proposed is not applied", clusterLeadership, {
    file: "src/cluster/leadership.ts",
    find: "    if (this.isHeld) return false;\n",
    put: "",
  }),
];
