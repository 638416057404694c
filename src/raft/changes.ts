// Owns: how a leader changes the membership: which change it takes on, how a joint one is left, and what becomes of a leader that is
// no voter any more. What memberships are is membership.ts's.
// (J1) A change begins when the membership in force is committed and not joint, and an entry of the leader's own term is committed:
//      otherwise two leaders could each build on a membership that the other does not know, without a common node.
// (J2) A joint membership, inherited or not, is left by the leader once it is committed. Leaving it is one entry, itself a membership.
// (J3) A leader that is no voter counts nothing of its own. It leads until that is committed, for nobody else may have it yet; then it
//      hands over to the voter that is furthest, and steps down after an election timeout if nobody took over.

import type { Core } from "./core.ts";
import { startTransfer } from "./elections.ts";
import { encodeMembership, isJoint, isWellFormed, stepTowards, withoutLeft } from "./membership.ts";
import { appendAsLeader } from "./replication.ts";
import type { ChangeRefusal, MembershipTarget } from "./types.ts";

/** Appends the membership that is next on the way to `target`; the way is gone to its end without further calls. */
export function changeMembership(core: Core, target: MembershipTarget): { index: number; term: number } | { refused: ChangeRefusal } {
  if (core.role !== "leader") return { refused: "not_leader" };
  if (core.transferTo !== undefined) return { refused: "transferring" };
  if (core.commit < core.termStart) return { refused: "not_ready" };
  const now = core.memberships.latest;
  if (now.index > core.commit || isJoint(now.membership)) return { refused: "change_pending" };
  if (!isWellFormed({ ...target, voters: [target.voters] })) return { refused: "invalid" };
  const data = encodeMembership(stepTowards(now.membership, target));
  if (!core.quota.admits(data.length)) return { refused: "overloaded" };
  const { index, term } = appendAsLeader(core, "membership", data);
  return { index, term };
}

/** To be called when a leader's commit may have grown. */
export function onCommitted(core: Core): void {
  const { index, membership } = core.memberships.latest;
  if (core.role !== "leader" || index > core.commit || core.commit < core.termStart) return;
  if (isJoint(membership)) appendAsLeader(core, "membership", encodeMembership(withoutLeft(membership)));
  else if (!core.isVoter && core.transferTo === undefined) handOver(core);
}

function handOver(core: Core): void {
  const matchOf = (id: string): number => core.progress.get(id)?.match ?? 0;
  const furthest = core.otherVoters.reduce((best, id) => (matchOf(id) > matchOf(best) ? id : best));
  startTransfer(core, furthest);
}

/** Nobody took over in time: what was refused meanwhile is taken again, unless this node has no business to lead (J3). */
export function onTransferTimeout(core: Core): void {
  core.transferTo = undefined;
  const isOver = !core.isVoter && core.memberships.latest.index <= core.commit;
  if (isOver) core.becomeFollower(core.term, undefined);
}
