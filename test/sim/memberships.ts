// Owns: who the members are, as the log tells it, and what operators' orders have to do with it: an order that was answered is in the log
// at that index, and nothing happens to a member that nobody asked for, unless a leader may do it by itself.

import { decodePlace } from "../../src/cluster/members.ts";
import type { MembershipRequest } from "../../src/jobs/views.ts";
import type { Membership } from "../../src/raft/types.ts";
import { demand } from "./oracle.ts";

export type Asked = {
  readonly request: MembershipRequest;
  readonly beganMs: number;
  outcome: "waiting" | "done" | "rejected" | "unknown";
  /** Of the log, as answered. */
  index: number;
};

type Committed = { readonly index: number; readonly atMs: number; readonly membership: Membership };

function voters({ voters: sets }: Membership): readonly string[] {
  return sets.at(-1) as readonly string[];
}

export class Memberships {
  private readonly list: Committed[];
  private readonly asked: Asked[] = [];

  constructor(founders: readonly string[]) {
    this.list = [{ index: 0, atMs: 0, membership: { voters: [founders], learners: [], places: new Map() } }];
  }

  committed(index: number, atMs: number, membership: Membership): void {
    this.list.push({ index, atMs, membership });
  }

  get newest(): Committed {
    return this.list.at(-1) as Committed;
  }

  get voters(): readonly string[] {
    return voters(this.newest.membership);
  }

  get learners(): readonly string[] {
    return this.newest.membership.learners;
  }

  has(id: string): boolean {
    const { membership } = this.newest;
    return membership.voters.flat().includes(id) || membership.learners.includes(id);
  }

  /** Voters that may be none any more once all is committed that is under way. */
  mayLeave(): ReadonlySet<string> {
    const open = this.asked.filter(({ outcome }) => outcome === "waiting" || outcome === "unknown");
    const leaving = open.flatMap(({ request }) => ("id" in request && request.kind !== "promote" ? [request.id] : []));
    return new Set([...leaving, ...this.list.slice(-1).flatMap(({ membership }) => this.between(membership))]);
  }

  private between({ voters: sets }: Membership): string[] {
    return sets.flat().filter((id) => !(sets.at(-1) as readonly string[]).includes(id));
  }

  ask(asked: Asked): void {
    this.asked.push(asked);
  }

  /** What was answered "done" at an index is so there. */
  private isDone({ request, index }: Asked): void {
    const { membership } = this.list.findLast((each) => each.index <= index) as Committed;
    const what = `${JSON.stringify(request)} was answered at ${index}, and it is not so: ${tell(membership)}`;
    demand(fulfils(membership, request), "orders", what);
  }

  /** At the end: what was answered is so, and each change was asked for, by an order that was not rejected. */
  finished(): void {
    for (const asked of this.asked) {
      demand(asked.outcome !== "waiting", "orders", `${JSON.stringify(asked.request)} was never answered`);
      if (asked.outcome === "done") this.isDone(asked);
    }
    for (let at = 1; at < this.list.length; at++) this.explained(this.list[at - 1] as Committed, this.list[at] as Committed);
  }

  private explained(before: Committed, after: Committed): void {
    const was = (id: string): string => standing(before.membership, id);
    const ids = [before, after].flatMap(({ membership }) => [...membership.voters.flat(), ...membership.learners]);
    for (const id of new Set(ids)) {
      const now = standing(after.membership, id);
      if (now === was(id)) continue;
      const mayBe = this.asked.filter(({ outcome, beganMs }) => outcome !== "rejected" && beganMs <= after.atMs);
      const isAsked = mayBe.some(({ request }) => explains(request, id, now));
      const what = `${id} was ${was(id)} and is ${now} by the entry at ${after.index}`;
      demand(isAsked, "orders", `${what}, and nobody asked for it`);
    }
  }
}

/** Whether it is to be a voter as soon as it can. */
export function willVote({ places }: Membership, id: string): boolean {
  return decodePlace(places.get(id))?.promote === true;
}

function standing(membership: Membership, id: string): "voter" | "learner" | "nobody" {
  return voters(membership).includes(id) ? "voter" : membership.learners.includes(id) ? "learner" : "nobody";
}

/** Whether this request leads to a member being so, at once or later by the leader itself. */
function explains(request: MembershipRequest, id: string, now: "voter" | "learner" | "nobody"): boolean {
  switch (request.kind) {
    case "add":
      return request.member.id === id && (now === "learner" || (now === "voter" && request.as === "voter"));
    case "replace":
      return (request.member.id === id && now !== "nobody") || (request.id === id && now === "nobody");
    case "promote":
      return request.id === id && now === "voter";
    case "demote":
      return request.id === id && now !== "nobody";
    case "remove":
      return request.id === id && now === "nobody";
  }
}

function fulfils(membership: Membership, request: MembershipRequest): boolean {
  switch (request.kind) {
    case "add": {
      const now = standing(membership, request.member.id);
      return now === "voter" || (now === "learner" && willVote(membership, request.member.id) === (request.as === "voter"));
    }
    case "replace":
      return standing(membership, request.member.id) !== "nobody";
    case "promote":
      return standing(membership, request.id) === "voter";
    case "demote":
      return standing(membership, request.id) === "learner";
    case "remove":
      return standing(membership, request.id) === "nobody";
  }
}

export function tell({ voters: sets, learners }: Membership): string {
  return `voters ${sets.map((ids) => ids.join(",")).join(" and ")}, learners ${learners.join(",") || "none"}`;
}
