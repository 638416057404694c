// Owns: mutants of jobs that are made many at a time, and of what they share: applybulk.ts, definitionrows.ts, endedrows.ts of src/jobs.

import { lines, mutant } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const jobsBulk = "test/jobs/bulk.test.ts";

export const bulk: readonly Mutant[] = [
  mutant("H12", "a block of definitions goes with the first of its jobs", jobsBulk, {
    file: "src/jobs/definitionrows.ts",
    find: "  for (let other = first; other < first + BLOCK_JOBS; other++) if (jobs.has(other, jobFlags.inBlock)) return;\n",
    put: "",
  }),
  mutant("H12", "a block of definitions stays when none of its jobs needs it", jobsBulk, {
    file: "src/jobs/definitionrows.ts",
    find: "  cold.del(coldKeys.definitionBlock(blockOf(job)));",
    put: "  if (first < 0) cold.del(coldKeys.definitionBlock(blockOf(job)));",
  }),
  mutant("H12", "a later version of a definition is looked for in the block", jobsBulk, {
    file: "src/jobs/definitionrows.ts",
    find: "  if (version !== FIRST_VERSION || !state.jobs.has(job, jobFlags.inBlock)) {",
    put: "  if (!state.jobs.has(job, jobFlags.inBlock)) {",
  }),
  mutant("H12", "the definition of a block's neighbour is read", jobsBulk, {
    file: "src/jobs/definitionrows.ts",
    find: "this.begins[place] = input.at;",
    put: "this.begins[Math.min(place + 1, BLOCK_JOBS - 1)] = input.at;",
  }),
  mutant("H12", "a block of definitions that has gone is still known", jobsBulk, {
    file: "src/jobs/definitionrows.ts",
    find: "  state.blocks.forget(blockOf(job));\n",
    put: "",
  }),
  mutant("H2a", "numbers are taken for consecutive that are not", jobsBulk, {
    file: "src/jobs/applybulk.ts",
    find: "numbers[at + BLOCK_JOBS - 1] === job + BLOCK_JOBS - 1",
    put: "numbers[at + BLOCK_JOBS - 1] !== undefined",
  }),
  mutant("H2e", "a batch uses the id of a job that has run", jobsBulk, {
    file: "src/jobs/applybulk.ts",
    find: 'const jobId = found !== 0 || mayHaveEnded(state, idHash) ? bulk.jobId(i) : "";',
    put: 'const jobId = found !== 0 ? bulk.jobId(i) : "";',
  }),
  mutant("H2e", "rows of an earlier process are taken for none", "test/cluster/endedreader.test.ts", {
    file: "src/jobs/state.ts",
    find: "    if (this.endedJobs > 0) this.endedIds.lost();\n",
    put: "",
  }),
  mutant("H2e", "what ends while rows are read is not known afterwards", "test/jobs/endedids.test.ts", {
    file: "src/jobs/endedids.ts",
    find: "    this.reading = this.added(this.reading, hash);\n  }\n\n  private",
    put: "  }\n\n  private",
  }),
  mutant("H2e", "too many ids of ended jobs are taken for all", "test/jobs/endedids.test.ts", {
    file: "src/jobs/endedids.ts",
    find: "hashes !== undefined && hashes.size > this.max ? undefined : hashes",
    put: "hashes !== undefined && hashes.size > this.max ? new Hashes() : hashes",
  }),
  mutant("H2e", "ended jobs are not counted when their rows are forgotten", jobsBulk, {
    file: "src/jobs/endedrows.ts",
    find: "  state.endedJobs--;\n",
    put: "",
  }),
  mutant("H2e", "an id may come twice in a batch", jobsBulk, {
    file: "src/jobs/applybulk.ts",
    find: "    return jobId === this.bulk.jobId(this.asked);",
    put: "    return place === undefined && jobId === this.bulk.jobId(this.asked);",
  }),
  mutant("H11a", "a batch that is repeated is told nothing of what was refused", jobsBulk, {
    file: "src/jobs/keys.ts",
    find: "  return { ...reply, index, ...(refused && { refused }) };",
    put: "  return { ...reply, index, ...(refused && { refused: [] }) };",
  }),
  mutant("H16.4", "a job of a batch is armed for what is no instant", jobsBulk, {
    file: "src/jobs/applybulk.ts",
    find: "    const problem = (jobId === \"\" ? undefined : isTaken(state, found, jobId)) ?? notAnInstant(dueMs) ?? this.roomForTexts(i);",
    put: "    const problem = (jobId === \"\" ? undefined : isTaken(state, found, jobId)) ?? this.roomForTexts(i);",
  }),
  mutant("76", "a member that is to be removed is heard no more before its removal is applied", "test/raft/membership.test.ts", {
    file: "src/raft/membership.ts",
    find: "  const memberships = list.map(({ membership }) => membership);",
    put: "  const memberships = list.slice(-1).map(({ membership }) => membership);",
  }),
  mutant("H9", "first due times of a batch are those of the time when it was made", "test/planner/bulk.test.ts", {
    file: "src/planner/changes.ts",
    find: lines("    bulk.setDueMs(i, bulk.isPaused(i) ? 0 : due);"),
    put: lines("    if (bulk.dueMs(i) === 0) bulk.setDueMs(i, bulk.isPaused(i) ? 0 : due);"),
  }),
];
