// Owns: wall clocks that jump. One clock is wrong at a time, so the others outvote it.

import { pick } from "../../schedule/random.ts";
import type { ChaosNode } from "../node.ts";
import type { Stage } from "../stage.ts";
import type { Fault } from "./fault.ts";

const HOLD_MS = 6_000;

function jump(name: string, aheadSeconds: number, choose: (stage: Stage) => Promise<ChaosNode>): Fault {
  return {
    name, holdMs: HOLD_MS, needs: "clock",
    async strike(stage) {
      const node = await choose(stage);
      node.options.clock?.set(aheadSeconds);
      return { whom: node.id, heal: async () => node.options.clock?.set(0) };
    },
  };
}

const leader = (stage: Stage): Promise<ChaosNode> => stage.leader();
const anyNode = async (stage: Stage): Promise<ChaosNode> => pick(stage.options.random, stage.nodes);

export const clocks: readonly Fault[] = [
  jump("clock-leader+1h", 3_600, leader),
  jump("clock-leader-1h", -3_600, leader),
  jump("clock-any+10s", 10, anyNode),
];
