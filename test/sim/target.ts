// Owns: the outside world that executions act upon: it sees every start of every incarnation of every node, and counts. Tokens are
// unique and rise from start to start of an execution (I2, invariant 16); an at_most_once execution reaches it once.

import type { StartSeen } from "./face.ts";
import { demand } from "./oracle.ts";

export class Target {
  readonly starts = new Map<number, StartSeen[]>();
  count = 0;
  private readonly tokens = new Set<number>();
  private readonly onceOnly: ReadonlySet<number>;

  constructor(onceOnly: ReadonlySet<number>) {
    this.onceOnly = onceOnly;
  }

  started(seen: StartSeen): void {
    const { sequence, token, node } = seen;
    this.count++;
    demand(!this.tokens.has(token), "I2", `token ${token} was started twice, now on ${node}`);
    this.tokens.add(token);
    const starts = this.starts.get(sequence);
    if (starts === undefined) return void this.starts.set(sequence, [seen]);
    const last = starts.at(-1) as StartSeen;
    const text = `execution ${sequence} reached the target with token ${token} on ${node} after ${last.token} on ${last.node}`;
    demand(last.token < token, "I2", text);
    demand(!this.onceOnly.has(sequence), "I2", `at_most_once execution ${sequence} was started again on ${node}`);
    starts.push(seen);
  }

  saw(sequence: number, token: number): boolean {
    return this.starts.get(sequence)?.some((start) => start.token === token) ?? false;
  }
}
