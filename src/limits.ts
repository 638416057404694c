// Owns: every bound in Pawl and the relations between them. Reaching one is a named refusal or a named wait, never growth.
// Units are the last word of each name.

import { assert } from "./base/errors.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

export const limits = {
  // Identifiers and definitions, as callers send them.
  jobIdMaxChars: 128,
  cronMaxChars: 256,
  payloadMaxBytes: 256 * KIB,
  bodyMaxBytes: MIB,
  labelsMax: 32,
  tagsMax: 32,
  jsonMaxDepth: 32,
  idempotencyKeyMaxChars: 255,
  previewSchedulesMax: 1000,
  previewCountMax: 10_000,
  pageMax: 1000,
  pageDefault: 100,
  descriptionMaxChars: 1024,
  labelKeyMaxChars: 63,
  labelValueMaxChars: 255,
  tagMaxChars: 63,
  jsonMaxKeys: 10_000,
  cursorMaxChars: 512,
  previewTotalMax: 1_000_000,
  previewSliceMax: 1_000,

  // Replicated capacities, written into the first entry of a cluster.
  jobsMax: 10_000_000,
  liveExecutionsMax: 1_000_000,
  schedulesMax: 262_144,
  classesMax: 65_536,
  keysPerGenerationMax: 10_000_000,
  keyGenerations: 24,
  keySweepMs: 10_000,
  /** While there are more: 4,000 keys a second, which is more than come. */
  keySweepMoreMs: 500,
  keysPerSweepMax: 2_000,
  nodesMax: 64,
  memberPlaceMaxChars: 4_096,
  slotsMax: 4096,

  // Retry, attempt and misfire policy.
  attemptsMax: 1000,
  lossesMax: 10,
  requeuesMax: 10_000,
  requeueDelayStepMs: 50,
  requeueDelayMaxMs: 5_000,
  timeoutDefaultMs: 3_600_000,
  timeoutMaxMs: 30 * 86_400_000,
  timeoutGraceMs: 5_000,
  misfireWithinDefaultMs: 60_000,
  misfireMaxDefault: 100,
  missedPerRangeMax: 10_000,
  queueAfterMs: 10_000,
  /** About how many are queued so early; the others wait in the wheel for a slot, or until they would count as missed. */
  queuedEarlyMax: 16_384,
  rereadMs: 100,
  missedPerChangeMax: 1_000,
  errorTextMaxBytes: 512,
  scheduleHorizonYears: 40,
  everyMinMs: 1_000,
  everyMaxMs: 40 * 365 * 86_400_000,
  /** Younger and older half together; each is some 200 bytes, an expression 1.5 KiB. */
  compiledSchedulesMax: 131_072,
  expressionsKeptMax: 16_384,
  sharedClassesMax: 1_024,
  zoneYearsMax: 128,

  // Consensus.
  heartbeatMs: 100,
  electionTimeoutMs: 1_000,
  appendsInFlightMax: 6,
  appendMaxBytes: MIB,
  /** The parts of an entry are bounded each: callers' changes with the last of them, results, planned items. */
  entryMaxBytes: 3 * MIB,
  entryResultsMaxBytes: 512 * KIB,
  uncommittedMaxBytes: 32 * MIB,
  logCacheMaxBytes: 16 * MIB,
  readsWaitingMax: 10_000,

  // Entries and proposals.
  /** Planned items, and as many results beside them. More and larger entries on their way only make each turn of the loop longer. */
  entryItemsMax: 1536,
  entryItemsMin: 128,
  planItemMaxBytes: 128,
  /** More changes wait for the next entry. */
  entryChangesMaxBytes: 512 * KIB,
  entryChangesMinBytes: 64 * KIB,
  /** What the planned items of an entry may cost the leader to apply, and as much its results: they become fewer until it is so. */
  entryApplyMs: 6,
  /** Entries that are applied in one turn, one at least. */
  applySliceMs: 5,
  entryPaceMinMs: 2,
  entryPaceBusyMs: 10,
  entryBusyItemsPerSecond: 5_000,
  /** From here on the pace follows the rate: 20 ms at 50,000 executions a second, which are two items each, 40 ms at 100,000. */
  entryFastItemsPerSecond: 50_000,
  entryPaceMaxMs: 40,
  /** Beyond the first of them only entries that are full: what is little waits, so that more of it shares an entry. */
  entriesInFlightUsual: 2,
  entriesInFlightMax: 6,
  /** A leader whose entries are at most so far apart tells what is committed with the next one, waiting so long beyond the pace for it. */
  commitRideMaxMs: 20,
  commitRideSlackMs: 10,
  /** Results wait so long for an acknowledgement that they can travel with. */
  resultRideMaxMs: 10,
  proposalsWaitingMax: 20_000,
  proposalsWaitingMaxBytes: 32 * MIB,
  proposalTimeoutMs: 10_000,
  recomputesMax: 16,
  noQuorumAnswerMs: 2_000,
  noQuorumPatienceMs: 1_700,
  /** A leader that hands over in good order answers sooner than this; one that was cut off does not. */
  formerLeaderMs: 500,

  /** Jobs that are looked at for one entry after the clock was set back. */
  redueRowsMax: 4_096,

  // Reads of what a node has applied: of one turn, and of all turns for one page.
  readSliceMs: 4,
  readSpendMs: 20,
  readsAtOnceMax: 1_024,

  // Wheel.
  wheelMovesPerTurnMax: 12_288,

  // Storage.
  checkpointMaxBytes: 8 * MIB,
  /** Base pages that a checkpoint writes, in bytes of its deltas: all deltas kept have at most 2 / this of the bytes of all pages. */
  sweepPagesPerDelta: 3,
  /** And so many at least that a sweep of a table that does not grow ends with so many checkpoints, however little changes. */
  sweepCheckpointsMax: 512,
  checkpointMaxMs: 10_000,
  /** One that takes longer is said; one that takes this long ends the node. */
  checkpointSlowMs: 60_000,
  checkpointHungMs: 300_000,
  checkpointHeadersKept: 2048,
  pageBytes: 64 * KIB,
  historyBlockRecordsMax: 1024,
  /** A block ends early with so much text in it. */
  historyBlockTextChars: 64 * KIB,
  historyFramesCachedMax: 64,
  /** Of its files, in one step of whoever looks through the history: some tens of microseconds each. */
  historyReadsPerStep: 4,
  historyDaysOpenMax: 4,
  historyHolesMax: 256,
  historyFetchRows: 1_024,
  historyFetchPaceMs: 25,
  historyAskMs: 2_000,
  historyRetentionDefaultDays: 30,
  historyRetentionMaxDays: 3650,
  historyDropEveryMs: 86_400_000,
  historyDaysPerDropMax: 2,
  forgetKeysMax: 1_000,
  scrubPageRows: 1_024,
  /** Hashes of ids of jobs that ended: about seven bytes each. With more, new jobs look for each id on disk. */
  endedIdsMax: 4_000_000,
  endedReadStepMs: 20,
  endedReadCheckMs: 10_000,
  recentRowsMaxBytes: 4 * MIB,
  definitionBlocksKeptMaxBytes: 16 * MIB,
  dataFilesOpenMax: 64,
  /** Of a file that was removed, at once. */
  fileFreeSliceBytes: 32 * MIB,
  storageSliceBytes: MIB,
  /** Of a batch that is put together, in one turn of the loop: two milliseconds or three. */
  batchSliceBytes: 256 * KIB,
  /** And so much more that the batch takes so many turns: a loop with much to do has few, and what changes meanwhile is the next batch. */
  batchTurnsMax: 24,
  storageRowCostBytes: 512,
  storagePageRows: 16,
  logDropsPerWriteMax: 1024,
  copyChunkBytes: MIB,
  copyPageRows: 1024,
  copyGetsPerTurnMax: 256,
  copyDirtyKeysMax: 262_144,
  copyCheckpointsMax: 2048,
  logWriteBufferBytes: 64 * MIB,
  stateWriteBufferBytes: 16 * MIB,
  logOpenFilesMax: 256,
  stateOpenFilesMax: 256,
  // The log behind a checkpoint.
  logKeepDefaultMib: 128,
  logKeepMaxMib: 16_384,
  /** A slow follower that is heard makes a leader keep so many times as much. */
  logKeepForSlowTimes: 8,

  // Snapshots on their way.
  snapshotResendMs: 2_000,
  snapshotSilenceMaxMs: 60_000,

  // Backups that one node makes at once.
  backupsMax: 2,
  backupIdleMs: 60_000,

  // Members, as their leader looks after them.
  upkeepMs: 1_000,
  memberSilentMs: 5_000,
  memberDeadMs: 3_600_000,
  caughtUpEntries: 32,

  // What nobody waits for.
  firstMarkMs: 300_000,
  markMs: 3_600_000,
  /** A mebibyte a second: a few gigabytes take some hours. */
  scrubStepBytes: 256 * KIB,
  scrubFirstStepMs: 10,
  scrubStepMs: 250,
  scrubRestMs: 3_600_000,
  stateUpkeepMs: 60_000,
  agingPageMs: 1_000,

  /** Below it nothing new is taken. LevelDB may hold each write buffer in two files for a while, beside a checkpoint. */
  diskReserveBytes: 256 * MIB,
  diskReserveEndBytes: 320 * MIB,
  diskCheckMs: 2_000,
  diskToldMaxMs: 5_000,
  diskStallStepDownMs: 2_000,
  diskStallExitMs: 10_000,
  /** Longer than the longest turn of a core, which is the rebuilding of a large state. */
  coreAskMs: 1_000,
  coreUnansweredMax: 60,

  // Links.
  frameMaxBytes: 16 * MIB,
  linkQueueMaxBytes: 32 * MIB,
  snapshotQueueMaxBytes: 4 * MIB,
  linkIdleMaxMs: 10_000,
  linkReconnectMinMs: 50,
  linkReconnectMaxMs: 2_000,
  linkSilenceMaxMs: 5_000,
  linkWindowBytes: 8 * MIB,
  linkConnectionsMax: 512,
  linkCloseMaxMs: 1_000,
  frameDepthMax: 16,
  frameItemsMax: 1_048_576,

  // Sessions, leases, clocks.
  beatMs: 500,
  beatSilenceMs: 1_600,
  leaseNodeMs: 12_000,
  leaseLeaderMs: 15_000,
  resultResendMs: 2_000,
  resultsWaitingMax: 524_288,
  reconcileResendMs: 1_000,
  clockAgreementMs: 2_000,
  clockSampleMaxMs: 5_000,
  clockDistrustMs: 2_000,
  clockSkewAlarmMs: 500,
  clockSkewMaxMs: 5_000,
  clockMaxGapMs: 400 * 86_400_000,
  drainMs: 10_000,

  // Executors.
  responseMaxBytes: 64 * KIB,
  outputMaxBytes: 256 * KIB,
  outputsKeptMaxBytes: 64 * MIB,
  outputAttemptsMax: 8,
  killGraceMs: 5_000,
  connectTimeoutMs: 5_000,
  httpHeadersMax: 64,
  argvMax: 1024,
  environmentMax: 256,
  stopsAheadMax: 65_536,

  // Events.
  eventsKeptMax: 262_144,
  departedMax: 65_536,
  eventsPerPageMax: 1000,
  streamsMax: 256,
  streamBufferMaxBytes: 64 * KIB,
  streamHeartbeatMs: 15_000,

  // Metrics.
  loopDelaySampleMs: 40,
  /** The last minute is looked back at by six of these. */
  recentPartMs: 10_000,

  // HTTP face and its client.
  tokenMinChars: 16,
  connectionsMax: 1024,
  streamsPerConnectionMax: 64,
  headersMaxBytes: 16 * KIB,
  headerPairsMax: 64,
  requestTimeoutMs: 30_000,
  keepAliveMs: 72_000,
  clientTriesMax: 4,
  clientRetryMinMs: 100,
  clientRetryMaxMs: 2_000,
  clientTimeoutMs: 15_000,
  clientConnectMs: 5_000,
  clientAnswerMaxBytes: 64 * MIB,
  eventTextMaxChars: 64 * KIB,

  // Lists of jobs, on their way in.
  bulkChunkLinesMax: 512,
  bulkChunkMaxBytes: 256 * KIB,
  /** What is stored of one, at most: a number like 1e20 takes that much more as digits. */
  bulkChunkGrowthMax: 5,
  bulkChunksInFlightMax: 8,
  bulkLinesMax: 102_400,
  bulkBodyMaxBytes: 64 * MIB,
  bulkRequestsMax: 32,
  /** Of a request: a sender that is silent for so long, and a reader that takes nothing, are given up. */
  bulkSilenceMs: 30_000,
  bulkReaderMs: 60_000,
  /** How long what comes behind an answer is still read, and thrown away. */
  bulkLingerMs: 5_000,
  bulkRetryMinMs: 20,
  bulkRetryMaxMs: 1_000,
  bulkPatienceMs: 10_000,
  /** An import: its requests at once, and how often one is tried at all servers. */
  importGroupLines: 4_096,
  importRequestsDefault: 4,
  importRequestsMax: 16,
  importRoundsMax: 12,
  importErrorsShown: 100,

  // Command line.
  /** One Ctrl-C may reach a process twice, from the terminal and passed on by its launcher. */
  signalRepeatMs: 500,
  stopMaxMs: 30_000,
  lastAnswersMs: 200,
  progressMs: 2_000,
  memberPollMs: 500,
  memberWaitMs: 60_000,
  devNodesMax: 7,
  devReadyMs: 60_000,
  devPollMs: 100,
  devStopMs: 4_000,
  devRedrawMs: 100,
  devAttemptsMax: 256,
  benchRateMax: 100_000,
  benchJobsMax: 1_000_000,
  benchClientsMax: 1_000,
  /** From a job's submission to its due time; also how long is waited before its end is looked for. */
  benchLeadMs: 1_000,
  benchLooksMax: 30,
} as const;

/** The relations that the code relies on; checked once, at start. */
export function checkLimits(): void {
  assert(limits.leaseNodeMs + 2 * limits.beatMs < limits.leaseLeaderMs, "a node's lease must lapse before the leader's");
  assert(limits.electionTimeoutMs >= 5 * limits.heartbeatMs, "several heartbeats must fit into an election timeout");
  assert(limits.payloadMaxBytes < limits.bodyMaxBytes && limits.bodyMaxBytes < limits.entryMaxBytes, "a body must fit into an entry");
  assert(limits.entryMaxBytes + MIB < limits.frameMaxBytes, "an entry must fit into a frame");
  const changeBytes = Math.max(limits.bodyMaxBytes, limits.bulkChunkGrowthMax * limits.bulkChunkMaxBytes);
  const plannedBytes = 2 * limits.entryItemsMax * limits.planItemMaxBytes;
  const otherBytes = limits.entryResultsMaxBytes + plannedBytes;
  assert(limits.entryChangesMaxBytes + changeBytes + otherBytes < limits.entryMaxBytes, "the parts of an entry fit into it");
  assert(limits.entryItemsMin < limits.entryItemsMax, "entries have room to shrink");
  assert(limits.entryChangesMinBytes < limits.entryChangesMaxBytes, "entries have room to shrink");
  assert(limits.entriesInFlightUsual <= limits.entriesInFlightMax, "what is usual is allowed");
  assert(limits.bulkLinesMax % limits.bulkChunkLinesMax === 0, "a list that ends at its bound ends with a whole chunk");
  assert(limits.bodyMaxBytes < limits.entryMaxBytes && limits.bulkChunkMaxBytes < limits.entryMaxBytes, "a chunk must fit into an entry");
  assert(limits.noQuorumPatienceMs + 2 * limits.heartbeatMs < limits.noQuorumAnswerMs, "who lacks a quorum is told of it in time");
  // A job that is due within minutes is moved three times until then: out of two slots that hold many times, and to those that are due.
  assert(limits.wheelMovesPerTurnMax >= 3 * limits.entryItemsMax, "the wheel keeps up with entries that are full");
  const buffersBytes = limits.logWriteBufferBytes + limits.stateWriteBufferBytes;
  const checkpointBytes = limits.checkpointMaxBytes * (1 + limits.sweepPagesPerDelta);
  assert(limits.diskReserveBytes > 2 * buffersBytes + checkpointBytes, "what must go on fits into the reserve of the disk");
  assert(limits.diskReserveEndBytes > limits.diskReserveBytes, "a disk that is nearly full is not so by a hair");
  assert(limits.diskStallStepDownMs < limits.diskStallExitMs, "a leader steps down before it exits");
  // LevelDB merges four files of level 0 with the ten mebibytes of level 1 in one go; meanwhile the log has no thread to flush its buffer.
  assert(4 * limits.stateWriteBufferBytes + 10 * MIB <= 2 * limits.logWriteBufferBytes, "no merge of the state outlasts the log's buffers");
  assert(limits.checkpointHeadersKept >= 4 * limits.sweepCheckpointsMax, "two sweeps end before their headers are dropped");
  const witnessedBytes = (limits.checkpointHeadersKept * limits.pageBytes) / 2;
  assert(witnessedBytes >= 2 * limits.stateWriteBufferBytes, "kept headers must name every checkpoint in LevelDB's write-ahead files");
}
