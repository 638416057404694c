// Owns: what an operator's request, or a leader on its own, makes of the membership: the next set of voters and learners, or why not.
// How one set follows on another without two majorities is src/raft/membership.ts; when this is asked is steward.ts.
// (B1) Nobody becomes a voter before it has caught up: an empty voter would count for a majority that holds nothing.
// (B2) A request that leaves fewer living voters beyond a majority than there are now needs force; one that leaves no living majority
//      is refused always, since it could never be committed.
// (B3) What a leader removes on its own never lowers how many failures the cluster survives.

import { PawlError } from "../base/errors.ts";
import type { MembershipRequest } from "../jobs/views.ts";
import type { Membership } from "../raft/types.ts";

/** Where a member is found, and what it is there for. */
export type Place = {
  /** "host:port" of its links, URL of its API. */
  readonly peer: string;
  readonly api: string;
  /** A learner that becomes a voter as soon as it has caught up. */
  readonly promote?: boolean | undefined;
  /** The voter whose seat it takes then. */
  readonly replaces?: string | undefined;
};

/** The membership that is asked for: one set of voters. */
export type Target = {
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly places: ReadonlyMap<string, string>;
};

/** What a leader knows of a member at the moment. */
export type Vitals = {
  isHealthy(id: string): boolean;
  isCaughtUp(id: string): boolean;
  /** How long it was not heard; 0 when healthy. */
  deadMs(id: string): number;
};

export function encodePlace(place: Place): string {
  return JSON.stringify(place);
}

export function decodePlace(text: string | undefined): Place | undefined {
  if (text === undefined) return undefined;
  const { peer, api, promote, replaces } = JSON.parse(text) as Place;
  return { peer, api, promote, replaces };
}

function majority(voters: readonly string[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** Living voters beyond a majority: how many may still fail. */
function spare(voters: readonly string[], vitals: Vitals): number {
  return voters.filter((id) => vitals.isHealthy(id)).length - majority(voters);
}

/** A membership in the making. */
class Draft {
  readonly voters: Set<string>;
  readonly learners: Set<string>;
  readonly places: Map<string, string>;

  constructor(now: Membership) {
    this.voters = new Set(now.voters[0]);
    this.learners = new Set(now.learners);
    this.places = new Map(now.places);
  }

  has(id: string): boolean {
    return this.voters.has(id) || this.learners.has(id);
  }

  placeOf(id: string): Place {
    return decodePlace(this.places.get(id)) ?? { peer: "", api: "" };
  }

  drop(id: string): void {
    this.voters.delete(id);
    this.learners.delete(id);
    this.places.delete(id);
  }

  learn(id: string, place: Place): void {
    this.voters.delete(id);
    this.learners.add(id);
    this.places.set(id, encodePlace(place));
  }

  vote(id: string): void {
    const { peer, api } = this.placeOf(id);
    this.learners.delete(id);
    this.voters.add(id);
    this.places.set(id, encodePlace({ peer, api }));
  }

  target(): Target {
    return { voters: [...this.voters].sort(), learners: [...this.learners].sort(), places: this.places };
  }
}

/** The membership that fulfils the request; undefined when it is so already. Throws the refusal. */
export function planRequest(now: Membership, request: MembershipRequest, vitals: Vitals): Target | undefined {
  if (now.voters.length > 1) throw pending();
  const draft = new Draft(now);
  switch (request.kind) {
    case "add":
      return add(draft, request.member, request.as === "voter", undefined);
    case "replace":
      return replace(draft, request);
    case "promote":
      return promote(draft, request.id, vitals);
    case "demote":
      return demote(draft, request, vitals);
    case "remove":
      return remove(draft, request, vitals);
  }
}

function pending(): PawlError {
  return new PawlError("change_pending", "another change of the members is under way; `pawl cluster status` shows it, ask again then");
}

function unknownMember(id: string): PawlError {
  return new PawlError("unknown_member", `${id} is not a member; \`pawl cluster status\` lists them`);
}

type Addressed = Extract<MembershipRequest, { kind: "add" }>["member"];

function add(draft: Draft, { id, peer, api }: Addressed, promotes: boolean, replaces: string | undefined): Target | undefined {
  if (draft.has(id)) {
    const place = draft.placeOf(id);
    const same = place.peer === peer && place.api === api;
    if (!same)
      throw new PawlError("already_member", `${id} is a member with the addresses ${place.peer} and ${place.api}; remove it first`);
    const wanted = draft.voters.has(id) || ((place.promote ?? false) === promotes && place.replaces === replaces);
    if (wanted) return undefined;
  }
  for (const other of draft.places.keys()) {
    if (other !== id && draft.placeOf(other).peer === peer)
      throw new PawlError("already_member", `${other} has the address ${peer} already`);
  }
  draft.learn(id, promotes ? { peer, api, promote: true, replaces } : { peer, api });
  return draft.target();
}

function replace(draft: Draft, { id, member }: Extract<MembershipRequest, { kind: "replace" }>): Target | undefined {
  if (!draft.voters.has(id)) {
    if (draft.voters.has(member.id)) return undefined;
    throw unknownMember(id);
  }
  if (draft.voters.has(member.id)) throw new PawlError("already_member", `${member.id} is a voter already; remove ${id} instead`);
  return add(draft, member, true, id);
}

function promote(draft: Draft, id: string, vitals: Vitals): Target | undefined {
  if (draft.voters.has(id)) return undefined;
  if (!draft.learners.has(id)) throw unknownMember(id);
  if (!vitals.isCaughtUp(id)) {
    throw new PawlError("not_ready", `${id} has not caught up: it is promoted by itself when it has, if it was added as a voter`);
  }
  return promoted(draft, id);
}

/** The learner takes its seat, and that of the member that it replaces. */
function promoted(draft: Draft, id: string): Target {
  const { replaces } = draft.placeOf(id);
  draft.vote(id);
  if (replaces !== undefined) draft.drop(replaces);
  return draft.target();
}

function demote(draft: Draft, { id, force }: Extract<MembershipRequest, { kind: "demote" }>, vitals: Vitals): Target | undefined {
  const before = [...draft.voters];
  if (!draft.has(id)) throw unknownMember(id);
  if (!draft.voters.has(id)) return undefined;
  draft.learn(id, { ...draft.placeOf(id), promote: true });
  return permitted(draft, before, id, force, vitals);
}

function remove(draft: Draft, { id, force }: Extract<MembershipRequest, { kind: "remove" }>, vitals: Vitals): Target | undefined {
  const before = [...draft.voters];
  if (!draft.has(id)) return undefined;
  const voted = draft.voters.has(id);
  draft.drop(id);
  return voted ? permitted(draft, before, id, force, vitals) : draft.target();
}

/** (B2) */
function permitted(draft: Draft, before: readonly string[], id: string, force: boolean, vitals: Vitals): Target {
  const voters = [...draft.voters];
  if (voters.length === 0) throw new PawlError("would_lose_quorum", `${id} is the only voter; add another one first`);
  const left = spare(voters, vitals);
  if (left < 0) {
    const alive = voters.filter((each) => vitals.isHealthy(each)).length;
    throw new PawlError(
      "would_lose_quorum",
      `without ${id} only ${alive} of ${voters.length} voters are reachable: bring others back first`,
    );
  }
  if (!force && left < spare(before, vitals)) {
    const change = `survives the loss of ${left} more of its voters instead of ${spare(before, vitals)}`;
    throw new PawlError("would_lose_quorum", `without ${id} the cluster ${change}; add a replacement first, or force it`);
  }
  return draft.target();
}

/** What a leader does on its own: promotes who has caught up, and removes who is dead for `deadMaxMs` if nothing is lost by it (B3). */
export function planUpkeep(now: Membership, vitals: Vitals, deadMaxMs: number): Target | undefined {
  if (now.voters.length > 1) return undefined;
  const draft = new Draft(now);
  for (const id of now.learners) if (draft.placeOf(id).promote === true && vitals.isCaughtUp(id)) return promoted(draft, id);
  const voters = now.voters[0] ?? [];
  const tolerance = (count: number): number => Math.floor((count - 1) / 2);
  if (tolerance(voters.length - 1) < tolerance(voters.length)) return undefined;
  const dead = voters.find((id) => vitals.deadMs(id) > deadMaxMs);
  if (dead === undefined) return undefined;
  draft.drop(dead);
  return spare([...draft.voters], vitals) >= 0 ? draft.target() : undefined;
}
