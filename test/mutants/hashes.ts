// Owns: mutants of how replicas and their disks are compared: sums of rows, and the reader of what is stored.

import { lines, mutant } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const jobsExecutions = "test/jobs/executions.test.ts";
const jobsHash = "test/jobs/hash.test.ts";
const storageScrub = "test/storage/scrub.test.ts";

export const hashes: readonly Mutant[] = [
  mutant("H8f", "the hash does not know which row holds what", jobsHash, {
    file: "src/jobs/columns.ts",
    find: "const hashes = rows.slice();",
    put: "const hashes = new Uint32Array(rows.length);",
  }),
  mutant("H8f", "a row that was summed once is not summed again", jobsHash, {
    file: "src/jobs/columns.ts",
    find: "    if (before === CHANGED) return;\n",
    put: "    if (before !== 0) return;\n",
  }),
  mutant("H8f", "half of each wide column is not hashed", jobsHash, {
    file: "src/jobs/columnloops.ts",
    find: "mixed(mixed(hashes[i] as number, low), high)",
    put: "mixed(hashes[i] as number, low)",
  }),
  mutant("H8f", "rows are summed when they are touched, before they change", jobsHash, {
    file: "src/jobs/columns.ts",
    find: "    if (before === SUMMED) return;\n",
    put: lines(
      "    this.keepUp();",
      "    if (before === SUMMED) return;",
      "",
    ),
  }),
  mutant("H8f", "each node's own removal of expired keys is in the hash", jobsHash, {
    file: "src/jobs/summedrows.ts",
    find: "if (!key.startsWith(coldKeys.keys) && !key.startsWith(coldKeys.generations)) ",
    put: "",
  }),
  mutant("H8f", "cold rows are not in the hash", jobsHash, {
    file: "src/jobs/summedrows.ts",
    find: "    this.sum.add(mix32(checksum(value, keyHash(key))));\n",
    put: "",
  }),
  mutant("H8f", "the hash forgets its past at a restart", jobsExecutions, {
    file: "src/jobs/state.ts",
    find: "    this.cold.sum.restore(input);\n",
    put: "    HashSum.of(input);\n",
  }),
  mutant("H8f", "rows are loaded without a look at their sum", jobsHash, {
    file: "src/jobs/state.ts",
    find: "if (rows.sum().text() === this.rowSums[at]?.text()) continue;",
    put: "if (this.rowSums[at]) continue;",
  }),
  mutant("H8f", "what a checkpoint replaced behind the scrubber stays in its sum", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "    if (replaced !== undefined) this.coldSum.remove(replaced);\n",
    put: "",
  }),
  mutant("H8f", "the scrubber does not compare the sum of cold rows", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "if (round.coldSum.text() !== this.store.cold.sum.text()) {",
    put: 'if (round.coldSum.text() === "") {',
  }),
  mutant("H8f", "the scrubber misses what is missing", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "    for (const key of round.unmet) throw missing(key);\n",
    put: "",
  }),
  mutant("H8f", "the scrubber does not read again what was written behind it", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "    else if (!this.isRead) this.again.add(key);\n",
    put: "",
  }),
  mutant("H8f", "the scrubber takes a stale page for the newest", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "if (expected !== seal) throw",
    put: "if (expected === -1) throw",
  }),
  mutant("H8f", "the scrubber takes an unnamed value for a good one", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "if (expected === undefined) throw",
    put: lines(
      "if (expected === undefined) return;",
      "    if (seal < 0) throw",
    ),
  }),
  mutant("H8f", "the log's chain is not compared", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "write.previousSeal !== this.seal)",
    put: "write.previousSeal < 0)",
  }),
  mutant("H8f", "the log's end is not compared", storageScrub, {
    file: "src/storage/scrub.ts",
    find: "this.seal !== checksum)",
    put: "this.seal < 0)",
  }),
  mutant("H8f", "the scrubber calls writes that are being dropped missing", storageScrub, {
    file: "src/storage/log.ts",
    find: "Math.max(this.start.write, this.keptFrom)",
    put: "this.start.write",
  }),
  mutant("H8f", "a restart forgets the sum of cold rows", storageScrub, {
    file: "src/storage/state.ts",
    find: "    cold.sum = restored.coldSum;\n",
    put: "",
  }),
  mutant("H8f", "the sum of cold rows is of a checkpoint that is not durable", storageScrub, {
    file: "src/storage/coldrows.ts",
    find: "this.nextSum = this.sum.copy();",
    put: "this.nextSum = this.sum;",
  }),
  mutant("H8f", "what was read of a row that is replaced stays known", "test/storage/coldrowreads.test.ts", {
    file: "src/storage/coldrows.ts",
    find: "      this.recent.forget(key);\n",
    put: "",
  }),
  mutant("H10b", "rows that wait in lists are not found", "test/storage/coldrowreads.test.ts", {
    file: "src/storage/addedrows.ts",
    find: "    if (list === undefined) return this.map;\n",
    put: "    if (list === undefined || this.map.size > 0) return this.map;\n",
  }),
  mutant("H8f", "a row that was added after its removal is taken for one that replaces nothing", "test/storage/coldrowreads.test.ts", {
    file: "src/storage/coldrows.ts",
    find: "    if (this.active.changed.has(key)) return this.put(key, value);\n",
    put: "",
  }),
];
