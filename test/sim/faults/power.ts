// Faults of power: crashes at any moment, aimed at writes, at any operation of the disk, again and again while a node opens what it
// has, and of the whole cluster at once.

import { recurring, target } from "./fault.ts";
import type { FaultClass } from "./fault.ts";

export const crashes: FaultClass = {
  name: "crash",
  chance: 0.6,
  draw: (world) => {
    const gapMs = world.between(1500, 6000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const node = target(field);
          field.note("crash", node);
          field.crash(node);
        });
      },
    };
  },
};

/** Before, while and right after something is written; syncs, which only checkpoints make, more often. */
export const aimedCrashes: FaultClass = {
  name: "crash at a write",
  chance: 0.5,
  draw: (world) => {
    const rate = { write: world.pick([0.0005, 0.003]), sync: world.pick([0.03, 0.1]) };
    return {
      begin: (field) => {
        field.onWrite((node, kind, delayMs) => {
          if (!field.storming || !world.chance(rate[kind])) return;
          const { process } = node;
          world.at(delayMs * world.between(0, 2.5), () => {
            if (node.process !== process || !field.storming) return;
            field.note(`crash at a ${kind}`, node);
            field.crash(node);
          });
        });
      },
    };
  },
};

/** The leader is gone as soon as something was acknowledged: nobody else may know yet that it is committed. */
export const lastWords: FaultClass = {
  name: "crash after an answer",
  chance: 0.3,
  draw: (world) => {
    const rate = world.pick([0.05, 0.2]);
    return {
      begin: (field) => {
        field.onAcknowledged(() => {
          const node = field.leader();
          if (!field.storming || !node || !world.chance(rate)) return;
          world.at(world.between(0, 2), () => {
            if (!node.process || !field.storming) return;
            field.note("crash after an answer", node);
            field.crash(node);
          });
        });
      },
    };
  },
};

/** The power goes at the n-th operation of the disk from now: between any two, also within one turn. */
export const fuses: FaultClass = {
  name: "crash at an operation",
  chance: 0.4,
  draw: (world) => {
    const gapMs = world.between(2000, 6000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const node = target(field);
          if (node.up) node.setFuse(Math.floor(world.between(0, 60)));
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.setFuse(Number.POSITIVE_INFINITY);
      },
    };
  },
};

export const crashLoops: FaultClass = {
  name: "crash loop",
  chance: 0.3,
  draw: (world) => {
    const rate = world.pick([0.3, 0.8]);
    return {
      begin: (field) => {
        field.onDown((node) => {
          if (!field.storming || !world.chance(rate)) return;
          field.note("crash while opening", node);
          node.fuseAtStart = Math.floor(world.between(0, world.pick([8, 60])));
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.fuseAtStart = Number.POSITIVE_INFINITY;
      },
    };
  },
};

export const powerCuts: FaultClass = {
  name: "power cut",
  chance: 0.3,
  draw: (world) => {
    const gapMs = world.between(4000, 15_000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          field.note("power cut of all");
          for (const node of field.nodes) field.crash(node);
        });
      },
    };
  },
};
