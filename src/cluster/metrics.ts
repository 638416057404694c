// Owns: what a core tells of itself in Prometheus' text format: consensus, log, checkpoints, wheel, executions, loop delay.

import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { liveState, liveStateNames } from "../jobs/livetable.ts";
import { eventCode } from "../jobs/eventlog.ts";
import type { Assembled } from "./assemble.ts";

const LATENESS_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];
const WRITE_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 10];

export class CoreMetrics {
  private readonly core: Assembled;
  private readonly registry = new Registry();
  private readonly gauges = new Map<string, Gauge>();
  private readonly applies: Counter;
  private readonly lateness: Histogram;
  private readonly writes: Histogram;
  private readonly loop = monitorEventLoopDelay({ resolution: 10 });
  private appliedBefore = 0;
  private writesBefore = 0;
  private eventsBefore = 0;

  constructor(core: Assembled) {
    this.core = core;
    const registers = [this.registry];
    this.applies = new Counter({ name: "pawl_entries_applied_total", help: "Log entries applied.", registers });
    this.lateness = new Histogram({ name: "pawl_start_lateness_seconds", help: "Due time to start, of scheduled executions.", buckets: LATENESS_BUCKETS_S, registers });
    this.writes = new Histogram({ name: "pawl_log_write_seconds", help: "Synced log writes.", buckets: WRITE_BUCKETS_S, registers });
    this.loop.enable();
  }

  /** Called after entries were applied. */
  applied(): void {
    const { stats, state } = this.core.replica;
    this.applies.inc(stats.entriesApplied - this.appliedBefore);
    this.appliedBefore = stats.entriesApplied;
    if (stats.writes > this.writesBefore) this.writes.observe(stats.logWriteMs / 1000);
    this.writesBefore = stats.writes;
    this.observeLateness(state.events.count);
  }

  /** Every 16th start is looked at: a histogram needs no more, and a hot path no more cost. */
  private observeLateness(count: number): void {
    const { events } = this.core.replica.state;
    for (let number = Math.max(this.eventsBefore, count - 4096); number < count; number += 16) {
      const lateMs = events.latenessOf(number, eventCode["execution.started"]);
      if (lateMs >= 0) this.lateness.observe(lateMs / 1000);
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
    this.set("pawl_checkpoint_index", "Applied index of the newest checkpoint.", checkpointer.index);
    this.set("pawl_checkpoint_seconds_max", "Longest checkpoint of this process.", checkpointer.stats.longestMs / 1000);
    this.set("pawl_checkpoint_freeze_seconds_max", "Longest turn that copied a checkpoint.", checkpointer.stats.freezeMs / 1000);
    this.set("pawl_jobs", "Jobs in the table.", state.jobs.pool.count);
    this.set("pawl_history_records", "History records ever written.", state.lastOrdinal);
    this.set("pawl_replicated_clock_seconds", "The highest time applied.", state.clockMs / 1000);
    this.set("pawl_loop_delay_seconds_p99", "Event loop delay of the core thread since the last scrape.", this.loop.percentile(99) / 1e9);
    this.set("pawl_loop_delay_seconds_max", "Largest event loop delay of the core thread since the last scrape.", this.loop.max / 1e9);
    this.loop.reset();
    this.liveGauges();
    return this.registry.metrics();
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
