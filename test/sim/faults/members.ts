// Faults of those who run the cluster: members come, go, become learners and voters, take each other's place; leadership is handed over;
// a disk is lost. Never so much at once that a majority of what is left could be gone.

import type { MemberAddresses } from "../../../src/jobs/views.ts";
import { willVote } from "../memberships.ts";
import type { SimNode } from "../node.ts";
import { mayLose, recurring } from "./fault.ts";
import type { FaultClass, Field } from "./fault.ts";

const VOTERS_MAX = 7;
const NODES_MAX = 10;

function addresses(id: string): MemberAddresses {
  return { id, peer: `${id}:1`, api: `${id}:2` };
}

/** A node that is no member: a new one, or one that was asked for in vain. */
function spare(field: Field): SimNode | undefined {
  const { members, nodes, world } = field;
  const idle = nodes.filter((node) => node.joins && !node.retired && !members.has(node.id));
  if (idle.length > 0 && world.chance(0.7)) return world.pick(idle);
  return nodes.filter(({ retired }) => !retired).length < NODES_MAX ? field.newcomer() : undefined;
}

/** Whether one voter fewer still leaves three that may lose one. */
function canSpare({ members }: Field): boolean {
  const leaving = members.mayLeave();
  return members.voters.filter((id) => !leaving.has(id)).length > 3;
}

function add(field: Field, as: "voter" | "learner"): void {
  if (field.members.voters.length + field.members.learners.length >= VOTERS_MAX) return;
  const node = spare(field);
  if (!node) return;
  node.wanted = true;
  field.operator.ask({ kind: "add", member: addresses(node.id), as });
}

function replace(field: Field): void {
  const node = spare(field);
  if (!node) return;
  node.wanted = true;
  const id = field.world.pick(field.members.voters);
  field.operator.ask({ kind: "replace", id, member: addresses(node.id) });
}

function demote(field: Field): void {
  const { members, world, operator } = field;
  if (canSpare(field)) operator.ask({ kind: "demote", id: world.pick(members.voters), force: world.chance(0.5) });
}

function remove(field: Field): void {
  const { members, world, operator, nodes } = field;
  const learners = members.learners.filter((id) => !willVote(members.newest.membership, id));
  const isLearner = learners.length > 0 && world.chance(0.5);
  if (!isLearner && !canSpare(field)) return;
  const id = world.pick(isLearner ? learners : [...members.voters, ...members.learners]);
  const node = nodes.find((each) => each.id === id);
  if (node) node.wanted = false;
  operator.ask({ kind: "remove", id, force: world.chance(0.5) }, (outcome) => {
    // Some are stopped, unless they were asked back meanwhile; some are forgotten and go on.
    const stop = (): void => {
      if (node?.wanted === false) field.retire(node);
    };
    if (outcome === "done" && world.chance(0.6)) world.at(world.pick([0, 3000]) * world.random(), stop);
  });
}

function loseDisk(field: Field): void {
  const { nodes, world } = field;
  const able = nodes.filter((node) => node.process !== undefined && mayLose(field, node));
  if (able.length === 0) return;
  const node = world.pick(able);
  field.note("lost its disk", node);
  node.damaged = node.lost = true;
  field.crash(node);
  field.operator.repair(node);
}

export const memberChurn: FaultClass = {
  name: "members",
  chance: 0.4,
  draw: (world) => {
    const gapMs = world.pick([700, 1500, 3000]);
    return {
      begin: (field) => {
        field.votersMin = 3;
        recurring(field, gapMs, () => {
          const { members, operator } = field;
          const dice = world.random();
          if (dice < 0.25) add(field, "voter");
          else if (dice < 0.32) add(field, "learner");
          else if (dice < 0.42) replace(field);
          else if (dice < 0.57) remove(field);
          else if (dice < 0.69) demote(field);
          else if (dice < 0.8) operator.ask({ kind: "promote", id: world.pick([...members.learners, world.pick(members.voters)]) });
          else if (dice < 0.9) operator.transfer(world.pick([undefined, world.pick(members.voters), world.pick(field.nodes).id]));
          else loseDisk(field);
        });
      },
    };
  },
};

export const handOvers: FaultClass = {
  name: "hand over",
  chance: 0.25,
  draw: (world) => {
    const gapMs = world.between(800, 5000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => field.operator.transfer(world.pick([undefined, world.pick(field.members.voters)])));
      },
    };
  },
};
