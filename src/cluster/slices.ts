// Owns: how much of a turn of the loop reads may take: one share for all of them together, however many are asked at once, and so much
// in all for each. What they read is the business of queries.ts and its neighbours.
// (S1) A read is a row of short steps. They take turns step by step, so that a short read waits for one step of each long one and not for
//      its end. When the share is used up the rest goes on in the next turn, behind what the core has to do.
// (S2) A read that has used up its own share is ended before it is done: its page is shorter and its cursor goes on from there. At least
//      one step of it was taken, so that whoever follows the cursors comes to an end.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";

/** Does a little, some tens of microseconds; true when nothing is left to do. */
export type Step = () => boolean;

type Task = {
  readonly read: Read;
  readonly step: Step;
  readonly resolve: (isDone: boolean) => void;
  readonly reject: (error: unknown) => void;
};

export class Slices {
  private readonly system: Pick<System, "monotonicMs" | "soon">;
  private readonly tasks: Task[] = [];
  /** Whether reads had a share of this turn already, and until when it lasts. */
  private hasTurn = false;
  private untilMs = 0;

  constructor(system: Pick<System, "monotonicMs" | "soon">) {
    this.system = system;
  }

  begin(): Read {
    return new Read(this);
  }

  /** As Read.run. */
  run(read: Read, step: Step): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.tasks.length >= limits.readsAtOnceMax) return reject(tooMany());
      this.tasks.push({ read, step, resolve, reject });
      if (!this.hasTurn) this.beginTurn();
      else if (this.tasks.length === 1) this.goOn();
    });
  }

  private beginTurn(): void {
    this.hasTurn = true;
    this.untilMs = this.system.monotonicMs() + limits.readSliceMs;
    this.goOn();
    this.system.soon(() => {
      this.hasTurn = false;
      if (this.tasks.length > 0) this.beginTurn();
    });
  }

  private goOn(): void {
    let nowMs = this.system.monotonicMs();
    while (nowMs < this.untilMs) {
      const task = this.tasks.shift();
      if (task === undefined) return;
      const beganMs = nowMs;
      const isDone = taken(task);
      nowMs = this.system.monotonicMs();
      task.read.leftMs -= nowMs - beganMs;
      if (isDone || task.read.leftMs <= 0) task.resolve(isDone);
      else this.tasks.push(task);
    }
  }
}

function tooMany(): PawlError {
  return new PawlError("overloaded", `${limits.readsAtOnceMax} reads wait on this node; ask again in a moment, or another one`);
}

/** One answer in the making. */
export class Read {
  /** What is left of its share (S2). */
  leftMs: number = limits.readSpendMs;
  private readonly slices: Slices;

  constructor(slices: Slices) {
    this.slices = slices;
  }

  /** Takes steps until one is the last; false when the share was used up before that (S2). */
  run(step: Step): Promise<boolean> {
    return this.slices.run(this, step);
  }
}

/** A step that throws is the last one, and its read's failure alone. */
function taken({ step, reject }: Task): boolean {
  try {
    return step();
  } catch (error) {
    reject(error);
    return true;
  }
}
