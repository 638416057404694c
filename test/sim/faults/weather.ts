// Faults of single frames: lost, copied at once and late, out of order, slow.

import type { Weather } from "../network.ts";
import type { World } from "../world.ts";
import type { FaultClass } from "./fault.ts";

function weather(name: string, draw: (world: World) => Partial<Weather>): FaultClass {
  return {
    name,
    chance: 0.35,
    draw: (world) => {
      const drawn = draw(world);
      return {
        begin: (field) => {
          field.network.weather = { ...field.network.weather, ...drawn };
        },
      };
    },
  };
}

export const weathers: readonly FaultClass[] = [
  weather("loss", (world) => ({ lossRate: world.pick([0.01, 0.05, 0.3]) })),
  weather("copies", (world) => ({ duplicateRate: world.pick([0.02, 0.1, 0.5]), lateMs: world.pick([300, 8000]) })),
  weather("reorder", (world) => ({ reorderRate: world.pick([0.05, 0.3]), delayMs: world.between(0.3, 20) })),
  weather("slow frames", (world) => {
    return { slowRate: world.pick([0.02, 0.1]), slowMs: world.pick([50, 800]), delayMs: world.between(0.1, 60) };
  }),
];
