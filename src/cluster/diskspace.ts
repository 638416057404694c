// Owns: whether disks are nearly full, and which changes are refused then. LevelDB does not recover from a full disk, so the last of it is
// kept for what must go on: what is due is fired, results are written, jobs are cancelled, leaders are elected.
// (S1) A node refuses growth from its callers while its own disk is low; a leader refuses it also from other nodes, while its own disk is
//      low or those that are not make no majority. What is refused was put into no entry.
// (S2) It ends by itself when space has been freed, a good deal above where it began, so that it does not flicker.

import { messageOf, PawlError } from "../base/errors.ts";
import type { Change } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Membership } from "../raft/types.ts";
import type { System, Timer } from "../system.ts";

/** What makes a cluster larger than it was: to be said of every change. To pause and to cancel are ways out. */
const grows: Readonly<Record<Change["kind"], boolean>> = {
  create: true, create_many: true, update: true, trigger: true,
  cancel: false, pause: false, resume: false, cancel_execution: false, confirm_clock: false, lower_clock: false,
};
const growth: ReadonlySet<string> = new Set(Object.entries(grows).flatMap(([kind, isGrowth]) => (isGrowth ? [kind] : [])));

export type DiskSpaceParts = {
  readonly self: string;
  readonly system: System;
  readonly freeBytes: () => Promise<number>;
  readonly membership: () => Pick<Membership, "voters">;
  readonly alarm: (message: string) => void;
};

export class DiskSpace {
  /** As last seen. */
  freeBytes = Number.POSITIVE_INFINITY;
  isLow = false;
  private readonly parts: DiskSpaceParts;
  private readonly told = new Map<string, { readonly isLow: boolean; readonly atMs: number }>();
  private timer: Timer | undefined;
  private stopped = false;

  constructor(parts: DiskSpaceParts) {
    this.parts = parts;
  }

  /** Looks now, and from then on again and again. */
  async watch(): Promise<void> {
    try {
      this.seen(await this.parts.freeBytes());
    } catch (error) {
      this.parts.alarm(`free space on the disk cannot be told: ${messageOf(error)}`);
    }
    if (!this.stopped) this.timer = this.parts.system.after(limits.diskCheckMs, () => void this.watch());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private seen(freeBytes: number): void {
    this.freeBytes = freeBytes;
    const wasLow = this.isLow;
    this.isLow = freeBytes < (wasLow ? limits.diskReserveEndBytes : limits.diskReserveBytes);
    if (this.isLow === wasLow) return;
    const mib = Math.floor(freeBytes / (1 << 20));
    const now = this.isLow ? "nearly full: new jobs, updates and triggers are refused until space is freed" : "no longer nearly full";
    this.parts.alarm(`the disk is ${now} (${mib} MiB free)`);
  }

  /** What another node says of its disk, with each beat to its leader. */
  heard(node: string, isLow: boolean): void {
    this.told.set(node, { isLow, atMs: this.parts.system.monotonicMs() });
  }

  /** Why a change is refused now (S1). Only a leader hears of others' disks. */
  refusal(change: { readonly kind: string }): PawlError | undefined {
    if (!growth.has(change.kind)) return undefined;
    if (this.isLow) return full(`the disk of node ${this.parts.self} is nearly full`);
    const short = this.parts.membership().voters.some((set) => set.filter((id) => this.isShort(id)).length * 2 >= set.length);
    return short ? full("the disks of so many nodes are nearly full that the others make no majority") : undefined;
  }

  private isShort(id: string): boolean {
    const told = this.told.get(id);
    return told !== undefined && told.isLow && this.parts.system.monotonicMs() - told.atMs < limits.diskToldMaxMs;
  }
}

function full(why: string): PawlError {
  return new PawlError("disk_full", `${why}: free space or cancel jobs; it is looked at again every few seconds`);
}
