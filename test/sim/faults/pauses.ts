// Faults of attention: a process stands still, for less or more than an election timeout, alone or with all others, or its turns are
// slow: milliseconds pass between one look at the clock and the next, so that what is bounded in time by turns is not done in one.

import { limits } from "../../../src/limits.ts";
import { recurring, target } from "./fault.ts";
import type { FaultClass } from "./fault.ts";

export const pauses: FaultClass = {
  name: "pause",
  chance: 0.4,
  draw: (world) => {
    const gapMs = world.between(1500, 6000);
    const longMs = world.pick([2, 5, 14]) * limits.electionTimeoutMs;
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const isLong = world.chance(0.4);
          const forMs = isLong ? world.between(limits.electionTimeoutMs, longMs) : world.between(20, limits.electionTimeoutMs);
          const all = world.chance(0.15);
          for (const node of all ? field.nodes : [target(field)]) node.pause(forMs);
          field.note(`${isLong ? "long" : "short"} pause${all ? " of all" : ""}`);
        });
      },
    };
  },
};

export const longPauses: FaultClass = {
  name: "long pause of all",
  chance: 0.1,
  draw: (world) => {
    const atMs = world.between(3000, 12_000);
    return {
      begin: (field) => {
        world.at(atMs, () => {
          if (!field.storming) return;
          field.note("long pause of all");
          for (const node of field.nodes) node.pause(world.between(15_000, 20_000));
        });
      },
    };
  },
};

export const slowTurns: FaultClass = {
  name: "slow turns",
  chance: 0.4,
  draw: (world) => {
    const gapMs = world.between(500, 4000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const node = target(field);
          node.slow(world.pick([0, 0.01, 0.1, 0.3]));
          field.note("slow turns", node);
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.slow(0);
      },
    };
  },
};
