// Owns: mutants of what is on disk: src/storage, without the sums of states, which are in hashes.ts.

import { lines, mutant } from "./mutant.ts";
import type { Mutant } from "./mutant.ts";

const storageBackup = "test/storage/backup.test.ts";
const storageHistory = "test/storage/history.test.ts";
const storageHistoryholes = "test/storage/historyholes.test.ts";
const storageLog = "test/storage/log.test.ts";
const storageLogstart = "test/storage/logstart.test.ts";
const storageState = "test/storage/state.test.ts";
const storageStatecopy = "test/storage/statecopy.test.ts";

export const storage: readonly Mutant[] = [
  mutant("1", "a write of the log counts before it is durable", storageLog, {
    file: "src/storage/log.ts",
    find: lines(
      "    this.kv.write(ops, (error) => {",
      "      if (error !== undefined) return done(error);",
      "      this.inFlight = false;",
      "      laid();",
    ),
    put: lines(
      "    laid();",
      "    this.kv.write(ops, (error) => {",
      "      if (error !== undefined) return done(error);",
      "      this.inFlight = false;",
    ),
  }),
  mutant("9", "old writes are dropped in a batch of their own, before the write that says where the log begins", storageLogstart, {
    file: "src/storage/log.ts",
    find: "    this.kv.write(ops, (error) => {",
    put: lines(
      "    const kv = { write: (all: readonly KvOp[], then: (error?: Error) => void) => this.kv.write(all.slice(1), () => " +
        "this.kv.write(all.slice(0, 1), then)) };",
      "    kv.write(ops, (error) => {",
    ),
  }),
  mutant("10", "an installed state leaves the older entries in the log", storageLogstart, {
    file: "src/storage/log.ts",
    find: "this.put({ put: key, value }, stored.number, done,",
    put: "this.put({ put: key, value }, this.start.write, done,",
  }),
  mutant("10", "a gap between the state and the log is not seen", storageLogstart, {
    file: "src/storage/log.ts",
    find: "  if (term === undefined && appliedIndex > 0) {",
    put: "  if (term === undefined && appliedIndex < 0) {",
  }),
  mutant("10", "entries are dropped behind a cut that a later write replaced", storageLogstart, {
    file: "src/storage/log.ts",
    find: "      this.cuts.truncate(truncateFrom);\n",
    put: "",
  }),
  mutant("12 13 H8b", "a write of the log that follows another one than is stored is taken", storageLog, {
    file: "src/storage/log.ts",
    find: lines(
      "    if (write.number !== this.newest + 1) return `follows write ${this.newest}, some are missing`;",
      "    if (write.previousSeal !== this.seal)",
    ),
    put: "    if (write.previousSeal < 0)",
  }),
  mutant("13", "a batch of a copy may vanish before it is put to use", storageStatecopy, {
    file: "src/storage/statestage.ts",
    find: "    await checkChunks(kv, record.next);\n",
    put: "",
  }),
  mutant("13", "a batch of a copy may vanish after it was put to use", storageStatecopy, {
    file: "src/storage/installmark.ts",
    find: "  await checkChunks(kv, mark.chunks);\n",
    put: "",
  }),
  mutant("14", "damage in the log is taken for a torn end", storageLog, {
    file: "src/storage/log.ts",
    find: "    for (const [key, value] of rows) log.restore(key, value);",
    put: lines(
      "    try {",
      "      for (const [key, value] of rows) log.restore(key, value);",
      "    } catch {",
      "      return log;",
      "    }",
    ),
  }),
  mutant("15", "a stage that another copy begins in is not emptied", storageStatecopy, {
    file: "src/storage/statestage.ts",
    find: "      if (begins) await this.wipe();\n",
    put: "",
  }),
  mutant("16", "how far a copy is gets written apart from its rows, before them", storageStatecopy, {
    file: "src/storage/statestage.ts",
    find: "      await written(kv, [...chunk.ops, chunkRecord, { put: markKeys.stage, value: encodeStage(record) }]);",
    put: lines(
      "      await written(kv, [chunkRecord, { put: markKeys.stage, value: encodeStage(record) }]);",
      "      await written(kv, chunk.ops);",
    ),
  }),
  mutant("16 H8a", "a checkpoint is written as two batches", storageState, {
    file: "src/storage/state.ts",
    find: "    this.kv.write(ops, (error) => {",
    put: lines(
      "    const kv = { write: (all: readonly KvOp[], then: (error?: Error) => void) => this.kv.write(all.slice(1), () => " +
        "this.kv.write(all.slice(0, 1), then)) };",
      "    kv.write(ops, (error) => {",
    ),
  }),
  mutant("16", "a large state that hardly changes is swept a page at a time", storageState, {
    file: "src/storage/state.ts",
    find: "++swept >= least && ",
    put: "++swept > 0 && ",
  }),
  mutant("16", "headers go that a start needs", storageState, {
    file: "src/storage/state.ts",
    find: "Math.min(number - limits.checkpointHeadersKept, this.sweep.neededFrom - 1)",
    put: "number - limits.checkpointHeadersKept",
  }),
  mutant("16", "older changes are laid over a newer page", storageState, {
    file: "src/storage/restore.ts",
    find: "  return count === rows.length ? undefined : places.subarray(0, count);\n",
    put: "  return undefined;\n",
  }),
  mutant("16", "a row beside pages that are written whole is in neither", storageState, {
    file: "src/storage/state.ts",
    find: "(counts[pages[i] as number] as number) < least)",
    put: "i > 0)",
  }),
  mutant("20", "a checkpoint forgets the index of its membership", storageState, {
    file: "src/storage/checkpointformat.ts",
    find: "  out.u48(membership.index);",
    put: "  out.u48(0);",
  }),
  mutant("20", "a dropped membership entry is kept as if it were in the log", storageLogstart, {
    file: "src/storage/log.ts",
    find: "    this.memberships = this.memberships.filter(({ index }) => index > start.index);\n",
    put: "",
  }),
  mutant("54", "a chunk in the middle begins another copy", storageStatecopy, {
    file: "src/storage/statestage.ts",
    find: "const begins = chunk.number === 0 && chunk.copy !== this.copy;",
    put: "const begins = chunk.copy !== this.copy;",
  }),
  mutant("54", "a chunk that is not due is taken", storageStatecopy, {
    file: "src/storage/statestage.ts",
    find: "(chunk.copy === this.copy && chunk.number === this.next && this.end === undefined)",
    put: "(chunk.copy === this.copy && this.end === undefined)",
  }),
  mutant("54", "a backup with frames in another order passes", storageBackup, {
    file: "src/storage/backup.ts",
    find: "if (chunk.number !== due || chunk.copy !== copy)",
    put: "if (chunk.copy !== copy)",
  }),
  mutant("56", "a second copy is refused while a first one lies there", storageStatecopy, {
    file: "src/storage/statestage.ts",
    find: "const begins = chunk.number === 0 && chunk.copy !== this.copy;",
    put: "const begins = chunk.number === 0 && this.copy === undefined;",
  }),
  mutant("57", "a state older than what is committed is put under the log", storageLogstart, {
    file: "src/storage/log.ts",
    find: "base.index > this.state.commit && ",
    put: "",
  }),
  mutant("60", "a copy that fell behind goes on without what it missed", storageStatecopy, {
    file: "src/storage/statecopy.ts",
    find: "    if (this.refusal !== undefined) throw this.refusal;\n",
    put: "",
  }),
  mutant("H8a", "a page of an older checkpoint is loaded", storageState, {
    file: "src/storage/restore.ts",
    find: "    if (number !== due.number || sealIn(value) !== due.seal) {",
    put: "    if (number < 0) {",
  }),
  mutant("H8a", "a checkpoint in the middle may be missing", storageState, {
    file: "src/storage/restore.ts",
    find: "    const due = before === undefined ? key : keys.header(before.header.number + 1);\n",
    put: "    const due = key;\n",
  }),
  mutant("H8b", "after an install the log is held against the sender's position", storageStatecopy, {
    file: "src/storage/restore.ts",
    find: "{ ...restored, logPosition: mark.position, historyMarks: mark.marks }",
    put: "{ ...restored, historyMarks: mark.marks }",
  }),
  mutant("H8b", "the write that a checkpoint saw is dropped", storageLogstart, {
    file: "src/storage/log.ts",
    find: " || next.write > this.marked.write",
    put: "",
  }),
  mutant("H8b", "a log that ends before what a checkpoint saw is opened", storageLog, {
    file: "src/storage/log.ts",
    find: "  if (number < witnessed.number) {",
    put: "  if (number < 0) {",
  }),
  mutant("H8b", "the write that a checkpoint saw may be another one", storageLog, {
    file: "src/storage/log.ts",
    find: "const isSame = stored.checksum === checksum && stored.index === index && stored.term === term && stored.vote === vote;",
    put: "const isSame = stored.checksum === checksum || stored.index === index;",
  }),
  mutant("H8c", "a write with a vote alone leaves no trace in the chain", storageLog, {
    file: "src/storage/log.ts",
    find: lines(
      "    this.state = hardState;",
      "    this.newest = write.number;",
      "    this.seal = sealIn(value);",
    ),
    put: lines(
      "    this.state = hardState;",
      "    this.newest = write.number;",
      "    if (write.entries.length > 0 || truncateFrom !== 0) this.seal = sealIn(value);",
    ),
  }),
  mutant("H8c", "term and vote are read from writes with entries alone", storageLog, {
    file: "src/storage/log.ts",
    find: "    this.state = hardState;\n",
    put: "    if (entries.length > 0) this.state = hardState;\n",
  }),
  mutant("H8d", "a checkpoint may be ahead of the durable log", storageState, {
    file: "src/storage/state.ts",
    find: "    assert(appliedIndex <= position.index,",
    put: "    assert(appliedIndex >= 0 || position.index >= 0,",
  }),
  mutant("H8d", "the history is synced after the checkpoint that names its length", storageHistory, {
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
  }, {
    file: "src/storage/history.ts",
    find: "  /** What a checkpoint of this turn's state must name.",
    put: lines(
      "  writeTails(): void {",
      "    for (const day of this.days.values()) day.writeTail();",
      "  }",
      "",
      "  /** What a checkpoint of this turn's state must name.",
    ),
  }),
  mutant("H8e", "seals cover the value alone", storageLog, {
    file: "src/storage/quarantine.ts",
    find: "  return checksum(content, checksum(key, seed));",
    put: '  return checksum(content, key === "" ? 1 : seed);',
  }),
  mutant("H10a", "cold rows are frozen a turn later than the tables", storageState, {
    file: "src/storage/state.ts",
    find: "    this.cold.freeze();\n",
    put: "    this.soon(() => this.cold.freeze());\n",
  }),
  mutant("H10b", "cold rows under a checkpoint are not read", storageState, {
    file: "src/storage/coldrows.ts",
    find: "    return change === undefined ? frozen.of(key) : change;",
    put: "    return change === undefined && frozen.added.size < 0 ? frozen.of(key) : change;",
  }),
  mutant("H10c", "a copy does not hear of deletions", storageStatecopy, {
    file: "src/storage/statecopy.ts",
    find: "      if (key.startsWith(BESIDE)) continue;",
    put: '      if (key.startsWith(BESIDE) || "del" in op) continue;',
  }),
  mutant("H10c", "what was written behind the reading is not read again", storageStatecopy, {
    file: "src/storage/statecopy.ts",
    find: "this.isScanned || this.isReading || compareUtf8(key, this.after) <= 0",
    put: "this.isScanned || (this.isReading && compareUtf8(key, this.after) > 0)",
  }),
  mutant("H10c", "a copy goes on reading while too much waits to be read again", storageStatecopy, {
    file: "src/storage/statecopy.ts",
    find: "this.dirty.size > limits.copyDirtyKeysMax / 2;",
    put: "this.dirty.size < 0;",
  }),
  mutant("H10d", "the log names a state before that knows of it", storageStatecopy, {
    file: "src/storage/install.ts",
    find: "  await stage.complete(position, {",
    put: "  const complete = (): Promise<void> => stage.complete(position, {",
  }, {
    file: "src/storage/install.ts",
    find: "write((error) => (error === undefined ? resolve() : reject(error))));\n",
    put: lines(
      "write((error) => (error === undefined ? resolve() : reject(error))));",
      "  await complete();",
      "",
    ),
  }),
  mutant("H10d", "a log that lost the write that names its state starts again from an older one", storageStatecopy, {
    file: "src/storage/install.ts",
    find: "  if (newest > used && !numbers.includes(used)) {",
    put: "  if (newest > used && numbers.includes(0)) {",
  }),
  mutant("H10e", "who lacks records of the history answers as if there had been none", storageHistoryholes, {
    file: "src/storage/historyholes.ts",
    find: "if (this.holes.some((hole) => hole.from < to && hole.to > from)) throw",
    put: "if (this.holes.some((hole) => hole.from < to && hole.to > from && to < 0)) throw",
  }),
];
