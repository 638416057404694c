// Owns: mutants of what a state goes through that is carried into another cluster, by whichever room.

import { mutant } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const jobsTimelines = "test/jobs/timelines.test.ts";
const plannerRestored = "test/planner/restored.test.ts";

export const restoring: readonly Mutant[] = [
  mutant("H5b", "a restore keeps the token counter of the backup", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: "Math.max(state.tokenCounter, command.tokenFloor)",
    put: "state.tokenCounter",
  }),
  mutant("H5b", "a restore sets the token counter to the floor, even lower", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: "Math.max(state.tokenCounter, command.tokenFloor)",
    put: "command.tokenFloor",
  }),
  mutant("H5b", "execution numbers of an earlier life come again", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: "state.lastSequence = Math.max(state.lastSequence, Math.floor(command.tokenFloor / TOKENS_PER_SEQUENCE));",
    put: "",
  }),
  mutant("H5b", "nodes of a restored cluster are taken for older ones", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: "    row.incarnation = 0;\n",
    put: "",
  }),
  mutant("H15", "what waits and runs at most once is started again after a restore", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: 'state.classOfLive(slot).delivery === "at_most_once" || (occupies',
    put: "(occupies",
  }),
  mutant("H15", "a lost last attempt is tried once more after a restore", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: "(occupies && !mayRetry(state, slot))",
    put: "(occupies && slot < 0)",
  }),
  mutant("H15", "a cluster made by force records downtime as unknown", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: 'command.reason === "restore" && !command.catchUp',
    put: "!command.catchUp",
  }),
  mutant("H15", "--catch-up does nothing", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: 'command.reason === "restore" && !command.catchUp',
    put: 'command.reason === "restore"',
  }),
  mutant("H15", "a restore fires the past", plannerRestored, {
    file: "src/jobs/applyrestored.ts",
    find: "makeUnsure(state, command.atMs)",
    put: "makeUnsure(state, 0)",
  }),
  mutant("H15", "a second restore is sure of what was asked for after the first", plannerRestored, {
    file: "src/jobs/unsure.ts",
    find: "if (!jobs.has(job, jobFlags.anew)) continue;",
    put: "if (job > 0) continue;",
  }),
  mutant("H15", "what is asked for after a restore is recorded as unknown", plannerRestored, {
    file: "src/jobs/unsure.ts",
    find: " && !state.jobs.has(job, jobFlags.anew)",
    put: "",
  }),
  mutant("H15", "a due time planned before the restore is fired after it", plannerRestored, {
    file: "src/jobs/applyitems.ts",
    find: "isUnsure(state, job) === (item.type === planType.unsure)",
    put: "job > 0",
  }),
  mutant("H15", "misfire policies apply to the window of a restore", plannerRestored, {
    file: "src/planner/planner.ts",
    find: "if (isUnsure(this.state, job)) {",
    put: "if (isUnsure(this.state, job) && nowMs < 0) {",
  }),
  mutant("H15", "the restore's own instant is not in its window", plannerRestored, {
    file: "src/planner/planner.ts",
    find: "book.missed(job, dueMs, state.unsureUntilMs)",
    put: "book.missed(job, dueMs, state.unsureUntilMs - 1)",
  }),
  mutant("H16.2 H15", "at_most_once is tried again", jobsTimelines, {
    file: "src/jobs/applyitems.ts",
    find: '  if (spec.delivery === "at_most_once") return false;\n',
    put: "",
  }),
];
