// Owns: the simulated operator: orders to random nodes about members and leadership, with their answers; and the repair of nodes whose data
// is lost: each is demoted by an order, wiped, and started as one that joins, with a term that makes what it had promised void. It becomes
// a voter again by itself.

import { PawlError } from "../../src/base/errors.ts";
import type { Order } from "../../src/cluster/proposals.ts";
import type { MembershipRequest } from "../../src/jobs/views.ts";
import type { Judge } from "./judge.ts";
import type { Asked } from "./memberships.ts";
import type { SimNode } from "./node.ts";
import { demand } from "./oracle.ts";
import type { Process, World } from "./world.ts";

export interface Site {
  readonly world: World;
  readonly nodes: readonly SimNode[];
  readonly judge: Judge;
  guard(check: () => void): void;
  note(what: string, node?: SimNode): void;
  restart(node: SimNode): void;
}

/** How often it asks a node that is a member; who is none can only refuse. */
const ASKS_MEMBER = 0.8;

type Answered = (outcome: "done" | "rejected" | "unknown", index: number) => void;
type Open = { readonly process: Process; readonly ended: () => void };

/** A lost node waits for its repair for so long at most. */
const REPAIR_MS = 4000;

export class Operator {
  /** Whether lost nodes are repaired, sooner or later. */
  repairs = true;
  private readonly site: Site;
  private readonly open = new Set<Open>();

  constructor(site: Site) {
    this.site = site;
  }

  /** Asks any node for a change of the members. */
  ask(request: MembershipRequest, answered: Answered = () => undefined): void {
    const { world, judge } = this.site;
    const asked: Asked = { request, beganMs: world.nowMs, outcome: "waiting", index: 0 };
    judge.memberships.ask(asked);
    this.submit({ kind: "membership", request }, (outcome, index) => {
      Object.assign(asked, { outcome, index });
      this.site.note(`${request.kind} ${outcome}`);
      answered(outcome, index);
    });
  }

  transfer(to: string | undefined): void {
    this.submit({ kind: "transfer", to }, (outcome) => this.site.note(`transfer ${outcome}`));
  }

  private submit(order: Order, answered: Answered): void {
    const { world, nodes, judge } = this.site;
    const up = nodes.filter((node) => node.up);
    if (up.length === 0) return answered("rejected", 0);
    const members = up.filter(({ id }) => judge.memberships.has(id));
    const { process, assembled } = world.pick(members.length > 0 && world.chance(ASKS_MEMBER) ? members : up);
    let isOpen = true;
    const end = (outcome: "done" | "rejected" | "unknown", index: number): void => {
      if (!isOpen) return;
      isOpen = false;
      this.open.delete(waiting);
      answered(outcome, index);
    };
    const waiting: Open = { process: process as Process, ended: () => end("unknown", 0) };
    this.open.add(waiting);
    world.first(process as Process, () => {
      assembled?.replica.submit(order, undefined, 0, (outcome) => {
        if (process?.alive !== true) return;
        if (outcome instanceof PawlError) end(outcome.outcome === "unknown" ? "unknown" : "rejected", 0);
        else end("done", outcome.index);
      });
    });
  }

  nodeDied(process: Process): void {
    for (const waiting of [...this.open]) if (waiting.process === process) waiting.ended();
  }

  /** The data of this node are lost: demoted, wiped, and started again. */
  repair(node: SimNode): void {
    const { world } = this.site;
    if (this.repairs) world.at(world.between(100, REPAIR_MS), () => this.demote(node));
  }

  private demote(node: SimNode): void {
    const { judge, world } = this.site;
    if (!node.lost || node.retired) return;
    if (!judge.memberships.has(node.id)) return this.repair(node);
    this.ask({ kind: "demote", id: node.id, force: world.chance(0.5) }, (outcome, index) => {
      if (outcome === "done") this.wipe(node, index);
      else this.repair(node);
    });
  }

  private wipe(node: SimNode, index: number): void {
    const { judge, world } = this.site;
    world.at(world.between(0, 2000), () => {
      const votes = judge.memberships.voters.includes(node.id);
      this.site.guard(() => demand(!votes, "H8", `${node.id} was demoted at ${index}, is not heard, and votes again`));
      judge.wiped(node);
      node.wipe(judge.termOfCommit(index));
      this.site.note("wiped", node);
      this.site.restart(node);
    });
  }
}
