// Owns: mutants of running jobs and of speaking to callers: src/worker, src/dispatch, src/api.

import { lines, mutant, SEEDS } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const apiEvents = "test/api/events.test.ts";
const apiJobs = "test/api/jobs.test.ts";
const workerHttp = "test/worker/http.test.ts";
const workerJournal = "test/worker/journal.test.ts";
const workerRunner = "test/worker/runner.test.ts";
const workerSession = "test/worker/session.test.ts";

export const working: readonly Mutant[] = [
  mutant("H6b", "a start that is refused for want of a lease is not reported, and the session lives on", SEEDS, {
    file: "src/worker/session.ts",
    find: '      } else this.finish(sequence, token, resultOutcome.notStarted, 0, 0, "");',
    put: '      } else if (sequence < 0) this.finish(sequence, token, resultOutcome.notStarted, 0, 0, "");',
  }, {
    file: "src/worker/session.ts",
    find: "    if (this.session !== 0 && nowMs >= this.leaseUntilMs && this.leaseUntilMs !== Number.NEGATIVE_INFINITY) this.session = 0;\n",
    put: "",
  }, {
    file: "src/limits.ts",
    find: "  leaseNodeMs: 12_000,",
    put: "  leaseNodeMs: 1_500,",
  }),
  mutant("H6c", "a session is reconciled before it has applied the leader's first entry", SEEDS, {
    file: "src/worker/session.ts",
    find: "if (!asked || this.state.appliedIndex < asked.index) return;",
    put: "if (!asked) return;",
  }),
  mutant("H6d", "the face starts what its lease does not cover any more", workerRunner, {
    file: "src/worker/runner.ts",
    find: lines(
      "        // User code has run meanwhile: the clocks are looked at again (R3).",
      "        late = this.refusing || system.monotonicMs() > notAfterMs;",
      "",
    ),
    put: "",
  }),
  mutant("H6d", "the face looks at no lease", workerRunner, {
    file: "src/worker/runner.ts",
    find: "    let late = this.refusing || system.monotonicMs() > notAfterMs;",
    put: "    let late = this.refusing;",
  }),
  mutant("H6e", "a lapsed session is revived by the next answer", workerSession, {
    file: "src/worker/session.ts",
    find: "    if (this.session !== 0 && nowMs >= this.leaseUntilMs && this.leaseUntilMs !== Number.NEGATIVE_INFINITY) this.session = 0;\n",
    put: "",
  }),
  mutant("H6e", "a session has a lease from its first entry on", workerSession, {
    file: "src/worker/session.ts",
    find: lines(
      "    this.session = session;",
      "    this.leaseUntilMs = Number.NEGATIVE_INFINITY;",
    ),
    put: lines(
      "    this.session = session;",
      "    this.leaseUntilMs = Number.POSITIVE_INFINITY;",
    ),
  }),
  mutant("H6f", "a result is forgotten once it was sent", SEEDS, {
    file: "src/worker/session.ts",
    find: "    if (writer.count > 0) this.io.toLeader(",
    put: lines(
      "    for (const sequence of sequences) if (finished.find(sequence) >= 0) finished.remove(finished.find(sequence));",
      "    if (writer.count > 0) this.io.toLeader(",
    ),
  }),
  mutant("H6h", "the groups that a killed process left behind live on", workerJournal, {
    file: "src/worker/journal.ts",
    find: "if (record && record.bootId === this.bootId && isOurs(record) && killGroup",
    put: 'if (record && record.bootId === "" && isOurs(record) && killGroup',
  }),
  mutant("H6i", "a stop that comes before its start is forgotten", workerRunner, {
    file: "src/worker/runner.ts",
    find: "      else if (token > this.newestToken) this.stopsAhead.add(token);\n",
    put: "",
  }),
  mutant("H6j", "a request that runs at most once shares its connection", workerHttp, {
    file: "src/worker/http.ts",
    find: "return context.deliverOnce ? exchangeOnce(guard, request, context) : exchange(agent, request, context);",
    put: "return exchange(agent, request, context);",
  }),
  mutant("H7a", "what was heard of a session before this leader counts", workerSession, {
    file: "src/dispatch/desk.ts",
    find: lines(
      "      this.leases.set(node.session, { heardAtMs: nowMs, beatAtMs: Number.NEGATIVE_INFINITY });",
      "      this.reconciling",
    ),
    put: lines(
      "      this.leases.set(node.session, { heardAtMs: 0, beatAtMs: Number.NEGATIVE_INFINITY });",
      "      this.reconciling",
    ),
  }),
  mutant("H7b", "a pause of the leader counts as silence of the nodes", workerSession, {
    file: "src/dispatch/desk.ts",
    find: lines(
      "    if (nowMs - this.lastTickMs > limits.heartbeatMs + limits.beatMs) for (const lease of this.leases.values()) " +
        "lease.heardAtMs = nowMs;",
      "",
    ),
    put: "",
  }),
  mutant("H7c", "the face waits for user code that ignores its timeout", workerRunner, {
    file: "src/worker/runner.ts",
    find: "      this.finish(attempt, failedWith(`${reason}, and did not end within ${limits.killGraceMs} ms`));\n",
    put: "",
  }),
  mutant("H12", "an attempt runs the newest definition", workerSession, {
    file: "src/worker/session.ts",
    find: "  return findDefinition(state, live.job[slot] as number, live.version[slot] as number);",
    put: "  return findDefinition(state, live.job[slot] as number, state.jobs.revision[live.job[slot] as number] as number);",
  }),
  mutant("H16.11", "a stream of events skips what is not kept any more", apiEvents, {
    file: "src/api/events.ts",
    find: "  if (!dropped) return;\n",
    put: "  if (dropped || !dropped) return;\n",
  }),
  mutant("H16.13", "a retry of a submit without job_id is about another job", apiJobs, {
    file: "src/api/jobs.ts",
    find: "origin.key === undefined ? timeOrderedId(nowMs) : derivedId(origin)",
    put: 'origin.key === "" ? derivedId(origin) : timeOrderedId(nowMs)',
  }),
];
