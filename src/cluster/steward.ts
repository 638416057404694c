// Owns: the members as their leader looks after them: operators' orders about membership and leadership, and what a leader does on its
// own: upkeep of the members, and handing over when its clock is out of line with the others'. Made and dropped with the leadership. What
// an order makes of the membership is members.ts; the log and the way of the answer back to the caller are proposals.ts.
// (S1) An order is answered once: when the entry with its membership is applied, or with the reason why there will be none.
// (S2) What cannot be done yet (an entry of the own term is not committed) is tried again until the order's time is over.
// (S3) A member counts as silent from when it was last heard in this leadership; a new leader takes all to be alive at first.
// (S4) What is so already is put into the log once more: a membership that is not committed may come to nothing, and a leader that was
//      deposed and does not know may be behind. Who resynchronises a node must not be told by it that the node votes no more.
// (S5) Nothing is proposed behind the entry that sets the clock back before that one is applied: else the header of what comes behind it
//      would move the clock ahead again.

import { ByteWriter } from "../base/bytes.ts";
import { PawlError } from "../base/errors.ts";
import { beginEntry, encodeCommand } from "../jobs/command.ts";
import type { MembershipRequest } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Raft } from "../raft/raft.ts";
import type { PeerStatus } from "../raft/types.ts";
import type { TrustedClock } from "./clock.ts";
import { planRequest, planUpkeep } from "./members.ts";
import type { Target, Vitals } from "./members.ts";
import type { Proposals, Waiting } from "./proposals.ts";

export class Steward implements Vitals {
  private readonly raft: Raft;
  private readonly proposals: Proposals;
  private readonly clock: TrustedClock;
  private readonly alarm: (message: string) => void;
  private readonly heardAtMs = new Map<string, number>();
  private peers: readonly PeerStatus[] = [];
  private nowMs: number;
  private upkeepDueMs: number;
  private distrustedSinceMs: number;
  /** The entry that sets the clock back is in the log and not yet applied: nothing else may be proposed (S5). */
  isLowering = false;

  constructor(raft: Raft, proposals: Proposals, clock: TrustedClock, alarm: (message: string) => void, nowMs: number) {
    this.raft = raft;
    this.proposals = proposals;
    this.clock = clock;
    this.alarm = alarm;
    this.nowMs = nowMs;
    this.upkeepDueMs = nowMs + limits.upkeepMs;
    this.distrustedSinceMs = nowMs;
  }

  isHealthy(id: string): boolean {
    return id === this.raft.status().id || this.deadMs(id) <= limits.memberSilentMs;
  }

  isCaughtUp(id: string): boolean {
    const peer = this.peers.find((each) => each.id === id);
    if (peer === undefined || peer.state !== "replicate" || !this.isHealthy(id)) return false;
    // A late acknowledgement of what it held before it was demoted, or lost its data, says nothing of what it holds now.
    if (!peer.hasAnswered) return false;
    // An empty log refuses its vote, so that two such voters could elect nobody.
    return peer.match > 0 && peer.match + limits.caughtUpEntries >= this.raft.status().commit;
  }

  deadMs(id: string): number {
    return id === this.raft.status().id ? 0 : this.nowMs - (this.heardAtMs.get(id) ?? this.nowMs);
  }

  /** Takes up the orders that wait, and now and then does what is due by itself. Called in every turn of a leader. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    this.peers = this.raft.status().peers;
    for (const { id, recentActive } of this.peers) if (recentActive || !this.heardAtMs.has(id)) this.heardAtMs.set(id, nowMs);
    for (const waiting of this.proposals.takeOrders()) this.take(waiting);
    this.handOverIfDistrusted();
    if (nowMs < this.upkeepDueMs) return;
    this.upkeepDueMs = nowMs + limits.upkeepMs;
    const target = planUpkeep(this.raft.membership().membership, this, limits.memberDeadMs);
    if (target === undefined || "refused" in this.raft.changeMembership(target, nowMs)) return;
    this.alarm(`the members change by themselves: voters ${target.voters.join(", ")}, learners ${target.learners.join(", ") || "none"}`);
  }

  /** H13: who cannot be trusted with the time fires nothing; another one can. */
  private handOverIfDistrusted(): void {
    if (this.clock.read().trusted) this.distrustedSinceMs = this.nowMs;
    if (this.nowMs - this.distrustedSinceMs < limits.clockDistrustMs) return;
    const better = this.clock.better();
    if (better === undefined || this.raft.status().transferringTo !== undefined) return;
    this.alarm(`this node's wall clock is out of line with the others': it fires nothing and hands over to ${better}`);
    this.raft.transfer(better, this.nowMs);
  }

  private take(waiting: Waiting): void {
    const { change } = waiting;
    try {
      if (change.kind === "transfer") this.transfer(waiting, change.to);
      else if (change.kind === "membership") this.change(waiting, change.request);
      else if (change.kind === "lower_clock") this.lower(waiting);
    } catch (error) {
      if (!(error instanceof PawlError)) throw error;
      waiting.answer(error);
    }
  }

  /** (S5) What the state allows is for apply to say. */
  private lower(waiting: Waiting): void {
    const toMs = this.clock.agreedWallMs();
    if (toMs === undefined) {
      throw new PawlError("conflict", "no majority of wall clocks is within 2 seconds of the leader's: correct them, then ask again");
    }
    if (this.isLowering) return this.proposals.putBack([waiting]);
    const entry = new ByteWriter(64);
    beginEntry(entry, { clockMs: this.clock.read().nowMs, elapsedMs: 0 });
    entry.raw(encodeCommand({ kind: "lowerClock", toMs }));
    const taken = this.raft.propose(entry.take(), this.nowMs);
    if ("refused" in taken) return this.proposals.putBack([waiting]);
    this.isLowering = true;
    this.proposals.proposed(taken.index, taken.term, [waiting], () => (this.isLowering = false));
  }

  private change(waiting: Waiting, request: MembershipRequest): void {
    const now = this.raft.membership().membership;
    // What is asked for may be so only here, or not any more (S4).
    this.propose(waiting, planRequest(now, request, this) ?? { ...now, voters: now.voters[0] ?? [] });
  }

  private propose(waiting: Waiting, target: Target): void {
    const taken = this.raft.changeMembership(target, this.nowMs);
    if (!("refused" in taken)) return this.proposals.proposed(taken.index, taken.term, [waiting], () => undefined);
    if (taken.refused === "invalid") throw new PawlError("unprocessable", "the members that are asked for cannot form a cluster");
    if (taken.refused === "change_pending") {
      throw new PawlError("change_pending", "another change of the members is under way; `pawl cluster status` shows it, ask again then");
    }
    this.proposals.putBack([waiting]);
  }

  /** To `to`, or to the voter that is furthest; answered as soon as it is on its way. */
  private transfer(waiting: Waiting, to: string | undefined): void {
    const { id, applied } = this.raft.status();
    if (to === id) return waiting.answer({ status: "changed", index: applied });
    const voters = new Set(this.raft.membership().membership.voters.flat());
    const able = this.peers.filter((peer) => voters.has(peer.id) && this.isHealthy(peer.id));
    if (to !== undefined && !voters.has(to))
      throw new PawlError("unknown_member", `${to} is not a voter; \`pawl cluster status\` lists them`);
    const best = able.filter((peer) => to === undefined || peer.id === to).sort((a, b) => b.match - a.match)[0];
    if (best === undefined) throw new PawlError("not_ready", `${to ?? "no other voter"} is not reachable now; leadership stays with ${id}`);
    this.raft.transfer(best.id, this.nowMs);
    waiting.answer({ status: "changed", index: applied });
  }
}
