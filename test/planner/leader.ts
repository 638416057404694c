// Owns: a leader under test: the real planner over a machine, whose entries the test applies or loses.

import { applyPlan, applyResults } from "../../src/jobs/applyitems.ts";
import { limits } from "../../src/limits.ts";
import { Planner } from "../../src/planner/planner.ts";
import type { Planned } from "../../src/planner/planner.ts";
import { ScheduleBook } from "../../src/planner/schedulebook.ts";
import { Machine } from "../jobs/machine.ts";

export class Leader {
  readonly machine: Machine;
  monotonicMs = 0;
  private planner: Planner | undefined;

  constructor(machine = new Machine()) {
    this.machine = machine;
  }

  elect(): void {
    const { state, wheel } = this.machine;
    this.planner = new Planner(state, wheel, new ScheduleBook(state), this.monotonicMs, () => true, () => 0.5);
  }

  /** For an entry that begins with these results. */
  plan(results?: Uint8Array, most = limits.entryItemsMax as number): Planned | undefined {
    if (!this.planner) this.elect();
    while (this.machine.wheel.advance(this.machine.clockMs));
    return this.planner?.plan(this.machine.clockMs, this.monotonicMs, most, results);
  }

  /** The entry is applied. */
  apply(planned: Planned | undefined, results?: Uint8Array): void {
    const { machine } = this;
    machine.entry([]);
    if (results) applyResults(machine.state, results);
    if (planned?.timeouts) applyResults(machine.state, planned.timeouts);
    if (planned?.plan) applyPlan(machine.state, planned.plan);
    if (planned) this.planner?.settled(planned);
  }

  lose(planned: Planned | undefined): void {
    if (planned) this.planner?.settled(planned);
  }

  pass(ms: number): void {
    this.machine.clockMs += ms;
    this.monotonicMs += ms;
  }

  /** Plans and applies until there is nothing to do, as often as `most`. */
  settle(most = 1000): number {
    for (let entries = 0; entries < most; entries++) {
      const planned = this.plan();
      if (!planned) return entries;
      this.apply(planned);
    }
    throw new Error("the planner finds no end");
  }
}
