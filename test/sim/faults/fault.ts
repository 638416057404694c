// Owns: what a class of faults is, and what it may do to a simulated cluster. Each class is a file beside this one and draws its own
// rates from the seed, so that every seed has another mix (swarm testing: Groce et al., 2012).

import type { Network } from "../network.ts";
import type { SimNode } from "../node.ts";
import { willVote } from "../memberships.ts";
import type { Memberships } from "../memberships.ts";
import type { Operator } from "../operator.ts";
import type { FaceWeather } from "../face.ts";
import type { World } from "../world.ts";

/** A cluster as its faults see it. */
export interface Field {
  readonly world: World;
  readonly network: Network;
  readonly nodes: readonly SimNode[];
  readonly face: FaceWeather;
  readonly members: Memberships;
  readonly operator: Operator;
  /** How few voters there may be at some time. */
  votersMin: number;
  /** False once the faults are to stop. */
  readonly storming: boolean;
  /** Counts a fault, and tells the trace of it. */
  note(what: string, node?: SimNode): void;
  /** Power off; the node is started again after `downMs`, or after some time. */
  crash(node: SimNode, downMs?: number): void;
  /** A node of an empty disk that waits to be told who the members are. */
  newcomer(): SimNode;
  /** A node is stopped for ever. */
  retire(node: SimNode): void;
  leader(): SimNode | undefined;
  /** Every write or sync that a disk is handed, with the time that it will take. */
  onWrite(watch: (node: SimNode, kind: "write" | "sync", delayMs: number) => void): void;
  /** Every node between its lives: it has lost what was not durable, and is not started yet. */
  onDown(watch: (node: SimNode) => void): void;
  /** Every frame of a snapshot that leaves a node, either way. */
  onSnapshot(watch: (from: SimNode, to: SimNode) => void): void;
  /** Every change that a caller was told is done, with the node that told it. */
  onAcknowledged(watch: (node: SimNode) => void): void;
  /** The link between two nodes breaks and comes back: both ends are told. */
  reset(a: SimNode, b: SimNode): void;
}

export type Fault = {
  /** Before the nodes are started for the first time. */
  begin(field: Field): void;
  /** Everything is to work again. */
  end?(field: Field): void;
};

export type FaultClass = {
  readonly name: string;
  /** Share of the seeds that have it. */
  readonly chance: number;
  draw(world: World): Fault;
};

/** Strikes again and again, with gaps around `meanGapMs`, until the storm is over. */
export function recurring(field: Field, meanGapMs: number, strike: () => void): void {
  const { world } = field;
  world.at(1000 + world.between(0, 2 * meanGapMs), () => {
    if (!field.storming) return;
    strike();
    recurring(field, meanGapMs, strike);
  });
}

/** A node to strike at: the leader as often as all others together. */
export function target(field: Field): SimNode {
  const { world, nodes } = field;
  return (world.chance(0.5) ? field.leader() : undefined) ?? world.pick(nodes);
}

/** Whether the data of this member may be lost: a majority of voters is left, whatever becomes of the others that are not whole. */
export function mayLose(field: Field, node: SimNode): boolean {
  const { members, nodes } = field;
  if (node.damaged || !members.has(node.id)) return false;
  const damaged = nodes.filter((each) => each.damaged && members.has(each.id));
  const waiting = members.learners.filter((id) => willVote(members.newest.membership, id) && damaged.every((each) => each.id !== id));
  const leaving = members.mayLeave();
  const whole = members.voters.filter((id) => id !== node.id && !leaving.has(id) && damaged.every((each) => each.id !== id));
  return damaged.length + waiting.length < minority(field) && whole.length * 2 > members.voters.length;
}

/** How many nodes may be wrong or lost at a time. */
export function minority(field: Field): number {
  return Math.floor((field.votersMin - 1) / 2);
}
