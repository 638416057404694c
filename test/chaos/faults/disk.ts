// Owns: disks that fail: errors and delays made by the library in shim/, and a small file system that is really full.

import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pick } from "../../schedule/random.ts";
import type { ChaosNode } from "../node.ts";
import type { DiskFault } from "../shim/diskfaults.ts";
import type { Stage } from "../stage.ts";
import type { Fault } from "./fault.ts";

/** "A disk failed or stored data is damaged". */
const EXIT_DISK = 74;
const FILL_BYTES = 4 * 1024 ** 2;

type Choice = (stage: Stage) => Promise<ChaosNode>;

function failing(name: string, holdMs: number, choose: Choice, faults: (dataDir: string) => DiskFault[]): Fault {
  return {
    name, holdMs, needs: "disk", mayExit: [EXIT_DISK],
    async strike(stage) {
      const node = await choose(stage);
      node.options.disk?.set(faults(node.options.dataDir));
      return { whom: node.id, heal: async () => node.options.disk?.set([]) };
    },
  };
}

const leader: Choice = (stage) => stage.leader();
const anyNode: Choice = async (stage) => pick(stage.options.random, stage.nodes);

/** Whatever is free is taken by a file. */
const full: Fault = {
  name: "disk-full", holdMs: 6_000, needs: "smalldisk", mayExit: [EXIT_DISK],
  async strike(stage) {
    const node = stage.nodes.at(-1) as ChaosNode;
    const fill = join(node.options.dataDir, "fill");
    for (let at = 0; statfsSync(node.options.dataDir).bavail > 0; at++) fillOnce(`${fill}-${at % 2}`);
    return { whom: node.id, heal: async () => [0, 1].forEach((at) => rmSync(`${fill}-${at}`, { force: true })) };
  },
};

function fillOnce(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(FILL_BYTES), { flag: "a" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}

export const disks: readonly Fault[] = [
  failing("fsync-error-leader", 1_500, leader, (path) => [{ call: "sync", fail: "EIO", path }]),
  failing("fsync-error-any", 1_500, anyNode, (path) => [{ call: "sync", fail: "EIO", path }]),
  failing("fsync-slow-leader", 6_000, leader, (path) => [{ call: "sync", delayMs: 250, path }]),
  failing("fsync-hang-leader", 5_000, leader, (path) => [{ call: "sync", hang: true, path }]),
  failing("fsync-hang-long", 14_000, anyNode, (path) => [{ call: "sync", hang: true, path }]),
  failing("no-space-leader", 5_000, leader, (path) => [
    { call: "write", fail: "ENOSPC", path }, { call: "create", fail: "ENOSPC", path }, { call: "free", bytes: 0, path },
  ]),
  full,
];
