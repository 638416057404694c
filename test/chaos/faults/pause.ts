// Owns: processes that stand still for a while and go on as if nothing had been (SIGSTOP, SIGCONT): shorter than a lease, longer than an
// election, longer than a lease.

import { pick } from "../../schedule/random.ts";
import type { ChaosNode } from "../node.ts";
import type { Stage } from "../stage.ts";
import type { Fault } from "./fault.ts";

function pause(name: string, holdMs: number, choose: (stage: Stage) => Promise<ChaosNode>): Fault {
  return {
    name, holdMs,
    async strike(stage) {
      const node = await choose(stage);
      node.signal("SIGSTOP");
      return { whom: node.id, heal: async () => node.signal("SIGCONT") };
    },
  };
}

const leader = (stage: Stage): Promise<ChaosNode> => stage.leader();
const anyNode = async (stage: Stage): Promise<ChaosNode> => pick(stage.options.random, stage.nodes);

export const pauses: readonly Fault[] = [
  pause("pause-leader-2s", 2_000, leader),
  pause("pause-leader-6s", 6_000, leader),
  pause("pause-leader-20s", 20_000, leader),
  pause("pause-any-6s", 6_000, anyNode),
];
