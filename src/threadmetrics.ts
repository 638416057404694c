// Owns: what one of the two threads tells of itself: delays of its loop, garbage collection, heap, processor time. It also moves the last
// minute of the durations that are counted in its thread (histogram.ts, D3).

import { Exposition } from "./base/exposition.ts";
import { Histogram } from "./base/histogram.ts";
import { LoopDelay } from "./cluster/loopdelay.ts";
import { limits } from "./limits.ts";
import { watchCollections } from "./system.ts";
import type { System, Timer } from "./system.ts";

export class ThreadMetrics {
  private readonly thread: "core" | "face";
  private readonly system: System;
  private readonly turned: readonly Histogram[];
  private readonly delays = new Histogram(1, 1_000);
  private readonly collections = new Histogram(0.1, 100);
  private readonly loop: LoopDelay;
  private watch: Timer | undefined;
  private timer: Timer | undefined;

  /** Made in the thread that it tells of. `counted` are the other durations that are counted there. */
  constructor(thread: "core" | "face", system: System, counted: readonly Histogram[]) {
    this.thread = thread;
    this.system = system;
    this.turned = [this.delays, this.collections, ...counted];
    this.loop = new LoopDelay(system, this.delays);
  }

  start(): void {
    this.loop.start();
    this.watch = watchCollections((tookMs) => this.collections.add(tookMs));
    this.turnLater();
  }

  private turnLater(): void {
    this.timer = this.system.after(limits.recentPartMs, () => {
      for (const histogram of this.turned) histogram.turn();
      this.turnLater();
    });
  }

  stop(): void {
    this.loop.stop();
    this.watch?.cancel();
    this.timer?.cancel();
  }

  text(): string {
    const { thread } = this;
    const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    // Node 22 does not tell it.
    const used = process.threadCpuUsage?.();
    const out = new Exposition();
    if (used) out.counter(`pawl_${thread}_cpu_seconds_total`, `Processor time of the ${thread}'s thread.`, (used.user + used.system) / 1e6);
    return out
      .gauge(`pawl_${thread}_heap_used_bytes`, `JavaScript heap of the ${thread}'s thread in use.`, heapUsed)
      .gauge(`pawl_${thread}_heap_bytes`, `JavaScript heap of the ${thread}'s thread.`, heapTotal)
      .gauge(`pawl_${thread}_external_bytes`, `Memory that objects of the ${thread}'s heap hold outside of it, buffers included.`, external)
      .gauge(`pawl_${thread}_buffer_bytes`, `Array buffers of the ${thread}'s thread: its tables.`, arrayBuffers)
      .durations(`${thread}_loop_delay`, `How long the ${thread}'s loop kept a timer waiting.`, this.delays)
      .durations(`${thread}_gc`, `A pause of the ${thread}'s thread for garbage collection.`, this.collections).text;
  }
}
