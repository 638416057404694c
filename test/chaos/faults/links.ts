// Owns: links that carry everything, late: lost packets and slow links between the nodes.

import type { Stage } from "../stage.ts";
import type { Fault } from "./fault.ts";

const HOLD_MS = 8_000;

function links(name: string, make: (stage: Stage) => Promise<void>): Fault {
  return {
    name, holdMs: HOLD_MS,
    async strike(stage) {
      await make(stage);
      return { whom: "all links", heal: () => stage.network.heal() };
    },
  };
}

export const badLinks: readonly Fault[] = [
  links("loss-10", (stage) => stage.network.lose(10)),
  links("loss-30", (stage) => stage.network.lose(30)),
  links("slow-links", (stage) => stage.network.slow()),
];
