// Owns: links that carry nothing, in both directions or in one. Callers and the targets of jobs are never cut off, so that a node without
// a majority is asked for changes and may do what it should not.

import type { Stage } from "../stage.ts";
import type { Fault } from "./fault.ts";

const HOLD_MS = 6_000;

type Cut = { readonly from: readonly string[]; readonly to: readonly string[]; readonly whom: string };

function cuts(name: string, choose: (stage: Stage, leader: string, others: readonly string[]) => readonly Cut[]): Fault {
  return {
    name, holdMs: HOLD_MS,
    async strike(stage) {
      const leader = (await stage.leader()).id;
      const chosen = choose(stage, leader, stage.ids.filter((id) => id !== leader));
      for (const { from, to } of chosen) await stage.network.cut(from, to);
      return { whom: [...new Set(chosen.map((each) => each.whom))].join(", "), heal: () => stage.network.heal() };
    },
  };
}

function bothWays(some: readonly string[], others: readonly string[]): Cut[] {
  const whom = some.join("+");
  return [{ from: some, to: others, whom }, { from: others, to: some, whom }];
}

function one(stage: Stage, from: readonly string[]): string {
  return from[stage.options.random(from.length)] as string;
}

export const partitions: readonly Fault[] = [
  cuts("partition-leader", (_, leader, others) => bothWays([leader], others)),
  cuts("partition-follower", (stage, _, others) => {
    const follower = one(stage, others);
    return bothWays([follower], stage.ids.filter((id) => id !== follower));
  }),
  // The leader is with the smaller half.
  cuts("partition-halves", (stage, leader, others) => {
    const beside = others.slice(0, stage.ids.length - stage.majority - 1);
    return bothWays([leader, ...beside], others.slice(beside.length));
  }),
  cuts("cut-leader-out", (_, leader, others) => [{ from: [leader], to: others, whom: leader }]),
  cuts("cut-leader-in", (_, leader, others) => [{ from: others, to: [leader], whom: leader }]),
  cuts("cut-follower-out", (stage, _, others) => {
    const follower = one(stage, others);
    return [{ from: [follower], to: stage.ids.filter((id) => id !== follower), whom: follower }];
  }),
  cuts("cut-follower-in", (stage, _, others) => {
    const follower = one(stage, others);
    return [{ from: stage.ids.filter((id) => id !== follower), to: [follower], whom: follower }];
  }),
  // Both still reach everybody else.
  cuts("cut-one-link", (stage, leader, others) => bothWays([leader], [one(stage, others)])),
];
