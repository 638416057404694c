// A whole replica that is a cluster by itself, on a simulated clock and disk: nothing happens but what a test does.

import { Network } from "../sim/network.ts";
import { SimNode } from "../sim/node.ts";
import { World } from "../sim/world.ts";

const START_TURNS_MAX = 10_000;

export class Alone {
  readonly world = new World(1);
  readonly node: SimNode;
  /** What ended it. */
  error: Error | undefined;

  constructor() {
    const none = (): void => undefined;
    const fatal = (_: SimNode, error: Error): void => void (this.error = error);
    const hooks = { started: none, fatal, opened: none, sent: none, disk: none, role: none, fault: none, paused: none };
    const face = { failRate: 0, slowRate: 0, slowMs: 0, hangMs: 0 };
    this.node = new SimNode("a", ["a"], this.world, new Network(this.world), face, hooks);
  }

  static async leading(): Promise<Alone> {
    const alone = new Alone();
    await alone.node.start();
    await alone.pass(5_000);
    return alone;
  }

  /** The power goes and comes back; what follows from the start is for pass() to do. */
  async restart(): Promise<void> {
    this.node.crash();
    let isUp = false;
    const up = this.node.start().then(() => (isUp = true));
    for (let turns = 0; !isUp && turns < START_TURNS_MAX; turns++) {
      this.world.step(this.world.nowMs + 1);
      this.world.promised();
      await this.world.settle();
    }
    await up;
  }

  async pass(byMs: number): Promise<void> {
    const untilMs = this.world.nowMs + byMs;
    while (this.world.nowMs < untilMs && this.error === undefined) {
      this.world.step(untilMs);
      if (this.world.unsettled) await this.world.settle();
    }
  }

  get core(): NonNullable<SimNode["assembled"]> {
    return this.node.assembled as NonNullable<SimNode["assembled"]>;
  }
}
