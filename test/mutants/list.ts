// Owns: the mutants: faults put back into the code, one at a time, each a replacement of text in one or more files. A mutant that no
// longer applies is an error, so that the list keeps up with the code.

export type Edit = { readonly file: string; readonly find: string; readonly put: string };
export type Mutant = { readonly rule: string; readonly name: string; readonly edits: readonly Edit[]; readonly seeds?: number };

/** A piece of text over several lines. */
const lines = (...parts: readonly string[]): string => parts.join("\n");

const one = (rule: string, name: string, file: string, find: string, put: string, seeds?: number): Mutant => ({
  rule,
  name,
  edits: [{ file, find, put }],
  ...(seeds === undefined ? {} : { seeds }),
});

export const mutants: readonly Mutant[] = [
  one(
    "H8",
    "a checkpoint is written as two batches",
    "src/storage/state.ts",
    "    this.kv.write(ops, (error) => {",
    lines(
        "    const kv = { write: (all: readonly KvOp[], then: (error?: Error) => void) => " +
        "this.kv.write(all.slice(1), () => this.kv.write(all.slice(0, 1), then)) };",
        "    kv.write(ops, (error) => {",
      ),
  ),
  {
    rule: "H10",
    name: "the history is synced after the checkpoint that names its length",
    edits: [
      {
        file: "src/storage/checkpoint.ts",
        find: lines(
        "  history.flush((failed) => {",
        "    if (failed !== undefined) return done(failed);",
        "    state.commit((error) => {",
        "      if (error === undefined) history.checkpointed();",
        "      done(error);",
        "    });",
        "  });",
        "  state.freeze(at, history.marks());",
      ),
        put: lines(
        "  let flush = () => {};",
        "  const real = history.flush.bind(history);",
        "  history.writeTails();",
        "  state.freeze(at, history.marks());",
        "  flush = () => real(done);",
        "  state.commit((error) => (error ? done(error) : flush()));",
      ),
      },
      {
        file: "src/storage/history.ts",
        find: "  /** What a checkpoint of this turn's state must name.",
        put: lines(
        "  writeTails(): void {",
        "    for (const day of this.days.values()) day.writeTail();",
        "  }",
        "",
        "  /** What a checkpoint of this turn's state must name.",
      ),
      },
    ],
  },
  one(
    "H1a",
    "a due time is fired by a schedule that was changed in front of it",
    "src/jobs/applyitems.ts",
    "jobs.is(job, item.generation, item.revision) &&\n    jobs.enabled(job)",
    "jobs.pool.has(job) && jobs.enabled(job)",
  ),
  {
    rule: "H1b",
    name: "a change of the payload carries the due time it was computed beside",
    edits: [
      {
        file: "src/planner/changes.ts",
        find: "const nextDueMs = !reschedule ? 0 :",
        put: "const nextDueMs = !reschedule ? (state.jobs.dueAtMs[ref.job] as number) :",
      },
      {
        file: "src/jobs/applychanges.ts",
        find: "if (reschedule && paused === 0) {",
        put: "if (paused === 0) {",
      },
      { file: "src/jobs/applyitems.ts", find: " &&\n    item.atMs > (jobs.lastAtMs[job] as number)", put: "" },
    ],
  },
  {
    rule: "H1c",
    name: "a paused job runs",
    edits: [
      {
        file: "src/jobs/applychanges.ts",
        find: lines(
        "  jobs.flags[ref.job] = (jobs.flags[ref.job] as number) | jobFlags.paused;",
        "  jobs.dueAtMs[ref.job] = 0;",
      ),
        put: "  jobs.flags[ref.job] = (jobs.flags[ref.job] as number) | jobFlags.paused;",
      },
      {
        file: "src/jobs/applyitems.ts",
        find: "jobs.is(job, item.generation, item.revision) &&\n    jobs.enabled(job)",
        put: "jobs.pool.has(job) && jobs.generation[job] === item.generation",
      },
    ],
  },
  {
    rule: "H1d",
    name: "a new leader plans before it has applied what it inherited, and a start is not checked against its " +
        "attempt",
    edits: [
      {
        file: "src/jobs/executions.ts",
        find: lines(
        "  if (live.state[slot] !== liveState.queued && live.state[slot] !== liveState.retrying) return " +
        "false;",
        "",
      ),
        put: "",
      },
      { file: "src/jobs/applyitems.ts", find: " || live.attempt[slot] !== item.attempt", put: "" },
      {
        file: "src/cluster/replica.ts",
        find: '    assert(this.leadership === undefined, "leadership begins twice");',
        put: "    if (this.leadership !== undefined) return;",
      },
      {
        file: "src/cluster/replica.ts",
        find: '    if (status.role !== "leader") {\n',
        put: '    if (status.role === "leader") this.termBegun(status.term);\n    if (status.role !== "leader") {\n',
      },
    ],
  },
  {
    rule: "H1e",
    name: "slots are not checked, and entries in flight do not count",
    edits: [
      { file: "src/jobs/executions.ts", find: "if (!node || node.running >= node.slots) return false;", put: "if (!node) return false;" },
      {
        file: "src/planner/planner.ts",
        find: "return node.slots - node.running - (this.reserved.get(node.session) ?? 0);",
        put: "return node.slots - node.running;",
      },
    ],
  },
  {
    rule: "H1f",
    name: "a change forgets the due time that has passed",
    edits: [
      {
        file: "src/jobs/applychanges.ts",
        find: "return due !== 0 && due <= state.clockMs ? stale : undefined;",
        put: "return due < 0 ? stale : undefined;",
      },
      {
        file: "src/planner/changes.ts",
        find: "  const settle = job === 0 ? undefined : settleItems(state, book, job, nowMs);",
        put: "  const settle = job >= 0 ? undefined : settleItems(state, book, job, nowMs);",
      },
    ],
  },
  {
    rule: "H2a",
    name: "numbers are reused last in, first out, as this process remembers it",
    edits: [
      {
        file: "src/jobs/numberpool.ts",
        find: "    const top = firstNotFull(this.fuller);",
        put: lines(
        "    for (let last = this.freed.pop(); last !== undefined; last = this.freed.pop()) {",
        "      if (this.has(last)) continue;",
        "      this.add(last);",
        "      return last;",
        "    }",
        "    const top = firstNotFull(this.fuller);",
      ),
      },
      { file: "src/jobs/numberpool.ts", find: "  count = 0;", put: "  count = 0;\n  private readonly freed: number[] = [];" },
      { file: "src/jobs/numberpool.ts", find: "    this.count--;", put: "    this.freed.push(number);\n    this.count--;" },
    ],
  },
  one("H3", "what was proposed and lost is never due again", "src/planner/planner.ts", "      this.inFlight[item] = 0;\n", ""),
  one(
    "H4a",
    "live executions are not in the checkpoint",
    "src/cluster/assemble.ts",
    "[state.jobs.rows, state.live.rows]",
    "[state.jobs.rows]",
  ),
  one(
    "H4b",
    "a waiting retry is a memory, not a row",
    "src/jobs/state.ts",
    "      this.linkLive(slot);\n      this.armLive(slot);",
    lines(
        "      this.linkLive(slot);",
        "      if (live.state[slot] !== liveState.retrying) this.armLive(slot);",
      ),
  ),
  one(
    "H4c",
    "what must still start is not armed after a restart",
    "src/jobs/state.ts",
    "      this.linkLive(slot);\n      this.armLive(slot);",
    "      this.linkLive(slot);\n      if (live.state[slot] !== liveState.queued) this.armLive(slot);",
  ),
  one(
    "H6a",
    "a node applies, and starts, what was not committed",
    "src/raft/replication.ts",
    "Math.max(core.commit, Math.min(message.commit, proven))",
    "Math.max(core.commit, Math.min(message.commit, core.log.lastIndex))",
  ),
  {
    rule: "H6b",
    name: "a start that is refused for want of a lease is not reported, and the session lives on",
    edits: [
      {
        file: "src/worker/session.ts",
        find: '      else this.finish(sequence, token, resultOutcome.notStarted, 0, 0, "");',
        put: '      else if (sequence < 0) this.finish(sequence, token, resultOutcome.notStarted, 0, 0, "");',
      },
      {
        file: "src/worker/session.ts",
        find: lines(
        "    if (this.session !== 0 && nowMs >= this.leaseUntilMs && this.leaseUntilMs !== " +
        "Number.NEGATIVE_INFINITY) this.session = 0;",
        "",
      ),
        put: "",
      },
      { file: "src/limits.ts", find: "  leaseNodeMs: 12_000,", put: "  leaseNodeMs: 1_500," },
    ],
  },
  one(
    "H6c",
    "a session is reconciled before it has applied the leader's first entry",
    "src/worker/session.ts",
    "if (!asked || this.state.appliedIndex < asked.index) return;",
    "if (!asked) return;",
  ),
  one(
    "H6f",
    "a result is forgotten once it was sent",
    "src/worker/session.ts",
    "      writer.add(sequence, result.token, result.outcome, result.startAtMs, result.endAtMs, 0, " +
        "result.error);",
    lines(
        "      writer.add(sequence, result.token, result.outcome, result.startAtMs, result.endAtMs, 0, " +
        "result.error);",
        "      this.finished.delete(sequence);",
      ),
  ),
  one(
    "H11",
    "answers to an earlier life of a node are taken for this one's",
    "src/cluster/proposals.ts",
    "if (!entry || birth !== this.birth) return;",
    "if (!entry) return;",
    600,
  ),
  one(
    "H13",
    "one wrong clock moves the replicated one",
    "src/cluster/clock.ts",
    "    return agreeing >= this.quorum;",
    "    return agreeing >= 0;",
  ),
  one(
    "P3",
    "a leader answers reads from what it believes, without asking a quorum",
    "src/raft/heartbeats.ts",
    "  core.reads.addAsked(read, core.round + 1, core.commit);\n",
    lines(
      "  core.reads.addAsked(read, core.round + 1, core.commit);",
      "  for (const each of core.reads.confirmed(Number.POSITIVE_INFINITY)) {",
      "    const reply = { term: core.term, context: each.read.context, index: each.index, ok: true };",
      '    core.send(each.read.from as NodeId, { kind: "read_index_reply", ...reply });',
      "  }",
      "",
    ),
  ),
  one(
    "P3",
    "a read is answered at its index before that is applied",
    "src/cluster/reads.ts",
    "else if (read.index <= appliedIndex) done(read.index);",
    "else if (read.index >= 0) done(read.index);",
  ),
  one(
    "P3",
    "a new leader answers reads before it has committed an entry of its own term",
    "src/raft/heartbeats.ts",
    "  if (core.commit < core.termStart) {",
    "  if (core.commit < 0) {",
    600,
  ),
  one(
    "P3",
    "a follower answers reads by itself",
    "src/raft/raft.ts",
    "    else core.reads.forward(context, core.nowMs);",
    lines(
      "    else {",
      "      core.reads.forward(context, core.nowMs);",
      "      core.reads.answered(core.reads.sendBatch(), core.commit);",
      "    }",
    ),
  ),
  one(
    "P3",
    "a stale answer is as fresh as the last word of a leader, whatever that was about",
    "src/cluster/replica.ts",
    "    if (!told || told.commit > this.state.appliedIndex) return;\n    if (this.raft.term(told.commit) === told.term) ",
    "    if (!told) return;\n    ",
  ),
  one(
    "I11",
    "a copy of a forwarded change is tried again",
    "src/cluster/replica.ts",
    "    if (id <= (this.passedOn.get(from) ?? 0)) return;\n",
    "",
    600,
  ),
  one(
    "raft 10",
    "votes and acknowledgements leave before they are stored",
    "src/raft/core.ts",
    "    if (this.unsaved) this.outbox.hold",
    "    if (this.unsaved) this.outbox.send(to, message);\n    else if (this.unsaved) this.outbox.hold",
  ),
  one(
    "H8",
    "a write of the log that follows another one than is stored is taken",
    "src/storage/log.ts",
    lines(
      "    if (write.number !== this.newest + 1) return `follows write ${this.newest}, some are missing`;",
      "    if (write.previousSeal !== this.seal)",
    ),
    "    if (write.previousSeal < 0)",
  ),
];
