// Faults of snapshots on their way: the receiver's power goes at any operation while it lays one down or takes it up, the sender goes, or
// hands over to another one that begins anew.

import type { SimNode } from "../node.ts";
import type { FaultClass, Field } from "./fault.ts";

function strike(field: Field, leader: SimNode, receiver: SimNode): void {
  const { world, operator } = field;
  const dice = world.random();
  if (dice < 0.6) {
    receiver.setFuse(Math.floor(world.between(0, world.pick([5, 30]))));
    field.note("power will go in a snapshot", receiver);
  } else if (dice < 0.75) {
    operator.transfer(undefined);
    field.note("another leader in a snapshot");
  } else {
    const node = dice < 0.9 ? receiver : leader;
    field.note("crash in a snapshot", node);
    world.at(world.between(0, 10), () => field.crash(node));
  }
}

export const snapshotCrashes: FaultClass = {
  name: "crash in a snapshot",
  chance: 0.35,
  draw: (world) => {
    const rate = world.pick([0.1, 0.4]);
    return {
      begin: (field) => {
        field.onSnapshot((from, to) => {
          if (!field.storming || !world.chance(rate)) return;
          const leader = field.leader();
          if (leader) strike(field, leader, from === leader ? to : from);
        });
      },
      end: (field) => {
        for (const node of field.nodes) node.setFuse(Number.POSITIVE_INFINITY);
      },
    };
  },
};
