// Owns: the simulated network: delay, loss, late copies, reordering, and for each direction of each pair of nodes a link that can be
// cut, slow or clogged. Frames are handed over as they are: what they hold is never changed after it was sent.
// (L1) Who is linked goes by what each node takes for the members, as in src/net (links.ts N4, identity.ts I3): frames go to members and
//      to guests, and are taken from members and from those that go by a newer membership.

import type { World } from "./world.ts";

/** `sentMs`: when the frame left. */
export type Deliver = (from: string, message: readonly unknown[], sentMs: number) => void;

export type Weather = {
  delayMs: number;
  lossRate: number;
  /** Some copies come at once, some `lateMs` later. */
  duplicateRate: number;
  lateMs: number;
  /** Frames that do not keep to the order of their link. */
  reorderRate: number;
  slowRate: number;
  slowMs: number;
};

export const calm: Weather = { delayMs: 0.3, lossRate: 0, duplicateRate: 0, lateMs: 0, reorderRate: 0, slowRate: 0, slowMs: 0 };

/** One direction between two nodes. */
export class Link {
  /** What would arrive before this time is lost. */
  cutUntilMs = 0;
  /** Added to every frame. */
  slowMs = 0;
  /** What is sent before this time arrives after it. */
  clogUntilMs = 0;
  readonly newestMs: Record<string, number> = {};
}

/** Whom a node takes for members, by the entry at `index`. */
type Circle = { readonly index: number; readonly members: ReadonlySet<string> };

/** What a joining node goes by. */
const nobody: Circle = { index: -1, members: new Set() };

export class Network {
  weather: Weather = calm;
  /** Of frames: sent, and what became of some. */
  readonly counts = { sent: 0, lost: 0, doubled: 0, late: 0, reordered: 0, slow: 0, cut: 0, refused: 0 };
  private readonly world: World;
  private readonly receivers = new Map<string, Deliver>();
  private readonly links = new Map<string, Map<string, Link>>();
  private readonly circles = new Map<string, Circle>();

  constructor(world: World) {
    this.world = world;
  }

  attach(node: string, deliver: Deliver): void {
    this.receivers.set(node, deliver);
  }

  detach(node: string): void {
    this.receivers.delete(node);
  }

  link(from: string, to: string): Link {
    let leaving = this.links.get(from);
    if (leaving === undefined) this.links.set(from, (leaving = new Map<string, Link>()));
    let link = leaving.get(to);
    if (link === undefined) leaving.set(to, (link = new Link()));
    return link;
  }

  /** The node goes by these members from now on. Returns whom it is linked with no longer. */
  goBy(node: string, index: number, members: readonly string[]): string[] {
    const before = [...this.receivers.keys()].filter((other) => this.linked(node, other) || this.linked(other, node));
    this.circles.set(node, members.length === 0 ? nobody : { index, members: new Set(members) });
    return before.filter((other) => other !== node && !this.linked(node, other));
  }

  /** (L1) */
  private linked(from: string, to: string): boolean {
    const own = this.circles.get(from) ?? nobody;
    const other = this.circles.get(to) ?? nobody;
    const believes = other.members.has(from) || own.index > other.index;
    return believes && (own.members.has(to) || (other.index > own.index && other.members.has(from)));
  }

  /** All links are as new, and the weather is calm. */
  heal(): void {
    this.weather = calm;
    for (const leaving of this.links.values()) {
      for (const link of leaving.values()) Object.assign(link, { cutUntilMs: 0, slowMs: 0, clogUntilMs: 0 });
    }
  }

  send(from: string, to: string, lane: string, message: readonly unknown[]): boolean {
    const { world, weather, counts } = this;
    if (!this.receivers.has(to) || !this.linked(from, to)) return false;
    counts.sent++;
    if (weather.lossRate > 0 && world.chance(weather.lossRate)) {
      counts.lost++;
      return true;
    }
    const link = this.link(from, to);
    this.carry(link, from, to, lane, message, 0);
    if (weather.duplicateRate > 0 && world.chance(weather.duplicateRate)) {
      counts.doubled++;
      this.carry(link, from, to, lane, message, world.chance(0.3) ? world.between(0, weather.lateMs) : 0);
    }
    return true;
  }

  private carry(link: Link, from: string, to: string, lane: string, message: readonly unknown[], lateMs: number): void {
    const { world, weather, counts } = this;
    const sentMs = world.nowMs;
    let atMs = Math.max(sentMs, link.clogUntilMs) + weather.delayMs * (0.5 + world.random()) + link.slowMs;
    if (weather.slowRate > 0 && world.chance(weather.slowRate)) {
      counts.slow++;
      atMs += world.between(0, weather.slowMs);
    }
    if (lateMs > 0) {
      counts.late++;
      atMs += lateMs;
    } else if (weather.reorderRate > 0 && world.chance(weather.reorderRate)) {
      counts.reordered++;
    } else {
      atMs = Math.max(atMs, link.newestMs[lane] ?? 0);
      link.newestMs[lane] = atMs;
    }
    world.at(atMs - sentMs, () => this.arrive(link, from, to, message, sentMs));
  }

  private arrive(link: Link, from: string, to: string, message: readonly unknown[], sentMs: number): void {
    if (this.world.nowMs < link.cutUntilMs) this.counts.cut++;
    else if (!this.linked(from, to)) this.counts.refused++;
    else this.receivers.get(to)?.(from, message, sentMs);
  }
}
