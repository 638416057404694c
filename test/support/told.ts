// The whole of a node's metrics without the node: what a simulated core tells, and the thread and face of this process.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Histogram } from "../../src/base/histogram.ts";
import { coreMetrics } from "../../src/cluster/metrics.ts";
import { FaceMetrics } from "../../src/facemetrics.ts";
import { realSystem } from "../../src/system.ts";
import { ThreadMetrics } from "../../src/threadmetrics.ts";
import { Alone } from "./alone.ts";

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
