// Owns: what a core tells of itself in Prometheus' text format: consensus, log, checkpoints, executions, its thread. How late executions
// start is told by the face, where they start (src/worker/lateness.ts).

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { liveState, liveStateNames } from "../jobs/livetable.ts";
import { eventCode } from "../jobs/eventlog.ts";
import { limits } from "../limits.ts";
import type { Assembled } from "./assemble.ts";

/** From 0.1 ms to 10 s, each a seventh above the one before: fine enough to read percentiles from two scrapes. */
const WRITE_BUCKETS_S = Array.from({ length: 88 }, (_, at) => Number((0.0001 * 1.14 ** at).toPrecision(3)));
const endings = ["completed", "failed", "cancelled", "missed", "skipped", "unknown"] as const;
const endingCodes = endings.map((ending) => eventCode[`execution.${ending}`]);

export class CoreMetrics {
  private readonly core: Assembled;
  private readonly registry = new Registry();
  private readonly gauges = new Map<string, Gauge>();
  private readonly applies: Counter;
  private readonly writes: Histogram;
  private readonly executions: Counter<"status">;
  private readonly ended = new Float64Array(endings.length);
  private readonly endedBefore = new Float64Array(endings.length);
  private appliedBefore = 0;
  private longestWriteMs = 0;
  private eventsBefore = 0;

  constructor(core: Assembled) {
    this.core = core;
    const registers = [this.registry];
    this.applies = new Counter({ name: "pawl_entries_applied_total", help: "Log entries applied.", registers });
    this.writes = new Histogram({ name: "pawl_log_write_seconds", help: "Synced log writes.", buckets: WRITE_BUCKETS_S, registers });
    core.replica.writer.observer = (tookMs) => {
      this.writes.observe(tookMs / 1000);
      this.longestWriteMs = Math.max(this.longestWriteMs, tookMs);
    };
    const help = "Executions that ended, by how, in entries that this process applied.";
    this.executions = new Counter({ name: "pawl_executions_total", help, labelNames: ["status"], registers });
    this.thread();
  }

  /** Heap, garbage collection and loop delay of this thread; what is the whole process's is told by the face. */
  private thread(): void {
    collectDefaultMetrics({ register: this.registry, prefix: "pawl_core_" });
    for (const { name } of this.registry.getMetricsAsArray()) {
      if (name.startsWith("pawl_core_process_") || name === "pawl_core_nodejs_version_info") this.registry.removeSingleMetric(name);
    }
  }

  /** Called after entries were applied. */
  applied(): void {
    const { stats, state } = this.core.replica;
    this.applies.inc(stats.entriesApplied - this.appliedBefore);
    this.appliedBefore = stats.entriesApplied;
    this.countEndings(state.events.count);
  }

  /** Looks at each new event once; most begin or complete an execution, so these are asked for first. */
  private countEndings(count: number): void {
    const { events } = this.core.replica.state;
    const started = eventCode["execution.started"];
    for (let number = Math.max(this.eventsBefore, count - limits.eventsKeptMax); number < count; number++) {
      if (events.latenessOf(number, started) >= 0) continue;
      for (let at = 0; at < endingCodes.length; at++) {
        if (events.latenessOf(number, endingCodes[at] as number) < 0) continue;
        this.ended[at] = (this.ended[at] as number) + 1;
        break;
      }
    }
    this.eventsBefore = count;
  }

  private set(name: string, help: string, value: number): void {
    let gauge = this.gauges.get(name);
    if (!gauge) {
      gauge = new Gauge({ name, help, registers: [this.registry] });
      this.gauges.set(name, gauge);
    }
    gauge.set(value);
  }

  async text(): Promise<string> {
    const { replica, checkpointer } = this.core;
    const status = replica.raft.status();
    const { state } = replica;
    this.set("pawl_term", "Current term.", status.term);
    this.set("pawl_leader", "1 on the leader.", status.role === "leader" ? 1 : 0);
    this.set("pawl_commit_index", "Highest committed log index.", status.commit);
    this.set("pawl_applied_index", "Highest applied log index.", state.appliedIndex);
    this.set("pawl_log_first_index", "Lowest index that the log still holds.", status.firstIndex);
    this.set("pawl_log_bytes", "Bytes of the log on disk, about.", this.core.log.bytes);
    this.set("pawl_checkpoint_index", "Applied index of the newest checkpoint.", checkpointer.index);
    this.set("pawl_checkpoint_seconds_max", "Longest checkpoint of this process.", checkpointer.stats.longestMs / 1000);
    this.set("pawl_checkpoint_freeze_seconds_max", "Longest turn that copied a checkpoint.", checkpointer.stats.freezeMs / 1000);
    this.set("pawl_state_compared_index", "Index of the newest mark at which states were compared.", replica.hashes.stats.index);
    this.set("pawl_scrub_rounds", "Rounds in which all that is stored was read again.", this.core.scrubber.rounds);
    this.set("pawl_disk_free_bytes", "Free space on the disk of the data.", this.core.space.freeBytes);
    this.set("pawl_jobs", "Jobs in the table.", state.jobs.pool.count);
    this.set("pawl_history_records", "History records ever written.", state.lastOrdinal);
    this.set("pawl_history_missing", "Records that this node lacks and fetches from others.", this.core.history.missing);
    this.set("pawl_replicated_clock_seconds", "The highest time applied.", state.clockMs / 1000);
    this.set("pawl_log_write_seconds_max", "Longest log write seen by this process since the last scrape.", this.longestWriteMs / 1000);
    this.longestWriteMs = 0;
    this.set("pawl_log_writes", "Log writes of this process.", replica.writer.stats.writes);
    this.endings();
    this.liveGauges();
    return this.registry.metrics();
  }

  private endings(): void {
    for (let at = 0; at < endings.length; at++) {
      const ended = this.ended[at] as number;
      this.executions.inc({ status: endings[at] as string }, ended - (this.endedBefore[at] as number));
      this.endedBefore[at] = ended;
    }
  }

  private liveGauges(): void {
    const { live } = this.core.replica.state;
    const counts = new Array<number>(liveStateNames.length).fill(0);
    for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
      const at = live.state[slot] as number;
      counts[at] = (counts[at] as number) + 1;
    }
    for (const name of ["queued", "running", "retrying", "cancelling"] as const) {
      this.set(`pawl_executions_${name}`, `Live executions that are ${name}.`, counts[liveState[name]] as number);
    }
  }
}
