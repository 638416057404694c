// Owns: mutants of the replicated state: src/jobs, without restores, which are in restoring.ts.

import { lines, mutant, SEEDS } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const jobsExecutions = "test/jobs/executions.test.ts";
const jobsNumbers = "test/jobs/numbers.test.ts";
const jobsRegressions = "test/jobs/regressions.test.ts";
const jobsReplicas = "test/jobs/replicas.test.ts";
const jobsTimelines = "test/jobs/timelines.test.ts";
const jobsVersions = "test/jobs/versions.test.ts";
const plannerPlanner = "test/planner/planner.test.ts";
const plannerRetention = "test/planner/retention.test.ts";
const tidy = "test/tidy.test.ts";
const workerRunner = "test/worker/runner.test.ts";

export const jobs: readonly Mutant[] = [
  mutant("62 H14", "the order of a job's executions depends on when the replica restarted", jobsRegressions, {
    file: "src/jobs/state.ts",
    find: "    slots.sort((a, b) => (live.sequence[a] as number) - (live.sequence[b] as number));\n",
    put: "",
  }),
  mutant("62", "apply reads a clock", tidy, {
    file: "src/jobs/applychanges.ts",
    find: "addDefinition(state, job, 1, { uid: index, createdAtMs: state.clockMs,",
    put: "addDefinition(state, job, 1, { uid: index, createdAtMs: Date.now(),",
  }),
  mutant("80 H16.1", "the result of an older attempt ends the execution", jobsExecutions, {
    file: "src/jobs/applyitems.ts",
    find: "slot !== 0 && state.live.token[slot] === item.token && state.occupies(slot)",
    put: "slot !== 0 && state.occupies(slot)",
  }),
  mutant("H1a", "a due time is fired by a schedule that was changed in front of it", jobsTimelines, {
    file: "src/jobs/applyitems.ts",
    find: lines(
      "jobs.is(job, item.generation, item.revision) &&",
      "    jobs.enabled(job)",
    ),
    put: "jobs.pool.has(job) && jobs.enabled(job)",
  }),
  mutant("H1c", "a paused job runs", SEEDS, {
    file: "src/jobs/applychanges.ts",
    find: lines(
      "  jobs.flags[ref.job] = (jobs.flags[ref.job] as number) | jobFlags.paused;",
      "  jobs.dueAtMs[ref.job] = 0;",
    ),
    put: "  jobs.flags[ref.job] = (jobs.flags[ref.job] as number) | jobFlags.paused;",
  }, {
    file: "src/jobs/applyitems.ts",
    find: lines(
      "jobs.is(job, item.generation, item.revision) &&",
      "    jobs.enabled(job)",
    ),
    put: "jobs.pool.has(job) && jobs.generation[job] === item.generation",
  }),
  mutant("H1d", "a new leader plans before it has applied what it inherited, and a start is not checked against its attempt", SEEDS, {
    file: "src/jobs/executions.ts",
    find: "  if (live.state[slot] !== liveState.queued && live.state[slot] !== liveState.retrying) return false;\n",
    put: "",
  }, {
    file: "src/jobs/applyitems.ts",
    find: " || live.attempt[slot] !== item.attempt",
    put: "",
  }, {
    file: "src/cluster/replica.ts",
    find: '    assert(this.leadership === undefined, "leadership begins twice");',
    put: "    if (this.leadership !== undefined) return;",
  }, {
    file: "src/cluster/replica.ts",
    find: '    if (status.role !== "leader") {\n',
    put: lines(
      '    if (status.role === "leader") this.termBegun(status.term);',
      '    if (status.role !== "leader") {',
      "",
    ),
  }),
  mutant("H1e", "slots are not checked, and entries in flight do not count", SEEDS, {
    file: "src/jobs/executions.ts",
    find: "return node.running < node.slots && placeable(",
    put: "return placeable(",
  }, {
    file: "src/planner/planner.ts",
    find: "return node.slots - node.running - (this.reserved.get(node.session) ?? 0);",
    put: "return node.slots - node.running;",
  }),
  mutant("H1f", "a change forgets the due time that has passed", SEEDS, {
    file: "src/jobs/applychanges.ts",
    find: "return due !== 0 && due <= state.clockMs ? stale : undefined;",
    put: "return due < 0 ? stale : undefined;",
  }, {
    file: "src/planner/changes.ts",
    find: "  const settle = job === 0 ? undefined : settleItems(state, book, job, nowMs);",
    put: "  const settle = job >= 0 ? undefined : settleItems(state, book, job, nowMs);",
  }),
  mutant("H2a", "numbers are reused last in, first out, as this process remembers it", SEEDS, {
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
  }, {
    file: "src/jobs/numberpool.ts",
    find: "  count = 0;",
    put: lines(
      "  count = 0;",
      "  private readonly freed: number[] = [];",
    ),
  }, {
    file: "src/jobs/numberpool.ts",
    find: "    this.count--;",
    put: lines(
      "    this.freed.push(number);",
      "    this.count--;",
    ),
  }),
  mutant("H2b", "a number is taken for the job that it once was", jobsTimelines, {
    file: "src/jobs/jobtable.ts",
    find: "this.pool.has(job) && this.generation[job] === generation && this.revision",
    put: "this.pool.has(job) && this.revision",
  }),
  mutant("H2c", "a replica with room for another number of jobs takes part", jobsNumbers, {
    file: "src/jobs/applynodes.ts",
    find: lines(
      `  assert(jobsMax === state.capacity.jobsMax && liveMax === state.capacity.liveMax, "the cluster's capacity differs ` +
        `from this node's");`,
      "",
    ),
    put: "",
  }),
  mutant("H2c", "a state of another capacity is loaded", jobsNumbers, {
    file: "src/jobs/state.ts",
    find: lines(
      '    assert(jobsMax === this.capacity.jobsMax && liveMax === this.capacity.liveMax, "stored capacity differs from ' +
        'the allocated one");',
      "",
    ),
    put: "",
  }),
  mutant("H2d", "references to schedules and classes are reused last in, first out", jobsReplicas, {
    file: "src/jobs/interned.ts",
    find: "    const ref = this.pool.take();\n",
    put: lines(
      "    const last = this.freed.pop() ?? 0;",
      "    const ref = last === 0 || this.pool.has(last) ? this.pool.take() : (this.pool.add(last), last);",
      "",
    ),
  }, {
    file: "src/jobs/interned.ts",
    find: "    this.pool.free(ref);\n",
    put: lines(
      "    this.pool.free(ref);",
      "    this.freed.push(ref);",
      "",
    ),
  }, {
    file: "src/jobs/interned.ts",
    find: "  private readonly counts: number[] = [];\n",
    put: lines(
      "  private readonly counts: number[] = [];",
      "  private readonly freed: number[] = [];",
      "",
    ),
  }),
  mutant("H2e", "a submit that is repeated after the job has run makes it run again", jobsRegressions, {
    file: "src/jobs/newjob.ts",
    find: '  if (!ended || ended.status === "cancelled") return undefined;',
    put: "  if (!ended || ended.status) return undefined;",
  }),
  mutant("H4b", "a waiting retry is a memory, not a row", SEEDS, {
    file: "src/jobs/state.ts",
    find: lines(
      "      this.linkLive(slot);",
      "      this.armLive(slot);",
    ),
    put: lines(
      "      this.linkLive(slot);",
      "      if (live.state[slot] !== liveState.retrying) this.armLive(slot);",
    ),
  }),
  mutant("H4c", "what must still start is not armed after a restart", SEEDS, {
    file: "src/jobs/state.ts",
    find: lines(
      "      this.linkLive(slot);",
      "      this.armLive(slot);",
    ),
    put: lines(
      "      this.linkLive(slot);",
      "      if (live.state[slot] !== liveState.queued) this.armLive(slot);",
    ),
  }),
  mutant("H4d", "a waiting execution takes its job's place in the wheel", plannerPlanner, {
    file: "src/jobs/executions.ts",
    find: lines(
      "  state.armLive(slot);",
      "  state.live.rows.touch(slot);",
      "}",
      "",
      "/** Gives the execution",
    ),
    put: lines(
      "  state.armLive(slot);",
      "  state.timers.disarm(state.live.job[slot] as number);",
      "  state.live.rows.touch(slot);",
      "}",
      "",
      "/** Gives the execution",
    ),
  }),
  mutant("H4e", "a due time beyond the bound of live executions has no record", jobsTimelines, {
    file: "src/jobs/applyitems.ts",
    find: '  recordUnrun(state, job, ending.skipped, atMs, atMs, 1, "capacity");\n',
    put: "",
  }),
  mutant("H5a", "a start does not raise the counter of tokens", jobsExecutions, {
    file: "src/jobs/executions.ts",
    find: "live.token[slot] = ++state.tokenCounter;",
    put: "live.token[slot] = state.tokenCounter + 1;",
  }),
  mutant("H5c", "two shards give the same token", workerRunner, {
    file: "src/base/token.ts",
    find: "return ((BigInt(counter) << SHARD_BITS) | BigInt(shard)).toString();",
    put: "return (BigInt(counter) << SHARD_BITS).toString();",
  }),
  mutant("H5d", "a token is a signed number of 32 bits in the table", jobsExecutions, {
    file: "src/jobs/livetable.ts",
    find: "    this.token = new Float64Array(size);",
    put: "    this.token = new Int32Array(size) as never;",
  }),
  mutant("H10f", "an ended job is forgotten while its history is kept", plannerRetention, {
    file: "src/jobs/applyretention.ts",
    find: "decodeEnded(value).endedAtMs < keptFromMs",
    put: "decodeEnded(value).endedAtMs > 0",
  }),
  mutant("H10f", "history that was dropped is kept again", plannerRetention, {
    file: "src/jobs/applyretention.ts",
    find: "  if (beforeDay <= state.historyFromDay) return;\n",
    put: "",
  }),
  mutant("H10f", "a restarted history store puts records into days that were dropped", plannerRetention, {
    file: "src/jobs/state.ts",
    find: "    this.historySink.dropBefore(this.historyFromDay);\n",
    put: "",
  }),
  mutant("H11a", "whether a job exists is asked before its key is looked up", jobsTimelines, {
    file: "src/jobs/apply.ts",
    find: "    if (earlier) return earlier;\n",
    put: '    if (earlier && handler(state, body, index).kind === "done") return earlier;\n',
  }),
  mutant("H11b", "a full generation of keys takes more", jobsTimelines, {
    file: "src/jobs/keys.ts",
    find: "return state.keysInGeneration >= limits.keysPerGenerationMax;",
    put: "return state.keysInGeneration < 0;",
  }),
  mutant("H11c", "keys expire by the wall clock", jobsTimelines, {
    file: "src/jobs/keys.ts",
    find: "Math.floor(state.elapsedMs / GENERATION_MS)",
    put: "Math.floor(state.clockMs / GENERATION_MS)",
  }),
  mutant("H11d", "apply keeps no keys", jobsTimelines, {
    file: "src/jobs/apply.ts",
    find: '  if (key && reply.kind === "done") rememberKey(state, key, reply);\n',
    put: "",
  }),
  mutant("H12", "a definition goes while an execution is pinned to it", jobsTimelines, {
    file: "src/jobs/executions.ts",
    find: "    if (state.live.version[slot] === version) return;\n",
    put: "",
  }),
  mutant("H14", "a kind is proposed as soon as the leader knows it", jobsVersions, {
    file: "src/jobs/versions.ts",
    find: "if (needed <= state.version) return;",
    put: "if (needed <= state.versions.max) return;",
  }),
  mutant("H14", "items are not asked for their version", jobsVersions, {
    file: "src/jobs/versions.ts",
    find: "return Math.max(needed, versionOfItems(versions, body));",
    put: "return needed;",
  }),
  mutant("H14", "an entry that is not understood is applied in part", jobsVersions, {
    file: "src/jobs/apply.ts",
    find: "  if (data.length > 0) checkUnderstood(state.versions, index, data);\n",
    put: "",
  }),
  mutant("H14", "a version above the build's is raised all the same", jobsVersions, {
    file: "src/jobs/versions.ts",
    find: "checkVersion(versions, body.u32(), `log entry ${index}`)",
    put: "void body.u32()",
  }),
  mutant("H14", "the state's version goes back", jobsVersions, {
    file: "src/jobs/apply.ts",
    find: "state.version = Math.max(state.version, to);",
    put: "state.version = to;",
  }),
  mutant("H14", "a state of a newer build is loaded", jobsVersions, {
    file: "src/jobs/state.ts",
    find: "    checkVersion(this.versions, this.version, `checkpoint at ${appliedIndex}`);\n",
    put: "",
  }),
  mutant("H16.3", "what is being cancelled holds no slot", jobsExecutions, {
    file: "src/jobs/state.ts",
    find: "return state === liveState.running || state === liveState.cancelling;",
    put: "return state === liveState.running;",
  }),
  mutant("H16.4", "apply takes any number for a time", jobsRegressions, {
    file: "src/jobs/applychanges.ts",
    find: "if (dueMs >= 0 && dueMs < 2 ** 48 && Math.floor(dueMs) === dueMs) return undefined;",
    put: "if (dueMs !== Number.NEGATIVE_INFINITY) return undefined;",
  }),
];
