// Owns: worker processes that run seeds side by side, until there are none left or one has failed.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { Totals } from "./totals.ts";
import type { Order, Outcome } from "./worker.ts";

export type Failure = { readonly seed: number; readonly text: string };
export type Ran = { readonly totals: Totals; readonly failure: Failure | undefined };

/** `next` is asked for the next run, until it has none. */
export function runAll(workers: number, next: () => Order | undefined): Promise<Ran> {
  return new Promise((resolve) => void new Pool(workers, next, resolve));
}

class Pool {
  private readonly totals = new Totals();
  private readonly workers: ChildProcess[] = [];
  private readonly next: () => Order | undefined;
  private readonly end: (ran: Ran) => void;
  private busy = 0;
  private isOver = false;

  constructor(count: number, next: () => Order | undefined, end: (ran: Ran) => void) {
    this.next = next;
    this.end = end;
    for (let i = 0; i < count; i++) {
      const worker = fork(join(import.meta.dirname, "worker.ts"));
      this.workers.push(worker);
      worker.on("message", (outcome: Outcome) => this.done(worker, outcome));
      worker.on("exit", (code) => this.finish({ seed: -1, text: `a worker ended with ${code}` }));
      this.give(worker);
    }
  }

  private give(worker: ChildProcess): void {
    if (this.isOver) return;
    const order = this.next();
    if (order === undefined) {
      if (this.busy === 0) this.finish(undefined);
      return;
    }
    this.busy++;
    worker.send(order);
  }

  private done(worker: ChildProcess, { seed, result, failure }: Outcome): void {
    this.busy--;
    if (failure !== undefined) return this.finish({ seed, text: failure });
    if (result) this.totals.add(result);
    this.give(worker);
  }

  private finish(failure: Failure | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const worker of this.workers) worker.kill();
    this.end({ totals: this.totals, failure });
  }
}
