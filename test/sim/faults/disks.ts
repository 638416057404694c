// Faults of disks that still hold what they were given: slow ones, stalls, a disk that does not answer any more before the node is
// started again, and one that reports errors, at which the process must end.

import { calmDisk } from "../node.ts";
import { recurring, target } from "./fault.ts";
import type { FaultClass } from "./fault.ts";

export const slowDisks: FaultClass = {
  name: "slow disk",
  chance: 0.4,
  draw: (world) => {
    const gapMs = world.between(1500, 6000);
    const stalls = { stallRate: world.pick([0, 0.01, 0.03]), stallMs: world.pick([50, 1500, 30_000]) };
    return {
      begin: (field) => {
        for (const node of field.nodes) Object.assign(node.disk, stalls);
        recurring(field, gapMs, () => {
          const node = target(field);
          node.disk.writeMs = world.pick([calmDisk.writeMs, 10, 60, 300]);
          field.note("slow disk", node);
        });
      },
      end: (field) => {
        for (const node of field.nodes) {
          Object.assign(node.disk, calmDisk);
          node.diskReturns();
        }
      },
    };
  },
};

/** What is stored takes long to load: a node votes for seconds before it can apply, and others stop and start meanwhile. */
export const slowLoads: FaultClass = {
  name: "slow loads",
  chance: 0.3,
  draw: (world) => {
    const gapMs = world.between(300, 2000);
    return {
      begin: (field) => recurring(field, gapMs, () => (target(field).disk.loadMs = world.pick([0, 300, 2000, 6000]))),
      end: (field) => {
        for (const node of field.nodes) node.disk.loadMs = 0;
      },
    };
  },
};

export const hungDisks: FaultClass = {
  name: "hung disk",
  chance: 0.25,
  draw: (world) => {
    const gapMs = world.between(4000, 12_000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const node = target(field);
          node.disk.hung = world.pick(["all", "write", "sync"] as const);
          field.note("hung disk", node);
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.diskReturns();
      },
    };
  },
};

export const failingDisks: FaultClass = {
  name: "failing disk",
  chance: 0.25,
  draw: (world) => {
    const failRate = world.pick([0.0005, 0.003]);
    return {
      begin: (field) => {
        for (const node of field.nodes) node.disk.failRate = failRate;
      },
      end: (field) => {
        for (const node of field.nodes) node.disk.failRate = 0;
      },
    };
  },
};
