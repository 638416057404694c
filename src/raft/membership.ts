// Owns: who belongs to the cluster, as the log says it: which membership may follow on which, its bytes, and the list of those that may
// still be in force. When a leader changes it is changes.ts's, what a node does by it core.ts's.
// (M1) A membership is in force from the append of its entry, committed or not, until a newer one is appended or its entry is cut.
// (M2) A majority of one membership and a majority of the next have a node in common: they differ by one voter at most, or one of
//      them is joint and asks for a majority of both sets, the one that is left and the one that is entered.
// (M3) The list keeps the one in force at what is applied, and all newer ones: so few that it needs no bound.
// (M4) A node hears the members of all of them: the entry that removed one may be cut again by a leader that never had it, and that
//      leader may be the one who was to be removed (Ongaro's thesis 4.1: requests are taken from who is no member).

import { ByteReader, ByteWriter, lenientText } from "../base/bytes.ts";
import { PawlError, assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { Circle, Entry, Membership, MembershipAt, MembershipTarget, NodeId } from "./types.ts";

const VERSION = 1;

/** What a joining node knows: nobody. */
export const nobody: MembershipAt = { index: 0, membership: { voters: [], learners: [], places: new Map() } };

export function isJoint(membership: Membership): boolean {
  return membership.voters.length > 1;
}

/** What comes next on the way to `target`: it itself where one voter differs at most, else the joint membership of both (M2). */
export function stepTowards(now: Membership, target: MembershipTarget): Membership {
  const left = now.voters[0] ?? [];
  const entered = [...target.voters].sort();
  const differing = left.filter((id) => !entered.includes(id)).length + entered.filter((id) => !left.includes(id)).length;
  const voters = differing <= 1 ? [entered] : [left, entered];
  return placed(voters, [...target.learners].sort(), [...now.places, ...target.places]);
}

/** What a joint membership leads to. */
export function withoutLeft(joint: Membership): Membership {
  assert(isJoint(joint), "only a joint membership is left");
  return placed(joint.voters.slice(1), joint.learners, [...joint.places]);
}

function placed(voters: Membership["voters"], learners: readonly NodeId[], places: readonly [NodeId, string][]): Membership {
  const members = new Set([...voters.flat(), ...learners]);
  return { voters, learners, places: new Map(places.filter(([id]) => members.has(id))) };
}

/** Whether it can be a membership at all: somebody decides, nobody is named twice, and everything is within its bounds. */
export function isWellFormed({ voters, learners, places }: Membership): boolean {
  if (voters.length < 1 || voters.length > 2) return false;
  for (const set of voters) if (set.length === 0 || !isSet(set)) return false;
  const entered = voters.at(-1) as readonly NodeId[];
  if (!isSet([...entered, ...learners])) return false;
  const members = new Set([...voters.flat(), ...learners]);
  for (const [id, place] of places) if (!members.has(id) || place.length > limits.memberPlaceMaxChars) return false;
  return true;
}

function isSet(ids: readonly NodeId[]): boolean {
  const isNamed = (id: NodeId): boolean => id.length > 0 && id.length <= limits.jobIdMaxChars;
  return ids.length <= limits.nodesMax && ids.every(isNamed) && new Set(ids).size === ids.length;
}

/** version u8 | sets u8, each: ids | learners: ids | places u16, each: id text, place text.   ids: count u16, texts */
export function encodeMembership({ voters, learners, places }: Membership): Uint8Array {
  const out = new ByteWriter();
  out.u8(VERSION);
  out.u8(voters.length);
  for (const ids of [...voters, learners]) {
    out.u16(ids.length);
    for (const id of ids) out.string(id);
  }
  out.u16(places.size);
  for (const [id, place] of [...places].sort(([a], [b]) => (a < b ? -1 : 1))) {
    out.string(id);
    out.string(place);
  }
  return out.take();
}

/**
 * Throws PawlError: "too_new" for one of another version, "quarantined" for anything else that `encodeMembership` cannot have made of a
 * well-formed one.
 */
export function decodeMembership(bytes: Uint8Array): Membership {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) {
    const what = `a membership entry has format ${version}, which this version of Pawl does not know`;
    throw new PawlError("too_new", `${what}; upgrade Pawl on this node, its data is whole`);
  }
  const sets = Array.from({ length: reader.u8() }, () => readIds(reader));
  const learners = readIds(reader);
  const places = new Map<NodeId, string>();
  for (let left = reader.u16(); left > 0; left--) places.set(readText(reader), readText(reader));
  const membership = { voters: sets, learners, places };
  if (reader.left !== 0 || !isWellFormed(membership)) throw malformed("it breaks its own rules");
  return membership;
}

function readIds(reader: ByteReader): NodeId[] {
  return Array.from({ length: reader.u16() }, () => readText(reader));
}

/** Another node wrote it: bytes that are no text are a refusal, not a bug. */
function readText(reader: ByteReader): string {
  const text = lenientText(reader.bytes());
  if (text.includes("\uFFFD")) throw malformed("a name in it is no text");
  return text;
}

function malformed(what: string): PawlError {
  return new PawlError("quarantined", `a membership entry cannot be read: ${what}`);
}

function circleOf(list: readonly MembershipAt[]): Circle {
  const memberships = list.map(({ membership }) => membership);
  const ids = new Set(memberships.flatMap(({ voters, learners }) => [...voters.flat(), ...learners]));
  return { index: list.at(-1)?.index ?? 0, ids, places: new Map(memberships.flatMap(({ places }) => [...places])) };
}

/** The memberships that may be in force, oldest first (M3). */
export class Memberships {
  private list: MembershipAt[];
  /** Another object whenever it may have changed. */
  circle: Circle;

  constructor(base: MembershipAt, stored: readonly Entry[]) {
    this.list = [base];
    this.circle = circleOf(this.list);
    for (const entry of stored) if (entry.index > base.index) this.append(entry);
  }

  private become(list: MembershipAt[]): void {
    this.list = list;
    this.circle = circleOf(list);
  }

  get latest(): MembershipAt {
    return this.list.at(-1) as MembershipAt;
  }

  append(entry: Entry): void {
    assert(entry.kind === "membership" && entry.index > this.latest.index, "memberships come in the order of their entries");
    this.become([...this.list, { index: entry.index, membership: decodeMembership(entry.data) }]);
  }

  /** Entries from `from` on were cut from the log. True if the one in force was among them. */
  cut(from: number): boolean {
    const left = this.list.filter(({ index }) => index < from);
    assert(left.length > 0, "the membership of what is applied is never cut");
    if (left.length === this.list.length) return false;
    this.become(left);
    return true;
  }

  /** The one in force at `index`, which is not below what was released. */
  at(index: number): MembershipAt {
    const found = this.list.findLast((one) => one.index <= index);
    assert(found !== undefined, `the membership at index ${index} was let go`);
    return found;
  }

  /** Everything up to `applied` is applied: older ones than the one in force there are not asked for any more. */
  release(applied: number): void {
    const second = this.list[1];
    if (second === undefined || second.index > applied) return;
    const from = this.at(applied).index;
    this.become(this.list.filter(({ index }) => index >= from));
  }
}
