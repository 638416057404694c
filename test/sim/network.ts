// Owns: the simulated network: delay, loss, duplication, reordering, one-way cuts between nodes. Frames are handed over as they are:
// what they hold is never changed after it was sent.

import type { World } from "./world.ts";

export type Deliver = (from: string, message: readonly unknown[]) => void;

export type Weather = { lossRate: number; duplicateRate: number; reorderRate: number; delayMs: number; slowRate: number };

export const calm: Weather = { lossRate: 0, duplicateRate: 0, reorderRate: 0, delayMs: 0.3, slowRate: 0 };

export class Network {
  weather: Weather = calm;
  private readonly world: World;
  private readonly receivers = new Map<string, Deliver>();
  private readonly cuts = new Set<string>();
  private readonly newest = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
  }

  attach(node: string, deliver: Deliver): void {
    this.receivers.set(node, deliver);
  }

  detach(node: string): void {
    this.receivers.delete(node);
  }

  /** Nothing passes from one node to the other any more; the other direction is untouched. */
  cut(from: string, to: string): void {
    this.cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.cuts.clear();
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  send(from: string, to: string, lane: string, message: readonly unknown[]): boolean {
    const { world, weather } = this;
    if (!this.receivers.has(to)) return false;
    if (world.chance(weather.lossRate)) return true;
    const copies = world.chance(weather.duplicateRate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const slow = world.chance(weather.slowRate) ? world.between(50, 800) : 0;
      const link = `${from}>${to}/${lane}`;
      let atMs = world.nowMs + weather.delayMs * (0.5 + world.random()) + slow;
      if (!world.chance(weather.reorderRate)) atMs = Math.max(atMs, this.newest.get(link) ?? 0);
      this.newest.set(link, atMs);
      world.at(atMs - world.nowMs, () => this.arrive(from, to, message));
    }
    return true;
  }

  private arrive(from: string, to: string, message: readonly unknown[]): void {
    if (!this.isCut(from, to)) this.receivers.get(to)?.(from, message);
  }
}
