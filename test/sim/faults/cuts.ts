// Faults of links: cut in both directions or in one, between two nodes, around one, between halves, with one node that still sees
// both; flapping; slow; clogged; broken and made anew.

import type { SimNode } from "../node.ts";
import { recurring, target } from "./fault.ts";
import type { FaultClass, Field } from "./fault.ts";

function cut(field: Field, from: SimNode, to: SimNode, forMs: number): void {
  const link = field.network.link(from.id, to.id);
  link.cutUntilMs = Math.max(link.cutUntilMs, field.world.nowMs + forMs);
}

function drawnMs(field: Field): number {
  return field.world.pick([300, 2000, 6000, 14_000]) * field.world.random();
}

/** Cuts all links from one group to the other, and mostly those back. */
function split(field: Field, some: readonly SimNode[], others: readonly SimNode[], ways: "both" | "from" | "to", forMs: number): void {
  for (const a of some) {
    for (const b of others) {
      if (a === b) continue;
      if (ways !== "to") cut(field, a, b, forMs);
      if (ways !== "from") cut(field, b, a, forMs);
    }
  }
}

export function isolate(field: Field, node: SimNode, ways: "both" | "from" | "to", forMs: number): void {
  split(field, [node], field.nodes, ways, forMs);
}

export const partitions: FaultClass = {
  name: "partition",
  chance: 0.5,
  draw: (world) => {
    const gapMs = world.between(1500, 8000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const forMs = drawnMs(field);
          const mixed = [...field.nodes].sort(() => field.world.random() - 0.5);
          const half = mixed.slice(0, 1 + Math.floor(field.world.random() * (mixed.length - 1)));
          const rest = mixed.filter((node) => !half.includes(node));
          const dice = field.world.random();
          if (dice < 0.5) isolate(field, target(field), "both", forMs);
          else if (dice < 0.8) split(field, half, rest, "both", forMs);
          else split(field, half, rest.slice(1), "both", forMs);
          field.note(dice < 0.5 ? "isolated" : dice < 0.8 ? "halves" : "halves with a bridge");
        });
      },
    };
  },
};

export const oneWayCuts: FaultClass = {
  name: "one-way",
  chance: 0.4,
  draw: (world) => {
    const gapMs = world.between(1500, 8000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const node = target(field);
          if (field.world.chance(0.5)) isolate(field, node, field.world.pick(["from", "to"] as const), drawnMs(field));
          else cut(field, node, field.world.pick(field.nodes), drawnMs(field));
          field.note("one-way cut", node);
        });
      },
    };
  },
};

export const flapping: FaultClass = {
  name: "flapping",
  chance: 0.3,
  draw: (world) => {
    const gapMs = world.between(2000, 10_000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const [a, b] = [target(field), world.pick(field.nodes)];
          const periodMs = world.between(50, 1500);
          for (let i = 0; i < 6; i++) {
            world.at(i * periodMs, () => {
              if (!field.storming || a === b) return;
              cut(field, a, b, periodMs / 2);
              cut(field, b, a, periodMs / 2);
              if (world.chance(0.5)) field.reset(a, b);
            });
          }
          field.note("flapping link", a);
        });
      },
    };
  },
};

export const slowLinks: FaultClass = {
  name: "slow links",
  chance: 0.3,
  draw: (world) => {
    const gapMs = world.between(2000, 8000);
    return {
      begin: (field) => {
        recurring(field, gapMs, () => {
          const link = field.network.link(target(field).id, world.pick(field.nodes).id);
          if (world.chance(0.4)) {
            link.clogUntilMs = world.nowMs + world.between(100, 5000);
            field.note("clogged link");
          } else {
            link.slowMs = world.chance(0.3) ? 0 : world.between(10, 1500);
            field.note("slow link");
          }
        });
      },
    };
  },
};
