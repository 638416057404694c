// Owns: what a core tells of itself in Prometheus' text format: consensus, log, checkpoints, executions, its thread. How late executions
// start is told by the face, where they start (src/worker/lateness.ts).

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { eventCode } from "../jobs/eventlog.ts";
import { endings } from "../jobs/history.ts";
import { liveState } from "../jobs/livetable.ts";
import type { Assembled } from "./assemble.ts";

/** From 0.1 ms to 10 s, each a seventh above the one before: fine enough to read percentiles from two scrapes. */
const WRITE_BUCKETS_S = Array.from({ length: 88 }, (_, at) => Number((0.0001 * 1.14 ** at).toPrecision(3)));

export class CoreMetrics {
  private readonly core: Assembled;
  private readonly registry = new Registry();
  private readonly gauges = new Map<string, Gauge>();
  private readonly applies: Counter;
  private readonly writes: Histogram;
  private readonly executions: Counter<"status">;
  private readonly endedBefore = new Float64Array(endings.length);
  private appliedBefore = 0;
  private longestWriteMs = 0;

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
    const { stats } = this.core.replica;
    this.applies.inc(stats.entriesApplied - this.appliedBefore);
    this.appliedBefore = stats.entriesApplied;
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
    const { counts } = this.core.replica.state.events;
    for (let at = 0; at < endings.length; at++) {
      const ended = counts[eventCode[`execution.${endings[at] as (typeof endings)[number]}`]] as number;
      this.executions.inc({ status: endings[at] as string }, ended - (this.endedBefore[at] as number));
      this.endedBefore[at] = ended;
    }
  }

  private liveGauges(): void {
    const { counts } = this.core.replica.state.live;
    for (const name of ["queued", "running", "retrying", "cancelling"] as const) {
      this.set(`pawl_executions_${name}`, `Live executions that are ${name}.`, counts[liveState[name]] as number);
    }
  }
}
