// The whole of a node's metrics without the node: what a simulated core tells, and the thread and face of this process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Histogram } from "../../src/base/histogram.ts";
import { coreMetrics } from "../../src/cluster/metrics.ts";
import { FaceMetrics } from "../../src/facemetrics.ts";
import { realSystem } from "../../src/system.ts";
import { ThreadMetrics } from "../../src/threadmetrics.ts";
import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { World } from "../sim/world.ts";

/** A node of a cluster of one, on a simulated clock and disk, where nothing happens but what a test does. */
export class Alone {
  readonly world = new World(1);
  readonly node: SimNode;

  constructor() {
    const none = (): void => undefined;
    const fatal = (_: SimNode, error: Error): void => assert.ifError(error);
    const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role: none, fault: none, paused: none };
    const face = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
    this.node = new SimNode("a", ["a"], this.world, new Network(this.world), face, hooks);
  }

  static async leading(): Promise<Alone> {
    const alone = new Alone();
    await alone.node.start();
    await alone.pass(5_000);
    return alone;
  }

  async pass(byMs: number): Promise<void> {
    const untilMs = this.world.nowMs + byMs;
    while (this.world.nowMs < untilMs) {
      this.world.step(untilMs);
      if (this.world.unsettled) await this.world.settle();
    }
  }

  get core(): NonNullable<SimNode["assembled"]> {
    return this.node.assembled as NonNullable<SimNode["assembled"]>;
  }
}

/** In the order of `/metrics`. */
export async function toldMetrics(): Promise<string> {
  const { core } = await Alone.leading();
  const dataDir = mkdtempSync(join(tmpdir(), "pawl-metrics-"));
  try {
    const face = new FaceMetrics(realSystem, new Histogram(1, 60_000), dataDir);
    return coreMetrics(core) + new ThreadMetrics("core", realSystem, []).text() + (await face.text());
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}
