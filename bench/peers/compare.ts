// Owns: which sides there are on this machine, and a run of some works over some of them, one after the other.
// (C1) Nothing that was started outlives a run, however it ends: stop() ends what is there and what is just being started.

import { packagesAreThere } from "./packages.ts";
import { pawl } from "./pawl.ts";
import { peers } from "./peers.ts";
import { peerSide } from "./peerside.ts";
import type { Server, Side } from "./side.ts";
import { debianPackages, storeVersion } from "./stores.ts";
import { type Figure, type Sizes, works } from "./works.ts";

export const ownSides: readonly Side[] = [pawl(1), pawl(3)];

export type Sides = { readonly sides: readonly Side[]; readonly missing: readonly string[] };

/** Pawl, and the peers that can be run here; of the others one sentence each, with what they lack. */
export function sidesHere(): Sides {
  const sides = [...ownSides];
  const missing: string[] = [];
  for (const make of peers) {
    const peer = make();
    const lacks = [
      ...(storeVersion(peer.store) === undefined ? [`Debian's ${debianPackages[peer.store]}`] : []),
      ...(packagesAreThere() ? [] : ["the packages of bench/peers/package.json"]),
    ];
    if (lacks.length === 0) sides.push(peerSide(peer));
    else missing.push(`${peer.facts.name} is left out: ${lacks.join(" and ")} ${lacks.length > 1 ? "are" : "is"} not installed here.`);
  }
  return { sides, missing };
}

export class Comparison {
  private readonly running = new Set<Promise<Server>>();
  private readonly sizes: Sizes;

  constructor(sizes: Sizes) {
    this.sizes = sizes;
  }

  async run(side: Side, work: string): Promise<Figure[]> {
    const measure = works[work];
    if (measure === undefined) throw new Error(`no work is called ${work}`);
    const starting = side.start();
    this.running.add(starting);
    try {
      const server = await starting;
      const figures = await measure(server, side, this.sizes);
      return figures.map((each) => ({ of: side.facts.name, ...each }));
    } finally {
      await this.end(starting);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.running].map((each) => this.end(each)));
  }

  private async end(starting: Promise<Server>): Promise<void> {
    if (!this.running.delete(starting)) return;
    const server = await starting.catch(() => undefined);
    await server?.stop();
  }
}
