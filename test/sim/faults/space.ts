// Faults of disks that are nearly full, and freed again: nothing new is taken then, and all that is there goes on.

import { limits } from "../../../src/limits.ts";
import { recurring, target } from "./fault.ts";
import type { FaultClass } from "./fault.ts";

export const fullDisks: FaultClass = {
  name: "disk nearly full",
  chance: 0.3,
  draw: (world) => {
    const gapMs = world.between(1500, 5000);
    const many = world.chance(0.4);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const full = many ? field.nodes.filter(() => world.chance(0.7)) : [target(field)];
          for (const node of full) {
            node.fill(limits.diskReserveBytes * world.random());
            field.note("disk nearly full", node);
            world.at(world.between(500, 9000), () => {
              // Not enough at first: between both bounds it stays what it was.
              if (field.storming) node.fill(world.pick([limits.diskReserveBytes * 1.1, Number.POSITIVE_INFINITY]));
            });
          }
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.fill(Number.POSITIVE_INFINITY);
      },
    };
  },
};
