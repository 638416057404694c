// Faults of clocks: monotonic clocks that run up to a tenth too slow or too fast on every node, and wall clocks of a minority that
// step, or drift away, or were never right.

import { minority, recurring, target } from "./fault.ts";
import type { FaultClass } from "./fault.ts";

export const clockRates: FaultClass = {
  name: "clock rate",
  chance: 0.35,
  draw: (world) => ({
    begin: (field) => {
      for (const node of field.nodes) node.rate = world.pick([0.9, 1.1, world.between(0.9, 1.1)]);
      field.note("clock rates");
    },
    end: (field) => {
      for (const node of field.nodes) node.rate = 1;
    },
  }),
};

export const clockSteps: FaultClass = {
  name: "clock step",
  chance: 0.35,
  draw: (world) => {
    const gapMs = world.between(1500, 6000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const node = target(field);
          const wrong = field.nodes.filter((each) => each !== node && each.wallIsWrong);
          if (wrong.length >= minority(field)) return node.setWall(0, 0);
          const stepMs = world.pick([0, 500, -1500, 60_000, -60_000, 3_600_000, -3_600_000, 2.3e12]);
          node.setWall(stepMs, world.chance(0.3) ? world.between(-0.1, 0.1) : 0);
          field.note("clock step", node);
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.setWall(0, 0);
      },
    };
  },
};
