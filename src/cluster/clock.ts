// Owns: which time the leader may propose. Wall clocks decide when a job is due and nothing else; one wrong clock must not move the
// replicated one (H13).
// (T1) The leader's time goes on with its monotonic clock from the newest entry; further ahead only when a majority of wall clocks
//      agree with its own.
// (T2) While they do not, nothing is fired and no due time is computed; nor while its own clock is far from the median of all, behind
//      it as well as ahead, and another node could do better: until that one leads, jobs would be late by as much.

import type { System } from "../system.ts";
import { limits } from "../limits.ts";
import { offsetsOf, SkewAlarm } from "./skew.ts";

export type Reading = { readonly nowMs: number; readonly trusted: boolean };

/** A node's wall clock, as heard at a monotonic time of this node: it is projected from there, so that a step of the own clock shows. */
type Sample = { readonly wallMs: number; readonly atMs: number };

export class TrustedClock {
  private readonly system: System;
  private readonly self: string;
  private others: readonly string[] = [];
  private quorum = 1;
  private baseMs = 0;
  private baseMonotonicMs = 0;
  private confirmed = false;
  private readonly samples = new Map<string, Sample>();

  private readonly skew: SkewAlarm;
  /** Until when this node's clock counts as far from the others'. */
  private farUntilMs = Number.NEGATIVE_INFINITY;

  constructor(system: System, self: string, alarm: (message: string) => void) {
    this.system = system;
    this.self = self;
    this.skew = new SkewAlarm(alarm);
  }

  /** Whose clocks count from now on. */
  setVoters(voters: readonly string[]): void {
    this.others = voters.filter((id) => id !== this.self);
    this.quorum = Math.floor(voters.length / 2) + 1;
  }

  /**
   * An entry with this clock was applied; it was made at `monotonicMs` of this node, or just now if by another. After it the replicated
   * clock shows `replicatedMs`: less, if the entry set it back.
   */
  applied(clockMs: number, monotonicMs: number, replicatedMs = clockMs): void {
    this.confirmed = false;
    if (clockMs < this.baseMs && replicatedMs >= clockMs) return;
    this.baseMs = Math.min(clockMs, replicatedMs);
    this.baseMonotonicMs = monotonicMs;
  }

  /** What this node's wall clock shows, if a majority of all agrees with it; undefined if not. */
  agreedWallMs(): number | undefined {
    const wallMs = Math.floor(this.system.wallMs());
    return this.agreed(this.system.monotonicMs(), wallMs) ? wallMs : undefined;
  }

  heard(node: string, wallMs: number): void {
    const nowMs = this.system.monotonicMs();
    this.samples.set(node, { wallMs, atMs: nowMs });
    const offsets = offsetsOf(this.walls(nowMs).set(this.self, this.system.wallMs()));
    this.skew.look(offsets, nowMs);
    const isFar = Math.abs(offsets.get(this.self) ?? 0) > limits.clockSkewMaxMs && this.better() !== undefined;
    this.farUntilMs = isFar ? nowMs + limits.clockSampleMaxMs : Number.NEGATIVE_INFINITY;
  }

  /** An operator says that this node's wall clock is right, however far it is ahead: now, not for ever; the next entry ends it. */
  confirm(): void {
    this.confirmed = true;
  }

  read(): Reading {
    const wallMs = Math.floor(this.system.wallMs());
    const nowMs = this.system.monotonicMs();
    // A cluster whose clock was never set has no time to go on from.
    const allowedMs = this.baseMs === 0 ? 0 : Math.floor(this.baseMs + (nowMs - this.baseMonotonicMs));
    if (wallMs <= allowedMs) return { nowMs: Math.max(wallMs, this.baseMs), trusted: nowMs >= this.farUntilMs };
    if (this.agreed(nowMs, wallMs) && (this.baseMs === 0 || this.confirmed || wallMs - allowedMs <= limits.clockMaxGapMs)) {
      return { nowMs: wallMs, trusted: true };
    }
    return { nowMs: allowedMs, trusted: this.baseMs > 0 && wallMs - allowedMs <= limits.clockAgreementMs };
  }

  private agreed(nowMs: number, wallMs: number): boolean {
    let agreeing = 1;
    for (const id of this.others) {
      const other = this.wallOf(id, nowMs);
      if (other !== undefined && Math.abs(other - wallMs) <= limits.clockAgreementMs) agreeing++;
    }
    return agreeing >= this.quorum;
  }

  /** What another node's wall clock shows now; undefined when it was not heard of late. */
  private wallOf(id: string, nowMs: number): number | undefined {
    const sample = this.samples.get(id);
    return sample && nowMs - sample.atMs < limits.clockSampleMaxMs ? sample.wallMs + (nowMs - sample.atMs) : undefined;
  }

  /** How far another node's wall clock is ahead of this one's; undefined when it was not heard of late. */
  skewMs(id: string): number | undefined {
    const wallMs = this.wallOf(id, this.system.monotonicMs());
    return wallMs === undefined ? undefined : Math.round(wallMs - this.system.wallMs());
  }

  /** The wall clocks of the other nodes that were heard of late. */
  private walls(nowMs: number): Map<string, number> {
    const walls = new Map<string, number>();
    for (const id of this.others) {
      const wallMs = this.wallOf(id, nowMs);
      if (wallMs !== undefined) walls.set(id, wallMs);
    }
    return walls;
  }

  /** Another node whose wall clock agrees with a majority, to hand leadership to; undefined when none is known. */
  better(): string | undefined {
    const walls = this.walls(this.system.monotonicMs());
    const near = (wallMs: number): number =>
      [...walls.values()].filter((other) => Math.abs(other - wallMs) <= limits.clockAgreementMs).length;
    return [...walls.keys()].find((id) => near(walls.get(id) as number) >= this.quorum);
  }
}
