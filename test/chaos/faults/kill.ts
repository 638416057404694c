// Owns: processes that are gone at once (SIGKILL) and come back with what was on their disks.

import { pick } from "../../schedule/random.ts";
import type { ChaosNode } from "../node.ts";
import type { Stage } from "../stage.ts";
import type { Fault, Stroke } from "./fault.ts";

const DOWN_MS = 700;

function kill(nodes: readonly ChaosNode[]): Stroke {
  for (const node of nodes) node.strike();
  return { whom: nodes.map((node) => node.id).join(", "), heal: async () => void (await Promise.all(nodes.map((node) => node.ended()))) };
}

export const kills: readonly Fault[] = [
  { name: "kill-leader", holdMs: DOWN_MS, strike: async (stage) => kill([await stage.leader()]) },
  { name: "kill-any", holdMs: DOWN_MS, strike: async (stage) => kill([pick(stage.options.random, stage.nodes)]) },
  { name: "kill-all", holdMs: DOWN_MS, strike: async (stage: Stage) => kill(stage.nodes) },
];
